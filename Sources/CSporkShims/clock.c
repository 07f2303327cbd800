// A timer as a descriptor: libev's own timers are as fine as a millisecond, a schedule of requests is finer. Thin: no policy, no
// state; errors go back as negated errnos.
#include "CSporkShims.h"

#include <errno.h>
#include <sys/timerfd.h>

int spork_timer_descriptor(void) {
    int descriptor = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    return descriptor < 0 ? -errno : descriptor;
}

int spork_set_timer(int descriptor, uint64_t nanoseconds) {
    struct itimerspec time = {
        .it_value = {.tv_sec = (time_t)(nanoseconds / 1000000000), .tv_nsec = (long)(nanoseconds % 1000000000)},
    };
    return timerfd_settime(descriptor, TFD_TIMER_ABSTIME, &time, NULL) < 0 ? -errno : 0;
}
