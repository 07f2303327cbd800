// The lines of C that Swift cannot say. Eight parts, a source file each:
//   executor.c  the job queue behind Swift's executors, the runtime's hooks that feed it, and parking
//   registry.c  which coroutine a task is
//   process.c   fork, and what a process says about itself
//   shared.c    memory that processes share, rights, processors, titles
//   exclusive.c a listener's place in libev's epoll set
//   datagram.c  many datagrams in one call
//   ancillary.c what a Unix socket carries beside its bytes
//   clock.c     a timer as a descriptor
//   system.c    variadic or _GNU_SOURCE calls that Swift does not import
#ifndef CSPORKSHIMS_H
#define CSPORKSHIMS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

// MARK: executor.c

/// An executor as the runtime passes it: two words, {0, 0} for the generic one.
typedef struct {
    void *_Nullable identity;
    uintptr_t implementation;
} SporkExecutorReference;

/// Makes the calling thread the loop's thread. `wake` is called with `context` by other threads after they queued a
/// job; it has to be safe there. With `hooks`, the runtime's hooks feed the queue directly and the main actor is the
/// generic executor, so that no call inside a worker ever changes executors. Without them the queue is fed by the
/// executor objects only, and main-actor jobs run on `main`.
/// Returns false, changing nothing, when somebody else has taken a hook already.
bool spork_executor_install(
    bool hooks, SporkExecutorReference main, void (*_Nonnull wake)(void *_Nullable), void *_Nullable context);

/// Puts a job at the end of the queue, from any thread. `on_main` says that it belongs to the main actor's executor.
void spork_executor_enqueue(void *_Nonnull job, bool on_main);

/// Puts a task that has parked at the end of the queue, on the loop's thread only.
void spork_executor_unpark(void *_Nonnull task);

/// Finds out, in a task on the loop's thread, how to resume parked tasks without the runtime's help. Returns whether it did;
/// otherwise the runtime helps.
bool spork_executor_find_current(void);

/// Called with a job: the address of its task, which may be gone already; and how long it took, in ticks.
typedef void (*SporkJobObserver)(void *_Nonnull job, uint64_t taken);

/// Runs queued jobs, oldest first, until the queue is empty or `limit` have run. Returns how many ran.
/// `took_long` is called after each job that has taken more than `long_job` ticks.
uint64_t spork_executor_run(uint64_t limit, uint64_t long_job, _Nonnull SporkJobObserver took_long);

/// Has `begins` called before each job from now on; null for no call.
void spork_executor_observe(_Nullable SporkJobObserver begins);

/// The ticks that the longest job so far has taken.
uint64_t spork_executor_longest(void);

/// A clock that is cheap to read, in ticks of unknown length.
uint64_t spork_ticks(void);

/// Whether a job is waiting, counting those that other threads have queued.
bool spork_executor_has_jobs(void);

/// Whether the calling thread is the loop's.
bool spork_executor_is_current(void);

/// Jobs queued since the start, for tests and statistics.
uint64_t spork_executor_enqueued(void);

/// Has `spork_executor_run` return behind the job that runs.
void spork_executor_end_batch(void);

/// Jobs begun since the start: the number of the one that runs.
uint64_t spork_executor_ran(void);

/// The task that the calling thread runs, or null outside of one.
void *_Nullable spork_current_task(void);

/// The running task if it may park: not inside an actor of its own, nor on another thread. Else null.
void *_Nullable spork_task_to_park(void);

/// Whether a task was cancelled.
bool spork_task_is_cancelled(void *_Nonnull task);

/// Cancels a task that has not ended.
void spork_cancel_task(void *_Nonnull task);

// spork_park and spork_step_back are async functions, which a C header cannot declare: EventLoop+Executors.swift does.

// MARK: registry.c

/// Says which record a task belongs to.
void spork_registry_set(void *_Nonnull task, void *_Nonnull record);

/// The record of a task, or null.
void *_Nullable spork_registry_get(void *_Nullable task);

/// Forgets a task.
void spork_registry_remove(void *_Nonnull task);

