// Lengths of time as arguments of commands that have no settings: 30s, 500ms, 2m, 1h, or a bare number of seconds.
import ArgumentParser
import Spork

/// A length of time as an argument.
struct DurationArgument: ExpressibleByArgument, Equatable {
    let duration: Duration

    init(_ duration: Duration) { self.duration = duration }

    init?(argument: String) {
        guard let duration = SettingText.duration(argument) else { return nil }
        self.duration = duration
    }

    var defaultValueDescription: String { SettingText.text(of: duration) }
}
