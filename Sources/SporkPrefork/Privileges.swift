// The rights that workers have: the user and the group they become, the processors they run on. Names are looked up in the
// master, before the first fork; what has to be done in a worker only makes system calls.
import CSporkShims
import Glibc
import SporkNet

extension ServerSettings {
    /// Whether workers can become what these say.
    ///
    /// - Throws: `SystemError` when there is no such user, group or processor, or this process may not become or use it.
    package func check() throws { try Privileges(self).checkProcessors() }
}

/// What a worker becomes before it runs anything of its own.
struct Privileges {
    /// More groups a user cannot have that the server becomes.
    private static let mostGroups: Int32 = 1024

    private var identity: (user: uid_t, group: gid_t, groups: [gid_t])?
    private let affinity: ServerSettings.Affinity
    private let usable: [Int32]

    /// Looks the names up.
    ///
    /// - Throws: `SystemError` when there is no such user or group, or this process may not become it.
    init(_ settings: ServerSettings) throws {
        affinity = settings.affinity
        var processors = [Int32](repeating: 0, count: 1024)
        let count = spork_usable_processors(&processors, processors.count)
        usable = Array(processors.prefix(count))
        var (user, group) = (geteuid(), getegid())
        if let name = settings.user {
            let failure = -spork_find_user(name, &user, &group)
            guard failure == 0 else { throw SystemError("find the user", name, number: failure) }
        }
        if let name = settings.group {
            let failure = -spork_find_group(name, &group)
            guard failure == 0 else { throw SystemError("find the group", name, number: failure) }
        }
        guard settings.user != nil || settings.group != nil else { return }
        guard geteuid() == 0 || (user == geteuid() && group == getegid()) else {
            throw SystemError("become", settings.user ?? settings.group ?? "", number: EPERM)
        }
        // Somebody who is no superuser is that user already, and may not drop groups.
        guard geteuid() == 0 else { return }
        identity = (user, group, try Self.groups(of: settings.user, group))
    }

    /// The groups of a user, as initgroups(3) sets them: of nobody in particular only the one that was asked for.
    private static func groups(of user: String?, _ group: gid_t) throws -> [gid_t] {
        guard let user else { return [group] }
        var groups = [gid_t](repeating: 0, count: Int(mostGroups))
        let count = spork_find_groups(user, group, &groups, mostGroups)
        guard count >= 0 else { throw SystemError("find the groups of", user, number: -count) }
        return Array(groups.prefix(Int(count)))
    }

    /// Whether all processors are there that are named: a worker that is to run on another one fails.
    func checkProcessors() throws {
        guard case .processors(let numbers) = affinity,
            let missing = numbers.first(where: { !usable.contains(Int32($0)) })
        else { return }
        throw SystemError("run on processors", "[\(missing)]", number: EINVAL)
    }

    /// Becomes it, in the worker of a slot.
    func apply(slot: Int) throws {
        if let processors = Self.processors(of: slot, affinity, usable: usable) {
            let failure = -spork_use_processors(processors, processors.count)
            guard failure == 0 else { throw SystemError("run on processors", "\(processors)", number: failure) }
        }
        guard let identity else { return }
        let failure = -spork_drop_rights(identity.user, identity.group, identity.groups, identity.groups.count)
        guard failure == 0 else {
            throw SystemError("become", "user \(identity.user), group \(identity.group)", number: failure)
        }
    }

    /// The processors of a slot; nil for no wish.
    static func processors(of slot: Int, _ affinity: ServerSettings.Affinity, usable: [Int32]) -> [Int32]? {
        let choice: [Int32]
        switch affinity {
        case .none: return nil
        case .oneEach: choice = usable
        case .processors(let numbers): choice = numbers.map { Int32($0) }
        }
        return choice.isEmpty ? nil : [choice[(slot - 1) % choice.count]]
    }
}
