// c-ares as the system provides it (Debian: libc-ares-dev), with what of it Swift cannot import.
#ifndef CCARES_SHIM_H
#define CCARES_SHIM_H

// The system's types are Glibc's: without this they would be this module's too, and which of the two Swift takes them for differs from
// build to build.
#pragma clang module import SwiftGlibc

#include <ares.h>

#endif
