// Where a server's configuration comes from: the command line and the environment as they were when the program started, and a file that is
// read again for every reload.
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
        self.path = path ?? environment["SPORK_CONFIG"].flatMap { $0.isEmpty ? nil : $0 }
    }

    /// What holds now, and the file's text.
    ///
    /// A program that takes its place back after an upgrade that has failed goes by the text that it has left, until the next reload: the file
    /// may have been written for the program that was to replace it.
    package func effective() throws(ConfigurationError) -> (EffectiveConfiguration, text: [UInt8]?) {
        var text = Handover.takeTextToGoBackTo()
        if text == nil, let path { text = try Self.bytes(of: path) }
        var file: ConfigurationFile?
        if let path, let text { file = try ConfigurationFile(path: path, bytes: text) }
        let effective = try EffectiveConfiguration(
            settings,
            defaults: defaults,
            flags: flags,
            environment: environment,
            file: file
        )
        return (effective, text)
    }

    private static func bytes(of path: String) throws(ConfigurationError) -> [UInt8] {
        // Not waiting: a pipe has nobody who writes, or is empty when it is read again for a reload.
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else { throw .unreadable(SystemError("open", path, number: errno)) }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw .unreadable(SystemError("read", path, number: errno)) }
        guard status.st_mode & S_IFMT == S_IFREG else { throw .notAFile(path: path) }
        guard let bytes = SystemFile.bytes(of: descriptor, atMost: mostBytes + 1) else {
            throw .unreadable(SystemError("read", path, number: errno))
        }
        guard bytes.count <= mostBytes else { throw .unreadable(SystemError("read", path, number: EFBIG)) }
        return bytes
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
