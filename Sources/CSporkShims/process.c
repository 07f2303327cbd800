#include <unistd.h>
#include "CSporkShims.h"
int spork_fork(void) { return fork(); }
