// The hosts file's contents (hosts(5)). c-ares reads it too, but always the system's and anew for each question; here its
// path can be chosen, and it is read when it has changed. Pure; NameResolver calls it.

/// Names and their addresses.
nonisolated struct HostsTable {
    private var addresses: [String: [SocketAddress]] = [:]

    /// A table without names.
    init() {}

    /// Reads lines of an address and its names; what follows a "#" and lines that make no sense are skipped.
    init(parsing bytes: [UInt8]) {
        for line in bytes.split(separator: UInt8(ascii: "\n")) {
            let words = line.prefix { $0 != UInt8(ascii: "#") }.split(whereSeparator: Self.isSpace)
            guard words.count > 1, let first = words.first,
                let address = SocketAddress(host: String(decoding: first, as: UTF8.self), port: 0)
            else { continue }
            for word in words.dropFirst() { add(address, as: word) }
        }
    }

    /// How many names there are.
    var count: Int { addresses.count }

    /// The addresses of a name, with port 0, in the file's order; empty when it is not there.
    subscript(name: HostName) -> [SocketAddress] { addresses[name.text] ?? [] }

    private mutating func add(_ address: SocketAddress, as name: ArraySlice<UInt8>) {
        let name = String(decoding: name.map(HostName.lowered), as: UTF8.self)
        if addresses[name]?.contains(address) == true { return }
        addresses[name, default: []].append(address)
    }

    private static func isSpace(_ byte: UInt8) -> Bool {
        byte == UInt8(ascii: " ") || byte == UInt8(ascii: "\t") || byte == UInt8(ascii: "\r")
    }
}
