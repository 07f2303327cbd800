// The queue of Swift jobs behind the loop, the runtime's hooks that fill it, and parking: how a coroutine leaves the loop's
// thread and comes back.
//
// Jobs are linked through the two words that the runtime leaves to schedulers, so queueing allocates nothing. The loop
// thread appends to a plain list; any other thread pushes on an atomic stack and wakes the loop, which takes the whole
// stack at once and reverses it. Only SporkLoop calls in here; everything that depends on the toolchain's private
// interfaces is in this file and in EventLoop+Executors.swift.
#define _GNU_SOURCE
#include "CSporkShims.h"

#include <link.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define SWIFTCALL __attribute__((swiftcall))
#define ASYNCCALL __attribute__((swiftasynccall))
#define ASYNC_CONTEXT __attribute__((swift_async_context))

// The frame of an async call: its caller makes it, this size, and goes on at `resume_parent`, to which the frame is passed.
typedef struct AsyncFrame {
    struct AsyncFrame *parent;
    ASYNCCALL void (*resume_parent)(ASYNC_CONTEXT struct AsyncFrame *);
    char *accesses[2];
} AsyncFrame;

// The runtime's layout of a job, as in the toolchain's own header for executors written in C; the last two are a task's.
typedef struct __attribute__((aligned(2 * sizeof(void *)))) Job {
    const void *metadata;
    uintptr_t reference_counts;
    void *scheduler_private[2];
    uint32_t flags;
    uint32_t id;
    void *voucher;
    void *reserved;
    ASYNCCALL void (*resume)(ASYNC_CONTEXT AsyncFrame *);
    AsyncFrame *frame;
} Job;

enum { next_word = 0, kind_word = 1 };
// What the second word says of a job: how it is to be run.
enum { on_generic = 0, on_main = 1, parked = 2 };

typedef SWIFTCALL void (*EnqueueOriginal)(Job *);

extern SWIFTCALL void (*swift_task_enqueueGlobal_hook)(Job *, EnqueueOriginal);
extern SWIFTCALL void (*swift_task_enqueueMainExecutor_hook)(Job *, EnqueueOriginal);
extern SWIFTCALL SporkExecutorReference (*swift_task_getMainExecutor_hook)(void *);
extern SWIFTCALL bool (*swift_task_isMainExecutor_hook)(SporkExecutorReference, void *);
extern SWIFTCALL void (*swift_task_checkIsolated_hook)(SporkExecutorReference, SWIFTCALL void (*)(SporkExecutorReference));
extern SWIFTCALL void swift_job_run(Job *, SporkExecutorReference);
extern SWIFTCALL SporkExecutorReference swift_task_getCurrentExecutor(void);
extern SWIFTCALL Job *swift_task_getCurrent(void);
extern SWIFTCALL bool swift_task_isCancelled(Job *);
extern SWIFTCALL void swift_task_cancel(Job *);
extern void swift_task_exitThreadLocalContext(char *);
extern void swift_task_enterThreadLocalContext(char *);

static struct {
    Job *first;
    Job *last;
    uint64_t enqueued;
    uint64_t ran;
    uint64_t longest;
    SporkJobObserver begins;
    SporkExecutorReference main;
    void (*wake)(void *);
    void *wake_context;
    // Where the runtime keeps the task that the loop's thread runs; null when that was not found.
    Job **current;
} queue;

static _Atomic(Job *) from_other_threads;
static _Thread_local bool on_loop_thread;

static void append(Job *job) {
    job->scheduler_private[next_word] = NULL;
    if (queue.last) {
        queue.last->scheduler_private[next_word] = job;
    } else {
        queue.first = job;
    }
    queue.last = job;
    queue.enqueued++;
}

static void push_from_other_thread(Job *job) {
    Job *head = atomic_load_explicit(&from_other_threads, memory_order_relaxed);
    do {
        job->scheduler_private[next_word] = head;
    } while (!atomic_compare_exchange_weak_explicit(
        &from_other_threads, &head, job, memory_order_release, memory_order_relaxed));
    queue.wake(queue.wake_context);
}

static void take_from_other_threads(void) {
    if (atomic_load_explicit(&from_other_threads, memory_order_relaxed) == NULL) return;
    Job *job = atomic_exchange_explicit(&from_other_threads, NULL, memory_order_acquire);
    Job *reversed = NULL;
    while (job) {
        Job *next = job->scheduler_private[next_word];
        job->scheduler_private[next_word] = reversed;
        reversed = job;
        job = next;
    }
    while (reversed) {
        Job *next = reversed->scheduler_private[next_word];
        append(reversed);
        reversed = next;
    }
}

