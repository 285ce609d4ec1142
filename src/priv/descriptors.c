/*
 * What a process to be sandboxed has on 0 to 2. Runs as root in that process.
 */
#include "descriptors.h"

#include <unistd.h>

#ifdef POPLAR_SANITIZED
#define NULL_DESCRIPTORS 2
#else
#define NULL_DESCRIPTORS 3
#endif

int
descriptors_null(int null)
{
	for (int fd = STDIN_FILENO; fd < NULL_DESCRIPTORS; fd++) {
		if (dup2(null, fd) == -1)
			return -1;
	}
	return 0;
}
