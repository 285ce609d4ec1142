/*
 * The times that the file system stamps on a maildrop: whether they can tell that
 * it has not changed. Runs inside the session.
 */
#include "stamp.h"

/* A file system that stamps whole seconds: as STAMP_COARSE_NS. */
#define SETTLE_SECONDS_NS 1020000000
/* Nobody waits for a clock that is ahead of ours by more. */
#define AHEAD_MAX_NS 80000000

bool
stamp_same_file(const struct disk_stat *a, const struct disk_stat *b)
{
	return a->device == b->device && a->inode == b->inode &&
	       a->birth_sec == b->birth_sec && a->birth_nsec == b->birth_nsec;
}

bool
stamp_same(const struct disk_stat *a, const struct disk_stat *b)
{
	return stamp_same_file(a, b) && a->links == b->links &&
	       a->size == b->size && a->mtime_sec == b->mtime_sec &&
	       a->mtime_nsec == b->mtime_nsec && a->ctime_sec == b->ctime_sec &&
	       a->ctime_nsec == b->ctime_nsec;
}

/* Nanoseconds within which changes may be stamped alike. */
static int64_t
settle_time(const struct disk_stat *stat)
{
	return stat->ctime_nsec == 0 ? SETTLE_SECONDS_NS : STAMP_COARSE_NS;
}

int64_t
stamp_unsettled(const struct disk_stat *stat, int64_t taken)
{
	int64_t settled, left;

	if (__builtin_mul_overflow(stat->ctime_sec, (int64_t)1000000000,
	        &settled) ||
	    __builtin_add_overflow(settled, stat->ctime_nsec + settle_time(stat),
	        &settled) ||
	    __builtin_sub_overflow(settled, taken, &left))
		return INT64_MAX;
	return left > 0 ? left : 0;
}

int64_t
stamp_wait(const struct disk_stat *stat, int64_t taken)
{
	int64_t left = stamp_unsettled(stat, taken);

	return left <= settle_time(stat) + AHEAD_MAX_NS ? left : 0;
}
