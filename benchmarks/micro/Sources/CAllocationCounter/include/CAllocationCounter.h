// Counts what a process allocates: malloc and its relatives, as the program and its libraries call them, are the ones here.
#ifndef CALLOCATIONCOUNTER_H
#define CALLOCATIONCOUNTER_H

#include <stdint.h>
#include <sys/types.h>

/// Allocations since the start of the process.
uint64_t allocation_count(void);

/// fork(2), which Swift does not import.
pid_t fork_here(void);

#endif
