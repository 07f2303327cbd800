// Two coroutines that switch to each other by hand, as greenlets do: control goes there and back, and each switch carries a
// value both ways. Run it: swift run SwitchingByHand
import Spork

try EventLoop.run {
    let parrot = Greenlet<String, String>("parrot") { heard, caller in
        var heard = heard
        while heard != "bye" { heard = try await caller.switch("you said \(heard)") }
        return "bye, then"
    }
    print(try await parrot.switch("one"))
    print(try await parrot.switch("two"))
    print(try await parrot.switch("bye"))
    print("the parrot has \(parrot.isFinished ? "finished" : "not finished")")

    // With one direction left out it is a generator: an ordinary sequence whose elements are made when they are asked for.
    let squares = Generator<Int> { yield in
        for number in 1... { try await yield(number * number) }
    }
    for try await square in squares {
        if square > 50 { break }
        print("square", square)
    }
}
