/*
 * UPDATE on the disk: takes spans out of a maildrop so that a crash at any
 * instant leaves the old file or the new one (design: redo journal), and
 * finishes what a crash interrupted. Knows nothing of messages. Both locks
 * are held by the caller.
 */
#ifndef POPLAR_MBOX_CUT_H
#define POPLAR_MBOX_CUT_H

#include <stddef.h>
#include <sys/types.h>

#include "maildrop.h"

struct span {
	off_t start, end;
};

struct cut {
	int mbox, journal;
	off_t size;              /* of the maildrop under the locks */
	const struct span *keep; /* ascending; all that stays behind the first cut */
	size_t count;
	off_t from;              /* offset of the first octet that goes */
};

/*
 * Commits the cut. MD_OK: the kept octets alone are in the file, synced, the
 * journal is empty. MD_NO_SPACE: nothing was changed. MD_IO: the journal
 * stays if it was committed; a later cut_recover() finishes it.
 */
enum md_error cut_commit(const struct cut *cut);

/*
 * Finishes an interrupted cut. On MD_RECOVERY_CONFLICT the maildrop was left
 * alone and the journal as it was: the caller sets it aside.
 */
enum md_error cut_recover(int mbox, int journal, enum md_recovery *recoveryp);

#endif
