// The limit on broadcasts and multicasts, batches, and multicast groups on the loopback interface.
import Glibc
import SporkLoop
import SporkTasks
import Testing

@testable import SporkNet

private func receiver() throws -> (UDPSocket, SocketAddress) {
    let socket = try UDPSocket("0.0.0.0:0")
    socket.readTimeout = .seconds(5)
    return (socket, .ipv4(0x7FFF_FFFF, port: try #require(socket.localAddress?.port)))
}

/// Whether somebody is a member of ff01::123 on the loopback interface.
private nonisolated func isMember() -> Bool {
    guard let file = fopen("/proc/net/igmp6", "r") else { return false }
    defer { fclose(file) }
    var line = [CChar](repeating: 0, count: 200)
    while fgets(&line, Int32(line.count), file) != nil {
        let words = String(decoding: line.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self).split(
            separator: " "
        )
        if words.contains("lo"), words.contains("ff010000000000000000000000000123") { return true }
    }
    return false
}

@Suite struct BroadcastTests {
    @Test("broadcasts are limited unless that is switched off; what goes to one receiver is not")
    func limited() async {
        await #expect(processExitsWith: .success) {
            try EventLoop.run {
                let (_, everybody) = try receiver()
                let one = SocketAddress.loopback(port: try #require(everybody.port))
                let sender = try UDPSocket(options: .broadcast)
                #expect(sender.broadcastBudget == .standard)
                // A token a second: none comes back meanwhile.
                sender.broadcastBudget = SendBudget(perSecond: 1, burst: 5)
                for _ in 0..<5 {
                    let sent = try sender.trySend("x", to: everybody)
                    #expect(sent == 1)
                }
                let blocked = try sender.trySend("x", to: everybody)
                #expect(blocked == nil)
                for _ in 0..<50 {
                    let sent = try sender.trySend("x", to: one)
                    #expect(sent == 1)
                }
                let group = try sender.trySend("x", to: .ipv4(0xEFFF_0101, port: 9))
                #expect(group == nil)
                // The five behind the burst have to wait for five tokens of 20 ms.
                sender.broadcastBudget = SendBudget(perSecond: 50, burst: 5)
                let start = ContinuousClock.now
                for _ in 0..<10 { try await sender.send("x", to: everybody) }
                #expect(ContinuousClock.now - start >= .milliseconds(100))
                sender.broadcastBudget = nil
                for _ in 0..<500 { try await sender.send("x", to: everybody) }
            }
            exit(0)
        }
    }

    @Test("those who wait for the budget go in their order; cancelling, time limits and closing end their waits")
    func waiting() async {
        await #expect(processExitsWith: .success) {
            try EventLoop.run {
                let (socket, everybody) = try receiver()
                let sender = try UDPSocket(options: .broadcast)
                sender.broadcastBudget = SendBudget(perSecond: 100, burst: 1)
                try await sender.send("0", to: everybody)
                let senders = (1...6).map { number in
                    spawn { try await sender.send("\(number)", to: everybody) }
                }
                try await checkpoint()
                try await checkpoint()
                senders[2].cancel()
                for number in [0, 1, 2, 4, 5, 6] {
                    let (heard, _) = try await socket.receive()
                    #expect(String(decoding: heard, as: UTF8.self) == "\(number)")
                }

                sender.broadcastBudget = SendBudget(perSecond: 1, burst: 1)
                try await sender.send("7", to: everybody)
                sender.writeTimeout = .milliseconds(10)
                let start = ContinuousClock.now
                do throws(DatagramError) {
                    try await sender.send("8", to: everybody)
                    Issue.record("sent beyond the budget")
                } catch { #expect(error.reason == .timedOut) }
                #expect(ContinuousClock.now - start < .milliseconds(900))
                // Switching it off lets those go who wait.
                sender.writeTimeout = nil
                let patient = spawn { try await sender.send("9", to: everybody) }
                for _ in 0..<3 { try await checkpoint() }
                sender.broadcastBudget = nil
                try await patient.value

                sender.broadcastBudget = SendBudget(perSecond: 1, burst: 1)
                try await sender.send("10", to: everybody)
                let late = (0..<3).map { _ in spawn { try await sender.send("11", to: everybody) } }
                for _ in 0..<3 { try await checkpoint() }
                sender.close()
                for coroutine in late {
                    do {
                        try await coroutine.value
                        Issue.record("sent through a closed socket")
                    } catch { #expect((error as? DatagramError)?.reason == .closed) }
                }
            }
            exit(0)
        }
    }

    @Test("broadcast addresses are those that the kernel's routes say")
    func recognised() async {
        await #expect(processExitsWith: .success) {
            try EventLoop.run {
                #expect(BroadcastLimiter.isBroadcast(0x7FFF_FFFF))
                #expect(BroadcastLimiter.isBroadcast(.max))
                #expect(!BroadcastLimiter.isBroadcast(0x7F00_0001))
                #expect(!BroadcastLimiter.isBroadcast(0x7F00_00FF))
            }
            exit(0)
        }
    }

    @Test("a batch goes and comes in whole, is used again, and answers its senders")
    func batches() async {
        await #expect(processExitsWith: .success) {
            try EventLoop.run {
                let server = try UDPSocket("127.0.0.1:0")
                let there = try #require(server.localAddress)
                let client = try UDPSocket.connected(to: there)
                server.readTimeout = .seconds(5)
                client.readTimeout = .seconds(5)
                let batch = DatagramBatch(capacity: 40, mostBytes: 100)
                let arrived = DatagramBatch(capacity: 64, mostBytes: 50)
                let empty = try client.tryReceive(into: batch)
                #expect(empty == nil && batch.isEmpty)
                for round in 0..<5 {
                    for number in 0..<40 { try batch.append([UInt8](repeating: UInt8(number), count: round * 20 + 1)) }
                    #expect(batch.isFull)
                    try await client.send(batch)
                    #expect(batch.isEmpty)
                    let count = try await server.receive(into: arrived)
                    #expect(count == 40 && arrived.count == 40)
                    for (number, datagram) in arrived.enumerated() {
                        #expect(datagram.address == client.localAddress)
                        #expect(datagram.length == round * 20 + 1)
                        #expect(datagram.isTruncated == (datagram.length > 50))
                        #expect(datagram.bytes.allSatisfy { $0 == UInt8(number) })
                        #expect(datagram.bytes.count == min(50, datagram.length))
                    }
                    try await server.send(arrived)
                    let answers = try await client.receive(into: batch)
                    #expect(answers == 40 && batch.last?.address == there)
                    batch.removeAll()
                }
                do throws(DatagramError) {
                    try batch.append([UInt8](repeating: 0, count: 101), to: there)
                    Issue.record("a batch took more than fits")
                } catch {
                    #expect(error.description == "add 101 bytes for \(there) to a batch: message too long")
                }
                // The one that cannot go is the first when the error comes; those before it have gone.
                try batch.append("good".utf8, to: there)
                try batch.append("bad".utf8, to: .ipv4(.max, port: 9))
                try batch.append("good".utf8, to: there)
                do throws(DatagramError) {
                    try await client.send(batch)
                    Issue.record("sent a broadcast without the option")
                } catch { #expect(error.reason == .broadcastNotEnabled) }
                #expect(batch.count == 2)
                batch.removeFirst()
                try await client.send(batch)
                for _ in 0..<2 {
                    let (heard, _) = try await server.receive()
                    #expect(heard == Array("good".utf8))
                }
            }
            exit(0)
        }
    }

    @Test("the budget counts the broadcasts of a batch one by one")
    func limitedBatch() async {
        await #expect(processExitsWith: .success) {
            try EventLoop.run {
                let (_, everybody) = try receiver()
                let one = SocketAddress.loopback(port: 9)
                let sender = try UDPSocket(options: .broadcast)
                sender.broadcastBudget = SendBudget(perSecond: 2, burst: 3)
                let start = ContinuousClock.now
                let batch = DatagramBatch(capacity: 8)
                for number in 0..<8 { try batch.append("x".utf8, to: number % 2 == 0 ? everybody : one) }
                // Broadcasts at 0, 2 and 4 go, and what is between; the one at 6 waits, and 7 behind it.
                let sent = try sender.trySend(batch)
                #expect(sent == 6)
                let blocked = try sender.trySend(batch)
                #expect(blocked == nil && batch.count == 2)
                try await sender.send(batch)
                #expect(ContinuousClock.now - start >= .milliseconds(500))
            }
            exit(0)
        }
    }

    @Test("multicast groups are joined and left on the loopback interface, from one source where asked")
    func multicast() async {
        await #expect(processExitsWith: .success) {
            try EventLoop.run {
                let lo = try NetworkInterface("lo")
                let cases = [
                    ("0.0.0.0:0", "239.1.2.3:0", UDPSocket.Family.ipv4, "127.0.0.1:0", "127.0.0.77:0"),
                    ("[::]:0", "[ff01::123]:0", .ipv6, "[::1]:0", "[::2]:0"),
                ]
                for (all, name, family, source, stranger) in cases {
                    let socket = try UDPSocket(all)
                    socket.readTimeout = .milliseconds(100)
                    let group = try #require(SocketAddress(name))
                    let there = group.with(port: try #require(socket.localAddress?.port))
                    let sender = try UDPSocket(source)
                    #expect(sender.family == family)
                    try sender.setMulticastInterface(lo)
                    try sender.setMulticastTimeToLive(1)
                    // On the loopback interface itself it makes no difference.
                    try sender.setMulticastLoopback(false)
                    try sender.setMulticastLoopback(true)
                    // Where the kernel has no route for the group on this interface (IPv6, mostly), it still has the members.
                    func isHeard() async throws -> Bool {
                        do throws(DatagramError) {
                            try await sender.send("to the group", to: there)
                            return try await socket.receive().message == Array("to the group".utf8)
                        } catch {
                            if error.reason == .system(number: ENETUNREACH), family == .ipv6 { return isMember() }
                            guard error.reason == .timedOut else { throw error }
                            return false
                        }
                    }
                    let before = try await isHeard()
                    try socket.join(group, on: lo)
                    let joined = try await isHeard()
                    try socket.leave(group, on: lo)
                    let left = try await isHeard()
                    #expect([before, joined, left] == [false, true, false])
                    try socket.join(group, on: lo, from: SocketAddress(source))
                    let chosen = try await isHeard()
                    try socket.leave(group, on: lo, from: SocketAddress(source))
                    #expect(chosen)
                    if family == .ipv4 {
                        try socket.join(group, on: lo, from: SocketAddress(stranger))
                        let other = try await isHeard()
                        try socket.leave(group, on: lo, from: SocketAddress(stranger))
                        #expect(!other)
                    }
                    do throws(SystemError) {
                        try socket.join(.loopback(port: 0), on: lo)
                        Issue.record("joined what is no group")
                    } catch { #expect(error.operation == "join" && error.object == "127.0.0.1") }
                }
                do throws(SystemError) {
                    _ = try NetworkInterface("nonsense0")
                    Issue.record("there is an interface called nonsense0")
                } catch { #expect(error.description == "interface nonsense0: no such device") }
            }
            exit(0)
        }
    }
}
