// The master's answers at the control socket.
import Glibc

extension Master {
    /// Takes clients and answers what they ask.
    func answerClients() {
        guard let control, control.descriptor >= 0 else { return }
        while control.accept(at: Self.now) {}
        for client in Array(control.clients.keys) {
            control.flush(client)
            control.receive(from: client)
            while let line = control.nextLine(from: client) { answer(line, client, control) }
        }
    }

    private func answer(_ line: String, _ client: Int32, _ control: ControlSocket) {
        let request: ControlRequest
        do { request = try ControlRequest(line: line) } catch {
            return control.send("failed \(error.reason)\n", to: client)
        }
        switch request {
        case .reload:
            control.await(.reload, by: client)
            tell(.reload)
        case .upgrade:
            control.await(.upgrade, by: client)
            // Refused at once when another change is under way: then this one has begun and ended.
            if supervision.isChanging { control.begin(.upgrade, only: client) }
            tell(.upgrade)
        case .workers(let count):
            tell(.resize(count))
            control.send("ok \(supervision.capacity) workers\n", to: client)
        case .status(let asJSON):
            control.send((asJSON ? status.json : status.text) + "ok\n", to: client)
        case .reopenLogs:
            tell(.reopenLogs)
            control.send("ok\n", to: client)
        case .stop(let fast):
            control.send("ok\n", to: client)
            tell(fast ? .stopFast : .stopGracefully)
        }
    }

    /// How the server is.
    package var status: ServerStatus {
        ServerStatus(
            master: getpid(),
            generation: supervision.generation,
            capacity: supervision.capacity,
            serving: supervision.serving,
            upSeconds: Self.now - begunAt,
            isChanging: supervision.isChanging,
            scoreboard: scoreboard
        )
    }

    /// A line for a service manager.
    var statusLine: String {
        "\(supervision.serving) of \(supervision.capacity) workers serve, generation \(supervision.generation)"
    }
}
