// The path of a route as a program writes it: "/users/{id}/files/{path*}". Pure; Router parses them when routes are added.

/// What paths a route is for.
package nonisolated struct RoutePattern: Equatable {
    /// A segment of the path.
    package enum Segment: Equatable {
        case literal([UInt8])
        /// Any one segment that is not empty.
        case parameter(String)
        /// All segments from here on, one at least, which may be empty.
        case rest(String)
    }

    /// What is wrong with a pattern.
    package enum Mistake: Error, Equatable {
        case noSlash
        case emptyName
        case repeatedName(String)
        case restBeforeEnd
        case bracesWithinSegment
    }

    package let segments: [Segment]

    /// Reads a pattern.
    ///
    /// Literals are compared with decoded paths, so they are written as they are, not percent-encoded.
    package init(_ text: String) throws(Mistake) {
        guard text.utf8.first == UInt8(ascii: "/") else { throw .noSlash }
        var segments: [Segment] = []
        var names: Set<String> = []
        for part in text.utf8.dropFirst().split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false) {
            if case .rest = segments.last { throw .restBeforeEnd }
            guard part.first == UInt8(ascii: "{"), part.last == UInt8(ascii: "}"), part.count > 1 else {
                guard !part.contains(UInt8(ascii: "{")), !part.contains(UInt8(ascii: "}")) else {
                    throw .bracesWithinSegment
                }
                segments.append(.literal(Array(part)))
                continue
            }
            let isRest = part.dropLast().last == UInt8(ascii: "*")
            let name = String(decoding: part.dropFirst().dropLast(isRest ? 2 : 1), as: UTF8.self)
            guard !name.isEmpty else { throw .emptyName }
            guard !name.contains("{"), !name.contains("}") else { throw .bracesWithinSegment }
            guard names.insert(name).inserted else { throw .repeatedName(name) }
            segments.append(isRest ? .rest(name) : .parameter(name))
        }
        self.segments = segments
    }

    /// The parameters with their places.
    package var parameters: [RouteParameter] {
        segments.enumerated().compactMap { position, segment in
            switch segment {
            case .literal: nil
            case .parameter(let name): RouteParameter(name: name, segment: position, isRest: false)
            case .rest(let name): RouteParameter(name: name, segment: position, isRest: true)
            }
        }
    }

    /// How specific each segment is: patterns that come first in the order of these lists win.
    var rank: [Int] {
        segments.map { segment in
            switch segment {
            case .literal: 0
            case .parameter: 1
            case .rest: 2
            }
        }
    }

    /// Whether both are for the same paths, whatever the names of their parameters are.
    func isSameShape(as other: RoutePattern) -> Bool {
        segments.count == other.segments.count
            && zip(segments, other.segments).allSatisfy { pair in
                switch pair {
                case (.literal(let left), .literal(let right)): left == right
                case (.parameter, .parameter), (.rest, .rest): true
                default: false
                }
            }
    }
}
