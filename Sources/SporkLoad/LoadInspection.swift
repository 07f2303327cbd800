// What one connection does beyond counting answers: it compares them with what was expected, and puts numbers into requests that have
// to come back. Exists only where that is asked for, so that nothing else pays for it.
import SporkNet

/// Looks at the answers of one connection.
final class LoadInspection {
    private unowned let process: LoadProcess
    private var check: LoadAnswerCheck?
    private var search = LoadNumber.Search()
    // Requests with their numbers, as they are sent.
    private var batch: [UInt8] = []
    private var url = 0
    // The first number that has not ended, in the process's ledger.
    private var number = 0
    // How many of the requests that were sent at once have their answers.
    private var answered = 0
    private var echoDifference: LoadMismatch?

    init(_ process: LoadProcess) {
        self.process = process
        if let answers = process.answers { check = LoadAnswerCheck(answers) }
    }

    /// Requests are to be sent.
    func begin(_ count: Int, of url: Int) {
        (self.url, answered, echoDifference) = (url, 0, nil)
        if process.plan.keepsLedger { number = process.ledger.begin(count) }
        beginAnswer()
    }

    private func beginAnswer() {
        check?.begin(url: url)
        if process.plan.keepsLedger { search.begin(process.name(of: number)) }
    }

    /// The requests with their numbers; nil when they have none.
    func numbered(_ count: Int) -> ArraySlice<UInt8>? {
        guard process.plan.keepsLedger else { return nil }
        let length = process.requestLengths[url]
        batch = Array(process.requests[url].prefix(count * length))
        batch.withUnsafeMutableBytes { bytes in
            for index in 0..<count {
                for place in process.numberPlaces[url] {
                    LoadNumber.write(process.name(of: number + index), to: bytes[(index * length + place)...])
                }
            }
        }
        return batch[...]
    }

    /// The head of an answer.
    func take(head: UnsafeRawBufferPointer) { if process.plan.keepsLedger { search.take(head) } }

    /// The next bytes of its content.
    func take(content: UnsafeRawBufferPointer) {
        check?.take(content)
        if process.plan.keepsLedger { search.take(content) }
    }

    /// The next bytes of what has to be what was sent.
    func take(echo: UnsafeRawBufferPointer, at position: Int) {
        if process.plan.keepsLedger { search.take(echo) }
        guard echoDifference == nil else { return }
        let length = process.requestLengths[url]
        // Without numbers all that was sent at once is the same.
        let sent = process.plan.keepsLedger ? batch[(answered * length)...] : process.requests[url]
        echoDifference = sent.withUnsafeBytes { sent in
            let expected = UnsafeRawBufferPointer(rebasing: sent[..<length])
            return LoadAnswerCheck.difference(echo, expected, at: position, url: url)
        }
    }

    /// The answer to the first request that is out is complete.
    ///
    /// - Returns: what is wrong with it; nil when nothing is.
    func end(status: Int) -> LoadMismatch? {
        var mismatch = check?.end(status: status) ?? echoDifference
        echoDifference = nil
        answered += 1
        if process.plan.keepsLedger {
            let isRight = search.isFound && mismatch == nil
            if !search.isFound {
                let wanted = LoadNumber.text(process.name(of: number))
                let text = "\(wanted) was answered with \(search.other ?? "no number")"
                mismatch = LoadMismatch(url: url, offset: -1, text: text)
            }
            process.ledger.end(number, isRight ? .right : .wrong)
            number += 1
        }
        beginAnswer()
        return mismatch
    }

    /// The first request that is out ends without an answer.
    func end(_ ending: LoadLedger.Ending) {
        guard process.plan.keepsLedger else { return }
        process.ledger.end(number, ending)
        number += 1
    }
}
