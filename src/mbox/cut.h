/*
 * UPDATE on the disk: takes spans out of a maildrop so that a crash at any
 * instant leaves the old file or the new one (poplar(7), UPDATE), and
 * finishes what a crash interrupted. Knows nothing of messages. Both locks
 * are held by the caller, but for cut_tidy() and cut_prepare().
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
	off_t from;              /* the first octet that goes */
	const struct span *keep; /* what stays behind it, ascending */
	size_t count;
};

/*
 * Commits the cut. MD_OK: the kept octets alone are in the file, synced, and
 * the journal holds no cut, but still its room: cut_tidy(). MD_NO_SPACE,
 * MD_NO_MEMORY, MD_CHANGED (the file is not of that size, or a span lies
 * outside), MD_PENDING (a head is in the journal): nothing was changed. MD_IO:
 * it may have been committed; the journal stays, and a later cut_recover()
 * finishes it or finds nothing.
 */
enum md_error cut_commit(const struct cut *cut);

/*
 * Finishes an interrupted cut, mail that was appended since included. On
 * MD_RECOVERY_CONFLICT the maildrop was left alone and the journal as it was:
 * the caller sets it aside. mbox is -1 where there is no file. MD_PENDING:
 * the disk is too full to finish; the journal stays, as after MD_IO.
 */
enum md_error cut_recover(int mbox, int journal, enum md_recovery *recoveryp);

/*
 * Empties the journal behind a cut that was committed. That takes time, and no
 * lock of the maildrop; if it is not done, the next cut_recover() does it.
 */
int cut_tidy(int journal);

/*
 * Keeps a few blocks for an empty journal, of which its size tells nothing,
 * so that messages can be deleted on a disk that is full by then. Called at
 * login, after cut_recover(). -1 with errno harms nothing: a deletion may end
 * in MD_NO_SPACE.
 */
int cut_prepare(int journal);

#endif
