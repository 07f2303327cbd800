// libFuzzer, where scripts/fuzz has built it in: it makes inputs, watches which code they reach, and calls back with each.

import Glibc

#if FUZZER
enum Fuzzer {
    private static var check: (FuzzInput) -> Void = { _ in }

    /// Has `check` look at what libFuzzer makes until its time is over; the exit code.
    static func run(_ name: String, _ check: @escaping (FuzzInput) -> Void) -> Int32 {
        self.check = check
        setenv("FUZZ_HARNESS", name, 1)
        var count = CommandLine.argc
        var arguments = CommandLine.unsafeArgv
        if CommandLine.arguments.dropFirst().first == name {
            // libFuzzer's arguments are the program and its own.
            arguments[1] = arguments[0]
            (count, arguments) = (count - 1, arguments + 1)
        }
        return runFuzzer(&count, &arguments, tryOne)
    }

    fileprivate static func look(at input: FuzzInput) { check(input) }
}

@_silgen_name("LLVMFuzzerRunDriver")
private nonisolated func runFuzzer(
    _ count: UnsafeMutablePointer<Int32>,
    _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>>,
    _ tryOne: @convention(c) (UnsafePointer<UInt8>?, Int) -> Int32
) -> Int32

// libFuzzer's own main, which is not used, wants this name.
@_cdecl("LLVMFuzzerTestOneInput")
nonisolated func tryOne(_ start: UnsafePointer<UInt8>?, _ count: Int) -> Int32 {
    let input = FuzzInput(UnsafeRawBufferPointer(start: start, count: count))
    MainActor.assumeIsolated { Fuzzer.look(at: input) }
    return 0
}
#endif
