// Configuration files and the values in them: whatever is read is read again as the same when it is written.
import Spork

func checkConfigurations(_ input: FuzzInput) {
    var input = input
    let kind = input.choice(below: 3)
    let bytes = input.bytes
    switch kind {
    case 0: checkFile(bytes)
    case 1: checkValue(text(bytes.filter { $0 >= 32 || $0 == 9 }))
    default: checkSettings(text(bytes))
    }
}

private func checkFile(_ bytes: [UInt8]) {
    guard let file = try? ConfigurationFile(path: "f", bytes: bytes) else { return }
    let lines = bytes.split(separator: 10, omittingEmptySubsequences: false).count
    var last = 0
    for entry in file.entries {
        require(entry.line > last && entry.line <= lines, "line \(entry.line) of \(lines)")
        last = entry.line
        require(!entry.name.isEmpty && !entry.value.utf8.contains { $0 < 32 && $0 != 9 }, "\(entry) has a line end")
    }
    let again = file.entries.map { "\($0.name)=\(ConfigurationFile.text(of: $0.value))\n" }.joined()
    guard let reread = try? ConfigurationFile(path: "f", bytes: Array(again.utf8)) else {
        return require(false, "\(again) is malformed")
    }
    require(
        reread.entries.map { Array($0.name.utf8) + [10] + $0.value.utf8 }
            == file.entries.map { Array($0.name.utf8) + [10] + $0.value.utf8 },
        "\(again) is something else"
    )
}

private func checkValue(_ value: String) {
    for note in ["", " ", "\t# note \"", "\r"] {
        let line = "a = \(ConfigurationFile.text(of: value))\(note)"
        guard let file = try? ConfigurationFile(path: "f", bytes: Array(line.utf8)) else {
            return require(false, "\(line) is malformed")
        }
        require(file.entries.map(\.name) == ["a"], "\(line) is no setting of a")
        require(Array(file.entries[0].value.utf8) == Array(value.utf8), "\(line) sets \(file.entries[0].value)")
    }
}

private func checkSettings(_ given: String) {
    if let duration = SettingText.duration(given) {
        let written = SettingText.text(of: duration)
        require(SettingText.duration(written) == duration && duration >= .zero, "\(given) is written as \(written)")
    }
    if let bytes = SettingText.bytes(given) {
        let written = SettingText.text(ofBytes: bytes)
        require(SettingText.bytes(written) == bytes && bytes > 0, "\(given) is written as \(written)")
    }
    if let affinity = SettingText.affinity(given) {
        let written = SettingText.text(of: affinity)
        require(SettingText.affinity(written) == affinity, "\(given) is written as \(written)")
    }
}
