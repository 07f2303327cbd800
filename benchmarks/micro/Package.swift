// swift-tools-version: 6.2
// Micro-benchmarks: counted figures of the coroutine toolkit, with thresholds. A package of its own, so that nobody who uses Spork
// fetches what only these need.
import PackageDescription

let package = Package(
    name: "micro",
    dependencies: [
        .package(name: "spork", path: "../.."),
        .package(url: "https://github.com/ordo-one/benchmark", from: "1.38.1", traits: []),
    ],
    targets: [
        .target(name: "CAllocationCounter"),
        .executableTarget(
            name: "Coroutines",
            dependencies: [
                "CAllocationCounter",
                .product(name: "Spork", package: "spork"),
                .product(name: "Benchmark", package: "benchmark"),
            ],
            path: "Benchmarks/Coroutines",
            swiftSettings: [
                .defaultIsolation(MainActor.self), .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
            ],
            plugins: [.plugin(name: "BenchmarkPlugin", package: "benchmark")]
        ),
    ],
    swiftLanguageModes: [.v6]
)
