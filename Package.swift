// swift-tools-version: 6.2
import PackageDescription

let strict: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .treatAllWarnings(as: .error),
]

// One worker, one thread: everything is on the main actor unless it says otherwise, and calling an
// async function never leaves the caller's executor.
let house: [SwiftSetting] = [.defaultIsolation(MainActor.self)] + strict

// Each is a program of one file that shows one thing: the name of its product, and its directory in Sources/Examples.
// One a line: scripts/lib/common.sh reads this list.
let examples: KeyValuePairs = [
    "SwitchingByHand": "SwitchingByHand",
    "SpawnAndJoin": "SpawnAndJoin",
    "ProducerAndConsumer": "ProducerAndConsumer",
    "Sleepers": "Sleepers",
    "example-http": "HTTPService",
    "example-json": "JSONService",
    "example-chat": "Chat",
    "example-upload": "Upload",
    "example-broadcast-send": "BroadcastSend",
    "example-broadcast-receive": "BroadcastReceive",
    "example-unix-send": "UnixSend",
    "example-unix-receive": "UnixReceive",
    "example-tcp-server": "TCPServer",
    "example-timeout": "Timeout",
    "example-nonblocking": "Nonblocking",
    "example-crashing-workers": "CrashingWorkers",
    "example-proxy": "ForwardProxy",
]

// What programs see of the library. All of it is named: a module is only compiled again when one that it names has changed, and a release
// build inlines what lies further down.
let library: [Target.Dependency] = ["Spork", "SporkHTTP", "SporkPrefork", "SporkNet", "SporkTasks", "SporkLoop"]
// What an example needs beside Spork.
let exampleNeeds: [String: [Target.Dependency]] = ["example-json": ["SporkJSON"]]

