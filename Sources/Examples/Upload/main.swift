// Uploads that are written to disk as they come, however large: a form in parts, read as a stream, with its progress told by server-sent events.
// Memory stays as it is, and a disk that is slow holds up its own upload only.
//
//     swift run example-upload --bind 127.0.0.1:8000      # and open http://127.0.0.1:8000
//     curl -F note=hello -F file=@video.mp4 http://127.0.0.1:8000/files
//
// What was uploaded and how far it is, a worker knows for itself, so there is one worker unless --workers says otherwise. Files have no names on
// disk and go with the process.
import Glibc
import Spork

/// A file on disk that nobody else can find, and that is gone when the last who uses it has closed it.
final class NamelessFile {
    let descriptor: Int32

    init() throws {
        var path = Array("/var/tmp/example-upload-XXXXXX".utf8CString)
        descriptor = mkstemp(&path)
        guard descriptor >= 0 else { throw SystemError("create a file in", "/var/tmp", number: errno) }
        unlink(path)
    }

    deinit { close(descriptor) }

    /// Writes on a thread of its own: to a disk one cannot wait otherwise.
    func append(_ bytes: [UInt8]) async throws {
        let descriptor = descriptor
        try await offload {
            var rest = bytes[...]
            while !rest.isEmpty {
                let count = rest.withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
                if count < 0, errno != EINTR { throw SystemError("write to", "/var/tmp", number: errno) }
                rest = rest.dropFirst(max(0, count))
            }
        }
    }
}

/// A file that was uploaded, or is on its way.
final class Upload {
    let name: String
    let type: String
    let file: NamelessFile
    var size = 0

    init(_ part: MultipartPart) throws {
        name = part.fileName ?? part.name
        type = part.contentType ?? MediaType.forFile(named: Array(name.utf8))
        file = try NamelessFile()
    }
}

let mostBytes = 4 << 30
let mostFiles = 10
var settings = ServerSettings()
settings.workers = 1

