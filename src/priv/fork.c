/*
 * Forks without what fork(3) does for threads: it takes and frees locks that
 * nobody else could hold, and calls handlers of libraries, and so writes to
 * pages that parent and child would else share. The random numbers of libbsd
 * and libcrypto do not rest on their handlers: they look at getpid(2), and begin
 * anew where it is not that of the process in which they began.
 */
#include "fork.h"

#include <errno.h>
#include <openssl/rand.h>
#include <unistd.h>

#include "log.h"

pid_t
fork_alone(void)
{
	const pid_t pid = _Fork();

	if (pid == 0)
		(void)log_take_lost(); /* the parent tells of them */
	return pid;
}

int
fork_renew_random(void)
{
	unsigned char drawn;

	/* those that may be seen and those that may not have a generator each */
	if (RAND_bytes(&drawn, 1) == 1 && RAND_priv_bytes(&drawn, 1) == 1)
		return 0;
	errno = EIO;
	return -1;
}
