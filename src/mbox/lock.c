/*
 * Both locks of a maildrop. Runs inside the session; the dotlock is made by
 * the host.
 *
 * fcntl first, then the dotlock (Debian policy 11.6). Others take them the
 * other way round, so whoever cannot have the second gives up the first and
 * tries again later: nobody waits for one while holding the other. The waits
 * double up to a limit and differ from process to process.
 */
#include "lock.h"

#include <errno.h>

#include "clock.h"
#include "disk.h"

#define WAIT_FIRST_MS 10
#define WAIT_LONGEST_MS 320

static enum md_error
take_dotlock(const struct lock *lock)
{
	static const enum md_error errors[] = {
	    [MD_DOTLOCK_OK] = MD_OK,
	    [MD_DOTLOCK_BUSY] = MD_BUSY,
	    [MD_DOTLOCK_REFUSED] = MD_REFUSED,
	    [MD_DOTLOCK_NO_SPACE] = MD_NO_SPACE,
	    [MD_DOTLOCK_CHANGED] = MD_CHANGED,
	    [MD_DOTLOCK_FAILED] = MD_IO,
	};

	return errors[lock->host->dotlock(lock->host->ctx)];
}

bool
lock_try_first(const struct lock *lock)
{
	return disk_lock(lock->mbox, lock->exclusive) == 0;
}

void
lock_drop_first(const struct lock *lock)
{
	disk_unlock(lock->mbox);
}

/* Both or none, without waiting. */
static enum md_error
try_both(struct lock *lock)
{
	enum md_error error;

	if (disk_lock(lock->mbox, lock->exclusive) == -1)
		return errno == EAGAIN ? MD_BUSY : MD_IO;
	error = take_dotlock(lock);
	if (error != MD_OK)
		disk_unlock(lock->mbox);
	return error;
}

/* From half of a span to all of it. */
static uint32_t
jitter(const struct lock *lock, uint32_t span)
{
	uint64_t mixed = (clock_now() ^ (uint64_t)disk_clock() ^ (uintptr_t)lock) *
	                 0x9e3779b97f4a7c15u;

	return span / 2 + (uint32_t)((mixed >> 32) % (span / 2 + 1));
}

enum md_error
lock_take(struct lock *lock)
{
	uint64_t now = clock_now(), deadline = now + lock->wait_ms;
	uint32_t span = WAIT_FIRST_MS, wait;
	enum md_error error;

	/* held or not: the dotlock may be gone, the path name another file */
	lock->held = false;
	while ((error = try_both(lock)) == MD_BUSY) {
		now = clock_now();
		if (now >= deadline)
			return MD_BUSY;
		wait = jitter(lock, span);
		if (wait > deadline - now)
			wait = (uint32_t)(deadline - now);
		if (!lock->host->pause(lock->host->ctx, wait))
			return MD_STOPPED;
		if (span < WAIT_LONGEST_MS)
			span *= 2;
	}
	lock->held = error == MD_OK;
	return error;
}

void
lock_end(struct lock *lock)
{
	if (!lock->held)
		return;
	lock->host->undotlock(lock->host->ctx);
	disk_unlock(lock->mbox);
	lock->held = false;
}

void
lock_drop(struct lock *lock)
{
	if (!lock->keep)
		lock_end(lock);
}
