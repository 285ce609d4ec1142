/*
 * A disk that fails when it is told to, and whose clock stands still until it is
 * moved. These disk_*() win over those of the archive.
 */
#ifndef POPLAR_TEST_FAKE_DISK_H
#define POPLAR_TEST_FAKE_DISK_H

#include <errno.h>
#include <time.h>

#include "mbox/disk.h"

/* The calls are counted; those from first to last fail. */
static struct {
	int calls, first, last, error;
	bool off;
	bool full;     /* no file can become longer */
	int64_t stamp; /* what every file's times are, in ns; 0: their own */
	int64_t back;  /* so much earlier its mtime is */
	int64_t clock; /* what disk_clock() tells; 0: the time */
} fault;

static bool
fails(void)
{
	if (fault.off)
		return false;
	fault.calls++;
	if (fault.calls < fault.first || fault.calls > fault.last)
		return false;
	errno = fault.error;
	return true;
}

ssize_t
disk_read(int fd, void *buf, size_t len, off_t at)
{
	return fails() ? -1 : pread(fd, buf, len, at);
}

int
disk_write(int fd, const void *buf, size_t len, off_t at)
{
	struct stat st;

	if (fault.full && fstat(fd, &st) == 0 && at + (off_t)len > st.st_size) {
		errno = ENOSPC;
		return -1;
	}
	if (fails()) {
		/* half of it gets there */
		assert_int_equal(pwrite(fd, buf, len / 2, at), len / 2);
		return -1;
	}
	return pwrite(fd, buf, len, at) == (ssize_t)len ? 0 : -1;
}

int
disk_sync(int fd)
{
	(void)fd;
	return fails() ? -1 : 0;
}

int
disk_datasync(int fd)
{
	(void)fd;
	return fails() ? -1 : 0;
}

void
disk_start_sync(int fd, off_t at, off_t len)
{
	(void)fd;
	(void)at;
	(void)len;
}

int
disk_truncate(int fd, off_t size)
{
	return fails() ? -1 : ftruncate(fd, size);
}

int
disk_allocate(int fd, off_t at, off_t len)
{
	return fails() ? -1 : fallocate(fd, 0, at, len);
}

int
disk_claim(int fd, off_t at, off_t len)
{
	return disk_allocate(fd, at, len);
}

int
disk_reserve(int fd, off_t at, off_t len)
{
	return fails() ? -1 : fallocate(fd, FALLOC_FL_KEEP_SIZE, at, len);
}

int
disk_stat(int fd, struct disk_stat *stat)
{
	struct stat st;

	if (fails() || fstat(fd, &st) == -1)
		return -1;
	*stat = (struct disk_stat){
	    .device = st.st_dev,
	    .inode = st.st_ino,
	    .links = st.st_nlink,
	    .mtime_sec = st.st_mtim.tv_sec,
	    .mtime_nsec = st.st_mtim.tv_nsec,
	    .ctime_sec = st.st_ctim.tv_sec,
	    .ctime_nsec = st.st_ctim.tv_nsec,
	    .size = st.st_size,
	    .regular = S_ISREG(st.st_mode),
	};
	if (fault.stamp != 0) {
		stat->ctime_sec = stat->mtime_sec = fault.stamp / 1000000000;
		stat->ctime_nsec = fault.stamp % 1000000000;
		stat->mtime_nsec = stat->ctime_nsec - fault.back;
	}
	return 0;
}

int
disk_space(int fd, uint64_t *freep, uint64_t *totalp)
{
	(void)fd;
	*freep = *totalp = 1ULL << 40;
	return fails() ? -1 : 0;
}

int
disk_lock(int fd, bool exclusive)
{
	(void)fd;
	(void)exclusive;
	return fails() ? -1 : 0;
}

int
disk_unlock(int fd)
{
	(void)fd;
	return 0;
}

int64_t
disk_clock(void)
{
	struct timespec now;

	if (fault.clock != 0)
		return fault.clock;
	clock_gettime(CLOCK_REALTIME_COARSE, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

#endif
