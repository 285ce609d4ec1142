/*
 * Does at random what a kernel may do at any time: brings some range of a
 * file to the disk, and commits the file system's journal, or all that it has
 * in memory. Without that, a power cut shortly after a write finds nothing of
 * it on the disk, and no test can tell a program that orders its writes from
 * one that does not.
 *
 *   writeback SEED OTHER FILE...
 *
 * Runs until it is killed. Ranges of the FILEs are written back; OTHER is made,
 * changed and synced, as another program's file on the same file system would.
 * Errors are what a test is about, and no reason to stop.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define RANGE_MAX (1L << 20)
#define PAUSE_MAX_US 1500

static void
write_back(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	struct stat st;

	if (fd == -1)
		return;
	if (fstat(fd, &st) == 0 && st.st_size > 0)
		(void)sync_file_range(fd, random() % st.st_size,
		    random() % RANGE_MAX + 1,
		    SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER);
	close(fd);
}

static void
commit(const char *path)
{
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	char octet = (char)random();

	if (fd == -1)
		return;
	if (pwrite(fd, &octet, 1, random() % 4096) == 1)
		(void)fsync(fd);
	/* of btrfs, fsync(2) commits that file alone */
	if (random() % 4 == 0)
		(void)syncfs(fd);
	close(fd);
}

int
main(int argc, char *argv[])
{
	if (argc < 4)
		return 64;
	srandom((unsigned)strtoul(argv[1], NULL, 10));
	for (;;) {
		write_back(argv[3 + random() % (argc - 3)]);
		if (random() % 2 == 0)
			commit(argv[2]);
		usleep((useconds_t)(random() % PAUSE_MAX_US));
	}
}
