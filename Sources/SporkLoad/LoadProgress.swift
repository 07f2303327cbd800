// How far each load process is, in memory that they share with the parent: one row a process, written by its owner only.
// Read for the live line while the run goes on; results travel by pipe. Torn or late reads would only blur that line.
import Glibc

/// Shared counters, one row a process.
struct LoadProgress {
    /// One process's row: a cache line, so that owners do not slow one another down.
    private static let rowSize = 64

    private let memory: UnsafeMutableRawPointer
    private let rows: Int

    /// Maps rows for `processes`; nil when the system refuses.
    init?(processes: Int) {
        rows = processes
        let size = processes * Self.rowSize
        guard let memory = mmap(nil, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0),
            memory != MAP_FAILED
        else { return nil }
        self.memory = memory
    }

    /// The calling process's row.
    func update(row: Int, responses: Int, failures: Int) {
        let start = memory + row * Self.rowSize
        start.storeBytes(of: responses, as: Int.self)
        start.storeBytes(of: failures, toByteOffset: 8, as: Int.self)
    }

    /// One process's counts so far.
    func responses(row: Int) -> Int { (memory + row * Self.rowSize).load(as: Int.self) }

    /// All processes' counts so far.
    var total: (responses: Int, failures: Int) {
        (0..<rows).reduce((0, 0)) { sum, row in
            let start = memory + row * Self.rowSize
            return (sum.0 + start.load(as: Int.self), sum.1 + start.load(fromByteOffset: 8, as: Int.self))
        }
    }

    func unmap() { munmap(memory, rows * Self.rowSize) }
}
