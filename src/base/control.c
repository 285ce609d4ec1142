/*
 * Where the control socket is, for both of its ends.
 */
#include "control.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

int
control_address(const char *run_dir, struct sockaddr_un *address)
{
	int length;

	memset(address, 0, sizeof(*address));
	address->sun_family = AF_UNIX;
	length = snprintf(address->sun_path, sizeof(address->sun_path),
	    "%s/control", run_dir);
	if (length > 0 && (size_t)length < sizeof(address->sun_path))
		return 0;
	errno = ENAMETOOLONG;
	return -1;
}
