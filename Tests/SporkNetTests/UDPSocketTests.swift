// UDP on loopback: sending, receiving, being connected, errors, time limits, closing, cancelling.
import Glibc
import SporkLoop
import SporkNet
import SporkTasks
import Testing

private let loopback = SocketAddress.loopback(port: 0)

/// Receives into memory of so many bytes, and gives them as an array.
private func receive(from socket: DatagramSocket, room: Int) async throws -> (ReceivedDatagram, [UInt8]) {
    let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: room, alignment: 1)
    defer { memory.deallocate() }
    let received = try await socket.receive(into: memory)
    return (received, Array(memory[..<received.count]))
}

@Suite struct UDPSocketTests {
    @Test("datagrams arrive whole, empty ones too, with their sender; one that does not fit is told")
    func sendAndReceive() async {
        await #expect(processExitsWith: .success) {
            try EventLoop.run {
                for text in ["127.0.0.1:0", "[::1]:0"] {
                    let server = try UDPSocket(text)
                    let client = try UDPSocket(text)
                    let (there, here) = (try #require(server.localAddress), try #require(client.localAddress))
                    try await client.send("anyone there?", to: there)
                    try await client.send([], to: there)
                    try await client.send([UInt8](repeating: 7, count: 60000), to: there)
                    let first = try await server.receive()
                    #expect(first.message == Array("anyone there?".utf8) && first.from == here)
                    let second = try await server.receive()
                    #expect(second.message.isEmpty && second.from == here)
                    let third = try await server.receive()
                    #expect(third.message == [UInt8](repeating: 7, count: 60000))
                    // An answer to whoever asked.
                    try await server.send("yes", to: first.from)
                    let (received, bytes) = try await receive(from: client, room: 2)
                    #expect(bytes == Array("ye".utf8) && received.length == 3 && received.isTruncated)
                    #expect(received.sender == there)
                    let nothing = try client.tryReceive()
                    #expect(nothing == nil)
                }
            }
            exit(0)
        }
    }

