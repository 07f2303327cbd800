// What a client knows already, and on what conditions it wants something done (RFC 9110, 13). Pure; asked by whoever serves something that has
// an entity tag or a date: files, and what handlers make.

/// The conditions of a request.
package nonisolated struct Preconditions {
    /// What follows from them.
    package enum Outcome: Equatable {
        /// Answer as if there were none; `range` says whether a Range field counts.
        case proceed(range: Bool)
        /// The client has it: 304.
        case notModified
        /// The client wanted another state: 412.
        case failed
    }

    /// Evaluates them in the order of RFC 9110, 13.2.2.
    ///
    /// - Parameters:
    ///   - exists: whether there is anything at all.
    ///   - entityTag: the present one, with its quotes and without what makes it weak; nil for none.
    ///   - isWeak: whether it is a weak one.
    ///   - modified: when it was last modified, in seconds since 1970; nil when nobody knows.
    ///   - now: the present time; a date in the future is no date to compare with.
    package static func evaluate(
        _ head: RequestHead,
        exists: Bool = true,
        entityTag: UnsafeRawBufferPointer?,
        isWeak: Bool = false,
        modified: Int?,
        now: Int
    ) -> Outcome {
        let strongTag = isWeak ? nil : entityTag
        if let isThis = head.withList(.ifMatch, { exists && matches($0, strongTag, strongly: true) }) {
            if !isThis { return .failed }
        } else if let text = head.value(.ifUnmodifiedSince), let modified, let date = HTTPDate.parse(text, now: now) {
            if modified > date { return .failed }
        }
        let isReading = head.method == .get || head.method == .head
        if let isThis = head.withList(.ifNoneMatch, { exists && matches($0, entityTag, strongly: false) }) {
            if isThis { return isReading ? .notModified : .failed }
        } else if isReading, let text = head.value(.ifModifiedSince), let modified,
            let date = HTTPDate.parse(text, now: now)
        {
            if modified <= date, date <= now { return .notModified }
        }
        guard let validator = head.value(.ifRange) else { return .proceed(range: true) }
        return .proceed(range: isSame(validator, strongTag, modified, now))
    }

    /// If-Range: the very same tag, or the very same date (RFC 9110, 13.1.5).
    private static func isSame(
        _ validator: UnsafeRawBufferPointer,
        _ entityTag: UnsafeRawBufferPointer?,
        _ modified: Int?,
        _ now: Int
    ) -> Bool {
        if validator.first == UInt8(ascii: "\"") { return entityTag.map { validator.elementsEqual($0) } ?? false }
        // A date within the last second might not be the last state of that second.
        guard let modified else { return false }
        return HTTPDate.parse(validator, now: now) == modified && now > modified
    }

    /// Whether a list of entity tags, or "*", has this one (RFC 9110, 8.8.3.2).
    ///
    /// Commas may stand within a tag.
    package static func matches(
        _ list: UnsafeRawBufferPointer,
        _ entityTag: UnsafeRawBufferPointer?,
        strongly: Bool
    ) -> Bool {
        if list.isEqual("*") { return true }
        guard let entityTag else { return false }
        var position = 0
        while position < list.count {
            let isWeak =
                list[position] == UInt8(ascii: "W") && position + 1 < list.count
                && list[position + 1] == UInt8(ascii: "/")
            let start = isWeak ? position + 2 : position
            guard start < list.count, list[start] == UInt8(ascii: "\"") else {
                position += 1
                continue
            }
            guard let end = list[(start + 1)...].firstIndex(of: UInt8(ascii: "\"")) else { return false }
            if !(strongly && isWeak), list[start...end].elementsEqual(entityTag) { return true }
            position = end + 1
        }
        return false
    }
}
