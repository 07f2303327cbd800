// Three coroutines that work beside each other, joined all, joined with a time limit, and cancelled: gevent's spawn and
// joinall. Run it: swift run SpawnAndJoin
import Spork

func work(_ name: String, _ time: Duration) -> Coroutine<String> {
    spawn(name) {
        print("\(name) begins")
        try await sleep(for: time)
        return "\(name) took \(time)"
    }
}

try EventLoop.run {
    let quick = work("quick", .milliseconds(50))
    let middling = work("middling", .milliseconds(100))
    let slow = work("slow", .seconds(60))

    // Those that have ended in time, in the order in which they did.
    for coroutine in await joinAll(slow, middling, quick, within: .milliseconds(300)) {
        print(try await coroutine.value)
    }

    do { print(try await slow.value(within: .milliseconds(50))) } catch let error as TimeoutError {
        print("slow has not ended: \(error)")
    }
    print(EventLoop.dumpTasks(), terminator: "")
    await slow.cancelAndWait()
    print("slow is \(slow.state)")
}