void spork_executor_enqueue(void *job, bool is_on_main) {
    ((Job *)job)->scheduler_private[kind_word] = (void *)(uintptr_t)(is_on_main ? on_main : on_generic);
    if (__builtin_expect(on_loop_thread, 1)) {
        append(job);
    } else {
        push_from_other_thread(job);
    }
}

// A clock that costs a few nanoseconds to read; what its ticks are in seconds is the caller's to find out.
static inline uint64_t ticks(void) {
#if defined(__x86_64__)
    return __builtin_ia32_rdtsc();
#elif defined(__aarch64__)
    uint64_t value;
    __asm__ volatile("mrs %0, cntvct_el0" : "=r"(value));
    return value;
#else
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
#endif
}

uint64_t spork_ticks(void) { return ticks(); }

uint64_t spork_executor_longest(void) { return queue.longest; }

void spork_executor_observe(SporkJobObserver begins) { queue.begins = begins; }

// A task that has parked is still running as far as the runtime knows: it needs no more than to be the current one. Without the
// two exchanges of its status that the runtime's own way costs, a switch takes a quarter less.
static inline void run(Job *job) {
    uintptr_t kind = (uintptr_t)job->scheduler_private[kind_word];
    if (kind == parked && queue.current) {
        *queue.current = job;
        job->resume(job->frame);
        *queue.current = NULL;
    } else {
        swift_job_run(job, kind == on_main ? queue.main : (SporkExecutorReference){NULL, 0});
    }
}

static struct {
    uint64_t end;
    uint64_t long_job;
    SporkJobObserver took_long;
} batch;

static ASYNCCALL void run_batch(Job *unused) {
    (void)unused;
    uint64_t begin = ticks();
    take_from_other_threads();
    while (queue.first && queue.ran < batch.end) {
        Job *job = queue.first;
        queue.first = job->scheduler_private[next_word];
        if (queue.first == NULL) queue.last = NULL;
        queue.ran++;
        if (__builtin_expect(queue.begins != NULL, 0)) queue.begins(job, 0);
        // The job may free itself while it runs, so nobody looks at it afterwards.
        run(job);
        uint64_t end = ticks();
        uint64_t taken = end - begin;
        begin = end;
        if (__builtin_expect(taken > queue.longest, 0)) queue.longest = taken;
        if (__builtin_expect(taken > batch.long_job, 0)) batch.took_long(job, taken);
    }
}

// A batch is a job itself, one that is no task (any kind but 0 is none): the runtime keeps with each job that runs what executor
// it runs on, and a parked task that goes on has nothing but that of the job around it.
uint64_t spork_executor_run(uint64_t limit, uint64_t long_job, SporkJobObserver took_long) {
    enum { isolated_deinit = 196 };
    static Job all;
    all = (Job){.flags = isolated_deinit, .resume = (ASYNCCALL void (*)(ASYNC_CONTEXT AsyncFrame *))run_batch};
    uint64_t before = queue.ran;
    batch.end = before + limit;
    batch.long_job = long_job;
    batch.took_long = took_long;
    swift_job_run(&all, (SporkExecutorReference){NULL, 0});
    return queue.ran - before;
}

void spork_executor_end_batch(void) { batch.end = queue.ran; }

uint64_t spork_executor_ran(void) { return queue.ran; }

bool spork_executor_has_jobs(void) {
    return queue.first != NULL || atomic_load_explicit(&from_other_threads, memory_order_relaxed) != NULL;
}

void *spork_current_task(void) { return swift_task_getCurrent(); }

bool spork_task_is_cancelled(void *task) { return swift_task_isCancelled(task); }

void spork_cancel_task(void *task) { swift_task_cancel(task); }

// Parking. A task that suspends on a continuation pays for a dependency record and two exchanges of its status; one that parks
// leaves its status as it is, notes where to go on, and returns to whoever runs jobs. To the runtime it is a task that runs
// for a long time. Its open accesses (the exclusivity checks of the thread) are set aside, as the runtime does it.

static ASYNCCALL void resume_with_accesses(ASYNC_CONTEXT AsyncFrame *frame) {
    swift_task_enterThreadLocalContext((char *)frame->accesses);
    return frame->resume_parent(frame);
}

void *spork_task_to_park(void) {
    // An actor's task would lose its actor: to the runtime it still runs there, but whoever runs it next has not entered it.
    return on_loop_thread && swift_task_getCurrentExecutor().identity == NULL ? swift_task_getCurrent() : NULL;
}

