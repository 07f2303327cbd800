// Signals and the ends of child processes as sequences, and timers of the loop's own.
import CSporkShims
import Glibc
import SporkLoop
import SporkTasks
import Testing

@Suite struct ProcessTests {
    @Test(
        "signals come in order, one that comes twice before it is taken counts once, and waiting for one is no deadlock"
    )
    func signals() async {
        await #expect(processExitsWith: .success) {
            try program {
                let signals = Signals(SIGUSR1, SIGUSR2)
                kill(getpid(), SIGUSR1)
                same(try await signals.next(), SIGUSR1)
                same(await caught { try await signals.next(within: .milliseconds(5)) } is TimeoutError, true)

                kill(getpid(), SIGUSR2)
                same(try await signals.next(), SIGUSR2)
                for _ in 0..<3 { kill(getpid(), SIGUSR1) }
                try await sleep(for: .milliseconds(1))
                for _ in 0..<3 { kill(getpid(), SIGUSR1) }
                let several = spawn {
                    for try await signal in signals where signal == SIGUSR2 { return signal }
                    return 0
                }
                await settle()
                kill(getpid(), SIGUSR2)
                same(try await several.value, SIGUSR2)
                same(await caught { try await signals.next(within: .milliseconds(5)) } is TimeoutError, true)
            }
        }
    }

    @Test(
        "children's ends come in the order in which they happen, with their reasons, and the sequence ends with the last"
    )
    func children() async {
        await #expect(processExitsWith: .success) {
            try program {
                let gate = Gate()
                let first = child {
                    gate.wait()
                    _exit(7)
                }
                let second = child { while true { pause() } }
                let exits = try ChildExits(of: first, second)
                var ends: [ChildExit] = []
                let watching = spawn { for try await end in exits { ends.append(end) } }
                await settle()
                #expect(ends.isEmpty)
                gate.open()
                while ends.isEmpty { try await sleep(for: .milliseconds(1)) }
                kill(second, SIGKILL)
                try await watching.value
                #expect(
                    ends == [
                        ChildExit(process: first, reason: .exited(code: 7)),
                        ChildExit(process: second, reason: .killed(signal: SIGKILL)),
                    ]
                )
                #expect(waitpid(-1, nil, WNOHANG) == -1 && errno == ECHILD)
            }
        }
    }

    @Test(
        "a sequence that is dropped leaves its children alone; what is no process is an error and leaves no descriptor"
    )
    func droppedChildren() async {
        await #expect(processExitsWith: .success) {
            try program {
                let process = child { while true { pause() } }
                var exits: ChildExits? = try ChildExits(of: process)
                await settle()
                #expect(exits != nil)
                same(processDescriptors(), 1)
                exits = nil
                await settle()
                same(processDescriptors(), 0)
                kill(process, SIGKILL)
                same(waitpid(process, nil, 0), process)
                let error = await caught { try ChildExits(of: getpid(), process) } as? ChildError
                #expect(error?.process == process && error?.code == ESRCH && processDescriptors() == 0)
            }
        }
    }

    @Test("a timer fires once each time it is started, never early, and not when it was stopped or dropped")
    func timers() async {
        await #expect(processExitsWith: .success) {
            try program {
                var fired = 0
                let rang = Event()
                let timer = LoopTimer {
                    fired += 1
                    rang.set()
                }
                let taken = try await elapsed {
                    timer.start(after: .milliseconds(20))
                    try await rang.wait()
                }
                #expect(taken >= .milliseconds(20) && fired == 1)
                timer.start(after: .milliseconds(1))
                timer.stop()
                var dropped: LoopTimer? = LoopTimer { fired += 100 }
                dropped?.start(after: .milliseconds(1))
                dropped = nil
                try await sleep(for: .milliseconds(10))
                #expect(fired == 1)
            }
        }
    }
}

/// What a child waits for: a byte from a pipe.
private struct Gate {
    private let ends: [Int32]

    init() {
        var ends: [Int32] = [0, 0]
        precondition(spork_pipe(&ends) == 0)
        self.ends = ends
    }

    func open() { _ = write(ends[1], "!", 1) }

    func wait() {
        var byte: UInt8 = 0
        _ = read(ends[0], &byte, 1)
    }
}

private func child(_ body: () -> Never) -> Int32 {
    let process = spork_fork()
    if process == 0 { body() }
    return process
}

/// How many descriptors of processes are open.
///
/// Others come and go: the test runner has threads of its own.
func processDescriptors() -> Int {
    (0..<256).count { descriptor in
        var target = [CChar](repeating: 0, count: 64)
        return readlink("/proc/self/fd/\(descriptor)", &target, 63) > 0 && strstr(target, "pidfd") != nil
    }
}
