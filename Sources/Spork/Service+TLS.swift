// The secured side of servers: who is put around their connections, and what a client hears that speaks HTTP in the clear. Part of Service.
import SporkHTTP
import SporkNet

extension Service {
    /// Handlers for connections that are secured by `context`, or are not without one.
    ///
    /// - Parameter refusal: what a client is told in the clear that does not speak TLS.
    static func secured(
        by context: TLSContext?,
        refusal: @escaping () -> [UInt8] = { [] },
        _ make: @escaping (SocketStream) -> any StreamHandler
    ) -> (SocketStream) -> any StreamHandler {
        guard let context else { return make }
        var settings = SecuringHandler.Settings(context)
        settings.refusal = refusal
        return { SecuringHandler($0, settings, make) }
    }

    /// What is spoken inside of TLS, best first.
    static let httpProtocols = ["http/1.1", "http/1.0"]

    /// The answer to HTTP where https is spoken.
    static func httpRefusal() -> [UInt8] {
        let response = Response(.badRequest, text: "This port speaks https, and the request came without TLS.\n")
        var output = OutputBuffer()
        ResponseSerializer.appendHead(of: response, .length(response.body.count ?? 0), .closes, to: &output)
        if case .text(let text) = response.body { output.append(text) }
        return Array(output.bytes)
    }
}
