// Descriptors that call a function, each test in a process of its own; see ExecutorTests.
import CSporkShims
import Glibc
import SporkLoop
import SporkTasks
import Testing

@Suite struct DescriptorWatcherTests {
    @Test("it is told of reading and writing, as long as it is asked for, and may be dropped by its own action")
    func events() async {
        await #expect(processExitsWith: .success) {
            try EventLoop.run {
                var ends: [Int32] = [0, 0]
                #expect(spork_pipe(&ends) == 0)
                var (reads, writes) = (0, 0)
                var reader: DescriptorWatcher? = DescriptorWatcher(descriptor: ends[0]) { isReadable, _ in
                    if isReadable { reads += 1 }
                }
                let writer = DescriptorWatcher(descriptor: ends[1]) { _, isWritable in
                    if isWritable { writes += 1 }
                }
                reader?.watch(reading: true, writing: false)
                writer.watch(reading: false, writing: true)
                while writes < 2 { try await checkpoint() }
                writer.stop()
                writer.stop()
                let (before, none) = (writes, reads)
                #expect(none == 0)
                _ = write(ends[1], "x", 1)
                while reads < 2 { try await checkpoint() }
                #expect(writes == before)

                // Changed to nothing, it says nothing.
                reader?.watch(reading: false, writing: false)
                let told = reads
                for _ in 0..<5 { try await sleep(for: .milliseconds(1)) }
                #expect(reads == told)

                // What is dropped while it fires is not called again.
                reader = DescriptorWatcher(descriptor: ends[0]) { _, _ in
                    reads += 1
                    reader = nil
                }
                reader?.watch(reading: true, writing: false)
                for _ in 0..<5 { try await sleep(for: .milliseconds(1)) }
                #expect(reads == told + 1)
                close(ends[0])
                close(ends[1])
            }
            exit(0)
        }
    }
}
