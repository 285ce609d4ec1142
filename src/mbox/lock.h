/*
 * The locks of a maildrop against other programs: fcntl, then the dotlock.
 */
#ifndef POPLAR_MBOX_LOCK_H
#define POPLAR_MBOX_LOCK_H

#include <stdbool.h>
#include <stdint.h>

#include "maildrop.h"

struct lock {
	int mbox;
	bool exclusive;
	bool keep; /* lock_drop() does nothing */
	bool held;
	uint32_t wait_ms;
	const struct md_host *host; /* borrowed */
};

/*
 * Takes both, waiting up to wait_ms; those that are held already are made sure
 * of. MD_BUSY, MD_REFUSED, MD_NO_SPACE, MD_CHANGED (the path names another file),
 * MD_STOPPED, MD_IO: then none is held.
 */
enum md_error lock_take(struct lock *lock);

/*
 * Takes the first alone, at once or not at all; neither is held before. For a
 * look, which nobody need be kept from by a dotlock. To be given up by
 * lock_drop_first().
 */
bool lock_try_first(const struct lock *lock);
void lock_drop_first(const struct lock *lock);

/* Gives both up, in the opposite order, unless they are to be kept. */
void lock_drop(struct lock *lock);

/* Gives both up in any case. */
void lock_end(struct lock *lock);

#endif
