// The arguments of spork bench that are more than a number: how results are printed, rates, arrivals, content, sweeps.
import ArgumentParser
import Glibc
import Spork
import SporkLoad
import SporkNet

/// How a result is printed.
enum LoadFormat: String, ExpressibleByArgument, CaseIterable {
    case text, json
}

/// Requests a second as an argument: 500, 20k, 0.5, or a ramp from one to another, 100:5000.
struct RateArgument: ExpressibleByArgument, Equatable {
    let start: Double
    let end: Double?

    /// More than one generator does; what it cannot send it has to remember.
    static let most = 1e6

    init(start: Double) { (self.start, end) = (start, nil) }

    init?(argument: String) {
        let parts = argument.split(separator: ":", omittingEmptySubsequences: false).map(Self.number)
        guard (1...2).contains(parts.count), let first = parts[0], let last = parts[parts.count - 1], first + last > 0
        else { return nil }
        start = first
        end = parts.count == 2 ? last : nil
        if end == nil, start == 0 { return nil }
    }

    private static func number(_ text: Substring) -> Double? {
        let isThousands = text.hasSuffix("k")
        let digits = isThousands ? text.dropLast() : text
        guard digits.allSatisfy({ $0.isASCII && ($0.isNumber || $0 == ".") }), let value = Double(digits) else {
            return nil
        }
        let rate = isThousands ? value * 1000 : value
        return rate <= most ? rate : nil
    }

    func schedule(_ arrivals: ArrivalsArgument, over duration: Duration) -> ArrivalSchedule {
        let shape: ArrivalSchedule.Shape =
            switch arrivals {
            case .poisson: .poisson(seed: .random(in: 0 ... .max))
            case .burst(let size): .burst(size: size)
            case .constant: end.map { .ramp(to: $0) } ?? .constant
            }
        return ArrivalSchedule(rate: start, shape: shape, duration: duration.nanoseconds)
    }
}

/// How the requests of an open loop lie in time, as an argument.
enum ArrivalsArgument: ExpressibleByArgument, Equatable {
    case constant, poisson
    case burst(Int)

    init?(argument: String) {
        switch argument {
        case "constant": self = .constant
        case "poisson": self = .poisson
        default:
            let prefix = "burst:"
            guard argument.hasPrefix(prefix), let size = Int(argument.dropFirst(prefix.count)),
                (1...1_000_000).contains(size)
            else { return nil }
            self = .burst(size)
        }
    }

    var defaultValueDescription: String { "constant" }
}

/// The content of requests as an argument: itself, or @ and the file that it is in.
struct BodyArgument: ExpressibleByArgument, Equatable {
    let argument: String

    init?(argument: String) { self.argument = argument }

    /// The content; reads the file.
    var bytes: [UInt8] {
        get throws {
            guard argument.hasPrefix("@") else { return Array(argument.utf8) }
            let path = String(argument.dropFirst())
            let descriptor = open(path, O_RDONLY | O_CLOEXEC)
            guard descriptor >= 0 else { throw SystemError("open", path, number: errno) }
            defer { close(descriptor) }
            var bytes: [UInt8] = []
            var chunk = [UInt8](repeating: 0, count: 64 * 1024)
            while true {
                let count = read(descriptor, &chunk, chunk.count)
                if count == 0 { return bytes }
                guard count > 0 else { throw SystemError("read", path, number: errno) }
                bytes += chunk[..<count]
            }
        }
    }
}

/// A Unix socket as an argument: a path, or @ and an abstract name.
struct UnixSocketArgument: ExpressibleByArgument, Equatable {
    let address: SocketAddress

    init?(argument: String) {
        guard let address = SocketAddress(argument.hasPrefix("unix:") ? argument : "unix:" + argument) else {
            return nil
        }
        self.address = address
    }
}

extension String {
    /// Whether it is a token of HTTP's (RFC 9110, 5.6.2).
    var isToken: Bool {
        !isEmpty
            && utf8.allSatisfy { byte in
                let character = Character(UnicodeScalar(byte))
                return character.isASCII
                    && (character.isLetter || character.isNumber || "!#$%&'*+-.^_`|~".contains(character))
            }
    }
}

/// "workers=1,2,4" as an argument.
struct SweepArgument: ExpressibleByArgument {
    let workers: [Int]

    init?(argument: String) {
        guard argument.hasPrefix("workers=") else { return nil }
        let fields = argument.dropFirst("workers=".count).split(separator: ",", omittingEmptySubsequences: false)
        workers = fields.compactMap { Int($0) }.filter { (1...Setting.mostWorkers).contains($0) }
        guard workers.count == fields.count else { return nil }
    }
}
