// A chat: what one says, all who have the page open see at once, by server-sent events. A coroutine for each of them waits for the next line; ten
// thousand of them are fine.
//
//     swift run example-chat --bind 127.0.0.1:8000        # and open http://127.0.0.1:8000 twice
//
// The room is a worker's own, and so there is one worker unless --workers says otherwise: with more of them each would have a room, and who meets
// whom would be chance. A chat on several processors needs something between the workers that this one does not have.
import Spork

/// Those who listen, and what was said lately.
final class Room {
    static let mostLines = 100
    // Numbers begin anew with each worker; what was seen of another one means nothing here.
    private let name = String(UInt32.random(in: .min ... .max), radix: 36)
    private var lines: [(number: Int, text: String)] = []
    private var lastNumber = 0
    private var listeners: [ObjectIdentifier: Queue<Int?>] = [:]

    func say(_ text: String) {
        lastNumber += 1
        lines.append((lastNumber, text))
        if lines.count > Self.mostLines { lines.removeFirst() }
        tell(lastNumber)
    }

    /// Sends lines until the client goes, those first that it has missed.
    func listen(_ events: EventWriter) async throws {
        // One who is that slow is sent away; his browser comes back and asks for what he has missed.
        let news = Queue<Int?>(capacity: 32)
        listeners[ObjectIdentifier(news)] = news
        tell(nil)
        defer {
            listeners[ObjectIdentifier(news)] = nil
            tell(nil)
        }
        var seen = numberSeen(events.lastEventID)
        while true {
            for line in lines where line.number > seen {
                seen = line.number
                try await events.send(line.text, id: "\(name)-\(seen)")
            }
            do {
                if try await news.receive(within: .seconds(15)) == nil {
                    try await events.send("\(listeners.count)", event: "people")
                }
            } catch is TimeoutError { try await events.keepAlive() } catch QueueError.finished { return }
        }
    }

    private func numberSeen(_ id: String?) -> Int {
        guard let parts = id?.split(separator: "-"), parts.count == 2, parts[0] == name else { return 0 }
        return Int(parts[1]) ?? 0
    }

    // A number is a new line; nil that somebody has come or gone.
    private func tell(_ number: Int?) {
        for listener in listeners.values where listener.trySend(number) != nil { listener.finish() }
    }
}

var settings = ServerSettings()
settings.workers = 1

try Server.main(settings: settings) { _ in
    let room = Room()
    let router = Router()
    router.use(Middlewares.securityHeaders())

    router.get("/") { _ in Response(html: Page.html) }

    router.get("/events") { _ in Response.events { try await room.listen($0) } }

    router.post("/lines") { request in
        let form = try await request.body.form(upTo: 16 * 1024)
        let name = (form["name"] ?? "").prefix(40).filter { !$0.isNewline }
        let text = (form["text"] ?? "").prefix(4000)
        guard !text.allSatisfy(\.isWhitespace) else { throw HTTPError(.unprocessableContent, "nothing was said") }
        // The first line of an event is the name, the rest the text: neither can be taken for the other.
        room.say("\(name.isEmpty ? "somebody" : name)\n\(text)")
        return Response(.noContent)
    }
    return router
}

// Static: a global of this file would not be there before Server.main has returned.
enum Page {
    static let html = """
        <!doctype html>
        <html lang="en">
        <meta charset="utf-8">
        <meta name="viewport" content="width=device-width, initial-scale=1">
        <title>Spork chat</title>
        <style>
        :root { color-scheme: light dark; --line: light-dark(#dde3ea, #353b44); --faint: light-dark(#667, #9aa3b0);
          --mine: light-dark(#dcefe4, #1f4733); --theirs: light-dark(#eef1f5, #2a3038); --accent: #1d7a4c }
        * { box-sizing: border-box }
        body { margin: 0 auto; max-width: 44rem; height: 100dvh; display: flex; flex-direction: column;
          font: 1rem/1.45 system-ui, sans-serif }
        header { display: flex; align-items: baseline; gap: .6rem; padding: .8rem 1rem; border-bottom: 1px solid var(--line) }
        h1 { font-size: 1.1rem; margin: 0; flex: 1 }
        #state { color: var(--faint); font-size: .9rem }
        #state::before { content: ""; display: inline-block; width: .6rem; height: .6rem; border-radius: 50%;
          margin-right: .4rem; background: #c33 }
        #state.here::before { background: #2a9d5c }
        ol { flex: 1; overflow-y: auto; margin: 0; padding: 1rem; list-style: none; display: flex; flex-direction: column; gap: .5rem }
        li { align-self: start; max-width: 85%; padding: .45rem .8rem; border-radius: 1rem 1rem 1rem .25rem; background: var(--theirs);
          white-space: pre-wrap; overflow-wrap: anywhere }
        li.mine { align-self: end; border-radius: 1rem 1rem .25rem 1rem; background: var(--mine) }
        li b { display: block; font-size: .8rem; font-weight: 600; color: var(--faint) }
        ol:empty::before { content: "Nobody has said anything yet."; color: var(--faint); margin: auto }
        form { display: flex; flex-wrap: wrap; gap: .5rem; padding: .8rem 1rem; border-top: 1px solid var(--line) }
        input, button { font: inherit; padding: .55rem .8rem; border-radius: .6rem; border: 1px solid var(--line); min-width: 0 }
        #name { flex: 1 1 7rem; max-width: 11rem } #text { flex: 4 1 10rem }
        button { background: var(--accent); border-color: var(--accent); color: #fff; cursor: pointer }
        @media (max-width: 30rem) { #name { flex-basis: 100%; max-width: none } }
        </style>
        <header><h1>Spork chat</h1><span id="state">connecting…</span></header>
        <ol id="lines" aria-live="polite"></ol>
        <form id="form">
        <input id="name" aria-label="Your name" placeholder="Your name" maxlength="40" autocomplete="nickname">
        <input id="text" aria-label="Say something" placeholder="Say something" maxlength="4000" autocomplete="off" required autofocus>
        <button>Send</button>
        </form>
        <script>
        const [state, lines, form, name, text] = ["state", "lines", "form", "name", "text"].map(id => document.getElementById(id));
        try { name.value = localStorage.getItem("name") ?? "" } catch {}
        const events = new EventSource("events");
        events.onmessage = event => {
          const [who, ...rest] = event.data.split("\\n");
          const line = document.createElement("li"), label = document.createElement("b");
          label.textContent = who;
          line.append(label, rest.join("\\n"));
          if (name.value && who === name.value) line.className = "mine";
          const isAtEnd = lines.scrollHeight - lines.scrollTop - lines.clientHeight < 60;
          lines.append(line);
          if (isAtEnd) lines.scrollTop = lines.scrollHeight;
        };
        events.addEventListener("people", event => {
          state.className = "here";
          state.textContent = event.data === "1" ? "only you" : event.data + " people";
        });
        events.onerror = () => { state.className = ""; state.textContent = "connecting…" };
        form.onsubmit = async event => {
          event.preventDefault();
          const body = new URLSearchParams({ name: name.value, text: text.value });
          try { localStorage.setItem("name", name.value) } catch {}
          if ((await fetch("lines", { method: "POST", body }).catch(() => ({}))).ok) text.value = "";
          text.focus();
        };
        </script>
        </html>

        """
}
