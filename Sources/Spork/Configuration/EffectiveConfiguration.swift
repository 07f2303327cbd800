// What a server really goes by: the flags before the environment, the environment before the file, the file before the defaults. Pure;
// ConfigurationSource makes it, anew for each reload.
import SporkNet

/// A configuration, and where each of its values comes from.
package nonisolated struct EffectiveConfiguration {
    /// The values.
    package private(set) var values: ServiceConfiguration
    /// Where those come from that are no defaults.
    private var origins: [String: ConfigurationOrigin] = [:]
    private let settings: [Setting]

    /// Lays values over one another.
    ///
    /// - Parameters:
    ///   - settings: what there is to be set.
    ///   - defaults: what holds where nobody says anything.
    ///   - flags: values by the settings' names.
    ///   - environment: all variables; those that do not begin with `SPORK_` are not looked at.
    ///   - file: the configuration file, if there is one.
    /// - Throws: `ConfigurationError`; what a stronger source overrides has to be right, too.
    package init(
        _ settings: [Setting],
        defaults: ServiceConfiguration,
        flags: [String: [String]],
        environment: [String: String] = [:],
        file: ConfigurationFile? = nil
    ) throws(ConfigurationError) {
        (self.settings, values) = (settings, defaults)
        if let file { try take(file) }
        try take(environment: environment)
        for setting in settings {
            guard let texts = flags[setting.name], !texts.isEmpty else { continue }
            try take(texts, for: setting, from: [.flag], calling: "--\(setting.name)")
        }
        for (name, needed) in Setting.dependencies where isSet(name) == true && isSet(needed) == false {
            throw .incomplete(name: name, needs: needed, origin: origins[name] ?? .byDefault)
        }
    }

    // Nil where there is no such setting.
    private func isSet(_ name: String) -> Bool? {
        settings.first { $0.name == name }.map { !$0.values(values).isEmpty }
    }

    private mutating func take(_ file: ConfigurationFile) throws(ConfigurationError) {
        var found: [String: [ConfigurationFile.Entry]] = [:]
        for entry in file.entries {
            let origin = ConfigurationOrigin.file(path: file.path, line: entry.line)
            guard let setting = settings.first(where: { $0.name == entry.name }) else {
                let suggestion = Spelling.suggestion(for: entry.name.lowercased(), among: settings.map(\.name))
                throw .unknown(name: entry.name, origin: origin, suggestion: suggestion)
            }
            if let first = found[entry.name]?.first, setting.kind != .repeatable {
                throw .repeated(name: entry.name, origin: origin, first: first.line)
            }
            found[entry.name, default: []].append(entry)
        }
        for setting in settings {
            guard let entries = found[setting.name] else { continue }
            let origins = entries.map { ConfigurationOrigin.file(path: file.path, line: $0.line) }
            try take(entries.map(\.value), for: setting, from: origins, calling: setting.name)
        }
    }

    private mutating func take(environment: [String: String]) throws(ConfigurationError) {
        let variables = environment.filter { $0.key.hasPrefix(Setting.variablePrefix) && !$0.value.isEmpty }
        for (variable, text) in variables.sorted(by: { $0.key < $1.key }) {
            guard let setting = settings.first(where: { $0.variable == variable }) else {
                if Self.isOthers(variable) { continue }
                let guess = Spelling.suggestion(
                    for: String(variable.dropFirst(Setting.variablePrefix.count)),
                    among: settings.map { String($0.variable.dropFirst(Setting.variablePrefix.count)) }
                )
                throw .unknown(
                    name: variable,
                    origin: .environment,
                    suggestion: guess.map { "\(Setting.variablePrefix)\($0)" }
                )
            }
            let texts = setting.kind == .repeatable ? text.split(separator: " ").map(String.init) : [text]
            try take(texts, for: setting, from: [.environment], calling: variable)
        }
    }

    /// Whether a variable is not meant as a setting of this server.
    ///
    /// Those are settings of other servers of this package; the handover of an upgrade, the way into the loop, where the file is; and what
    /// Kubernetes and Docker's links set in every container when there is a service called spork, or spork-something.
    private static func isOthers(_ variable: String) -> Bool {
        let name = variable.dropFirst(Setting.variablePrefix.count)
        if ["HANDOVER", "LOOP_HOOKS", "CONFIG", "PORT", "NAME"].contains(name) { return true }
        if name.hasPrefix("ENV_") || name.hasSuffix("_PORT") { return true }
        if ["SERVICE_HOST", "SERVICE_PORT"].contains(where: { name.hasSuffix($0) }) { return true }
        if ["SERVICE_PORT_", "PORT_"].contains(where: { name.hasPrefix($0) || name.contains("_\($0)") }) {
            return true
        }
        return (Setting.ofServe + Setting.ofEcho + Setting.ofService).contains { $0.variable == variable }
    }

    private mutating func take(
        _ texts: [String],
        for setting: Setting,
        from places: [ConfigurationOrigin],
        calling name: String
    ) throws(ConfigurationError) {
        if let wrong = setting.take(texts, &values) {
            let index = texts.firstIndex(of: wrong).flatMap { places.indices.contains($0) ? $0 : nil } ?? 0
            throw .badValue(name: name, value: wrong, origin: places[index], expectation: setting.expectation)
        }
        origins[setting.name] = places.first
    }

    /// All settings as a configuration file that says the same, each with where it comes from.
    ///
    /// - Parameter standard: where the server listens when nobody says anything else.
    package func text(standard: SocketAddress) -> String {
        let lines = settings.flatMap { setting -> [(text: String, note: String)] in
            let origin = origins[setting.name] ?? .byDefault
            let note = origin == .environment ? setting.variable : "\(origin)"
            let isStandard = setting.kind == .repeatable && self.values.addresses.isEmpty
            let values = isStandard ? ["\(standard)"] : setting.values(self.values)
            if values.isEmpty { return [("# \(setting.name) is not set", "")] }
            return values.map { ("\(setting.name) = \(ConfigurationFile.text(of: $0))", note) }
        }
        let width = lines.map { $0.note.isEmpty ? 0 : $0.text.count }.max() ?? 0
        return lines.map { line in
            if line.note.isEmpty { return line.text + "\n" }
            return line.text + String(repeating: " ", count: width - line.text.count) + "  # \(line.note)\n"
        }.joined()
    }
}
