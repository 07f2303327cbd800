// What a crash costs when each worker is a process: one of them traps or spins for ever, its neighbours go on, and a new one takes its
// place. Run it: swift run example-crashing-workers 127.0.0.1:8080, then ask for /, /trap and /spin and see what it says.
import Glibc
import Spork

let usage = "usage: example-crashing-workers ADDRESS [WORKERS [SECONDS]]"

func complain(_ message: String) {
    let line = Array("example-crashing-workers: \(message)\n".utf8)
    _ = write(STDERR_FILENO, line, line.count)
}

func fail(_ message: String, code: Int32) -> Never {
    complain(message)
    exit(code)
}

let arguments = Array(CommandLine.arguments.dropFirst())
if arguments.contains("--help") {
    print(
        """
        \(usage)
        /      says which process answers
        /trap  is a programming error: the worker dies, and the log says what it was answering
        /spin  never returns: after SECONDS (2 unless given) the worker is aborted and replaced
        """
    )
    exit(0)
}
guard (1...3).contains(arguments.count) else { fail(usage, code: 2) }
guard let address = SocketAddress(arguments[0]) else { fail("'\(arguments[0])' is no address", code: 2) }
guard let workers = arguments.count > 1 ? Int(arguments[1]) : 2, (1...64).contains(workers) else {
    fail("'\(arguments[1])' is no number of workers", code: 2)
}
guard let seconds = arguments.count > 2 ? Double(arguments[2]) : 2, seconds > 0, seconds < 3600 else {
    fail("'\(arguments[2])' is no number of seconds", code: 2)
}

/// Answers a request; it may never return.
func respond(_ head: RequestHead) -> Response {
    switch String(decoding: head.bytes(head.path), as: UTF8.self) {
    case "/trap": fatalError("a programming error")
    case "/spin": while true {}
    default:
        let text = "this is process \(getpid())\n"
        return Response(.ok, fields: [.init("Content-Type", "text/plain")], body: .bytes(Array(text.utf8)))
    }
}

do {
    var settings = ServerSettings()
    settings.workers = workers
    settings.hangTimeout = .milliseconds(Int(seconds * 1000))
    let listeners = try ListenerSet([address], settings: settings)
    let master = try Master(listeners: listeners, settings: settings, report: { complain("\($0)") }) {
        { worker in
            let server = HTTPServer(row: worker.row, respond: respond)
            try await worker.serve { server.handler(for: $0) }
        }
    }
    try master.run {
        print("listening at \(listeners.addresses[0]), master \(getpid())")
        fflush(nil)
    }
} catch { fail("\(error)", code: 1) }
