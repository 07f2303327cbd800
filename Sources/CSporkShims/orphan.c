// What becomes of a server's processes when the master is gone, however it went: PR_SET_PDEATHSIG (prctl(2)) says so even to one that
// computes and never looks up. It then looks at itself from a timer's handler, as the master would have done, and ends when it hangs or
// takes too long. Called by SporkPrefork in a child, after the last change of users, which would undo it. Handlers only make system calls
// and read the scoreboard.
#define _GNU_SOURCE
#include "CSporkShims.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/prctl.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

enum { look_interval_us = 200 * 1000 };

static struct {
    const uint64_t *heartbeat;
    double hang;
    double patience;
    double ends_at;
    double looked_at;
    double accountable_since;
    bool is_orphan;
} state;

static double seconds_now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

static void look(int number) {
    (void)number;
    double now = seconds_now();
    // Stopped, or the machine stood still: that was not the loop's fault.
    if (now - state.looked_at > 1) state.accountable_since = now;
    state.looked_at = now;
    if (now >= state.ends_at) _exit(1);
    uint64_t beat = state.heartbeat ? spork_load(state.heartbeat) : 0;
    if (beat == 0 || state.hang <= 0) return;
    double busy_since = (double)beat * 1e-9;
    if (busy_since < state.accountable_since) busy_since = state.accountable_since;
    if (now - busy_since >= state.hang) _exit(1);
}

static void master_has_died(int number) {
    (void)number;
    if (state.is_orphan) return;
    state.is_orphan = true;
    int kept = errno;
    double now = seconds_now();
    state.looked_at = now;
    state.ends_at = now + state.patience;
    struct sigaction action = {.sa_handler = look, .sa_flags = SA_RESTART};
    sigaction(SIGALRM, &action, NULL);
    sigset_t alarm_signal;
    sigemptyset(&alarm_signal);
    sigaddset(&alarm_signal, SIGALRM);
    sigprocmask(SIG_UNBLOCK, &alarm_signal, NULL);
    struct itimerval every = {{0, look_interval_us}, {0, look_interval_us}};
    setitimer(ITIMER_REAL, &every, NULL);
    errno = kept;
}

int spork_notice_death_of_parent(pid_t parent, double patience, double hang, const uint64_t *heartbeat) {
    struct sigaction notice = {.sa_handler = master_has_died, .sa_flags = SA_RESTART};
    state.patience = patience;
    state.hang = hang;
    state.heartbeat = heartbeat;
    if (sigaction(SIGVTALRM, &notice, NULL) < 0 || prctl(PR_SET_PDEATHSIG, SIGVTALRM) < 0) return -errno;
    // It may have died before.
    if (getppid() != parent) raise(SIGVTALRM);
    return 0;
}

void spork_parent_has_died(void) { raise(SIGVTALRM); }

int spork_die_with_parent(pid_t parent) {
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0) return -errno;
    if (getppid() != parent) raise(SIGKILL);
    return 0;
}