// MARK: process.c

/// fork(2). Returns the child's pid to the parent, 0 to the child, a negated errno on failure.
pid_t spork_fork(void);

/// pipe2 with O_CLOEXEC. 0 or a negated errno.
int spork_pipe(int *_Nonnull ends);

/// Dispositions of all signals back to default. What is blocked stays blocked, so that nothing is lost before a child has
/// its own handlers.
void spork_reset_signals(void);

/// Lets all signals through.
void spork_unblock_signals(void);

/// Ignores a signal.
void spork_ignore_signal(int signal);

/// Ignores a signal if it would do what it does by default.
void spork_ignore_signal_unless_handled(int signal);

/// A descriptor that becomes readable when one of `signals` arrives; the signals are blocked. Negated errno on failure.
int spork_signal_descriptor(const int *_Nonnull signals, size_t count);

/// Takes one signal from such a descriptor, and the process that sent it; 0 as the sender stands for the kernel, whose
/// terminals send signals to all processes in them. 0 when none waits.
int spork_take_signal(int descriptor, pid_t *_Nonnull sender);

/// execve; returns a negated errno when the system refuses.
int spork_execute(
    const char *_Nonnull path, char *_Nullable const *_Nonnull arguments, char *_Nullable const *_Nonnull environment);

/// A descriptor that becomes readable when a child process has ended (pidfd_open). Negated errno on failure.
int spork_open_process(pid_t process);

/// How many threads this process has, from /proc; 0 when that cannot be read.
int spork_thread_count(void);

/// How many processors the affinity mask allows.
int spork_allowed_processors(void);

// MARK: exclusive.c

/// The epoll descriptor among this process's descriptors that was opened last; -1 when there is none.
int spork_newest_epoll(void);

/// What `epoll` returns with events of `descriptor` (epoll_event.data), read from /proc. False when it does not watch it.
bool spork_epoll_word(int epoll, int descriptor, uint64_t *_Nonnull word);

/// Adds `descriptor` to `epoll` for reading, to wake one of the processes that watch it so, not all. 0 or a negated errno.
int spork_epoll_add_exclusively(int epoll, int descriptor, uint64_t word);

/// Takes `descriptor` out of `epoll`. 0 or a negated errno.
int spork_epoll_remove(int epoll, int descriptor);

// MARK: shared.c

/// Memory that processes share, of a size that nobody can change (memfd_create, sealed). Negated errno on failure.
int spork_shared_memory(size_t size);

/// A file that is only in memory. Negated errno on failure.
int spork_memory_file(void);

/// When `parent` dies this process is ended no later than `patience` seconds after, whatever it is doing; and, unless `hang` is 0, as soon as
/// what `heartbeat` says (nanoseconds of the monotonic clock, 0 for idle) is `hang` seconds old.
/// To be called after a change of users, which would undo it. Uses SIGVTALRM, and SIGALRM once the parent is dead. 0 or a negated errno.
int spork_notice_death_of_parent(pid_t parent, double patience, double hang, const uint64_t *_Nullable heartbeat);

/// Does what the death of the parent does: for those who have learned of it in another way. Harmless when repeated.
void spork_parent_has_died(void);

/// This process is killed when `parent` dies, programs that it executes included. 0 or a negated errno.
int spork_die_with_parent(pid_t parent);

/// Maps such memory for reading and writing; null when the system refuses.
void *_Nullable spork_map_shared(int descriptor, size_t size);

/// A word in shared memory that has one writer: no reader ever sees half of it.
static inline uint64_t spork_load(const uint64_t *_Nonnull word) { return __atomic_load_n(word, __ATOMIC_ACQUIRE); }

static inline void spork_store(uint64_t *_Nonnull word, uint64_t value) {
    __atomic_store_n(word, value, __ATOMIC_RELEASE);
}

/// A store that is seen by others before anything that this process reads after it.
static inline void spork_announce(uint64_t *_Nonnull word, uint64_t value) {
    __atomic_store_n(word, value, __ATOMIC_SEQ_CST);
}

