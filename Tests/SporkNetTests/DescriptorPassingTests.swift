// Descriptors that travel over Unix streams, and what the kernel says about the process at the other end.
import CSporkShims
import Glibc
import SporkLoop
import SporkNet
import SporkTasks
import Testing

private func isClosedOnExec(_ descriptor: Int32) -> Bool { fcntl(descriptor, F_GETFD) & FD_CLOEXEC != 0 }

@Suite struct DescriptorPassingTests {
    @Test("descriptors arrive with their bytes, for the same open files, and closed in programs that are started")
    func passing() async {
        await #expect(processExitsWith: .success) {
            try EventLoop.run {
                let (left, right) = try SocketStream.pair()
                var ends: [Int32] = [0, 0]
                #expect(pipe(&ends) == 0)
                let before = openDescriptors(to: "pipe:")
                try await left.send(descriptors: ends, with: Array("both ends".utf8))
                let received = try await right.receive(descriptors: 4, withBytes: 100)
                #expect(received.bytes == Array("both ends".utf8) && !received.isTruncated)
                #expect(received.descriptors.count == 2 && openDescriptors(to: "pipe:") == before + 2)
                for descriptor in received.descriptors { #expect(isClosedOnExec(descriptor.number)) }
                var byte = UInt8(42)
                _ = write(received.descriptors[1].number, &byte, 1)
                byte = 0
                #expect(read(ends[0], &byte, 1) == 1 && byte == 42)
                let taken = received.descriptors[0].take()
                #expect(received.descriptors[0].number == -1 && taken >= 0)
                close(taken)
                // Without descriptors it is a plain write.
                try await left.send(descriptors: [], with: Array("plain".utf8))
                let plain = try await right.receive(descriptors: 4, withBytes: 100)
                #expect(plain.bytes == Array("plain".utf8) && plain.descriptors.isEmpty)
                let nothing = try right.tryReceive(descriptors: 4, withBytes: 100)
                #expect(nothing == nil)
                left.shutdownWrite()
                let end = try await right.receive(descriptors: 4, withBytes: 100)
                #expect(end.bytes.isEmpty)
            }
            exit(0)
        }
    }

    @Test("of more than are welcome the rest is told and closed; what nobody takes is closed: nothing stays open")
    func truncated() async {
        await #expect(processExitsWith: .success) {
            try EventLoop.run {
                let (left, right) = try SocketStream.pair()
                let null = open("/dev/null", O_RDONLY)
                let before = openDescriptors(to: "/dev/null")
                for (sent, welcome) in [(5, 2), (5, 3), (5, 0), (1, 0), (2, 1), (253, 252), (4, 5), (253, 253)] {
                    try await left.send(descriptors: [Int32](repeating: null, count: sent), with: [1])
                    do {
                        let received = try await right.receive(descriptors: welcome, withBytes: 10)
                        #expect(received.descriptors.count == min(sent, welcome), "\(sent) for \(welcome)")
                        #expect(received.isTruncated == (sent > welcome) && received.bytes == [1])
                        #expect(openDescriptors(to: "/dev/null") == before + min(sent, welcome))
                    }
                    #expect(openDescriptors(to: "/dev/null") == before)
                }
                // A plain read of the byte, and streams that end with descriptors on the way.
                try await left.send(descriptors: [null, null], with: [1])
                let read = try await right.read(atMost: 10)
                #expect(read == [1] && openDescriptors(to: "/dev/null") == before)
                try await left.send(descriptors: [null, null], with: [1])
                left.close()
                right.close()
                #expect(openDescriptors(to: "/dev/null") == before)
            }
            exit(0)
        }
    }

    @Test("two sends stay apart, and a large one is continued behind its descriptors")
    func order() async {
        await #expect(processExitsWith: .success) {
            try EventLoop.run {
                let (left, right) = try SocketStream.pair()
                let null = open("/dev/null", O_RDONLY)
                try await left.send(descriptors: [null], with: [1, 2])
                try await left.send(descriptors: [null, null], with: [3, 4])
                let first = try await right.receive(descriptors: 10, withBytes: 100)
                let second = try await right.receive(descriptors: 10, withBytes: 100)
                #expect(first.descriptors.count == 1 && first.bytes == [1, 2])
                #expect(second.descriptors.count == 2 && second.bytes == [3, 4])
                let payload = (0..<3_000_000).map { UInt8(truncatingIfNeeded: $0 &* 31 >> 3) }
                let sender = spawn { try await left.send(descriptors: [null], with: payload) }
                var (bytes, count): ([UInt8], Int) = ([], 0)
                while bytes.count < payload.count {
                    let part = try await right.receive(descriptors: 10, withBytes: 100_000)
                    bytes += part.bytes
                    count += part.descriptors.count
                }
                try await sender.value
                #expect(bytes == payload && count == 1)
            }
            exit(0)
        }
    }

    @Test("what cannot be sent is refused by name, and so are streams that are not Unix streams")
    func errors() async {
        await #expect(processExitsWith: .success) {
            try EventLoop.run {
                let (left, _) = try SocketStream.pair()
                let none = await message { try await left.send(descriptors: [0], with: []) }
                #expect(none.hasPrefix("send descriptors to ") && none.hasSuffix(": invalid argument"))
                let many = await message {
                    try await left.send(descriptors: .init(repeating: 0, count: 254), with: [1])
                }
                #expect(many.hasSuffix(": invalid argument"))
                let bad = await message { try await left.send(descriptors: [9999], with: [1]) }
                #expect(bad.hasSuffix(": bad file descriptor"))
                let (client, _) = try await connectedPair()
                let peer = try #require(client.peerAddress)
                let sending = await message { try await client.send(descriptors: [0], with: [1]) }
                #expect(sending == "send descriptors to \(peer): operation not supported")
                let receiving = await message { try await client.receive(descriptors: 1, withBytes: 1) }
                #expect(receiving == "receive descriptors from \(peer): operation not supported")
                let asking = await message { try client.peerCredentials() }
                #expect(asking == "ask for the process behind \(peer): operation not supported")
            }
            exit(0)
        }
    }

    @Test("the kernel tells who is at the other end, whatever that does later")
    func credentials() async {
        await #expect(processExitsWith: .success) {
            try EventLoop.run {
                let listener = try Listener(.abstract("spork-credentials-\(getpid())"))
                let child = spork_fork()
                if child == 0 {
                    if getuid() == 0 {
                        setgid(34)
                        setuid(12)
                    }
                    let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
                    let result = listener.address.withSystemAddress { connect(descriptor, $0, $1) }
                    _exit(result == 0 ? 0 : 1)
                }
                let stream = try #require(try await listener.accept())
                var status: Int32 = 0
                waitpid(child, &status, 0)
                let credentials = try stream.peerCredentials()
                #expect(status == 0 && credentials.process == child)
                let (user, group): (UInt32, UInt32) = getuid() == 0 ? (12, 34) : (getuid(), getgid())
                #expect(credentials.user == user && credentials.group == group)
                let (left, _) = try SocketStream.pair()
                let own = try left.peerCredentials()
                #expect(own == PeerCredentials(process: getpid(), user: getuid(), group: getgid()))
            }
            exit(0)
        }
    }
}