static inline Job *leave(AsyncFrame *frame) {
    Job *task = swift_task_getCurrent();
    frame->accesses[0] = frame->accesses[1] = NULL;
    swift_task_exitThreadLocalContext((char *)frame->accesses);
    task->resume = frame->accesses[0] ? resume_with_accesses : frame->resume_parent;
    task->frame = frame;
    return task;
}

ASYNCCALL void spork_park(ASYNC_CONTEXT AsyncFrame *frame) { leave(frame); }

ASYNCCALL void spork_step_back(ASYNC_CONTEXT AsyncFrame *frame) { spork_executor_unpark(leave(frame)); }

void spork_executor_unpark(void *task) {
    ((Job *)task)->scheduler_private[kind_word] = (void *)(uintptr_t)parked;
    append(task);
}

// Looks for the running task among the thread's variables of the module that the runtime is in, and takes the place where it is
// found for the one that the runtime means if changing it changes what the runtime says.
static int find_current(struct dl_phdr_info *module, size_t size, void *unused) {
    (void)size, (void)unused;
    uintptr_t runtime = (uintptr_t)swift_task_getCurrent;
    bool is_runtime = false;
    size_t words = 0;
    for (int i = 0; i < module->dlpi_phnum; i++) {
        const ElfW(Phdr) *header = &module->dlpi_phdr[i];
        if (header->p_type == PT_LOAD) is_runtime |= runtime - (module->dlpi_addr + header->p_vaddr) < header->p_memsz;
        if (header->p_type == PT_TLS) words = header->p_memsz / sizeof(Job *);
    }
    if (!is_runtime || !module->dlpi_tls_data) return 0;
    Job **variables = module->dlpi_tls_data;
    Job *task = swift_task_getCurrent(), *another = (Job *)variables;
    for (size_t i = 0; task && i < words; i++) {
        if (variables[i] != task) continue;
        variables[i] = another;
        bool is_found = swift_task_getCurrent() == another;
        variables[i] = task;
        if (is_found) queue.current = &variables[i];
    }
    return 1;
}

bool spork_executor_find_current(void) {
    dl_iterate_phdr(find_current, NULL);
    return queue.current != NULL;
}

// What Swift needs to call an async function that it did not compile: where it is, and the size of its frame.
#define ASYNC_FUNCTION_POINTER(name) \
    __asm__(".pushsection .rodata\n.globl " #name "Tu\n.balign 8\n" #name "Tu:\n.long " #name " - " #name "Tu\n.long 32\n.popsection\n")
_Static_assert(sizeof(AsyncFrame) == 32, "the frame's size is written out above");
ASYNC_FUNCTION_POINTER(spork_park);
ASYNC_FUNCTION_POINTER(spork_step_back);

bool spork_executor_is_current(void) { return on_loop_thread; }

uint64_t spork_executor_enqueued(void) { return queue.enqueued; }

static SWIFTCALL void enqueue_global(Job *job, EnqueueOriginal original) {
    (void)original;
    spork_executor_enqueue(job, false);
}

static SWIFTCALL SporkExecutorReference main_is_generic(void *original) {
    (void)original;
    return (SporkExecutorReference){NULL, 0};
}

static SWIFTCALL bool is_generic(SporkExecutorReference executor, void *original) {
    (void)original;
    return executor.identity == NULL;
}

// Code that a callback of the loop runs is on the main actor although no job is running.
static SWIFTCALL void check_isolated(
    SporkExecutorReference executor, SWIFTCALL void (*original)(SporkExecutorReference)) {
    if (executor.identity != NULL) {
        original(executor);
    } else if (!on_loop_thread) {
        fputs("fatal error: code of the main actor was called on a thread that is not the loop's\n", stderr);
        abort();
    }
}

bool spork_executor_install(bool hooks, SporkExecutorReference main, void (*wake)(void *), void *context) {
    if (hooks && swift_task_enqueueGlobal_hook && swift_task_enqueueGlobal_hook != enqueue_global) return false;
    on_loop_thread = true;
    queue.wake = wake;
    queue.wake_context = context;
    if (hooks) {
        queue.main = (SporkExecutorReference){NULL, 0};
        swift_task_enqueueGlobal_hook = enqueue_global;
        swift_task_enqueueMainExecutor_hook = enqueue_global;
        swift_task_getMainExecutor_hook = main_is_generic;
        swift_task_isMainExecutor_hook = is_generic;
        swift_task_checkIsolated_hook = check_isolated;
    } else {
        queue.main = main;
    }
    return true;
}