    @Test("a connected socket needs no address, hears from nobody else, and is told that nobody is there")
    func connected() async {
        await #expect(processExitsWith: .success) {
            try EventLoop.run {
                let server = try UDPSocket(loopback)
                let there = try #require(server.localAddress)
                let client = try UDPSocket.connected(to: there)
                client.readTimeout = .seconds(5)
                #expect(client.peerAddress == there)
                try await client.send("one")
                let (_, here) = try await server.receive()
                #expect(here == client.localAddress)
                let stranger = try UDPSocket(loopback)
                try await stranger.send("ignored", to: here)
                try await server.send("heard", to: here)
                let (heard, sender) = try await client.receive()
                #expect(heard == Array("heard".utf8) && sender == there)

                server.close()
                try await client.send("is anybody there?")
                let refused = await message { try await client.receive() }
                #expect(refused == "receive from \(there): connection refused")
                try await client.send("still not?")
                let again = await message { try await client.send("and now?") }
                #expect(again == "send to \(there): connection refused")

                try client.disconnect()
                try await client.send("to somebody else", to: stranger.localAddress)
                let (_, from) = try await stranger.receive()
                try await stranger.send("now heard", to: from)
                let (late, _) = try await client.receive()
                #expect(late == Array("now heard".utf8))
                #expect(client.peerAddress == nil)
            }
            exit(0)
        }
    }

    @Test("errors name what was attempted on which address")
    func errors() async {
        await #expect(processExitsWith: .success) {
            try EventLoop.run {
                let socket = try UDPSocket(loopback)
                let here = try #require(socket.localAddress)
                let port = try #require(here.port)
                let long = await message { try await socket.send([UInt8](repeating: 0, count: 65508), to: here) }
                #expect(long == "send to \(here): message too long")
                let nowhere = await message { try await socket.send("x") }
                #expect(nowhere == "send on \(here): destination address required")
                let family = await message { try await socket.send("x", to: SocketAddress("[::1]:9")) }
                #expect(family == "send to [::1]:9: address family not supported by protocol")
                let text = await message { try await socket.send("x", to: "nonsense:port") }
                #expect(text == "send to nonsense:port: not an address")
                let taken = await message { try UDPSocket(here) }
                #expect(taken == "bind \(here): address already in use")
                let unknown = await message { try UDPSocket("999.0.0.1:1") }
                #expect(unknown == "bind 999.0.0.1:1: invalid argument")
                let unix = await message { try UDPSocket("unix:/x") }
                #expect(unix == "bind UDP to unix:/x: address family not supported by protocol")
                for address in ["255.255.255.255", "127.255.255.255"] {
                    let refused = await message { try await socket.send("x", to: "\(address):\(port)") }
                    #expect(
                        refused
                            == "send to \(address):\(port): a broadcast address, and the socket was made without options: .broadcast"
                    )
                }
                let connecting = await message { try socket.connect(to: .ipv4(0x7FFF_FFFF, port: 9)) }
                #expect(connecting.hasPrefix("connect 127.255.255.255:9: a broadcast address"))
                socket.close()
                socket.close()
                let closed = await message { try await socket.send("x", to: here) }
                #expect(closed == "send to \(here): the socket is closed")
                let reading = await message { try await socket.receive() }
                #expect(reading == "receive on a closed socket: the socket is closed")
                let option = await message { try socket.setTimeToLive(5) }
                #expect(option == "set the time to live of a closed socket: bad file descriptor")
            }
            exit(0)
        }
    }

    @Test("time limits, cancelling and closing end a wait, and the socket goes on where it is open")
    func ends() async {
        await #expect(processExitsWith: .success) {
            try EventLoop.run {
                let socket = try UDPSocket(loopback)
                let here = try #require(socket.localAddress)
                socket.readTimeout = .milliseconds(5)
                let late = await message { try await socket.receive() }
                #expect(late == "receive on \(here): timed out")
                socket.readTimeout = .zero
                let blocked = await message { try await socket.receive() }
                #expect(blocked == "receive on \(here): would block")
                socket.readTimeout = nil
                let nothing = try await giveUp(after: .milliseconds(5)) { try await socket.receive().message }
                #expect(nothing == nil)
                try await socket.send("mine", to: here)
                let (mine, _) = try await socket.receive()
                #expect(mine == Array("mine".utf8))

                let reader = spawn { try await socket.receive().message }
                let sequence = spawn {
                    let other = try UDPSocket(loopback)
                    spawn { other.close() }
                    var count = 0
                    for try await _ in other.datagrams { count += 1 }
                    return count
                }
                let none = try await sequence.value
                #expect(none == 0)
                socket.close()
                let closed = await message { try await reader.value }
                #expect(closed == "receive on a closed socket: the socket is closed")
            }
            exit(0)
        }
    }

    @Test("whoever reads a flood of datagrams lets others run")
    func flood() async {
        await #expect(processExitsWith: .success) {
            try EventLoop.run {
                let socket = try UDPSocket(loopback)
                let here = try #require(socket.localAddress)
                try await socket.send("again", to: here)
                spawn { socket.close() }
                var count = 0
                for try await (message, from) in socket.datagrams {
                    count += 1
                    try await socket.send(message, to: from)
                }
                #expect((1...64).contains(count))
            }
            exit(0)
        }
    }

    @Test("two coroutines that receive from one socket are a programming error, not a hang")
    func twoReceivers() async {
        await #expect(processExitsWith: .failure) {
            try EventLoop.run {
                let socket = try UDPSocket(loopback)
                spawn { try await socket.receive().message }
                spawn { try await socket.receive().message }
                try await sleep(for: .seconds(5))
            }
            exit(0)
        }
    }

    @Test("options reach the kernel; sockets that share a port each get a broadcast")
    func options() async {
        await #expect(processExitsWith: .success) {
            try EventLoop.run {
                for options in [UDPSocket.Options.reuseAddress, .reusePort] {
                    let first = try UDPSocket("0.0.0.0:0", options: options)
                    let second = try UDPSocket(try #require(first.localAddress), options: options)
                    let port = try #require(first.localAddress?.port)
                    try first.set(.receiveBuffer, to: 100_000)
                    let buffer = try first.get(.receiveBuffer)
                    #expect(buffer == 200_000)
                    try first.setTimeToLive(3)
                    let sender = try UDPSocket(options: .broadcast)
                    try await sender.send("to all", to: "127.255.255.255:\(port)")
                    for socket in [first, second] {
                        socket.readTimeout = .seconds(5)
                        let (heard, _) = try await socket.receive()
                        #expect(heard == Array("to all".utf8))
                    }
                    first.close()
                    second.close()
                }
                let odd = await message { try UDPSocket().setTimeToLive(256) }
                #expect(odd == "set the time to live of 0.0.0.0:0: invalid argument")
            }
            exit(0)
        }
    }

    @Test("sockets that come and go, fail and are forgotten leave no descriptor open")
    func leaks() async {
        await #expect(processExitsWith: .success) {
            try EventLoop.run {
                let held = try UDPSocket(loopback)
                let here = try #require(held.localAddress)
                let before = openDescriptors(to: "socket:")
                for _ in 0..<20 {
                    _ = try? UDPSocket(here)
                    _ = try UDPSocket(family: .ipv6)
                    _ = try? UDPSocket.connected(to: .ipv4(.max, port: 9))
                    let sender = try UDPSocket(options: .broadcast)
                    sender.readTimeout = .milliseconds(1)
                    _ = try? await sender.receive()
                    try await sender.send("x", to: "127.255.255.255:9")
                    _ = try UnixDatagramSocket.pair()
                    _ = try? UnixDatagramSocket("unix:/nonexistent/socket")
                    _ = try? UnixDatagramSocket("unix:/dev/null")
                }
                #expect(openDescriptors(to: "socket:") == before)
            }
            exit(0)
        }
    }
}
