// Ten thousand coroutines that sleep at once, on one thread, and what they cost. Another number as an argument. Run it:
// swift run -c release Sleepers 100000
import Glibc
import Spork

let count = CommandLine.arguments.dropFirst().first.flatMap { Int($0) } ?? 10_000

@_silgen_name("malloc_trim")
nonisolated func trimMemory(_ keep: Int) -> Int32

/// The memory of this process in KB, once the allocator has given back what it can.
func memory() -> Int {
    _ = trimMemory(0)
    guard let file = fopen("/proc/self/statm", "r") else { return 0 }
    defer { fclose(file) }
    var text = [CChar](repeating: 0, count: 128)
    guard fgets(&text, 128, file) != nil else { return 0 }
    let words = String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self).split(
        separator: " "
    )
    return (Int(words[1]) ?? 0) * Int(getpagesize()) / 1000
}

/// Spawns them, waits until all sleep, looks at the memory, wakes them and waits until they are gone.
func sleepTogether(_ count: Int) async throws -> Int {
    var asleep = 0
    let allAsleep = Event()
    let sleepers = (0..<count).map { _ in
        spawn {
            asleep += 1
            if asleep == count { allAsleep.set() }
            try await sleep(for: .seconds(3600))
        }
    }
    try await allAsleep.wait()
    let used = memory()
    for sleeper in sleepers { sleeper.cancel() }
    _ = await joinAll(sleepers)
    return used
}

try EventLoop.run {
    EventLoop.blockedLimit = nil
    _ = try await sleepTogether(min(count, 1000))
    let before = memory()
    let during = try await sleepTogether(count)
    let after = memory()
    print("\(count) sleepers: \(during - before) KB, \(after - before) KB of it left when they are gone")
}
