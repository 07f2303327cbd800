// fork, signals and what a process says about itself. Called by SporkPrefork, between fork and the worker's first task
// and by the master, so nothing here allocates after start-up.
#define _GNU_SOURCE
#include "CSporkShims.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

extern char **environ;

static char *title_start;
static size_t title_size;

// The arguments and the environment lie behind one another on the stack's end. Their memory can carry a longer name
// once the environment has been copied away. glibc passes main's arguments to constructors.
__attribute__((constructor)) static void find_title_memory(int count, char **arguments) {
    if (count < 1 || arguments == NULL || arguments[0] == NULL) return;
    char *end = arguments[0];
    for (int i = 0; i < count; i++) {
        if (arguments[i] == end) end = arguments[i] + strlen(arguments[i]) + 1;
    }
    title_start = arguments[0];
    title_size = (size_t)(end - arguments[0]);
}

void spork_set_process_title(const char *title) {
    if (title_size < 2) return;
    size_t length = strlen(title);
    if (length > title_size - 1) length = title_size - 1;
    memset(title_start, 0, title_size);
    memcpy(title_start, title, length);
}

pid_t spork_fork(void) {
    pid_t pid = fork();
    return pid < 0 ? -errno : pid;
}

int spork_signal_when_parent_ends(int signal) { return prctl(PR_SET_PDEATHSIG, signal) < 0 ? -errno : 0; }

void spork_reset_signals(void) {
    struct sigaction standard = {.sa_handler = SIG_DFL};
    for (int number = 1; number < NSIG; number++) sigaction(number, &standard, NULL);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

void spork_ignore_signal(int number) {
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    sigaction(number, &ignore, NULL);
}

int spork_signal_descriptor(const int *signals, size_t count) {
    sigset_t set;
    sigemptyset(&set);
    for (size_t i = 0; i < count; i++) sigaddset(&set, signals[i]);
    if (sigprocmask(SIG_BLOCK, &set, NULL) < 0) return -errno;
    int descriptor = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    return descriptor < 0 ? -errno : descriptor;
}

int spork_take_signal(int descriptor, pid_t *sender) {
    struct signalfd_siginfo info;
    ssize_t count;
    do {
        count = read(descriptor, &info, sizeof info);
    } while (count < 0 && errno == EINTR);
    if (count != (ssize_t)sizeof info) return 0;
    *sender = (pid_t)info.ssi_pid;
    return (int)info.ssi_signo;
}

int spork_allowed_processors(void) {
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) < 0) return 1;
    int count = CPU_COUNT(&set);
    return count < 1 ? 1 : count;
}
