// fork, signals and what a process says about itself. Called by SporkPrefork, between fork and the worker's first task
// and by the master, so nothing here allocates after start-up.
#define _GNU_SOURCE
#include "CSporkShims.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <unistd.h>

pid_t spork_fork(void) {
    pid_t pid = fork();
    return pid < 0 ? -errno : pid;
}

int spork_pipe(int *ends) { return pipe2(ends, O_CLOEXEC) < 0 ? -errno : 0; }

void spork_reset_signals(void) {
    struct sigaction standard = {.sa_handler = SIG_DFL};
    for (int number = 1; number < NSIG; number++) sigaction(number, &standard, NULL);
}

void spork_unblock_signals(void) {
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

void spork_ignore_signal(int number) {
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    sigaction(number, &ignore, NULL);
}

void spork_ignore_signal_unless_handled(int number) {
    struct sigaction present;
    if (sigaction(number, NULL, &present) == 0 && present.sa_handler == SIG_DFL) spork_ignore_signal(number);
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
    // A sender outside of this process's namespace has the number 0, too: only the code tells it from the kernel.
    *sender = info.ssi_code == SI_KERNEL ? 0 : info.ssi_pid == 0 ? 1 : (pid_t)info.ssi_pid;
    return (int)info.ssi_signo;
}

int spork_execute(const char *path, char *const *arguments, char *const *environment) {
    execve(path, arguments, environment);
    return -errno;
}

int spork_open_process(pid_t process) {
    long descriptor = syscall(SYS_pidfd_open, process, 0);
    return descriptor < 0 ? -errno : (int)descriptor;
}

int spork_thread_count(void) {
    DIR *directory = opendir("/proc/self/task");
    if (directory == NULL) return 0;
    int count = 0;
    for (struct dirent *entry; (entry = readdir(directory)) != NULL;) count += entry->d_name[0] != '.';
    closedir(directory);
    return count;
}

int spork_allowed_processors(void) {
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) < 0) return 1;
    int count = CPU_COUNT(&set);
    return count < 1 ? 1 : count;
}