// The floors, from the ground up. A target may depend on the floors below it and on nothing above.
let package = Package(
    name: "spork",
    products: [
        .executable(name: "spork", targets: ["SporkCommand"]),
        .library(name: "Spork", targets: ["Spork"]),
        .library(name: "SporkJSON", targets: ["SporkJSON"]),
        .library(name: "SporkHTTPTypes", targets: ["SporkHTTPTypes"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.0"),
        .package(url: "https://github.com/apple/swift-collections", from: "1.3.0"),
        .package(url: "https://github.com/apple/swift-http-types", from: "1.8.0"),
        .package(url: "https://github.com/HdrHistogram/hdrhistogram-swift", from: "0.2.0"),
    ],
    targets: [
        .systemLibrary(name: "CLibev", providers: [.apt(["libev-dev"])]),
        .systemLibrary(name: "CCares", providers: [.apt(["libc-ares-dev"])]),
        .systemLibrary(name: "COpenSSL", providers: [.apt(["libssl-dev"])]),
        .target(name: "CSporkShims"),
        .target(name: "SporkLoop", dependencies: ["CLibev", "CSporkShims"], swiftSettings: house),
        .target(
            name: "SporkTasks",
            dependencies: [
                "SporkLoop", "CSporkShims", .product(name: "HeapModule", package: "swift-collections"),
            ],
            swiftSettings: house
        ),
        .target(
            name: "SporkNet",
            dependencies: ["SporkTasks", "SporkLoop", "CSporkShims", "CCares", "COpenSSL"],
            swiftSettings: house
        ),
        .target(
            name: "SporkPrefork",
            dependencies: ["SporkNet", "SporkTasks", "SporkLoop", "CSporkShims"],
            swiftSettings: house
        ),
        .target(
            name: "SporkHTTP",
            dependencies: ["SporkPrefork", "SporkNet", "SporkTasks", "SporkLoop"],
            swiftSettings: house
        ),
        .target(
            name: "Spork",
            dependencies: ["SporkHTTP", "SporkPrefork", "SporkNet", "SporkTasks", "SporkLoop", "CSporkShims"],
            swiftSettings: house
        ),
        // Beside Spork, for programs that ask for them: JSON is the only thing that needs Foundation, and only its essentials.
        .target(name: "SporkJSON", dependencies: ["Spork"], swiftSettings: house),
        .target(
            name: "SporkHTTPTypes",
            dependencies: ["SporkHTTP", .product(name: "HTTPTypes", package: "swift-http-types")],
            swiftSettings: house
        ),
        .target(
            name: "SporkLoad",
            dependencies: [
                "SporkHTTP", "SporkPrefork", "SporkNet", "SporkTasks", "SporkLoop", "CSporkShims",
                .product(name: "Histogram", package: "hdrhistogram-swift"),
            ],
            exclude: ["README.md"],
            swiftSettings: house
        ),
        .executableTarget(
            name: "SporkCommand",
            dependencies: library + [
                "SporkLoad", .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ],
            // Its commands are values that ArgumentParser makes, which knows nothing of actors.
            swiftSettings: strict
        ),
        .testTarget(
            name: "SporkLoopTests",
            dependencies: ["SporkLoop", "SporkTasks", "CSporkShims"],
            swiftSettings: house
        ),
        .testTarget(
            name: "SporkTasksTests",
            dependencies: ["SporkTasks", "SporkLoop", "CSporkShims"],
            swiftSettings: house
        ),
        .testTarget(
            name: "SporkNetTests",
            dependencies: ["SporkNet", "SporkTasks", "SporkLoop", "CSporkShims"],
            swiftSettings: house
        ),
        .testTarget(
            name: "SporkPreforkTests",
            dependencies: ["SporkPrefork", "SporkNet", "SporkTasks", "SporkLoop", "CSporkShims"],
            swiftSettings: house
        ),
        .testTarget(name: "SporkCommandTests", dependencies: ["SporkCommand"], swiftSettings: strict),
        .testTarget(
            name: "SporkHTTPTests",
            dependencies: ["SporkHTTP", "SporkNet", "SporkTasks", "SporkLoop"],
            swiftSettings: house
        ),
        .testTarget(
            name: "SporkTests",
            dependencies: ["Spork", "SporkHTTP", "SporkNet", "SporkTasks", "SporkLoop", "CSporkShims"],
            swiftSettings: house
        ),
        .testTarget(
            name: "SporkJSONTests",
            dependencies: ["SporkJSON", "Spork", "SporkHTTP", "SporkNet", "SporkTasks", "SporkLoop"],
            swiftSettings: house
        ),
        .testTarget(
            name: "SporkHTTPTypesTests",
            dependencies: [
                "SporkHTTPTypes", "Spork", "SporkHTTP", "SporkNet", "SporkTasks", "SporkLoop",
                .product(name: "HTTPTypes", package: "swift-http-types"),
            ],
            swiftSettings: house
        ),
        .testTarget(
            name: "SporkLoadTests",
            dependencies: ["SporkLoad", "SporkNet", .product(name: "Histogram", package: "hdrhistogram-swift")],
            swiftSettings: house
        ),
    ],
    swiftLanguageModes: [.v6]
)

// What only a process without a test runner shows; Tests/BlackBox/test_loop.py runs it.
package.targets.append(
    .executableTarget(
        name: "loop-probe",
        dependencies: ["SporkTasks", "SporkLoop", "CSporkShims"],
        path: "Tests/LoopProbe",
        swiftSettings: house
    )
)

// A server that does what it is told; Tests/BlackBox/test_limits.py runs it.
package.targets.append(
    .executableTarget(
        name: "master-probe",
        dependencies: library + ["CSporkShims"],
        path: "Tests/MasterProbe",
        swiftSettings: house
    )
)

// Properties of the parsers, for libFuzzer to look for exceptions from; scripts/fuzz builds it so. Without, it tries stored inputs.
package.targets.append(
    .executableTarget(
        name: "fuzz-parsers",
        dependencies: [
            "Spork", "SporkLoad", "SporkHTTP", "SporkNet", .product(name: "Histogram", package: "hdrhistogram-swift"),
        ],
        path: "Tests/Fuzz",
        exclude: ["corpus", "http.dict"],
        swiftSettings: house
    )
)

// What benchmarks/coroutines compares with its peers; see there.
package.targets.append(
    .executableTarget(
        name: "coroutine-costs",
        dependencies: library,
        path: "benchmarks/peers/coroutines/spork",
        swiftSettings: house
    )
)

package.targets += examples.map { name, directory in
    .executableTarget(
        name: name,
        dependencies: library + (exampleNeeds[name] ?? []),
        path: "Sources/Examples/\(directory)",
        swiftSettings: house
    )
}
