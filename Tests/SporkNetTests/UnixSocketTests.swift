// Unix sockets: datagrams, socket files and who may have them, descriptors that travel, and who is at the other end.
import CSporkShims
import Glibc
import SporkLoop
import SporkNet
import SporkTasks
import Testing

/// A new directory of the test's own, removed when the process of the test ends well.
private nonisolated func directory() throws -> String {
    var template = Array("/tmp/spork-test-XXXXXX".utf8CString)
    return try #require(mkdtemp(&template).map { String(cString: $0) })
}

private nonisolated func status(_ path: String) -> stat? {
    var status = stat()
    return lstat(path, &status) == 0 ? status : nil
}

/// Leaves a socket file behind as a server does that was killed.
private nonisolated func leaveBehind(_ path: String, _ kind: __socket_type) {
    let descriptor = socket(AF_UNIX, Int32(kind.rawValue), 0)
    _ = SocketAddress.unix(path).withSystemAddress { bind(descriptor, $0, $1) }
    close(descriptor)
}

/// What each of several processes does: binds when `start` ends, says whether it has the path, and keeps it until `stop` ends.
private nonisolated func bindTogether(_ path: String, _ isStream: Bool, start: Int32, said: Int32, stop: Int32) -> Never
{
    var byte: UInt8 = 0
    _ = read(start, &byte, 1)
    try? EventLoop.run {
        var held: AnyObject?
        do {
            if isStream { held = try Listener(.unix(path)) } else { held = try UnixDatagramSocket(.unix(path)) }
        } catch {
            guard (error as? SystemError)?.number == EADDRINUSE else { _exit(3) }
        }
        var answer: UInt8 = held == nil ? 0 : 1
        _ = write(said, &answer, 1)
        _ = read(stop, &byte, 1)
        _exit(held == nil ? 0 : 1)
    }
    _exit(4)
}

