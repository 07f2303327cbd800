// A server that does what it is told, to show what a master makes of it: Tests/BlackBox/test_limits.py runs it. Its configuration is a file
// of words, read at the start and for every reload:
//
//     NAME           what it answers
//     broken         there is no such configuration
//     endless        reading it never ends
//     talkative NAME reading it takes a second and says a lot
//     threaded       reading it leaves a second thread behind
//     failing NAME   workers end before they serve
//     stuck NAME     workers never come to serve
//
// It answers to /NAME with NAME and its process; /grow takes 8 MB of memory for good, /trap crashes, /spin never returns.
import CSporkShims
import Glibc
import SporkHTTP
import SporkNet
import SporkPrefork
import SporkTasks

struct Refused: Error, CustomStringConvertible { let description: String }

func say(_ text: String, to descriptor: Int32) {
    let bytes = Array((text + "\n").utf8)
    _ = write(descriptor, bytes, bytes.count)
}

func words(in path: String) throws -> [String] {
    let file = open(path, O_RDONLY)
    guard file >= 0 else { throw SystemError("open", path, number: errno) }
    defer { close(file) }
    var bytes = [UInt8](repeating: 0, count: 256)
    let count = read(file, &bytes, bytes.count)
    return String(decoding: bytes.prefix(max(0, count)), as: UTF8.self).split(whereSeparator: \.isWhitespace).map(
        String.init
    )
}

nonisolated func sleepForever(_ argument: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
    while true { pause() }
}

var kept: [[UInt8]] = []

func respond(_ head: RequestHead, _ name: String) -> Response {
    switch String(decoding: head.bytes(head.path), as: UTF8.self) {
    case "/trap": fatalError("a programming error")
    case "/spin": while true {}
    case "/grow": kept.append([UInt8](repeating: 1, count: 8 << 20))
    default: break
    }
    return Response(
        .ok,
        fields: [.init("Content-Type", "text/plain")],
        body: .bytes(Array("\(name) \(getpid())\n".utf8))
    )
}

var settings = ServerSettings()
var file = ""
for argument in CommandLine.arguments.dropFirst() {
    let parts = argument.split(separator: "=", maxSplits: 1).map(String.init)
    guard parts.count == 2 else { continue }
    let seconds = Duration.milliseconds(Int((Double(parts[1]) ?? 0) * 1000))
    switch parts[0] {
    case "workers": settings.workers = Int(parts[1]) ?? 1
    case "hang": settings.hangTimeout = seconds
    case "graceful": settings.gracefulTimeout = seconds
    case "boot": settings.bootTimeout = seconds
    case "delay": settings.shutdownDelay = seconds
    case "age": settings.maxAge = seconds
    case "memory": settings.maxMemory = (Int(parts[1]) ?? 0) << 20
    case "nofile": settings.mostDescriptors = Int(parts[1])
    case "control": settings.controlSocket = parts[1]
    case "accept": settings.accept = ServerSettings.AcceptMode(rawValue: parts[1]) ?? .shared
    default: file = parts[1]
    }
}

do {
    let listeners = try ListenerSet([.loopback(port: 0)], settings: settings)
    let report: (Master.Report) -> Void = { say("\($0)", to: STDERR_FILENO) }
    let configure: () throws -> Master.Body = {
        let words = try words(in: file)
        switch words.first {
        case "broken": throw Refused(description: "the configuration is broken")
        case "endless": while true {}
        case "talkative":
            for _ in 0..<10 {
                say(String(repeating: "a lot to say ", count: 2000), to: STDERR_FILENO)
                usleep(100_000)
            }
        case "threaded":
            var thread = pthread_t()
            pthread_create(&thread, nil, sleepForever, nil)
        default: break
        }
        let name = words.last ?? ""
        return { worker in
            if words.first == "failing" { throw Refused(description: "this worker cannot serve") }
            if words.first == "stuck" { while true {} }
            let server = HTTPServer(row: worker.row) { respond($0, name) }
            try await worker.serve { server.handler(for: $0) }
        }
    }
    let master = try Master(listeners: listeners, settings: settings, report: report, configure: configure)
    try master.run {
        say(
            "serves at http://\(listeners.addresses[0]) · master \(getpid()) · \(settings.workers) workers",
            to: STDOUT_FILENO
        )
    }
} catch {
    say("\(error)", to: STDERR_FILENO)
    exit(1)
}
