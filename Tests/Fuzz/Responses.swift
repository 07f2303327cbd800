// Answers one behind the other, as the load generator reads them: the same whole and in pieces, and never an answer made of nothing.
import SporkHTTP

func checkResponses(_ input: FuzzInput) {
    var input = input
    let isHead = input.choice(below: 4) == 1
    let cuts = input.cuts()
    let whole = answers(input.bytes, cuts: [], isHead)
    let inPieces = answers(input.bytes, cuts: cuts, isHead)
    require(whole == inPieces, "cut at \(cuts): \(inPieces), whole: \(whole)")
}

private func answers(_ bytes: [UInt8], cuts: [Int], _ isHead: Bool) -> [String] {
    var parser = ResponseParser(isHead: isHead)
    var found: [String] = []
    var start = 0
    for end in cuts + [bytes.count] {
        var goesOn = true
        while goesOn {
            goesOn = withExactBytes(bytes[start..<end]) { rest in
                switch parser.advance(over: rest) {
                case .needMore(let used):
                    require(used <= rest.count, "more is used than there is")
                    start += used
                    return false
                case .complete(let used, let status, let keepsAlive):
                    require(used >= 13 - (start > 0 ? 13 : 0) || !cuts.isEmpty, "an answer made of \(used) bytes")
                    require(
                        used <= rest.count && (100...999).contains(status),
                        "\(used) of \(rest.count) bytes, status \(status)"
                    )
                    require(!(isHead && used == 0), "an answer made of nothing")
                    start += used
                    found.append("\(status) \(keepsAlive) up to \(start)")
                    return true
                case .head, .content:
                    require(false, "parts were reported that nobody wants")
                    return false
                case .malformed:
                    found.append("malformed")
                    return false
                }
            }
        }
        if found.last == "malformed" { return found }
    }
    return found + ["\(parser.endsWithStream)"]
}
