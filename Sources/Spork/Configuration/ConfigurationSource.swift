// Where a server's configuration comes from: the command line and the environment as they were when the program started, and a file that is
// read again for every reload.
import CSporkShims
import Glibc
import SporkNet
import SporkPrefork

/// Reads a server's configuration, as often as it is asked to.
package struct ConfigurationSource {
    /// The longest configuration file.
    package static let mostBytes = 1 << 20

    private let settings: [Setting]
    private let defaults: ServiceConfiguration
    private let flags: [String: [String]]
    private let environment: [String: String]
    /// The path of the file; nil without one.
    package let path: String?

    /// Remembers where to look; nothing is read yet.
    ///
    /// - Parameters:
    ///   - settings: what there is to be set.
    ///   - defaults: what holds where nobody says anything.
    ///   - flags: values by the settings' names.
    ///   - path: the configuration file; where it is nil, `SPORK_CONFIG` names it.
    ///   - environment: the variables.
    package init(
        _ settings: [Setting],
        defaults: ServiceConfiguration = ServiceConfiguration(),
        flags: [String: [String]],
        path: String? = nil,
        environment: [String: String] = ConfigurationSource.processEnvironment
    ) {
        (self.settings, self.defaults, self.flags, self.environment) = (settings, defaults, flags, environment)
        self.path = path ?? environment["SPORK_CONFIG"]
    }

    /// What holds now.
    package func effective() throws(ConfigurationError) -> EffectiveConfiguration {
        var file: ConfigurationFile?
        if let path { file = try ConfigurationFile(path: path, text: Self.text(of: path)) }
        return try EffectiveConfiguration(
            settings,
            defaults: defaults,
            flags: flags,
            environment: environment,
            file: file
        )
    }

    private static func text(of path: String) throws(ConfigurationError) -> String {
        let descriptor = spork_open_read(path)
        guard descriptor >= 0 else { throw .unreadable(SystemError("open", path, number: -descriptor)) }
        defer { close(descriptor) }
        guard let text = SystemFile.contents(of: descriptor, atMost: mostBytes + 1) else {
            throw .unreadable(SystemError("read", path, number: errno))
        }
        guard text.utf8.count <= mostBytes else { throw .unreadable(SystemError("read", path, number: EFBIG)) }
        return text
    }

    /// The environment of this process.
    package static var processEnvironment: [String: String] {
        var variables: [String: String] = [:]
        var entry = environ
        while let variable = entry.pointee {
            let text = String(cString: variable)
            if let equals = text.firstIndex(of: "=") {
                variables[String(text[..<equals])] = String(text[text.index(after: equals)...])
            }
            entry += 1
        }
        return variables
    }
}
