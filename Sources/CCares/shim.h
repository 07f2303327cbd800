// c-ares as the system provides it (Debian: libc-ares-dev), with what of it Swift cannot import.
#ifndef CCARES_SHIM_H
#define CCARES_SHIM_H

#include <ares.h>

#endif
