// Using an object that somebody else is known to hold, without counting it: what the hottest calls do, where counting is an atomic operation
// or two for each of them.

extension Unmanaged {
    /// Calls `body` with the object, which has to live until that returns.
    ///
    /// Unlike the standard library's own it does not ask, for each call, on which thread it is.
    @inlinable
    @inline(__always)
    package nonisolated func borrow<Result>(_ body: (Instance) -> Result) -> Result { _withUnsafeGuaranteedRef(body) }
}