/// A counter that non-blocking descriptors carry (eventfd). Negated errno on failure.
int spork_event_descriptor(void);

/// Makes or empties a file, which is no link, for writing. Negated errno on failure.
int spork_create_file(const char *_Nonnull path, mode_t mode);

/// A handle that only names a file (O_PATH). Negated errno on failure.
int spork_open_path(const char *_Nonnull path);

/// Whether a descriptor stays open when the process executes another program. 0 or a negated errno.
int spork_keep_over_exec(int descriptor, bool keep);

/// Makes a descriptor that came from elsewhere non-blocking. 0 or a negated errno.
int spork_set_nonblocking(int descriptor);

/// Sends a signal to a child by its descriptor (pidfd_send_signal), or by its number where `descriptor` is negative.
/// 0 or a negated errno.
int spork_signal_process(int descriptor, pid_t process, int signal);

/// A user by name: its number and its group. -ENOENT when there is none.
int spork_find_user(const char *_Nonnull name, uid_t *_Nonnull user, gid_t *_Nonnull group);

/// A group by name. -ENOENT when there is none.
int spork_find_group(const char *_Nonnull name, gid_t *_Nonnull group);

/// The groups that a user is in, `group` among them, `most` at most. Returns how many; -E2BIG when there are more.
int spork_find_groups(const char *_Nonnull name, gid_t group, gid_t *_Nonnull groups, int most);

/// Becomes another user and group for good, with these groups and no others and without a way to new rights. 0 or a negated errno.
int spork_drop_rights(uid_t user, gid_t group, const gid_t *_Nonnull groups, size_t count);

/// The user at the other end of a Unix socket, as it was when it connected. 0 or a negated errno.
int spork_peer_user(int descriptor, uid_t *_Nonnull user);

/// Runs on these processors only. 0 or a negated errno.
int spork_use_processors(const int *_Nonnull processors, size_t count);

/// Has the kernel deal new connections by chance to the first `count` of the sockets that listen at one address (SO_REUSEPORT), in the order
/// in which they began to; by its own rule to all of them when `count` is 0. For one of them; it holds for all. 0 or a negated errno.
int spork_deal_connections(int listener, uint32_t count);

/// Drops every packet that would begin a connection to a TCP socket that listens (socket(7), SO_ATTACH_FILTER). 0 or a negated errno.
int spork_refuse_connections(int listener);

/// The numbers of the processors that the affinity mask allows, `most` of them at most. Returns how many.
size_t spork_usable_processors(int *_Nonnull processors, size_t most);

/// Sets how many descriptors the process may have, raising the hard limit where that is allowed. 0 or a negated errno.
int spork_limit_descriptors(uint64_t count);

/// Finds the memory that `ps` shows; to be called once, before anything keeps pointers into the environment.
void spork_prepare_title(int count, char *_Nullable *_Nonnull arguments);

/// What `ps` shows of this process from now on, cut to the room there is.
void spork_set_title(const char *_Nonnull title);

// MARK: system.c

/// accept4 with SOCK_NONBLOCK | SOCK_CLOEXEC; the peer's address is not asked for. Negated errno on failure.
int spork_accept(int listener);

/// openat2 below `root`, read-only, non-blocking: no way out through "..", absolute links or magic links.
/// Negated errno on failure.
int spork_open_beneath(int root, const char *_Nonnull path);

/// A handle that only names a directory (O_PATH). Negated errno on failure.
int spork_open_directory(const char *_Nonnull path);

/// What a file is, as far as serving it needs to know.
typedef struct {
    uint64_t device;
    uint64_t inode;
    int64_t size;
    int64_t modified_seconds;
    int64_t modified_nanoseconds;
    int64_t changed_seconds;
    int64_t changed_nanoseconds;
    bool is_regular;
    bool is_directory;
    bool is_link;
} SporkFileStatus;

/// fstatat of `path` below the directory `root`, following links or not; nothing keeps it below. 0 or a negated errno.
int spork_stat_at(int root, const char *_Nonnull path, bool follow, SporkFileStatus *_Nonnull status);

