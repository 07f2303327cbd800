// A request as a program makes it for HTTPClient: a value, which can be kept, changed and sent again. RequestSerializer turns its head into bytes.
import SporkNet

/// A request to a server.
public struct ClientRequest {
    /// What is sent behind the head.
    public enum Body {
        case none
        case bytes([UInt8])
        /// Written while it is sent, with its length where that is known before; without, it is sent in chunks (RFC 9112, 7.1).
        ///
        /// The function runs in a coroutine of its own, beside whoever reads the answer. What it throws ends the request, and is thrown there.
        case stream(length: Int?, @MainActor (ClientBodyWriter) async throws -> Void)

        /// A text in UTF-8.
        public static func text(_ text: String) -> Body { .bytes(Array(text.utf8)) }
    }

    /// The method, a token such as "GET".
    public var methodName: String
    /// What is asked for, and of whom.
    public var url: HTTPURL
    /// The fields.
    ///
    /// Host and User-Agent are added where they are missing. Content-Length, Transfer-Encoding, Connection and Expect are the client's own: what stands
    /// there is not sent.
    public var headers = Headers()
    /// The body.
    public var body = Body.none
    /// Whether it is about the server itself and none of its resources, as OPTIONS can be: the target is "*", whatever the URL's path
    /// (RFC 9112, 3.2.4).
    public var isForServer = false
    /// Where to connect to, whatever the URL says; for Unix sockets, and servers that are to be asked under another name.
    public var address: SocketAddress?
    /// Whether the server is asked before the body is sent (Expect: 100-continue, RFC 9110, 10.1.1).
    ///
    /// Where it does not say anything within `HTTPClient.Configuration.continueTimeout`, the body is sent all the same.
    public var expectsContinue = false
    /// Whether the connection is closed behind the answer.
    public var closesConnection = false
    /// How long all of it may take, to the end of the answer's body; nil for what the client's configuration says.
    public var timeout: Duration?

    /// A request of this URL.
    public init(_ method: HTTPMethod, _ url: HTTPURL) {
        methodName = method.rawValue
        self.url = url
    }

    /// A request of this URL.
    ///
    /// - Throws: `ClientError` when it is none.
    public init(_ method: HTTPMethod, _ url: String) throws {
        guard let parsed = HTTPURL(url) else { throw ClientError(.malformedURL, method.rawValue, url) }
        self.init(method, parsed)
    }

    /// The method, `.unknown` where it is none of the usual ones.
    public var method: HTTPMethod { HTTPMethod(rawValue: methodName) ?? .unknown }

    /// Whether the same twice is the same as once (RFC 9110, 9.2.2), and there is no body that could be there only once.
    var mayBeRepeated: Bool {
        guard case .none = body else { return false }
        switch method {
        case .get, .head, .put, .delete, .options, .trace: return true
        case .post, .patch, .connect, .unknown: return false
        }
    }

    /// Why it cannot be sent; nil when it can.
    var unfitness: String? {
        if methodName.isEmpty || !methodName.utf8.allSatisfy(\.isTokenCharacter) { return "the method is not a token" }
        // The answer would be a tunnel.
        if method == .connect { return "CONNECT is not a request for an answer" }
        if case .stream(let length?, _) = body, length < 0 { return "a body has no negative length" }
        if isForServer, method != .options { return "only OPTIONS can be about the server itself" }
        // A server has to refuse it (RFC 9112, 3.2).
        if headers.values("Host").count > 1 { return "there are several Host fields" }
        for field in headers {
            guard !field.name.isEmpty, field.name.utf8.allSatisfy(\.isTokenCharacter) else {
                return "a field's name is not a token"
            }
            if field.value.utf8.contains(where: \.isControl) { return "\(field.name) has a control character" }
        }
        return nil
    }
}
