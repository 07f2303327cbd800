// Memory that master and workers share, and what has to be said to the system about a server's processes: rights, titles,
// processors. Called by SporkPrefork. No policy; errors go back as negated errnos.
#define _GNU_SOURCE
#include "CSporkShims.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/filter.h>
#include <pwd.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

int spork_shared_memory(size_t size) {
    int descriptor = memfd_create("spork-scoreboard", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (descriptor < 0) return -errno;
    // Sealed: nobody who holds the descriptor can cut the file short, which would kill all who touch the mapping.
    if (ftruncate(descriptor, (off_t)size) < 0 ||
        fcntl(descriptor, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0) {
        int failure = -errno;
        close(descriptor);
        return failure;
    }
    return descriptor;
}

int spork_memory_file(void) {
    int descriptor = memfd_create("spork-handover", MFD_CLOEXEC);
    return descriptor < 0 ? -errno : descriptor;
}

void *spork_map_shared(int descriptor, size_t size) {
    void *start = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
    return start == MAP_FAILED ? NULL : start;
}

int spork_event_descriptor(void) {
    int descriptor = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return descriptor < 0 ? -errno : descriptor;
}

int spork_create_file(const char *path, mode_t mode) {
    int descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, mode);
    return descriptor < 0 ? -errno : descriptor;
}

int spork_open_path(const char *path) {
    int descriptor = open(path, O_PATH | O_CLOEXEC);
    return descriptor < 0 ? -errno : descriptor;
}

int spork_keep_over_exec(int descriptor, bool keep) {
    return fcntl(descriptor, F_SETFD, keep ? 0 : FD_CLOEXEC) < 0 ? -errno : 0;
}

int spork_set_nonblocking(int descriptor) {
    int flags = fcntl(descriptor, F_GETFL);
    return flags < 0 || fcntl(descriptor, F_SETFL, flags | O_NONBLOCK) < 0 ? -errno : 0;
}

int spork_signal_process(int descriptor, pid_t process, int number) {
    if (descriptor < 0) return kill(process, number) < 0 ? -errno : 0;
    return syscall(SYS_pidfd_send_signal, descriptor, number, NULL, 0) < 0 ? -errno : 0;
}

int spork_find_user(const char *name, uid_t *user, gid_t *group) {
    errno = 0;
    struct passwd *found = getpwnam(name);
    if (found == NULL) return errno == 0 ? -ENOENT : -errno;
    *user = found->pw_uid;
    *group = found->pw_gid;
    return 0;
}

int spork_find_group(const char *name, gid_t *group) {
    errno = 0;
    struct group *found = getgrnam(name);
    if (found == NULL) return errno == 0 ? -ENOENT : -errno;
    *group = found->gr_gid;
    return 0;
}

int spork_find_groups(const char *name, gid_t group, gid_t *groups, int most) {
    int count = most;
    return getgrouplist(name, group, groups, &count) < 0 ? -E2BIG : count;
}

int spork_drop_rights(uid_t user, gid_t group, const gid_t *groups, size_t count) {
    // The order matters: without the user's rights the groups could not be changed any more.
    if (setgroups(count, groups) < 0 || setresgid(group, group, group) < 0 || setresuid(user, user, user) < 0) return -errno;
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ? -errno : 0;
}

int spork_peer_user(int descriptor, uid_t *user) {
    struct ucred peer;
    socklen_t length = sizeof peer;
    if (getsockopt(descriptor, SOL_SOCKET, SO_PEERCRED, &peer, &length) < 0) return -errno;
    *user = peer.uid;
    return 0;
}

int spork_deal_connections(int listener, uint32_t count) {
    if (count == 0) {
        int none = 0;
        return setsockopt(listener, SOL_SOCKET, SO_DETACH_REUSEPORT_BPF, &none, sizeof none) < 0 ? -errno : 0;
    }
    // A number by chance, modulo the count: what is returned is the socket's place in the group.
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)(SKF_AD_OFF + SKF_AD_RANDOM)),
        BPF_STMT(BPF_ALU | BPF_MOD | BPF_K, count),
        BPF_STMT(BPF_RET | BPF_A, 0),
    };
    struct sock_fprog program = {.len = sizeof code / sizeof *code, .filter = code};
    return setsockopt(listener, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &program, sizeof program) < 0 ? -errno : 0;
}

int spork_refuse_connections(int listener) {
    // The flags of a TCP segment are in byte 13; SYN is 2. What it keeps is the whole packet, or nothing of it.
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 13),
        BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, 0x02, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, 0),
        BPF_STMT(BPF_RET | BPF_K, 0xFFFFFFFF),
    };
    struct sock_fprog program = {.len = sizeof code / sizeof *code, .filter = code};
    return setsockopt(listener, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program) < 0 ? -errno : 0;
}

int spork_use_processors(const int *processors, size_t count) {
    cpu_set_t set;
    CPU_ZERO(&set);
    for (size_t i = 0; i < count; i++)
        if (processors[i] >= 0 && processors[i] < CPU_SETSIZE) CPU_SET(processors[i], &set);
    return sched_setaffinity(0, sizeof set, &set) < 0 ? -errno : 0;
}

size_t spork_usable_processors(int *processors, size_t most) {
    cpu_set_t set;
    size_t count = 0;
    if (sched_getaffinity(0, sizeof set, &set) < 0) return 0;
    for (int i = 0; i < CPU_SETSIZE && count < most; i++)
        if (CPU_ISSET(i, &set)) processors[count++] = i;
    return count;
}

int spork_limit_descriptors(uint64_t count) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0) return -errno;
    limit.rlim_cur = count;
    if (limit.rlim_max < count) limit.rlim_max = count;
    return setrlimit(RLIMIT_NOFILE, &limit) < 0 ? -errno : 0;
}

// MARK: titles

// The strings of the command line and of the environment lie behind one another, and ps shows that memory.
static char *title_start;
static size_t title_room;

void spork_prepare_title(int count, char **arguments) {
    extern char **environ;
    if (title_start != NULL || count < 1) return;
    char *end = arguments[0];
    for (int i = 0; i < count; i++)
        if (arguments[i] == end) end += strlen(end) + 1;
    for (char **entry = environ; *entry != NULL; entry++)
        if (*entry == end) end += strlen(end) + 1;
    // The environment goes on being read: it moves to memory of its own.
    for (char **entry = environ; *entry != NULL; entry++) {
        char *copy = strdup(*entry);
        if (copy == NULL) return;
        *entry = copy;
    }
    title_start = arguments[0];
    title_room = (size_t)(end - title_start);
}

void spork_set_title(const char *title) {
    if (title_room == 0) return;
    size_t length = strlen(title);
    if (length > title_room - 1) length = title_room - 1;
    memcpy(title_start, title, length);
    memset(title_start + length, 0, title_room - length);
}