/// What `path` is, resolved as spork_open_beneath does, without opening it for anything else. 0 or a negated errno.
int spork_stat_beneath(int root, const char *_Nonnull path, SporkFileStatus *_Nonnull status);

/// fstat. 0 or a negated errno.
int spork_stat(int descriptor, SporkFileStatus *_Nonnull status);

/// send with MSG_NOSIGNAL, and with MSG_MORE where `more` says that the rest follows at once. Negated errno on failure.
ssize_t spork_send(int descriptor, const void *_Nonnull bytes, size_t count, bool more);

/// Both parts in one system call, without SIGPIPE. Negated errno on failure.
ssize_t spork_send_two(
    int descriptor, const void *_Nonnull first, size_t first_count, const void *_Nonnull second, size_t second_count);

/// A piece of memory; the same as the system's iovec, which belongs to no module of Swift's.
typedef struct {
    const void *_Nullable start;
    size_t count;
} SporkPiece;

/// Several pieces in one system call, without SIGPIPE. Negated errno on failure.
ssize_t spork_send_vector(int descriptor, const SporkPiece *_Nonnull pieces, size_t count);

/// sendfile from `offset`. Negated errno on failure, 0 when the file ends before.
ssize_t spork_send_file(int descriptor, int file, int64_t offset, size_t count);

/// open(path, O_RDONLY | O_CLOEXEC). Negated errno on failure.
int spork_open_read(const char *_Nonnull path);

/// The width of the terminal behind `descriptor` in columns, or 0 where there is none.
int spork_terminal_width(int descriptor);

/// The name of an error number, such as "ECONNREFUSED" (strerrorname_np); null for one that has none.
const char *_Nullable spork_error_name(int number);

// MARK: datagram.c

/// A datagram of many, laid out as struct mmsghdr: where it goes or comes from, its bytes, and how many there were.
typedef struct {
    struct {
        void *_Nullable name;
        uint32_t name_length;
        SporkPiece *_Nullable parts;
        size_t part_count;
        void *_Nullable control;
        size_t control_length;
        int flags;
    } header;
    unsigned int length;
} SporkMessage;

/// sendmmsg without SIGPIPE. Returns how many went, or a negated errno when not even the first did.
int spork_send_many(int descriptor, SporkMessage *_Nonnull messages, unsigned int count);

/// recvmmsg that waits for nothing; `length` is how long a datagram was, even where it was cut off. Returns how many came, or
/// a negated errno.
int spork_receive_many(int descriptor, SporkMessage *_Nonnull messages, unsigned int count);

// MARK: ancillary.c

/// The most descriptors that one message carries (SCM_MAX_FD in the kernel).
enum { SPORK_MOST_DESCRIPTORS = 253 };

/// Sends bytes, at least one, with descriptors beside them (SCM_RIGHTS), without SIGPIPE. Negated errno on failure.
ssize_t spork_send_descriptors(
    int descriptor, const void *_Nonnull bytes, size_t count, const int *_Nullable descriptors, size_t descriptor_count);

/// Receives bytes and up to `most` descriptors, which are closed in programs that this one starts. `received` is how many came,
/// `truncated` whether there were more, which the kernel has closed. Negated errno on failure.
ssize_t spork_receive_descriptors(
    int descriptor, void *_Nonnull bytes, size_t count, int *_Nonnull descriptors, size_t most, size_t *_Nonnull received,
    bool *_Nonnull truncated);

/// Who connected, or listened, at the other end of a Unix stream (SO_PEERCRED). 0 or a negated errno.
int spork_peer_credentials(int descriptor, pid_t *_Nonnull process, uid_t *_Nonnull user, gid_t *_Nonnull group);

// MARK: clock.c

/// A timer of the monotonic clock as a descriptor that becomes readable when it is due (timerfd_create(2)). Negated errno on failure.
int spork_timer_descriptor(void);

/// Sets such a timer to a point of the clock, and makes it unreadable until then; 0 switches it off. 0 or a negated errno.
int spork_set_timer(int descriptor, uint64_t nanoseconds);

#endif
