// Unix datagrams and travelling descriptors with peers that are not Spork: Python's sockets, socat and netcat. scripts/test installs them.
import Glibc
import SporkLoop
import SporkNet
import SporkTasks
import Testing

/// Starts a command of the shell's; its exit code is 0 when `pclose` answers 0.
private func start(_ command: String) throws -> UnsafeMutablePointer<FILE> {
    fflush(nil)
    return try #require(popen(command, "r"))
}

private nonisolated func isInstalled(_ programs: String...) -> Bool {
    programs.allSatisfy { system("command -v \($0) >/dev/null 2>&1") == 0 }
}

@Suite struct PeerTests {
    @Test(
        "Unix datagrams come from socat, netcat and Python, and go back",
        .enabled(if: isInstalled("socat", "nc", "python3"))
    )
    func datagrams() async {
        await #expect(processExitsWith: .success) {
            var template = Array("/tmp/spork-test-XXXXXX".utf8CString)
            let directory = try #require(mkdtemp(&template).map { String(cString: $0) })
            try EventLoop.run {
                let (here, there) = ("\(directory)/here", "\(directory)/there")
                let socket = try UnixDatagramSocket(.unix(here))
                socket.readTimeout = .seconds(20)
                for (name, command) in [
                    ("socat", "printf socat | socat -u - UNIX-SENDTO:\(here)"),
                    ("nc", "printf nc | timeout 20 nc -u -U -q 0 \(here)"),
                ] {
                    let peer = try start(command)
                    let (heard, _) = try await socket.receive()
                    #expect(String(decoding: heard, as: UTF8.self) == name)
                    pclose(peer)
                }
                let python = try start(
                    """
                    timeout 20 python3 -c 'import socket
                    s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
                    s.bind("\(there)")
                    s.sendto(b"x" * 70000, "\(here)")
                    data, sender = s.recvfrom(100)
                    assert (data, sender) == (b"yes", "\(here)"), (data, sender)'
                    """
                )
                let (heard, from) = try await socket.receive()
                #expect(heard == [UInt8](repeating: UInt8(ascii: "x"), count: 70000) && from == .unix(there))
                try await socket.send("yes", to: from)
                #expect(pclose(python) == 0)
                unlink(there)
                socket.close()
            }
            #expect(rmdir(directory) == 0)
            exit(0)
        }
    }

    @Test("descriptors go to Python and come from it", .enabled(if: isInstalled("python3")))
    func descriptors() async {
        await #expect(processExitsWith: .success) {
            try EventLoop.run {
                let name = "spork-peer-\(getpid())"
                let listener = try Listener(.abstract(name))
                let python = try start(
                    """
                    timeout 20 python3 -c 'import os, socket
                    s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
                    s.connect("\\0\(name)")
                    data, fds, flags, _ = socket.recv_fds(s, 100, 4)
                    assert data == b"take these" and len(fds) == 2, (data, fds, flags)
                    os.write(fds[1], b"through your pipe")
                    r, w = os.pipe()
                    os.write(w, b"through my pipe")
                    socket.send_fds(s, [b"and this"], [r])'
                    """
                )
                let stream = try #require(try await listener.accept())
                stream.readTimeout = .seconds(20)
                var ends: [Int32] = [0, 0]
                #expect(pipe(&ends) == 0)
                try await stream.send(descriptors: ends, with: Array("take these".utf8))
                let answer = try await stream.receive(descriptors: 4, withBytes: 100)
                #expect(answer.bytes == Array("and this".utf8) && answer.descriptors.count == 1)
                #expect(pclose(python) == 0)
                for (descriptor, text) in [
                    (ends[0], "through your pipe"), (answer.descriptors[0].number, "through my pipe"),
                ] {
                    var bytes = [UInt8](repeating: 0, count: 100)
                    let count = read(descriptor, &bytes, 100)
                    #expect(bytes.prefix(max(0, count)).elementsEqual(text.utf8))
                }
            }
            exit(0)
        }
    }
}
