// The scoreboard: memory that the master and all workers share, with a row a process. It is where a worker says how it is
// and what it does, and where the master, the siblings and whoever asks for the status read it.
//
// Invariants: a row's words are written by their owner only (the first line by the master, the rest by the worker), a row
// is a whole number of cache lines, and every word is loaded and stored as one. What a worker has counted is added to
// the totals by the master when it has ended, so totals never go backwards: not by recycling, not by a reload or an upgrade.
import CSporkShims
import Glibc
import SporkNet

/// The memory that a master and its workers share.
package nonisolated final class Scoreboard {
    /// What is counted for each worker and in all.
    package struct Counters: Equatable, Sendable {
        /// Connections that were accepted.
        package var accepted: UInt64 = 0
        /// Requests that were answered.
        package var requests: UInt64 = 0
        /// Bytes that were sent in answer.
        package var bytesSent: UInt64 = 0

        package init(accepted: UInt64 = 0, requests: UInt64 = 0, bytesSent: UInt64 = 0) {
            (self.accepted, self.requests, self.bytesSent) = (accepted, requests, bytesSent)
        }

        package static func + (left: Counters, right: Counters) -> Counters {
            Counters(
                accepted: left.accepted + right.accepted,
                requests: left.requests + right.requests,
                bytesSent: left.bytesSent + right.bytesSent
            )
        }
    }

    // The words of the header. It has a page of its own.
    private enum Word: Int {
        case magic, version, sequence, accepted, requests, bytesSent, usedRows, isStopping
    }

    // "SPORK" and the layout's version: another program version may count differently.
    private static let magic: UInt64 = 0x53_504F_524B
    private static let version: UInt64 = 1
    private static let headerSize = 4096
    /// How many processes there can be at once: the most workers, each with its replacement.
    package static let rowCount = 2048
    private static let mostAttempts = 10_000
    private static let size = headerSize + rowCount * ScoreboardRow.size

    /// The memory's descriptor, by which a new program takes the scoreboard over.
    package let descriptor: Int32
    private let start: UnsafeMutablePointer<UInt64>

    /// Makes an empty one.
    ///
    /// - Throws: `SystemError` when there is no memory.
    package init() throws {
        let descriptor = spork_shared_memory(Self.size)
        guard descriptor >= 0 else { throw SystemError("memfd_create", number: -descriptor) }
        self.descriptor = descriptor
        start = try Self.map(descriptor)
        store(Self.version, .version)
        store(Self.magic, .magic)
    }

    /// Takes over one that another program has made.
    ///
    /// - Throws: `SystemError` when it is of another kind.
    package init(adopting descriptor: Int32) throws {
        var status = stat()
        guard fstat(descriptor, &status) == 0, status.st_size == Self.size else {
            throw SystemError("take over the scoreboard", number: EINVAL)
        }
        self.descriptor = descriptor
        start = try Self.map(descriptor)
        guard load(.magic) == Self.magic, load(.version) == Self.version else {
            throw SystemError("take over the scoreboard", number: EPROTO)
        }
    }

    deinit {
        munmap(start, Self.size)
        close(descriptor)
    }

    /// The row with this number.
    package func row(_ index: Int) -> ScoreboardRow {
        precondition((0..<Self.rowCount).contains(index))
        let offset = (Self.headerSize + index * ScoreboardRow.size) / MemoryLayout<UInt64>.size
        return ScoreboardRow(index: index, words: start + offset)
    }

    /// The rows that have a process.
    package var rows: [ScoreboardRow] { (0..<Int(load(.usedRows))).map(row).filter { $0.pid != 0 } }

    /// How many rows have to be looked at to see all processes.
    package var usedRows: Int { Int(load(.usedRows)) }

    /// Whether the server is about to end, and should be sent no more requests.
    package var isStopping: Bool {
        get { load(.isStopping) != 0 }
        set { store(newValue ? 1 : 0, .isStopping) }
    }

    /// All that was ever counted, by the workers that live and by those that have ended.
    ///
    /// Can be asked in any process. Never less than it was before.
    package var totals: Counters {
        // A master that was killed in the midst of it leaves the number odd for ever; nobody waits for that.
        var attempt = 0
        while true {
            attempt += 1
            let sequence = load(.sequence)
            let live = rows.reduce(Counters()) { $0 + $1.counters }
            let ended = Counters(accepted: load(.accepted), requests: load(.requests), bytesSent: load(.bytesSent))
            // Odd while the master moves a row to the totals; another number when it has done so meanwhile.
            let isWhole = sequence & 1 == 0 && load(.sequence) == sequence
            if isWhole || attempt >= Self.mostAttempts { return live + ended }
        }
    }

    /// Gives a row to a new process; called by the master, before it forks.
    package func prepare(_ index: Int, slot: Int, generation: Int) {
        if index >= usedRows { store(UInt64(index + 1), .usedRows) }
        row(index).prepare(slot: slot, generation: generation)
    }

    /// Adds what an ended process has counted to the totals and empties its row; called by the master.
    package func fold(_ index: Int) {
        let row = row(index)
        let counters = row.counters
        store(load(.sequence) + 1, .sequence)
        store(load(.accepted) + counters.accepted, .accepted)
        store(load(.requests) + counters.requests, .requests)
        store(load(.bytesSent) + counters.bytesSent, .bytesSent)
        row.erase()
        store(load(.sequence) + 1, .sequence)
        var used = usedRows
        while used > 0, self.row(used - 1).pid == 0 { used -= 1 }
        store(UInt64(used), .usedRows)
    }

    private func load(_ word: Word) -> UInt64 { spork_load(start + word.rawValue) }

    private func store(_ value: UInt64, _ word: Word) { spork_store(start + word.rawValue, value) }

    private static func map(_ descriptor: Int32) throws -> UnsafeMutablePointer<UInt64> {
        guard let start = spork_map_shared(descriptor, size) else {
            throw SystemError("mmap", "the scoreboard", number: errno)
        }
        return start.assumingMemoryBound(to: UInt64.self)
    }
}
