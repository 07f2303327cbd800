// A producer and a consumer with a queue of two between them: the producer is held up while it is full, and both give up when
// the other keeps them waiting too long. Run it: swift run ProducerAndConsumer
import Spork

try EventLoop.run {
    let jobs = Queue<Int>(capacity: 2)

    let producer = spawn("producer") {
        for number in 1...6 {
            try await jobs.send(number, within: .seconds(1))
            print("sent \(number), \(jobs.count) wait")
        }
        try await sleep(for: .milliseconds(300))
        try await jobs.send(7)
        jobs.finish()
    }

    let consumer = spawn("consumer") {
        while true {
            do {
                let number = try await jobs.receive(within: .milliseconds(100))
                print("  received \(number)")
                try await sleep(for: .milliseconds(20))
            } catch is TimeoutError {
                print("  nothing came for 100 ms")
            } catch QueueError.finished {
                print("  that was all")
                return
            }
        }
    }

    try await producer.value
    try await consumer.value
}
