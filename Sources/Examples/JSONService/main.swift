// Notes over JSON that expire: state that handlers share, a coroutine that clears it up, and clients that are told when theirs is not the
// present state.
//
//     swift run example-json --bind 127.0.0.1:8000
//     curl -H 'Content-Type: application/json' -d '{"text": "buy milk", "seconds": 60}' http://127.0.0.1:8000/notes
//     curl http://127.0.0.1:8000/notes
//
// The notes are a worker's own, so there is one worker unless --workers says otherwise; with more of them each would have other notes.
import Glibc
import Spork
import SporkJSON

/// What a client sends.
struct Draft: Decodable {
    var text: String
    /// How long it shall be kept; a minute where nothing is said.
    var seconds: Int?

    /// When its time is over, in seconds since 1970; begun ones count.
    var expires: Int { time(nil) + 1 + (seconds ?? 60) }
}

/// What is kept.
struct Note {
    let id: Int
    var text: String
    var expires: Int
    var version = 1

    var validators: Validators { Validators(entityTag: EntityTag("\(id)-\(version)")) }
}

/// What a client gets.
struct Answer: Encodable {
    let id: Int
    let text: String
    // A time and not what is left of it: the entity tag stands for these very bytes.
    let expires: Int

    init(_ note: Note) {
        id = note.id
        text = note.text
        expires = note.expires
    }
}

/// The notes of a worker.
///
/// One worker, one thread: no lock, no actor of its own.
final class Notes {
    static let most = 10_000
    private(set) var all: [Int: Note] = [:]
    private var lastID = 0

    func add(_ draft: Draft) throws -> Note {
        guard all.count < Self.most else { throw HTTPError(.serviceUnavailable, "there are enough notes") }
        lastID += 1
        let note = Note(id: lastID, text: draft.text, expires: draft.expires)
        all[note.id] = note
        return note
    }

    /// The note that a request is for.
    func find(for request: Request) throws -> Note {
        guard let note = Int(request["id"]).flatMap({ all[$0] }) else { throw HTTPError(.notFound) }
        return note
    }

    func replace(_ note: Note, by draft: Draft) -> Note {
        var note = note
        (note.text, note.expires, note.version) = (draft.text, draft.expires, note.version + 1)
        all[note.id] = note
        return note
    }

    func remove(_ note: Note) { all[note.id] = nil }

    /// Removes those whose time is over, now and later.
    func expire() async throws {
        while true {
            let now = time(nil)
            all = all.filter { $0.value.expires > now }
            try await sleep(for: .milliseconds(250))
        }
    }
}

/// What a client has sent, where it makes sense.
func draft(in request: Request) async throws -> Draft {
    let draft = try await request.json(Draft.self, upTo: 64 * 1024)
    guard !draft.text.isEmpty, (1...24 * 60 * 60).contains(draft.seconds ?? 60) else {
        throw HTTPError(.unprocessableContent, "a note has a text, and is kept between a second and a day")
    }
    return draft
}

func answer(_ note: Note, _ status: Status = .ok) throws -> Response {
    var response = try Response.json(Answer(note), status)
    response.setValidators(note.validators)
    return response
}

/// An error for a program: in JSON, as all the rest.
func error(_ page: Response, _ message: String) throws -> Response {
    var response = try Response.json(["error": message.isEmpty ? "\(page.status.reason)" : message], page.status)
    for field in page.headers where field.name != "Content-Type" { response.headers.add(field.name, field.value) }
    return response
}

var settings = ServerSettings()
settings.workers = 1

try Server.main(settings: settings) { _ in
    let notes = Notes()
    let router = Router()
    router.use { request, next in
        do {
            let response = try await next(request)
            let isPage = response.headers["Content-Type"]?.hasPrefix("text/html") ?? false
            return isPage ? try error(response, "") : response
        } catch let failure as HTTPError { return try error(failure.response, failure.message) }
    }
    spawn("janitor") { try await notes.expire() }

    router.get("/notes") { _ in try Response.json(notes.all.values.sorted { $0.id < $1.id }.map(Answer.init)) }

    router.post("/notes") { request in
        let note = try notes.add(try await draft(in: request))
        var response = try answer(note, .created)
        response.headers["Location"] = "/notes/\(note.id)"
        return response
    }

    router.get("/notes/{id}") { request in
        let note = try notes.find(for: request)
        return try request.conditionalAnswer(for: note.validators) ?? answer(note)
    }

    // With If-Match nobody overwrites what he has not seen.
    router.put("/notes/{id}") { request in
        let draft = try await draft(in: request)
        // Looked at behind the last suspension: from here on nothing else runs in between.
        let note = try notes.find(for: request)
        return try request.conditionalAnswer(for: note.validators) ?? answer(notes.replace(note, by: draft))
    }

    router.delete("/notes/{id}") { request in
        let note = try notes.find(for: request)
        if let answer = request.conditionalAnswer(for: note.validators) { return answer }
        notes.remove(note)
        return Response(.noContent)
    }
    return router
}