@Suite struct UnixSocketTests {
    @Test("datagrams between paths, abstract names, unnamed and pairs, of any length")
    func datagrams() async {
        await #expect(processExitsWith: .success) {
            let directory = try directory()
            defer { rmdir(directory) }
            try EventLoop.run {
                let path = try UnixDatagramSocket(.unix("\(directory)/one"))
                let abstract = try UnixDatagramSocket("unix:@spork-test-\(getpid())")
                let unique = try UnixDatagramSocket.uniquelyNamed()
                for sender in [path, abstract, unique] {
                    for receiver in [path, abstract, unique] {
                        try await sender.send("hello", to: receiver.localAddress)
                        let (heard, from) = try await receiver.receive()
                        #expect(heard == Array("hello".utf8) && from == sender.localAddress)
                    }
                }
                let unnamed = try UnixDatagramSocket()
                let long = [UInt8](repeating: 9, count: 100_000)
                try await unnamed.send(long, to: path.localAddress)
                try await unnamed.send("", to: path.localAddress)
                let (heard, from) = try await path.receive()
                #expect(heard == long && from == .unix(""))
                let empty = try await path.receive()
                #expect(empty.message.isEmpty)

                let (left, right) = try UnixDatagramSocket.pair()
                try await left.send("to the right")
                let (whole, _) = try await right.receive()
                #expect(whole == Array("to the right".utf8))
                right.close()
                let gone = await message { try await left.send("nobody") }
                #expect(gone == "send on an unnamed socket: connection refused")

                let name = "\(directory)/one"
                path.close()
                #expect(status(name) == nil)
                let missing = await message { try await unnamed.send("x", to: .unix(name)) }
                #expect(missing == "send to unix:\(name): no such file or directory")
            }
            rmdir(directory)
            exit(0)
        }
    }

    @Test("a sender waits while its receiver is full, without turning the loop, and loses nothing")
    func fullReceiver() async {
        await #expect(processExitsWith: .success) {
            try EventLoop.run {
                let receiver = try UnixDatagramSocket.uniquelyNamed()
                let sender = try UnixDatagramSocket()
                let there = try #require(receiver.localAddress)
                var fits = 0
                while try sender.trySend("\(fits)", to: there) != nil { fits += 1 }
                #expect(fits > 0 && fits < 10_000)
                sender.writeTimeout = .milliseconds(20)
                let before = EventLoop.turns
                let late = await message { try await sender.send("late", to: there) }
                #expect(late == "send to \(there): timed out")
                #expect(EventLoop.turns - before < 20)
                sender.writeTimeout = nil
                let rest = spawn { for number in fits..<1000 { try await sender.send("\(number)", to: there) } }
                for number in 0..<1000 {
                    let (heard, _) = try await receiver.receive()
                    #expect(String(decoding: heard, as: UTF8.self) == "\(number)")
                }
                try await rest.value
                // Large ones fill the sender's own memory before the receiver's queue.
                let long = [UInt8](repeating: 7, count: 80_000)
                var large = 0
                while try sender.trySend(long, to: there) != nil { large += 1 }
                let start = EventLoop.turns
                let more = spawn { for _ in 0..<20 { try await sender.send(long, to: there) } }
                for _ in 0..<(large + 20) {
                    try await sleep(for: .milliseconds(1))
                    let (heard, _) = try await receiver.receive()
                    #expect(heard.count == 80_000)
                }
                try await more.value
                #expect(large < fits && EventLoop.turns - start < 500)
                while try sender.trySend("x", to: there) != nil {}
                let waiting = spawn { try await sender.send("y", to: there) }
                for _ in 0..<3 { try await checkpoint() }
                sender.close()
                let closed = await message { try await waiting.value }
                #expect(closed == "send to \(there): the socket is closed")
            }
            exit(0)
        }
    }

    @Test("socket files left over are replaced, whatever they were; living ones and other files never are")
    func staleFiles() async {
        await #expect(processExitsWith: .success) {
            let directory = try directory()
            try EventLoop.run {
                let path = "\(directory)/socket"
                for kind in [SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET] {
                    leaveBehind(path, kind)
                    let datagrams = try UnixDatagramSocket(.unix(path))
                    let taken = await message { try Listener(.unix(path)) }
                    #expect(taken == "bind unix:\(path): address already in use")
                    datagrams.close()
                    leaveBehind(path, kind)
                    let listener = try Listener(.unix(path))
                    let again = await message { try UnixDatagramSocket(.unix(path)) }
                    #expect(again == "bind unix:\(path): address already in use")
                    let client = try await SocketStream.connect(to: .unix(path))
                    // Being asked whether it lives is no connection.
                    let first = try listener.tryAccept()
                    let second = try listener.tryAccept()
                    #expect(first != nil && second == nil)
                    client.close()
                    listener.removeSocketFile()
                    listener.close()
                    #expect(status(path) == nil)
                }
                // Bound, and not listening yet.
                let young = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
                let bound = SocketAddress.unix(path).withSystemAddress { bind(young, $0, $1) }
                let early = await message { try Listener(.unix(path)) }
                #expect(bound == 0 && early == "bind unix:\(path): address already in use")
                close(young)
                unlink(path)

                symlink("/dev/null", path)
                for type in ["link", "file"] {
                    let other = await message { try UnixDatagramSocket(.unix(path)) }
                    #expect(other == "bind unix:\(path): file exists", "\(type)")
                    unlink(path)
                    close(creat(path, 0o600))
                }
                unlink(path)
                // Another has taken the place: its file is not removed.
                let first = try UnixDatagramSocket(.unix(path))
                unlink(path)
                let second = try UnixDatagramSocket(.unix(path))
                first.close()
                try await UnixDatagramSocket().send("still here", to: .unix(path))
                let heard = try await second.receive()
                #expect(heard.message == Array("still here".utf8))
                second.close()
                #expect(status(path) == nil)
            }
            #expect(rmdir(directory) == 0)
            exit(0)
        }
    }

    @Test("a directory that cannot be locked has nothing replaced in it")
    func lockedDirectory() async {
        await #expect(processExitsWith: .success) {
            let directory = try directory()
            try EventLoop.run {
                let path = "\(directory)/socket"
                leaveBehind(path, SOCK_STREAM)
                let held = spork_open_read(directory)
                #expect(flock(held, LOCK_EX) == 0)
                let refused = await message { try Listener(.unix(path)) }
                #expect(refused == "bind unix:\(path): address already in use")
                close(held)
                let listener = try Listener(.unix(path))
                listener.removeSocketFile()
            }
            #expect(rmdir(directory) == 0)
            exit(0)
        }
    }

    @Test("of many processes that bind one path left over, one has it, and it is the one that is reached")
    func race() async {
        await #expect(processExitsWith: .success) {
            let directory = try directory()
            let path = "\(directory)/socket"
            for round in 0..<60 {
                let isStream = round % 2 == 0
                leaveBehind(path, isStream ? SOCK_DGRAM : SOCK_STREAM)
                // Open ends of these pipes start the processes together, and let them go together.
                var (start, stop, said): ([Int32], [Int32], [Int32]) = ([0, 0], [0, 0], [0, 0])
                #expect(pipe(&start) == 0 && pipe(&stop) == 0 && pipe(&said) == 0)
                var children: [pid_t] = []
                for _ in 0..<4 {
                    let child = spork_fork()
                    if child == 0 {
                        close(start[1])
                        close(stop[1])
                        bindTogether(path, isStream, start: start[0], said: said[1], stop: stop[0])
                    }
                    children.append(child)
                }
                close(start[1])
                var wins = 0
                for _ in children {
                    var answer: UInt8 = 0
                    #expect(read(said[0], &answer, 1) == 1)
                    wins += Int(answer)
                }
                #expect(wins == 1)
                let client = socket(AF_UNIX, Int32((isStream ? SOCK_STREAM : SOCK_DGRAM).rawValue), 0)
                #expect(SocketAddress.unix(path).withSystemAddress { connect(client, $0, $1) } == 0)
                close(client)
                close(stop[1])
                var won = 0
                for child in children {
                    var status: Int32 = 0
                    waitpid(child, &status, 0)
                    #expect(status & 0x7F == 0)
                    won += Int(status >> 8)
                }
                #expect(won == 1)
                for descriptor in [start[0], stop[0], said[0], said[1]] { close(descriptor) }
                unlink(path)
            }
            #expect(rmdir(directory) == 0)
            exit(0)
        }
    }

    @Test("mode, owner and group are set whatever the umask says; who cannot set them gets no socket")
    func access() async {
        await #expect(processExitsWith: .success) {
            let directory = try directory()
            try EventLoop.run {
                let path = "\(directory)/socket"
                for mask in [mode_t(0), 0o22, 0o77, 0o777] {
                    umask(mask)
                    for mode in [UInt32(0o600), 0o660, 0o666, 0o777] {
                        let listener = try Listener(.unix(path), access: SocketFileAccess(mode: mode))
                        #expect(status(path).map { $0.st_mode & 0o7777 } == mode)
                        listener.removeSocketFile()
                        let socket = try UnixDatagramSocket(.unix(path), access: SocketFileAccess(mode: mode))
                        #expect(status(path).map { $0.st_mode & 0o7777 } == mode)
                        socket.close()
                    }
                }
                umask(0o22)
                if getuid() == 0 {
                    let access = SocketFileAccess(mode: 0o660, owner: 12, group: 34)
                    let socket = try UnixDatagramSocket(.unix(path), access: access)
                    let found = try #require(status(path))
                    #expect(found.st_uid == 12 && found.st_gid == 34 && found.st_mode & 0o7777 == 0o660)
                    socket.close()
                }
                // Nobody can remove it as the user who comes now.
                #expect(rmdir(directory) == 0)
                if getuid() == 0 { setuid(65534) }
                let before = openDescriptors(to: "socket:")
                let refused = await message {
                    try UnixDatagramSocket(.unix("/tmp/spork-\(getpid())"), access: SocketFileAccess(owner: 0))
                }
                #expect(refused.hasSuffix("operation not permitted"))
                #expect(status("/tmp/spork-\(getpid())") == nil && openDescriptors(to: "socket:") == before)
            }
            exit(0)
        }
    }

    @Test("the file is never more open than was asked for, not for a moment")
    func noWindow() async {
        await #expect(processExitsWith: .success) {
            let directory = try directory()
            let path = "\(directory)/socket"
            umask(0)
            // Another process looks as fast as it can, and says whether it has ever seen another mode.
            var stop: [Int32] = [0, 0]
            #expect(pipe(&stop) == 0 && fcntl(stop[0], F_SETFL, O_NONBLOCK) == 0)
            let watcher = spork_fork()
            if watcher == 0 {
                close(stop[1])
                var byte: UInt8 = 0
                var (seen, wrong) = (0, 0)
                while read(stop[0], &byte, 1) != 0 {
                    guard let status = status(path) else { continue }
                    seen += 1
                    if status.st_mode & 0o077 != 0 { wrong += 1 }
                }
                _exit(wrong > 0 ? 1 : seen > 0 ? 0 : 2)
            }
            try EventLoop.run {
                for _ in 0..<3000 {
                    let socket = try? UnixDatagramSocket(.unix(path), access: SocketFileAccess(mode: 0o600))
                    #expect(socket != nil)
                    socket?.close()
                }
            }
            close(stop[1])
            var ended: Int32 = 0
            waitpid(watcher, &ended, 0)
            #expect(ended == 0)
            #expect(rmdir(directory) == 0)
            exit(0)
        }
    }
}
