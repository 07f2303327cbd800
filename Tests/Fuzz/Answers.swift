// What a program puts into an answer, whatever it is: it stays within its field, and the client finds the end of the answer where it is.
import SporkHTTP
import SporkNet

func checkAnswers(_ input: FuzzInput) {
    var input = input
    let status = Status(UInt16(100 + input.choice(below: 500)), "Whatever")
    let framingKind = input.choice(below: 3)
    let parts = input.bytes.split(separator: 0, omittingEmptySubsequences: false).map(text)
    var headers = Headers()
    for pair in stride(from: 0, to: parts.count - 1, by: 2) {
        let name = parts[pair].filter { $0.utf8.allSatisfy(\.isInToken) }
        if !name.isEmpty { headers.add(name, parts[pair + 1]) }
    }
    let content = Array((parts.last ?? "").utf8)
    let framing: ResponseSerializer.Framing =
        !status.allowsContent
        ? .none : framingKind == 0 ? .length(content.count) : framingKind == 1 ? .chunked : .untilClose
    var output = OutputBuffer()
    ResponseSerializer.appendStatusAndFields(status, headers, framing, to: &output)
    output.append(literal: "\r\n")
    let head = Array(output.bytes)
    let lines = text(head).utf8.split(separator: 10, omittingEmptySubsequences: false).map { Array($0) }
    require(lines.dropLast().allSatisfy { $0.last == 13 }, "a line ends without CR")
    let fields = lines.dropFirst().dropLast(2)
    let ours = ["connection", "content-length", "transfer-encoding"]
    let theirs = headers.filter { !ours.contains(text($0.name.utf8.small)) }
    // Where the program does not name one, the server names itself.
    let namesServer = headers.contains { text($0.name.utf8.small) == "server" }
    require(
        fields.count <= theirs.count + 2 && fields.count >= theirs.count + (namesServer ? 0 : 1),
        "\(fields.count) lines for \(theirs.count) fields"
    )
    for field in fields {
        let name = field.prefix { $0 != UInt8(ascii: ":") }
        require(!name.isEmpty && name.allSatisfy(\.isInToken), "a field's name")
        require(!field.dropLast().contains { $0.endsLines }, "a control character in a field")
    }
    guard status.code >= 200 || status.code == 101 else { return }
    var answer = head
    var isWhole = true
    switch framing {
    case .none: break
    case .length: answer += content
    case .chunked:
        if !content.isEmpty { answer += String(content.count, radix: 16).utf8 + [13, 10] + content + [13, 10] }
        answer += "0\r\n\r\n".utf8
    case .untilClose:
        answer += content
        isWhole = false
    }
    var parser = ResponseParser()
    let action = withExactBytes(answer) { parser.advance(over: $0) }
    // An answer that changes the protocol, or has no length, ends with the connection.
    if !isWhole || status.code == 101 { return require(parser.endsWithStream || action != .malformed, "\(action)") }
    require(
        action == .complete(used: answer.count, status: Int(status.code), keepsAlive: true),
        "\(action) of \(answer.count)"
    )
}
