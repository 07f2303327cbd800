// Addresses: what can be typed, and what is printed.
import Glibc
import SporkNet
import Testing

@Suite struct SocketAddressTests {
    @Test(
        "text forms and how they print",
        arguments: [
            ("127.0.0.1:8000", "127.0.0.1:8000"), ("0.0.0.0:0", "0.0.0.0:0"),
            ("255.255.255.255:65535", "255.255.255.255:65535"),
            ("[::1]:8000", "[::1]:8000"), ("[2001:db8::2]:80", "[2001:db8::2]:80"), ("[::]:0", "[::]:0"),
            ("localhost:80", "127.0.0.1:80"), (":80", "0.0.0.0:80"), ("*:80", "0.0.0.0:80"), ("80", "127.0.0.1:80"),
            ("unix:/tmp/a b.sock", "unix:/tmp/a b.sock"), ("unix:relative", "unix:relative"),
            ("unix:@name", "unix:@name"), ("tcp:127.0.0.1:8000", "127.0.0.1:8000"), ("tcp:[::1]:8000", "[::1]:8000"),
            ("[fe80::1%lo]:80", "[fe80::1%lo]:80"), ("[fe80::1%1]:80", "[fe80::1%lo]:80"),
            ("[fe80::1%4000000]:80", "[fe80::1%4000000]:80"),
        ]
    )
    func accepted(text: String, printed: String) {
        #expect(SocketAddress(text)?.description == printed)
        #expect(SocketAddress(printed) == SocketAddress(text))
    }

    @Test(
        "what is no address",
        arguments: [
            "", ":", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:-1", "127.0.0.1:+1", "127.0.0.1: 80",
            "127.0.0.1:8o",
            "256.0.0.1:80", "127.1:80", "::1:80", "[::1]", "[::1:80", "[::g]:80", "unix:", "example.org:80",
            "http://127.0.0.1:80",
            "unix:" + String(repeating: "x", count: 108), "unix:@", "[fe80::1%]:80", "[fe80::1%no such interface]:80",
            "[fe80::1%0]:80", "tcp:", "tcp:unix:/a", "[::1%lo%lo]:80", "127.0.0.1\0x:80", "[::1\0x]:80",
            "[fe80::1%lo\0x]:80", "unix:/a\0b",
        ]
    )
    func refused(text: String) { #expect(SocketAddress(text) == nil) }

    @Test(
        "what the kernel is given comes back the same",
        arguments: ["127.0.0.1:8000", "[2001:db8::2]:80", "[fe80::1%lo]:80", "unix:/tmp/a.sock", "unix:@name"]
    )
    func kernelForm(text: String) throws {
        let address = try #require(SocketAddress(text))
        let again = address.withSystemAddress { system, length in
            SocketAddress(system: UnsafeRawBufferPointer(start: system, count: Int(length)))
        }
        #expect(again == address)
    }

    @Test("a path that is too long, or goes on behind a zero, is no address to the kernel")
    func impossiblePaths() {
        for path in [String(repeating: "x", count: 108), String(repeating: "x", count: 5000), "/tmp/a\0b"] {
            #expect(throws: SystemError("bind", "unix:\(path)", number: EINVAL)) { _ = try Listener(.unix(path)) }
        }
    }

    @Test("a host alone, with its port beside it")
    func hosts() {
        #expect(SocketAddress(host: "::1", port: 80)?.description == "[::1]:80")
        #expect(SocketAddress(host: "10.0.0.1", port: 80)?.description == "10.0.0.1:80")
        #expect(SocketAddress(host: "example.org", port: 80) == nil)
        #expect(SocketAddress(host: "10.0.0.1\0x", port: 80) == nil)
        #expect(SocketAddress(host: "fe80::1%lo", port: 80)?.host == "fe80::1%lo")
    }

    @Test("errors name the operation, its object and the reason")
    func errors() {
        #expect(SystemError("bind", "127.0.0.1:80", number: 13).description == "bind 127.0.0.1:80: permission denied")
        #expect(SystemError("pipe", number: 24).description == "pipe: too many open files")
    }
}
