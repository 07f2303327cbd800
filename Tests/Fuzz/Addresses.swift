// Addresses as people write them: reading and printing are each other's reverse, and what is read is what the C library reads.
import Glibc
import SporkNet

func checkAddresses(_ input: FuzzInput) {
    let written = text(input.bytes)
    if let host = SocketAddress(host: written, port: 1) {
        require(!written.utf8.contains(0), "a host with a zero byte")
        require(SocketAddress(host: host.host, port: 1) == host, "\(written) is \(host.host), which is something else")
    }
    guard let address = SocketAddress(written) else { return }
    let printed = address.description
    guard let again = SocketAddress(printed) else { return require(false, "\(printed) cannot be read") }
    require(again == address && again.description == printed, "\(written) is \(printed), which is \(again)")
    require(!written.utf8.contains(0), "an address with a zero byte")
    switch address {
    case .ipv4(let host, let port):
        let bare = written.hasPrefix("tcp:") ? String(written.dropFirst(4)) : written
        let parts = bare.split(separator: ":", omittingEmptySubsequences: false).map(String.init)
        require(parts.count <= 2 && parts.last.flatMap { Int($0) } == Int(port), "\(written) has the port \(port)")
        guard parts.count == 2, !["", "*", "localhost"].contains(parts[0]) else { return }
        let bytes = parts[0].split(separator: ".", omittingEmptySubsequences: false).map { UInt8($0) }
        require(bytes.count == 4 && bytes.reduce(0) { $0 << 8 | UInt32($1 ?? 0) } == host, "\(written) is \(printed)")
    case .ipv6(_, let port, _):
        require(
            written.contains("]:") && written.split(separator: ":").last.flatMap { Int($0) } == Int(port),
            "the port \(port)"
        )
    case .unix(let path):
        require(!path.isEmpty && path.utf8.count <= 107 && written == "unix:\(path)", "\(written) is \(printed)")
    case .abstract(let name):
        require(!name.isEmpty && name.utf8.count < 108 && written == "unix:@\(name)", "\(written) is \(printed)")
    }
    require(address.port.map { address.with(port: $0) } ?? address == address, "with its own port it is another one")
}
