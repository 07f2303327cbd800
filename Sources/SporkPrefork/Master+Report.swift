// What the master tells an operator, a line each.
import SporkNet

extension Master {
    /// Something that an operator should know.
    public enum Report: CustomStringConvertible {
        /// A worker ended without having been asked to; the requests are those it was answering.
        case ended(slot: Int, pid: Int32, reason: String, requests: [String])
        /// The system refused to fork.
        case forkFailed(slot: Int, error: SystemError)
        /// A worker did not get on, and is aborted and replaced.
        case hung(slot: Int, pid: Int32, seconds: Double, detail: String, requests: [String])
        /// A worker was not ready, or had not finished, when it had to be, and is killed.
        case killed(slot: Int, pid: Int32, reason: String, requests: [String])
        /// A worker that is well is replaced.
        case recycled(slot: Int, pid: Int32, reason: String)
        /// A reload has come to its end; nil when it went well.
        case reloaded(generation: Int, failure: String?)
        /// An upgrade has come to its end; nil when it went well.
        case upgraded(generation: Int, failure: String?)
        /// So much was not said, because nobody read standard error.
        case untold(Int)
        /// Workers drain, and none is started.
        case paused

        /// One line.
        public var description: String {
            switch self {
            case .ended(let slot, let pid, let reason, let requests):
                "worker \(slot) (pid \(pid)) \(reason); it is replaced"
                    + Self.list(requests, before: "; it was answering ")
            case .forkFailed(let slot, let error): "worker \(slot) could not be started: \(error); trying again"
            case .hung(let slot, let pid, let seconds, let detail, let requests):
                "worker \(slot) (pid \(pid)) has not got on for \(Self.tenths(seconds)) s"
                    + Self.list(requests, before: ", answering ") + "; \(detail); it is aborted and replaced"
            case .killed(let slot, let pid, let reason, let requests):
                "worker \(slot) (pid \(pid)) \(reason); it is killed"
                    + Self.list(requests, before: "; it was answering ")
            case .recycled(let slot, let pid, let reason): "worker \(slot) (pid \(pid)) \(reason); it is replaced"
            case .reloaded(let generation, nil): "reload: all workers are of generation \(generation)"
            case .reloaded(_, let failure?): "reload: nothing was changed: \(failure)"
            case .upgraded(let generation, nil):
                "upgrade: all workers are of generation \(generation), of the new program"
            case .upgraded(_, let failure?): "upgrade: nothing was changed: \(failure)"
            case .untold(let count): "standard error was full; \(count) messages were lost"
            case .paused: "all workers drain; HUP or TTIN starts them again"
            }
        }

        private static func list(_ requests: [String], before: String) -> String {
            requests.isEmpty ? "" : before + requests.joined(separator: ", ")
        }

        private static func tenths(_ seconds: Double) -> String {
            let tenths = Int((seconds * 10).rounded())
            return "\(tenths / 10).\(tenths % 10)"
        }
    }
}
