// The fields of a message that a program makes. What a client has sent is looked at through RequestHeaders instead, where it lies.
//
// Invariant: names are tokens and values have no control characters, so whatever a program puts in, nobody can smuggle in a line.

/// Header fields, in the order in which they were added; names are the same in upper and lower case.
public nonisolated struct Headers: Sequence {
    /// A field.
    public struct Field: Equatable, Sendable {
        /// Its name.
        public let name: String
        /// Its value.
        public let value: String

        // Unchecked: what the house's own code writes is known to be fit.
        package init(_ name: String, _ value: String) {
            self.name = name
            self.value = value
        }
    }

    // Nearly every answer has this one, and most have no other: they need no array.
    var contentType: String?
    var others: [Field]

    package init(_ fields: [Field] = []) { others = fields }

    init(contentType: String?) {
        self.contentType = contentType
        others = []
    }

    /// No fields.
    public init() { others = [] }

    /// The value of a field, the first where there are several; setting it replaces all of them, and nil removes them.
    ///
    /// Control characters in a value become spaces (RFC 9110, 5.5). A name that is no token is a programming error.
    public subscript(name: String) -> String? {
        get { first { $0.name.isSameField(as: name) }?.value }
        set {
            if name.isSameField(as: "Content-Type") { contentType = nil }
            others.removeAll { $0.name.isSameField(as: name) }
            if let newValue { add(name, newValue) }
        }
    }

    /// Adds a field behind those that there are, also when it has the name of one of them.
    public mutating func add(_ name: String, _ value: String) {
        precondition(!name.isEmpty && name.utf8.allSatisfy(\.isTokenCharacter), "a field's name is a token")
        if contentType == nil, name.isSameField(as: "Content-Type") {
            contentType = Self.fit(value)
        } else {
            others.append(Field(name, Self.fit(value)))
        }
    }

    /// All values of a field.
    public func values(_ name: String) -> [String] { filter { $0.name.isSameField(as: name) }.map(\.value) }

    /// Goes through the fields.
    public func makeIterator() -> IndexingIterator<[Field]> {
        guard let contentType else { return others.makeIterator() }
        return ([Field("Content-Type", contentType)] + others).makeIterator()
    }

    private static func fit(_ value: String) -> String {
        guard value.utf8.contains(where: \.isControl) else { return value }
        return String(decoding: value.utf8.map { $0.isControl ? 0x20 : $0 }, as: UTF8.self)
    }
}

extension String {
    /// Whether this and `other` are the same name of a field, or the same token where case means nothing.
    nonisolated func isSameField(as other: String) -> Bool {
        utf8.count == other.utf8.count && zip(utf8, other.utf8).allSatisfy { $0.inLowerCase == $1.inLowerCase }
    }
}

extension UInt8 {
    /// The small letter where this is a capital one of ASCII.
    nonisolated var inLowerCase: UInt8 { self &- UInt8(ascii: "A") < 26 ? self | 0x20 : self }
}