try Server.main(settings: settings) { _ in
    var uploads: [Int: Upload] = [:]
    var lastID = 0
    // How much has come of those that are on their way.
    var transfers: [String: Int] = [:]
    let router = Router()
    router.use(Middlewares.securityHeaders())

    router.get("/") { _ in Response(html: Page.html) }

    router.post("/files") { request in
        // The name that the page has chosen, under which it asks for the progress.
        let transfer = request.query["transfer"] ?? ""
        guard transfer.utf8.count <= 40, transfers.count < 1000, transfers[transfer] == nil || transfer.isEmpty else {
            throw HTTPError(.conflict, "this transfer has begun already")
        }
        if !transfer.isEmpty { transfers[transfer] = 0 }
        defer { transfers[transfer] = nil }
        var lines: [String] = []
        for try await part in request.body.parts(upTo: mostBytes) {
            guard part.fileName?.isEmpty == false else {
                lines.append("\(part.name): \(try await part.string(upTo: 4096))")
                continue
            }
            let upload = try Upload(part)
            for try await piece in part {
                try await upload.file.append(piece)
                upload.size += piece.count
                transfers[transfer]? += piece.count
            }
            lastID += 1
            uploads[lastID] = upload
            uploads[lastID - mostFiles] = nil
            lines.append("/files/\(lastID) \(upload.size) \(upload.name)")
        }
        return lines.joined(separator: "\n") + "\n"
    }

    router.get("/transfers/{name}") { request in
        let name = request["name"]
        return Response.events { events in
            // The page asks before it sends: an upload may need a moment to begin.
            for _ in 0..<100 where transfers[name] == nil { try await sleep(for: .milliseconds(50)) }
            var told = -1
            while let received = transfers[name] {
                if received != told {
                    told = received
                    try await events.send("\(told)")
                }
                try await sleep(for: .milliseconds(100))
            }
            try await events.send("", event: "end")
        }
    }

    router.get("/files/{id}") { request in
        guard let upload = Int(request["id"]).flatMap({ uploads[$0] }) else { throw HTTPError(.notFound) }
        // A descriptor of its own: this one is sent to its end, whatever becomes of the upload meanwhile.
        let descriptor = fcntl(upload.file.descriptor, F_DUPFD_CLOEXEC, 0)
        guard descriptor >= 0 else { throw HTTPError(.serviceUnavailable) }
        return try Response.file(descriptor: descriptor, for: request, type: upload.type, download: upload.name)
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
        <title>Spork upload</title>
        <style>
        :root { color-scheme: light dark; --line: light-dark(#dde3ea, #353b44); --faint: light-dark(#667, #9aa3b0); --accent: #1d7a4c }
        * { box-sizing: border-box }
        body { margin: 0 auto; max-width: 40rem; padding: 1rem; font: 1rem/1.45 system-ui, sans-serif }
        h1 { font-size: 1.3rem } a { color: inherit; overflow-wrap: anywhere }
        label { display: block; padding: 2.2rem 1rem; text-align: center; border: 2px dashed var(--line); border-radius: 1rem; cursor: pointer }
        label:hover, label.over, label:focus-within { border-color: var(--accent) }
        label b { color: var(--accent) } label small, .size { color: var(--faint) }
        input { position: absolute; opacity: 0; pointer-events: none }
        ul { list-style: none; padding: 0 } li { padding: .8rem 0; border-bottom: 1px solid var(--line) }
        .row { display: flex; gap: 1rem; justify-content: space-between } .size { white-space: nowrap; font-variant-numeric: tabular-nums }
        progress { width: 100%; height: .5rem; accent-color: var(--accent) } .failed { color: #c33 }
        </style>
        <h1>Spork upload</h1>
        <label id="drop"><input id="files" type="file" multiple><b>Choose files</b> or drop them here<br>
        <small>up to 4 GiB; kept until ten others have come</small></label>
        <ul id="list"></ul>
        <script>
        const [drop, files, list] = ["drop", "files", "list"].map(id => document.getElementById(id));
        const size = bytes => bytes < 1e3 ? bytes + " B" : bytes < 1e6 ? (bytes / 1e3).toFixed(1) + " kB" : bytes < 1e9 ? (bytes / 1e6).toFixed(1) + " MB" : (bytes / 1e9).toFixed(2) + " GB";
        async function send(file) {
          const item = list.insertBefore(document.createElement("li"), list.firstChild);
          item.innerHTML = '<div class="row"><a></a><span class="size"></span></div><progress></progress>';
          const [link, label, bar] = ["a", ".size", "progress"].map(kind => item.querySelector(kind));
          link.textContent = file.name;
          label.textContent = size(file.size);
          bar.max = file.size || 1;
          const name = Math.random().toString(36).slice(2);
          // What the server has, not what the browser has got rid of.
          const progress = new EventSource("transfers/" + name);
          progress.onmessage = event => {
            bar.value = Math.min(file.size, +event.data);
            label.textContent = size(+event.data) + " of " + size(file.size);
          };
          progress.addEventListener("end", () => progress.close());
          const body = new FormData();
          body.append("file", file);
          const answer = await fetch("files?transfer=" + name, { method: "POST", body }).catch(error => ({ statusText: error.message }));
          progress.close();
          bar.remove();
          if (answer.ok) {
            link.href = (await answer.text()).split(" ")[0].slice(1);
            label.textContent = size(file.size);
          } else {
            label.className = "size failed";
            label.textContent = answer.statusText || "failed";
          }
        }
        // One after the other.
        let last = Promise.resolve();
        const take = chosen => { for (const file of chosen) last = last.then(() => send(file)) };
        files.onchange = () => { take(files.files); files.value = "" };
        drop.ondragover = event => { event.preventDefault(); drop.className = "over" };
        drop.ondragleave = () => drop.className = "";
        drop.ondrop = event => { event.preventDefault(); drop.className = ""; take(event.dataTransfer.files) };
        </script>
        </html>

        """
}
