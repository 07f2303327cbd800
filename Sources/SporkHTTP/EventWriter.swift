// Server-sent events as text (HTML, 9.2.5). ServerConnection makes a writer for an answer made with Response.events.

/// Sends events to one client.
public final class EventWriter {
    private let body: BodyWriter

    init(_ body: BodyWriter) { self.body = body }

    /// The id of the last event that the client has seen, where it comes back after its connection was lost.
    public internal(set) var lastEventID: String?

    /// Sends an event, waiting until the client's connection has taken it.
    ///
    /// - Parameters:
    ///   - data: its text; each of its lines becomes one of the event.
    ///   - event: its type; nil for "message".
    ///   - id: what a client that comes back says it has seen last.
    ///   - retry: how long the client shall wait before it comes back.
    /// - Throws: `StreamError` when the client is gone.
    public func send(
        _ data: String,
        event: String? = nil,
        id: String? = nil,
        retry: Duration? = nil
    ) async throws {
        try await body.write(Self.text(data, event: event, id: id, retry: retry))
    }

    /// Sends a line that clients ignore: keeps proxies from closing a connection on which nothing happens.
    public func keepAlive() async throws { try await body.write(":\n\n") }

    /// An event as text.
    nonisolated static func text(_ data: String, event: String?, id: String?, retry: Duration?) -> String {
        var text = ""
        if let event { text += "event: \(oneLine(event))\n" }
        if let id { text += "id: \(oneLine(id))\n" }
        if let retry { text += "retry: \(Int(retry / .milliseconds(1)))\n" }
        for line in lines(data) { text += "data: \(line)\n" }
        return text + "\n"
    }

    // The three line ends of the format: CR LF is one character here, and LF and CR are others.
    private nonisolated static func lines(_ text: String) -> [Substring] {
        text.split(omittingEmptySubsequences: false) { $0 == "\r\n" || $0 == "\n" || $0 == "\r" }
    }

    // A name with a line end would be two fields; one with a zero byte is ignored by clients.
    private nonisolated static func oneLine(_ text: String) -> String {
        String(String.UnicodeScalarView(text.unicodeScalars.filter { $0 != "\r" && $0 != "\n" && $0 != "\0" }))
    }
}
