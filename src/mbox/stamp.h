/*
 * Whether a maildrop is as it was: by what the file system says of it, and by how
 * long before that was looked at it had last changed. A clock that stamps files
 * is coarse: two changes that follow each other closely may bear the same times.
 */
#ifndef POPLAR_MBOX_STAMP_H
#define POPLAR_MBOX_STAMP_H

#include <stdbool.h>
#include <stdint.h>

#include "disk.h"

/* A coarse clock may stamp two changes within this time alike. */
#define STAMP_COARSE_NS 20000000

/*
 * Whether two looks at a maildrop saw the same file. The inode number alone does not
 * tell: the file system gives it to another file once that one is gone.
 */
bool stamp_same_file(const struct disk_stat *a, const struct disk_stat *b);

/* The same, and in the same state. */
bool stamp_same(const struct disk_stat *a, const struct disk_stat *b);

/*
 * Nanoseconds by which a look at this state, at disk_clock() taken, came too early
 * to be told from a later change; 0: it is settled.
 */
int64_t stamp_unsettled(const struct disk_stat *stat, int64_t taken);

/*
 * The same, but 0 also where it is too long to wait for: the clock that
 * stamps the file is ahead of ours.
 */
int64_t stamp_wait(const struct disk_stat *stat, int64_t taken);

#endif
