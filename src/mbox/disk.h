/*
 * The thin seam between src/mbox and the kernel: every system call that reads
 * or changes a maildrop, an index or a journal. A test puts another disk in
 * its place at link time, to fail, shorten or lose any of them. Short counts
 * and EINTR are looped over here and nowhere else.
 */
#ifndef POPLAR_MBOX_DISK_H
#define POPLAR_MBOX_DISK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* What tells one file from another, and one content from another. */
struct disk_stat {
	uint64_t device, inode, links;
	int64_t birth_sec, birth_nsec; /* 0 where the file system has none */
	int64_t mtime_sec, mtime_nsec, ctime_sec, ctime_nsec;
	off_t size;
	uint64_t room; /* octets of the disk that it has, about */
	bool regular;
};

/* Reads len octets at an offset, fewer only at the end of the file. -1: errno. */
ssize_t disk_read(int fd, void *buf, size_t len, off_t at);

/* Writes all of it, or -1 with errno. */
int disk_write(int fd, const void *buf, size_t len, off_t at);

int disk_sync(int fd);     /* fsync(2) */
int disk_datasync(int fd); /* fdatasync(2): content and size */
int disk_truncate(int fd, off_t size);

/* Sets the disk to work on [at, at + len) and does not wait: no promise. */
void disk_start_sync(int fd, off_t at, off_t len);

/*
 * Makes sure that [at, at + len) can be written; fallocate(2), size grows. A file
 * that has all of it, without a hole, does not change.
 */
int disk_allocate(int fd, off_t at, off_t len);

/*
 * Makes sure that what [at, at + len) of a file holds can be written over on a
 * disk that is nearly full: a hole gets its blocks, and what is shared with
 * another file blocks of its own. ENOSPC: it may not be so, as where the file
 * system never writes in place.
 */
int disk_claim(int fd, off_t at, off_t len);

/* As disk_allocate(), but the size of the file stays: room for a write to come. */
int disk_reserve(int fd, off_t at, off_t len);

/* fstat(2), and the time of birth where the file system has one. */
int disk_stat(int fd, struct disk_stat *stat);

/* Octets free on the file system for this process, and its size. */
int disk_space(int fd, uint64_t *freep, uint64_t *totalp);

/*
 * fcntl(2) F_OFD_SETLK on the whole file, not waiting. -1 with EAGAIN: held by
 * another.
 */
int disk_lock(int fd, bool exclusive);
int disk_unlock(int fd);

/* Nanoseconds of the coarse wall clock that stamps files. */
int64_t disk_clock(void);

#endif
