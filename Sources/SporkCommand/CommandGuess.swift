// What somebody may have meant who called the program with something that is no command. Main asks it.
import Glibc
import SporkPrefork

enum CommandGuess {
    /// How to write it, where that can be guessed; nil where it cannot.
    static func guess(for word: String, among commands: [String]) -> String? {
        if word.hasPrefix("http://") || word.hasPrefix("https://") { return "spork bench \(word)" }
        if (try? ControlRequest(line: word)) != nil { return "spork ctl \(word)" }
        let nearest = commands.map { (name: $0, distance: distance(from: word, to: $0)) }.min {
            $0.distance < $1.distance
        }
        // Two slips of the finger, and no more of them than letters that were meant.
        if let nearest, nearest.distance <= min(2, nearest.name.count / 2) { return "spork \(nearest.name)" }
        var status = stat()
        if stat(word, &status) == 0, status.st_mode & S_IFMT == S_IFDIR { return "spork serve \(word)" }
        return nil
    }

    /// How many letters have to be put in, left out or exchanged (Levenshtein's distance).
    static func distance(from first: String, to second: String) -> Int {
        let second = Array(second)
        var row = Array(0...second.count)
        for (index, letter) in first.enumerated() {
            var diagonal = row[0]
            row[0] = index + 1
            for (position, other) in second.enumerated() {
                let replaced = diagonal + (letter == other ? 0 : 1)
                diagonal = row[position + 1]
                row[position + 1] = min(replaced, row[position] + 1, diagonal + 1)
            }
        }
        return row[second.count]
    }
}
