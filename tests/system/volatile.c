/*
 * A disk with a volatile cache, for power cuts: an image that is shown, by
 * FUSE, as a file for a loop device. What is written comes to the image at the
 * next flush; where the power fails first, any sectors of it do and any do not.
 *
 * Usage: volatile IMAGE FOLDER SECTOR
 *
 * FOLDER/disk is the disk. A number written to FOLDER/power cuts the power, and
 * is what chance begins with; from then on nothing can be read or written.
 */
#define FUSE_USE_VERSION 31

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <fuse.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/queue.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

/* A write that no flush has followed. */
struct unflushed {
	STAILQ_ENTRY(unflushed) next;
	off_t offset;
	size_t size;
	char octets[];
};

static struct disk {
	int image;
	size_t size, sector;
	char *now; /* what the host reads: image and cache */
	STAILQ_HEAD(, unflushed) cache;
	bool dead;
} disk;

static bool
is_disk(const char *path)
{
	return strcmp(path, "/disk") == 0;
}

static int
look(const char *path, struct stat *st, struct fuse_file_info *fi)
{
	(void)fi;
	memset(st, 0, sizeof(*st));
	st->st_nlink = 1;
	st->st_mode = S_IFREG | 0600;
	if (is_disk(path))
		st->st_size = (off_t)disk.size;
	else if (strcmp(path, "/") == 0)
		st->st_mode = S_IFDIR | 0700;
	else if (strcmp(path, "/power") != 0)
		return -ENOENT;
	return 0;
}

/* No page cache between: this process is to see everything, at once. */
static int
begin(const char *path, struct fuse_file_info *fi)
{
	(void)path;
	fi->direct_io = 1;
	return 0;
}

static int
shrink(const char *path, off_t size, struct fuse_file_info *fi)
{
	(void)size;
	(void)fi;
	return is_disk(path) ? -EPERM : 0;
}

/* Octets of the disk from an offset on, size at most. */
static size_t
within(size_t size, off_t offset)
{
	const size_t at = (size_t)offset;

	if (offset < 0 || at >= disk.size)
		return 0;
	return size < disk.size - at ? size : disk.size - at;
}

static int
take(const char *path, char *dst, size_t size, off_t offset,
    struct fuse_file_info *fi)
{
	(void)fi;
	if (disk.dead || !is_disk(path))
		return -EIO;
	size = within(size, offset);
	memcpy(dst, disk.now + offset, size);
	return (int)size;
}

static void
store(const char *octets, size_t size, off_t offset)
{
	if (pwrite(disk.image, octets, size, offset) != (ssize_t)size)
		err(EX_IOERR, "the image");
}

/* The power fails: of what no flush has followed each sector came through or not. */
static void
cut(unsigned seed)
{
	struct unflushed *write;
	size_t length;
	long quarters;

	srandom(seed);
	quarters = random() % 5;
	STAILQ_FOREACH(write, &disk.cache, next)
	{
		for (size_t at = 0; at < write->size; at += length) {
			length = disk.sector -
			         ((size_t)write->offset + at) % disk.sector;
			if (length > write->size - at)
				length = write->size - at;
			if (random() % 4 < quarters)
				store(write->octets + at, length,
				    write->offset + (off_t)at);
		}
	}
	disk.dead = true;
}

static int
put(const char *path, const char *src, size_t size, off_t offset,
    struct fuse_file_info *fi)
{
	struct unflushed *write;

	(void)fi;
	if (disk.dead)
		return -EIO;
	if (!is_disk(path)) {
		cut((unsigned)strtoul(src, NULL, 10));
		return (int)size;
	}
	size = within(size, offset);
	write = malloc(sizeof(*write) + size);
	if (size == 0 || write == NULL) {
		free(write);
		return -ENOSPC;
	}
	write->offset = offset;
	write->size = size;
	memcpy(write->octets, src, size);
	memcpy(disk.now + offset, src, size);
	STAILQ_INSERT_TAIL(&disk.cache, write, next);
	return (int)size;
}

static int
flush(const char *path, int data_only, struct fuse_file_info *fi)
{
	struct unflushed *write;

	(void)path;
	(void)data_only;
	(void)fi;
	if (disk.dead)
		return -EIO;
	while ((write = STAILQ_FIRST(&disk.cache)) != NULL) {
		store(write->octets, write->size, write->offset);
		STAILQ_REMOVE_HEAD(&disk.cache, next);
		free(write);
	}
	return 0;
}

static void
open_image(const char *path)
{
	struct stat st;

	disk.image = open(path, O_RDWR | O_CLOEXEC);
	if (disk.image == -1 || fstat(disk.image, &st) == -1)
		err(EX_NOINPUT, "%s", path);
	disk.size = (size_t)st.st_size;
	disk.now = mmap(NULL, disk.size, PROT_READ | PROT_WRITE, MAP_PRIVATE,
	    disk.image, 0);
	if (disk.now == MAP_FAILED)
		err(EX_OSERR, "%s", path);
}

int
main(int argc, char **argv)
{
	static const struct fuse_operations operations = {
	    .getattr = look,
	    .open = begin,
	    .truncate = shrink,
	    .read = take,
	    .write = put,
	    .fsync = flush,
	};
	char foreground[] = "-f", single[] = "-s";
	char *arguments[] = {argv[0], foreground, single, argv[argc > 2 ? 2 : 0],
	    NULL};

	if (argc != 4 || (disk.sector = (size_t)strtoul(argv[3], NULL, 10)) == 0)
		errx(EX_USAGE, "usage: volatile IMAGE FOLDER SECTOR");
	(void)prctl(PR_SET_PDEATHSIG,
	    SIGKILL); /* goes with a test that is killed */
	STAILQ_INIT(&disk.cache);
	open_image(argv[1]);
	return fuse_main(4, arguments, &operations, NULL);
}
