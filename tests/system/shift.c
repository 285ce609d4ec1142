/*
 * Deletes octets of a file as a mail server without a journal does: what is
 * behind them is moved down in place, the file is shortened, and all is synced
 * in the end. Tests of power cuts run it to show that they see damage.
 *
 *   shift FILE FROM TO
 *
 * Says "+OK" when [FROM, TO) is gone.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/types.h>
#include <unistd.h>

#define BLOCK 16384

static int
move_down(int fd, off_t to, off_t from)
{
	static char block[BLOCK];
	ssize_t n;

	while ((n = pread(fd, block, sizeof(block), from)) > 0) {
		if (pwrite(fd, block, (size_t)n, to) != n)
			return -1;
		from += n;
		to += n;
	}
	return n == -1 ? -1 : ftruncate(fd, to);
}

int
main(int argc, char *argv[])
{
	int fd;

	if (argc != 4)
		return 64;
	fd = open(argv[1], O_RDWR | O_CLOEXEC);
	if (fd == -1 || move_down(fd, strtol(argv[2], NULL, 10),
	                    strtol(argv[3], NULL, 10)) == -1)
		return 1;
	if (fsync(fd) == -1)
		return 1;
	return puts("+OK") < 0;
}
