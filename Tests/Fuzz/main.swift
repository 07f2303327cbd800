// Harnesses for fuzzers: properties of the parsers that have to hold for whatever anybody sends. scripts/fuzz builds this with libFuzzer,
// where the first argument names the harness and the others are libFuzzer's. An ordinary build tries the files and directories that it is
// given, and with --mutations N so many changed ones for each: what the tests do with the stored corpus.
//
// A parser is added by a file with its harness, its line in this table, and a directory of inputs in corpus/.
import Glibc

let harnesses: KeyValuePairs<String, (FuzzInput) -> Void> = [
    "addresses": checkAddresses,
    "answers": checkAnswers,
    "base64": checkBase64,
    "chunks": checkChunks,
    "conditions": checkConditions,
    "configurations": checkConfigurations,
    "cookies": checkCookies,
    "dates": checkDates,
    "dispositions": checkDispositions,
    "forms": checkForms,
    "histograms": checkHistograms,
    "json": checkJSON,
    "multipart": checkMultipart,
    "paths": checkPaths,
    "ranges": checkRanges,
    "requests": checkRequests,
    "responseheads": checkResponseHeads,
    "responses": checkResponses,
    "types": checkTypes,
    "urls": checkURLs,
]

// A fuzzer starts itself again without the name; then that is in the environment.
let name = CommandLine.arguments.dropFirst().first ?? ""
let inherited = getenv("FUZZ_HARNESS").map { String(cString: $0) }
guard let harness = harnesses.first(where: { $0.key == name }) ?? harnesses.first(where: { $0.key == inherited }) else {
    for (name, _) in harnesses { print(name) }
    exit(CommandLine.arguments.count > 1 ? 2 : 0)
}
#if FUZZER
exit(Fuzzer.run(harness.key, harness.value))
#else
var replay = Replay(harness.value)
try replay.run(CommandLine.arguments.dropFirst(2))
print("\(harness.key): \(replay.tried) inputs")
#endif
