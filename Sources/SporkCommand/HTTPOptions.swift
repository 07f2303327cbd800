// The flags about HTTP connections; see ProcessOptions.
import ArgumentParser
import Spork

struct HTTPOptions: ParsableArguments {
    @Option(help: .setting("header-timeout")) var headerTimeout: String?
    @Option(help: .setting("keep-alive-timeout")) var keepAliveTimeout: String?
    @Option(help: .setting("body-timeout")) var bodyTimeout: String?
    @Option(help: .setting("write-timeout")) var writeTimeout: String?
    @Option(help: .setting("linger-timeout")) var lingerTimeout: String?
    @Option(help: .setting("body-limit")) var bodyLimit: String?
    @Option(help: .setting("body-rate")) var bodyRate: String?
    @Option(help: .setting("request-line-limit")) var requestLineLimit: String?
    @Option(help: .setting("field-limit")) var fieldLimit: String?
    @Option(help: .setting("head-limit")) var headLimit: String?
    @Option(help: .setting("field-count")) var fieldCount: String?

    /// The values that were given, by the settings' names.
    var values: [String: [String]] {
        [
            "header-timeout": headerTimeout, "keep-alive-timeout": keepAliveTimeout, "body-timeout": bodyTimeout,
            "write-timeout": writeTimeout, "linger-timeout": lingerTimeout, "body-limit": bodyLimit,
            "body-rate": bodyRate, "request-line-limit": requestLineLimit, "field-limit": fieldLimit,
            "head-limit": headLimit, "field-count": fieldCount,
        ].compactMapValues { $0.map { [$0] } }
    }
}
