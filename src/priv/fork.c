/*
 * Forks without what fork(3) does for threads: it takes and frees locks that
 * nobody else could hold, and calls handlers of libraries, and so writes to
 * pages that parent and child would else share. The random numbers of libbsd
 * and libcrypto do not rest on their handlers: they look at getpid(2).
 */
#include "fork.h"

#include <unistd.h>

pid_t
fork_alone(void)
{
	return _Fork();
}
