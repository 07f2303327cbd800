// Addresses: what can be typed, and what is printed.
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
            "unix:" + String(repeating: "x", count: 108),
        ]
    )
    func refused(text: String) { #expect(SocketAddress(text) == nil) }

    @Test("errors name the operation, its object and the reason")
    func errors() {
        #expect(SystemError("bind", "127.0.0.1:80", number: 13).description == "bind 127.0.0.1:80: permission denied")
        #expect(SystemError("pipe", number: 24).description == "pipe: too many open files")
    }
}
