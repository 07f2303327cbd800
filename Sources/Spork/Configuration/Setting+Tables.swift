// The settings that there are, in the order in which help and `spork check` show them: those about processes, which all servers have, and
// those of HTTP.
import SporkNet
import SporkPrefork

nonisolated extension Setting {
    /// Where to listen, and how the processes are run.
    package static let ofProcesses: [Setting] = [
        bind, workers,
        .time(
            "graceful-timeout",
            \.processes.gracefulTimeout,
            "How long a worker that ends may finish what it has begun."
        ),
        .time(
            "shutdown-delay",
            \.processes.shutdownDelay,
            "How long to go on serving after TERM, so that balancers hear of it."
        ),
        .optionalTime("hang-timeout", \.processes.hangTimeout, "Replace a worker that has not got on for so long."),
        .time("boot-timeout", isPositive: true, \.processes.bootTimeout, "How long a worker may take until it serves."),
        .optionalNumber(
            "max-requests",
            atLeast: 1,
            \.processes.maxRequests,
            "Replace a worker after so many requests, give or take a tenth."
        ),
        .single(
            "max-memory",
            "bytes|off",
            \.processes.maxMemory,
            wants: "a number of bytes such as 64K, 300M or 2G, or off",
            "Replace a worker with so much private memory.",
            read: { text -> Int?? in text == "off" ? .some(nil) : SettingText.bytes(text).map { .some($0) } },
            write: { $0.map { SettingText.text(ofBytes: $0) } ?? "off" }
        ),
        .optionalTime("max-age", \.processes.maxAge, "Replace a worker of such an age, give or take a tenth."),
        .single(
            "accept",
            "shared|reuseport",
            \.processes.accept,
            wants: "shared or reuseport",
            "One queue of connections for all workers, or one for each.",
            read: { ServerSettings.AcceptMode(rawValue: $0) },
            write: { $0.rawValue }
        ),
        .number(
            "backlog",
            atLeast: 1,
            \.processes.backlog,
            "Connections that the kernel keeps until they are accepted."
        ),
        .text("user", "name", \.processes.user, "The user that workers become."),
        .text("group", "name", \.processes.group, "The group that workers become; the user's unless given."),
        .text("pid-file", "path", \.processes.pidFile, "Where to write the master's process number."),
        .single(
            "cpu-affinity",
            "list|auto|off",
            \.processes.affinity,
            wants: "auto, off, or numbers such as 0,2-3",
            "One processor for each worker, in turn.",
            read: { SettingText.affinity($0) },
            write: { SettingText.text(of: $0) }
        ),
        .optionalNumber(
            "nofile",
            atLeast: 16,
            \.processes.mostDescriptors,
            "How many descriptors a process may have; off for what it is started with."
        ),
        .text(
            "control",
            "path",
            \.processes.controlSocket,
            "Where to take commands of spork ctl: a Unix socket for this user only."
        ),
    ]

    /// Limits and times of HTTP connections.
    package static let ofHTTP: [Setting] = [
        .time("header-timeout", isPositive: true, \.http.headerTimeout, "How long the head of a request may take."),
        .time(
            "keep-alive-timeout",
            \.http.keepAliveTimeout,
            "How long a connection may be silent between requests; 0 closes each behind its answer."
        ),
        .time("body-timeout", isPositive: true, \.http.bodyTimeout, "How long a client may send nothing of a body."),
        .time(
            "write-timeout",
            isPositive: true,
            \.http.writeTimeout,
            "How long a client may take nothing of an answer."
        ),
        .time("linger-timeout", \.http.lingerTimeout, "How long input is dropped after the last answer."),
        .bytes("body-limit", \.http.bodyLimit, "The longest body, where a handler names no other limit."),
        .number("body-rate", atLeast: 0, \.http.leastBodyRate, "How many bytes of a body have to come in a second."),
        .bytes("request-line-limit", \.http.requestLimits.requestLine, "The longest request line."),
        .bytes("field-limit", \.http.requestLimits.field, "The longest header field."),
        .bytes("head-limit", \.http.requestLimits.head, "The longest head of a request."),
        .number(
            "field-count",
            atLeast: 1,
            \.http.requestLimits.fieldCount,
            "How many header fields a request may have."
        ),
    ]

    /// What a server shows who it is with.
    package static let ofTLS: [Setting] = [
        .text(
            "tls-certificate",
            "file",
            \.tlsCertificate,
            "Serve through TLS, and show this certificate: PEM, with those between it and its authority."
        ),
        .text("tls-key", "file", \.tlsKey, "The certificate's key: PEM, not encrypted."),
    ]

    /// Settings that mean nothing without another one.
    package static let dependencies = [("tls-certificate", "tls-key"), ("tls-key", "tls-certificate")]

    /// What `spork serve` can be told.
    package static let ofServe = [directory] + ofProcesses + ofTLS + ofHTTP

    /// What `spork echo` can be told.
    package static let ofEcho = ofProcesses + ofTLS

    /// What a service by `Server.main` can be told.
    package static let ofService =
        ofProcesses + ofTLS + ofHTTP + [.toggle("allow-trace", \.allowsTrace, "Answer TRACE.")]

    private static let directory = Setting.single(
        "directory",
        "path",
        \.directory,
        wants: "a path",
        "The directory to serve.",
        read: { $0.isEmpty ? nil : $0 },
        write: { $0 }
    )

    private static let bind = Setting(
        name: "bind",
        letter: "b",
        valueName: "address",
        kind: .repeatable,
        summary: """
            Where to listen: HOST:PORT, [IPV6]:PORT or unix:/path; PORT alone is 127.0.0.1, :PORT is every interface. \
            Repeatable; a variable has spaces between.
            """,
        expectation: "an address such as 127.0.0.1:8000, [::1]:8000 or unix:/path",
        take: { texts, configuration in
            var addresses: [SocketAddress] = []
            for text in texts {
                guard let address = SocketAddress(text) else { return text }
                addresses.append(address)
            }
            configuration.addresses = addresses
            return nil
        },
        values: { $0.addresses.map { "\($0)" } }
    )

    /// More are a mistake: every worker is a process.
    package static let mostWorkers = 1024

    private static let workers = Setting.single(
        "workers",
        letter: "w",
        "number|auto",
        \.workers,
        wants: "a number from 1 to \(mostWorkers), or auto",
        "How many workers: a number, or auto for one a processor.",
        read: { text -> Int?? in
            if text == "auto" { return .some(nil) }
            return Int(text).flatMap { (1...mostWorkers).contains($0) ? .some($0) : nil }
        },
        write: { $0.map { "\($0)" } ?? "auto" }
    )
}
