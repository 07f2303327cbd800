// The master's side of the control socket, on pairs of sockets.
import CSporkShims
import Glibc
import Testing

@testable import SporkPrefork

@Suite struct ControlSocketTests {
    /// A control socket with one client, whose other end is given.
    private func pair() throws -> (ControlSocket, client: Int32, peer: Int32) {
        var ends: [Int32] = [-1, -1]
        let kind = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_NONBLOCK.rawValue)
        try #require(socketpair(AF_UNIX, kind, 0, &ends) == 0)
        let client = Handover.Client(descriptor: ends[0], waitsFor: .upgrade)
        return (ControlSocket(path: "/nowhere", adopting: -1, [client]), ends[0], ends[1])
    }

    private func write(_ text: String, to descriptor: Int32) {
        _ = text.withCString { Glibc.write(descriptor, $0, strlen($0)) }
    }

    private func read(_ descriptor: Int32) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: 1 << 20)
        return Array(bytes.prefix(max(0, Glibc.read(descriptor, &bytes, bytes.count))))
    }

    @Test("a client that does not take its answers is asked nothing more, so that they do not pile up")
    func backpressure() throws {
        let (control, client, peer) = try pair()
        defer { close(peer) }
        write(String(repeating: "status\n", count: 100), to: peer)
        let answer = String(repeating: "x", count: 100_000)
        var answers = 0
        for _ in 0..<50 {
            control.receive(from: client)
            while control.nextLine(from: client) != nil {
                control.send(answer, to: client)
                answers += 1
            }
        }
        #expect(answers < 10)
        #expect(control.clients[client]?.unsent.isEmpty == false)
        #expect(control.interests(at: 0).map(\.events).contains(Int16(POLLOUT)))
        // Taken, the rest is answered.
        var received = 0
        for _ in 0..<1000 where answers < 100 || control.clients[client]?.unsent.isEmpty == false {
            received += read(peer).count
            control.flush(client)
            control.receive(from: client)
            while control.nextLine(from: client) != nil {
                control.send(answer, to: client)
                answers += 1
            }
        }
        received += read(peer).count
        #expect(answers == 100 && received == 100 * answer.utf8.count)
        control.close()
    }

    @Test("the next program goes on with questions half asked and answers half taken")
    func handedOver() throws {
        let (control, client, peer) = try pair()
        defer { close(peer) }
        write("status\nsta", to: peer)
        control.receive(from: client)
        #expect(control.nextLine(from: client) == "status")
        let answer = String(repeating: "x", count: 1 << 20) + "end\n"
        control.send(answer, to: client)
        var handover = Handover(purpose: .upgrade, process: 7, supervision: .init())
        (handover.scoreboard, handover.clients) = (3, control.handedOver + [.init(descriptor: 99, waitsFor: .reload)])
        let read = try #require(Handover(text: handover.text))
        #expect(read.clients == handover.clients && read.clients[0].waitsFor == .upgrade)
        let next = ControlSocket(path: "/nowhere", adopting: -1, Array(read.clients.prefix(1)))
        write("tus\n", to: peer)
        var (taken, line) = (0, String?.none)
        for _ in 0..<1000 where line == nil {
            taken += self.read(peer).count
            next.flush(client)
            next.receive(from: client)
            line = next.nextLine(from: client)
        }
        // The last of it was sent a moment before.
        taken += self.read(peer).count
        #expect(taken == answer.utf8.count && line == "status")
        next.close()
    }

    @Test("a child that leaves sends nothing of what waits to be sent by the master")
    func leave() throws {
        let (control, client, peer) = try pair()
        defer { close(peer) }
        control.send(String(repeating: "x", count: 1 << 20), to: client)
        let before = read(peer).count
        #expect(before > 0 && before < 1 << 20)
        control.leave()
        #expect(read(peer).isEmpty)
    }

    @Test("a line that never ends closes the connection")
    func endlessLine() throws {
        let (control, client, peer) = try pair()
        defer { close(peer) }
        write(String(repeating: "x", count: 300), to: peer)
        control.receive(from: client)
        #expect(control.nextLine(from: client) == nil)
        #expect(control.clients.isEmpty)
    }
}
