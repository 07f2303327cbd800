// What a program hands over when another takes its place in the same process: descriptors by their numbers, and what
// supervision knows. It is text, in a file in memory whose descriptor an environment variable names. A program that is only
// tried before an upgrade gets the same text and is told so.
//
// Reading and writing are pure and each other's reverse; versions that do not understand one another refuse.

/// The state of a server between two programs.
package nonisolated struct Handover: Equatable, Sendable {
    /// Why there is one.
    package enum Purpose: Equatable, Sendable {
        /// Take the place of the program that has written it.
        case upgrade
        /// Take it back: what was to replace it has failed.
        case revert(reason: String)
        /// Only try whether all is well, with one worker that serves nobody, and end.
        case trial
    }

    /// A client of the control socket.
    package struct Client: Equatable, Sendable {
        package var descriptor: Int32
        /// What it waits for the end of; nil when it may ask, or has asked for something else.
        package var waitsFor: Supervision.Change?
        /// What it has sent and nobody has looked at yet.
        package var received: [UInt8] = []
        /// Answers that it has not taken yet.
        package var unsent: [UInt8] = []

        package init(descriptor: Int32, waitsFor: Supervision.Change? = nil) {
            (self.descriptor, self.waitsFor) = (descriptor, waitsFor)
        }
    }

    /// How a program ends that was tried and is well: as no other program does by chance.
    package static let trialPassed: Int32 = 87

    /// The environment variable that has the number of the descriptor.
    package static let variable = "SPORK_HANDOVER"
    private static let firstLine = "spork handover 1"

    package var purpose: Purpose
    /// The process that may read it: the one it was written in, or the parent of one that is tried.
    package var process: Int32
    package var scoreboard: Int32
    /// Both ends of the pipe by which workers notice that the master is gone.
    package var lifeline: (read: Int32, write: Int32)
    /// Where workers say that they are ready.
    package var doorbell: Int32
    /// The program that runs, by which it can be gone back to; -1 where that is not known.
    package var program: Int32
    /// Where the program lies that an upgrade starts.
    package var path = ""
    /// The control socket; -1 without one.
    package var control: Int32
    /// Clients of the control socket: those that wait for the end of the upgrade or of the reload after it, and those that just ask.
    package var clients: [Client] = []
    /// The pid file, which is locked; -1 without one.
    package var pidFile: Int32 = -1
    /// How the program was started that hands over; nil where it is not to be started again.
    package var invocation: Invocation?
    /// Settings that only a restart changes, as texts.
    package var fixed: [String: String] = [:]
    /// How many workers the configuration asks for; nil where that is not known.
    package var configuredWorkers: Int?
    /// What the configuration was read from of the program that can be gone back to.
    package var configuration: [UInt8]?
    /// Listening sockets, each with the slot that it belongs to, 0 for all.
    package var listeners: [(descriptor: Int32, slot: Int)] = []
    package var supervision: Supervision.Snapshot

    package init(purpose: Purpose, process: Int32, supervision: Supervision.Snapshot) {
        (self.purpose, self.process, self.supervision) = (purpose, process, supervision)
        (scoreboard, lifeline, doorbell, program, control) = (-1, (-1, -1), -1, -1, -1)
    }

    /// All descriptors that have to be kept open for the next program.
    package var descriptors: [Int32] {
        ([scoreboard, lifeline.read, lifeline.write, doorbell, program, control, pidFile] + clients.map(\.descriptor)
            + listeners.map(\.descriptor))
            .filter { $0 >= 0 }
    }

    /// The text.
    package var text: String {
        var lines = [Self.firstLine, "process \(process)"]
        switch purpose {
        case .upgrade: lines.append("upgrade")
        // A reason is one line.
        case .revert(let reason):
            lines.append("revert \(reason.split(whereSeparator: \.isNewline).joined(separator: " "))")
        case .trial: lines.append("trial")
        }
        lines.append("scoreboard \(scoreboard)")
        lines.append("lifeline \(lifeline.read) \(lifeline.write)")
        lines.append("doorbell \(doorbell)")
        lines.append("program \(program)")
        lines.append("path \(path)")
        lines.append("control \(control)")
        for client in clients {
            let number = client.descriptor
            lines.append(client.waitsFor.map { "client \(number) \($0.rawValue)" } ?? "caller \(number)")
            if !client.received.isEmpty { lines.append("received \(Invocation.encoded(client.received))") }
            if !client.unsent.isEmpty { lines.append("unsent \(Invocation.encoded(client.unsent))") }
        }
        lines.append("pidfile \(pidFile)")
        if let invocation {
            lines += invocation.arguments.map { "argument \(Invocation.encoded($0))" }
            lines += invocation.variables.map { "variable \(Invocation.encoded($0))" }
        }
        lines += fixed.sorted { $0.key < $1.key }.map {
            "setting \($0.key) \(Invocation.encoded(Array($0.value.utf8)))"
        }
        if let configuredWorkers { lines.append("workers \(configuredWorkers)") }
        if let configuration { lines.append("configuration \(Invocation.encoded(configuration))") }
        if supervision.reloadsAgain { lines.append("again") }
        lines += listeners.map { "listener \($0.descriptor) \($0.slot)" }
        lines.append("generation \(supervision.generation) \(supervision.lastGeneration)")
        if supervision.isPaused { lines.append("paused") }
        lines += supervision.slots.map { "slot \($0)" }
        lines += supervision.entries.map {
            "worker \($0.row) \($0.slot) \($0.generation) \($0.pid) \($0.role.rawValue)"
        }
        return lines.joined(separator: "\n") + "\n"
    }

    /// Reads the text; nil when it is not understood.
    package init?(text: String) {
        let lines = text.split(separator: "\n")
        guard lines.first == Self.firstLine[...] else { return nil }
        self.init(purpose: .trial, process: 0, supervision: Supervision.Snapshot())
        for line in lines.dropFirst() {
            let words = line.split(separator: " ")
            if words.first == "revert" {
                purpose = .revert(reason: String(line.dropFirst("revert ".count)))
            } else if words.first == "path" {
                path = String(line.dropFirst("path ".count))
            } else if words.first == "argument" || words.first == "variable" {
                guard let bytes = Invocation.decoded(line.dropFirst("argument ".count)) else { return nil }
                var invocation = self.invocation ?? Invocation(arguments: [], variables: [])
                if words.first == "argument" {
                    invocation.arguments.append(bytes)
                } else {
                    invocation.variables.append(bytes)
                }
                self.invocation = invocation
            } else if words.first == "configuration" {
                guard let bytes = Invocation.decoded(line.dropFirst("configuration ".count)) else { return nil }
                configuration = bytes
            } else if words.first == "received" || words.first == "unsent" {
                guard let bytes = Invocation.decoded(words.last ?? ""), !clients.isEmpty else { return nil }
                let place = words.first == "unsent" ? \Client.unsent : \Client.received
                clients[clients.count - 1][keyPath: place] = bytes
            } else if words.first == "setting", words.count > 1 {
                guard let bytes = Invocation.decoded(words.count > 2 ? words[2] : "") else { return nil }
                fixed[String(words[1])] = String(decoding: bytes, as: UTF8.self)
            } else if let word = words.first {
                guard read(String(word), words.dropFirst().map(String.init)) else { return nil }
            }
        }
        guard process > 0, scoreboard >= 0 else { return nil }
    }

    private mutating func read(_ word: String, _ arguments: [String]) -> Bool {
        let numbers = arguments.compactMap { Int32($0) }
        switch (word, numbers.count) {
        case ("process", 1): process = numbers[0]
        case ("upgrade", 0): purpose = .upgrade
        case ("trial", 0): purpose = .trial
        case ("scoreboard", 1): scoreboard = numbers[0]
        case ("lifeline", 2): lifeline = (numbers[0], numbers[1])
        case ("doorbell", 1): doorbell = numbers[0]
        case ("program", 1): program = numbers[0]
        case ("control", 1): control = numbers[0]
        case ("client", 1):
            guard let change = arguments.last.flatMap({ Supervision.Change(rawValue: $0) }) else { return false }
            clients.append(Client(descriptor: numbers[0], waitsFor: change))
        case ("caller", 1): clients.append(Client(descriptor: numbers[0]))
        case ("pidfile", 1): pidFile = numbers[0]
        case ("workers", 1): configuredWorkers = Int(numbers[0])
        case ("again", 0): supervision.reloadsAgain = true
        case ("listener", 2): listeners.append((numbers[0], Int(numbers[1])))
        case ("generation", 2):
            (supervision.generation, supervision.lastGeneration) = (Int(numbers[0]), Int(numbers[1]))
        case ("paused", 0): supervision.isPaused = true
        case ("slot", 1): supervision.slots.append(Int(numbers[0]))
        case ("worker", 4):
            guard let role = arguments.last.flatMap({ Supervision.Snapshot.Entry.Role(rawValue: $0) }) else {
                return false
            }
            supervision.entries.append(
                Supervision.Snapshot.Entry(
                    row: Int(numbers[0]),
                    slot: Int(numbers[1]),
                    generation: Int(numbers[2]),
                    pid: numbers[3],
                    role: role
                )
            )
        default: return false
        }
        return true
    }

    package static func == (left: Handover, right: Handover) -> Bool { left.text == right.text }
}
