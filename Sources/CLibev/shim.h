// libev as the system provides it (Debian: libev-dev), and its initialising macros as functions.
#ifndef CLIBEV_SHIM_H
#define CLIBEV_SHIM_H

#include <ev.h>

typedef struct ev_loop ev_loop_t;

static inline void spork_io_init(
    ev_io *_Nonnull watcher, void (*_Nonnull callback)(struct ev_loop *, ev_io *, int), int descriptor, int events) {
    ev_io_init(watcher, callback, descriptor, events);
}

static inline void spork_timer_init(
    ev_timer *_Nonnull watcher, void (*_Nonnull callback)(struct ev_loop *, ev_timer *, int), double after) {
    ev_timer_init(watcher, callback, after, 0.0);
}

static inline void spork_signal_init(
    ev_signal *_Nonnull watcher, void (*_Nonnull callback)(struct ev_loop *, ev_signal *, int), int number) {
    ev_signal_init(watcher, callback, number);
}

static inline void spork_async_init(
    ev_async *_Nonnull watcher, void (*_Nonnull callback)(struct ev_loop *, ev_async *, int)) {
    ev_async_init(watcher, callback);
}

#endif
