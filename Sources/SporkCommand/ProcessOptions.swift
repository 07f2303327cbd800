// The flags that all commands with workers have in common. What they mean, and what their values look like, is in the settings' tables: here they
// are texts.
import ArgumentParser
import Spork

struct ProcessOptions: ParsableArguments {
    @Option(name: .setting("bind", letter: "b"), help: .setting("bind")) var bind: [String] = []
    @Option(name: .setting("workers", letter: "w"), help: .setting("workers")) var workers: String?
    @Option(help: ArgumentHelp("A file with the same settings: name = value.", valueName: "path")) var config: String?
    @Option(help: .setting("graceful-timeout")) var gracefulTimeout: String?
    @Option(help: .setting("shutdown-delay")) var shutdownDelay: String?
    @Option(help: .setting("hang-timeout")) var hangTimeout: String?
    @Option(help: .setting("boot-timeout")) var bootTimeout: String?
    @Option(help: .setting("max-requests")) var maxRequests: String?
    @Option(help: .setting("max-memory")) var maxMemory: String?
    @Option(help: .setting("max-age")) var maxAge: String?
    @Option(help: .setting("accept")) var accept: String?
    @Option(help: .setting("backlog")) var backlog: String?
    @Option(help: .setting("user")) var user: String?
    @Option(help: .setting("group")) var group: String?
    @Option(help: .setting("pid-file")) var pidFile: String?
    @Option(help: .setting("cpu-affinity")) var cpuAffinity: String?
    @Option(help: .setting("nofile")) var nofile: String?
    @Option(help: .setting("control")) var control: String?

    /// The values that were given, by the settings' names.
    var values: [String: [String]] {
        let single = [
            "workers": workers, "graceful-timeout": gracefulTimeout, "shutdown-delay": shutdownDelay,
            "hang-timeout": hangTimeout, "boot-timeout": bootTimeout, "max-requests": maxRequests,
            "max-memory": maxMemory, "max-age": maxAge, "accept": accept, "backlog": backlog, "user": user,
            "group": group, "pid-file": pidFile, "cpu-affinity": cpuAffinity, "nofile": nofile, "control": control,
        ]
        return single.compactMapValues { $0.map { [$0] } }.merging(["bind": bind]) { first, _ in first }
    }
}

extension ArgumentHelp {
    /// The help of a setting, with its default.
    static func setting(_ name: String) -> ArgumentHelp {
        guard let setting = (Setting.ofServe + Setting.ofService).first(where: { $0.name == name }) else {
            preconditionFailure("there is no setting \(name)")
        }
        let value = setting.kind == .single ? setting.values(ServiceConfiguration()).first : nil
        let note = value.map { " (default: \($0))" } ?? ""
        return ArgumentHelp("\(setting.summary)\(note)", valueName: setting.valueName)
    }
}

extension NameSpecification {
    /// The names of a setting that has a short one, whose value may follow at once: -w4.
    static func setting(_ name: String, letter: Character) -> NameSpecification {
        [.customShort(letter, allowingJoined: true), .customLong(name)]
    }
}
