// Switching by hand: a coroutine that runs only while somebody has switched to it, with a value passed each way at each
// switch. greenlet's `switch`, and with one direction left out, generators.
//
// Invariant: at any moment either the greenlet runs or the one who switched to it does, never both.
import SporkLoop

/// Why a greenlet cannot be switched to.
public enum GreenletError: Error, Equatable {
    /// It has returned or thrown.
    case finished
    /// It is running: it, or one that it switched to, tried to switch to it.
    case running
}

/// A coroutine that is switched to by hand.
///
/// Dropping it cancels what is left of it.
@MainActor public final class Greenlet<Input, Output> {
    /// The other side of a switch, as the greenlet sees it.
    public struct Caller {
        @usableFromInline let core: GreenletCore<Input, Output>

        @inlinable init(core: GreenletCore<Input, Output>) { self.core = core }

        /// Goes back to the one who switched here, with a value for him, until he switches here again.
        ///
        /// - Returns: the value that comes with the next switch.
        /// - Throws: `CancellationError` when the greenlet is dropped or cancelled.
        @inlinable public func `switch`(_ output: Output) async throws -> Input { try await core.giveBack(output) }
    }

    @usableFromInline let core: GreenletCore<Input, Output>

    /// A greenlet that starts with the first switch; its value is the first argument.
    @inlinable public init(
        _ name: String? = nil,
        file: StaticString = #fileID,
        line: UInt = #line,
        _ body: @escaping @MainActor (Input, Caller) async throws -> Output
    ) {
        core = GreenletCore()
        core.start = { [unowned core] input in
            // Its coroutine keeps the core, so that there is something to end when the greenlet is dropped.
            let core = core
            let coroutine = Coroutine<Void>(name: name ?? "greenlet", file: file, line: line) {
                let result: Result<Output, any Error>
                do { result = .success(try await body(input, Caller(core: core))) } catch { result = .failure(error) }
                core.end(with: result)
            }
            core.coroutine = coroutine
            coroutine.schedule()
        }
    }

    isolated deinit { core.cancel() }

    /// Whether it has returned or thrown.
    @inlinable public var isFinished: Bool { core.isFinished }

    /// Switches to the greenlet with a value for it, until it switches back or ends.
    ///
    /// Cancelling the caller cancels the greenlet. Costs two switches of the loop.
    ///
    /// - Returns: the value that it switches back with, or ends with.
    /// - Throws: what it ends with; `GreenletError` when there is nobody to switch to.
    @inlinable public func `switch`(_ input: Input) async throws -> Output { try await core.enter(input) }
}

@usableFromInline
nonisolated final class GreenletCore<Input, Output> {
    @exclusivity(unchecked) @usableFromInline var start: ((Input) -> Void)?
    @exclusivity(unchecked) @usableFromInline var coroutine: Coroutine<Void>?
    @exclusivity(unchecked) @usableFromInline var isFinished = false
    @exclusivity(unchecked) @usableFromInline var isRunning = false
    @exclusivity(unchecked) @usableFromInline var input: Input?
    @exclusivity(unchecked) @usableFromInline var output: Result<Output, any Error>?
    /// The end, where another value is still on its way to the caller.
    @exclusivity(unchecked) @usableFromInline var late: Result<Output, any Error>?
    @exclusivity(unchecked) @usableFromInline unowned(unsafe) var caller: Wait?
    @usableFromInline let inside = Wait()
    @exclusivity(unchecked) @usableFromInline var outside: Wait?

    @inlinable init() {}

    @inlinable func cancel() { coroutine?.cancel() }

    @inlinable func enter(_ input: Input) async throws -> Output {
        if isRunning { throw GreenletError.running }
        if isFinished {
            guard let late = late.take() else { throw GreenletError.finished }
            return try late.get()
        }
        isRunning = true
        if let start = start.take() {
            start(input)
        } else {
            self.input = input
            inside.wake()
        }
        guard let coroutine else { preconditionFailure("a greenlet that was started has a coroutine") }
        if AnyCoroutine.current?.isCancelled ?? Task.isCancelled { coroutine.cancel() }
        let wait = outside ?? Wait(.forwarding(coroutine))
        outside = wait
        caller = wait
        // One that is cancelled before it has begun never runs, so nobody switches back from it.
        if !coroutine.isCancelled || coroutine.hasStarted {
            _ = await wait.park(for: Wait.Reason("be switched back to by coroutine", Int(coroutine.id)))
        }
        caller = nil
        isRunning = false
        guard let output = output.take() else {
            isFinished = true
            throw CancellationError()
        }
        return try output.get()
    }

    @inlinable func giveBack(_ output: Output) async throws -> Input {
        // One that is cancelled while it runs still gives back what it has; only the next switch to it ends in its error.
        self.output = .success(output)
        caller?.wake()
        let outcome = await inside.park(for: Wait.Reason("be switched to"))
        guard let input = input.take() else {
            try outcome.check(nil)
            throw CancellationError()
        }
        return input
    }

    @inlinable func end(with result: Result<Output, any Error>) {
        isFinished = true
        // What it has given back just before is still to be taken.
        if output == nil { output = result } else { late = result }
        caller?.wake()
    }
}

/// A sequence whose elements a coroutine makes one by one, each when it is asked for.
public struct Generator<Element>: AsyncSequence {
    @usableFromInline let file: StaticString
    @usableFromInline let line: UInt
    @usableFromInline let body: @MainActor (@escaping @MainActor (Element) async throws -> Void) async throws -> Void

    /// A sequence of what `body` passes to the function that it is given.
    ///
    /// It begins anew for each iteration, and is cancelled when the iterator is dropped.
    public init(
        file: StaticString = #fileID,
        line: UInt = #line,
        _ body: @escaping @MainActor (@escaping @MainActor (Element) async throws -> Void) async throws -> Void
    ) {
        self.file = file
        self.line = line
        self.body = body
    }

    /// Makes one element after the other.
    public struct AsyncIterator: AsyncIteratorProtocol {
        @usableFromInline let greenlet: Greenlet<Void, Element?>

        @inlinable init(greenlet: Greenlet<Void, Element?>) { self.greenlet = greenlet }

        /// The next element; nil when the body has returned.
        @inlinable public mutating func next() async throws -> Element? {
            greenlet.isFinished ? nil : try await greenlet.switch(())
        }
    }

    /// An iterator with a coroutine of its own.
    @inlinable public func makeAsyncIterator() -> AsyncIterator {
        let body = body
        return AsyncIterator(
            greenlet: Greenlet("generator", file: file, line: line) { _, caller in
                try await body { element in try await caller.switch(element) }
                return nil
            }
        )
    }
}
