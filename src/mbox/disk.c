/*
 * The system calls of src/mbox: see disk.h. Runs inside the session.
 */
#include "disk.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

/* linux/magic.h does not have them. */
#define BCACHEFS_MAGIC 0xca451a4eU
#define ZFS_MAGIC 0x2fc12fc1U

/* What a file system may take for itself to write something elsewhere. */
#define ROOM_FOR_TREES ((uint64_t)4 * 1024 * 1024)

ssize_t
disk_read(int fd, void *buf, size_t len, off_t at)
{
	size_t done = 0;
	ssize_t n;

	while (done < len) {
		n = pread(fd, (char *)buf + done, len - done, at + (off_t)done);
		if (n == 0)
			break;
		if (n > 0)
			done += (size_t)n;
		else if (errno != EINTR)
			return -1;
	}
	return (ssize_t)done;
}

int
disk_write(int fd, const void *buf, size_t len, off_t at)
{
	size_t done = 0;
	ssize_t n;

	while (done < len) {
		n = pwrite(fd, (const char *)buf + done, len - done,
		    at + (off_t)done);
		if (n > 0) {
			done += (size_t)n;
			continue;
		}
		if (n == 0)
			errno = ENOSPC;
		if (n == 0 || errno != EINTR)
			return -1;
	}
	return 0;
}

int
disk_sync(int fd)
{
	int result;

	do
		result = fsync(fd);
	while (result == -1 && errno == EINTR);
	return result;
}

int
disk_datasync(int fd)
{
	int result;

	do
		result = fdatasync(fd);
	while (result == -1 && errno == EINTR);
	return result;
}

/* A failure shows in the sync that follows: this one does not consume it. */
void
disk_start_sync(int fd, off_t at, off_t len)
{
	(void)sync_file_range(fd, at, len, SYNC_FILE_RANGE_WRITE);
}

int
disk_truncate(int fd, off_t size)
{
	int result;

	do
		result = ftruncate(fd, size);
	while (result == -1 && errno == EINTR);
	return result;
}

static int
allocate(int fd, int mode, off_t at, off_t len)
{
	int result;

	do
		result = fallocate(fd, mode, at, len);
	while (result == -1 && errno == EINTR);
	return result;
}

/* fallocate(2) changes the inode of a file that has it all, and that must be synced. */
int
disk_allocate(int fd, off_t at, off_t len)
{
	if (lseek(fd, at, SEEK_HOLE) >= at + len)
		return 0;
	return allocate(fd, 0, at, len);
}

int
disk_reserve(int fd, off_t at, off_t len)
{
	return allocate(fd, FALLOC_FL_KEEP_SIZE, at, len);
}

static int
look_at_system(int fd, struct statfs *fs)
{
	int result;

	do
		result = fstatfs(fd, fs);
	while (result == -1 && errno == EINTR);
	return result;
}

static uint64_t
free_of(const struct statfs *fs)
{
	return (uint64_t)fs->f_bavail * (uint64_t)fs->f_bsize;
}

/* File systems that write nothing in place: every write takes a new block. */
static bool
never_in_place(const struct statfs *fs)
{
	static const uint32_t kinds[] = {BTRFS_SUPER_MAGIC, NILFS_SUPER_MAGIC,
	    BCACHEFS_MAGIC, ZFS_MAGIC};

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if ((uint32_t)fs->f_type == kinds[i])
			return true;
	}
	return false;
}

int
disk_claim(int fd, off_t at, off_t len)
{
	struct statfs fs;

	if (disk_allocate(fd, at, len) == -1 && errno != EOPNOTSUPP)
		return -1;
	if (look_at_system(fd, &fs) == -1)
		return -1;
	if (free_of(&fs) >= (uint64_t)len + ROOM_FOR_TREES)
		return 0;
	errno = ENOSPC;
	if (never_in_place(&fs))
		return -1;
	return allocate(fd, FALLOC_FL_UNSHARE_RANGE, at, len) == 0 ||
	               errno == EOPNOTSUPP
	           ? 0
	           : -1;
}

static uint64_t
join_device(const struct statx *stx)
{
	return (uint64_t)stx->stx_dev_major << 32 | stx->stx_dev_minor;
}

int
disk_stat(int fd, struct disk_stat *stat)
{
	struct statx stx;

	if (statx(fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS | STATX_BTIME, &stx) ==
	    -1)
		return -1;
	*stat = (struct disk_stat){
	    .device = join_device(&stx),
	    .inode = stx.stx_ino,
	    .links = stx.stx_nlink,
	    .mtime_sec = stx.stx_mtime.tv_sec,
	    .mtime_nsec = stx.stx_mtime.tv_nsec,
	    .ctime_sec = stx.stx_ctime.tv_sec,
	    .ctime_nsec = stx.stx_ctime.tv_nsec,
	    .size = (off_t)stx.stx_size,
	    .room = stx.stx_blocks * 512,
	    .regular = S_ISREG(stx.stx_mode),
	};
	if ((stx.stx_mask & STATX_BTIME) != 0) {
		stat->birth_sec = stx.stx_btime.tv_sec;
		stat->birth_nsec = stx.stx_btime.tv_nsec;
	}
	return 0;
}

int
disk_space(int fd, uint64_t *freep, uint64_t *totalp)
{
	struct statfs fs;

	if (look_at_system(fd, &fs) == -1)
		return -1;
	*freep = free_of(&fs);
	*totalp = (uint64_t)fs.f_blocks * (uint64_t)fs.f_bsize;
	return 0;
}

static int
set_lock(int fd, short type)
{
	struct flock lock = {.l_type = type, .l_whence = SEEK_SET};
	int result;

	do
		result = fcntl(fd, F_OFD_SETLK, &lock);
	while (result == -1 && errno == EINTR);
	if (result == -1 && errno == EACCES)
		errno = EAGAIN;
	return result;
}

int
disk_lock(int fd, bool exclusive)
{
	return set_lock(fd, exclusive ? F_WRLCK : F_RDLCK);
}

int
disk_unlock(int fd)
{
	return set_lock(fd, F_UNLCK);
}

int64_t
disk_clock(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME_COARSE, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}
