// libev as the system provides it (Debian: libev-dev).
#include <ev.h>
