/*
 * A cut at work, for the files that make and finish one: cut.c (order of
 * events) and recover.c above, redo.c (with a journal of what is kept) and
 * gap.c (without space for it) below. All return 0, or -1 with errno. ENOSPC
 * from the two *_commit() means that nothing was changed and nothing will be.
 */
#ifndef POPLAR_MBOX_CUTTER_H
#define POPLAR_MBOX_CUTTER_H

#include "cut.h"
#include "journal.h"

struct cutter {
	int mbox;
	bool recovering;     /* then the last octet of the disk may be used */
	struct disk_stat id; /* of the maildrop, at the start */
	struct journal journal;
	struct ranger ranger;
};

/*
 * Begins; mbox is -1 where there is no file. Then, in every case,
 * cutter_close().
 */
int cutter_open(struct cutter *cutter, int mbox, int journal);
void cutter_close(struct cutter *cutter);

/* Whether an errno is about space or a limit of it. */
bool cutter_no_space(int error);

/*
 * Begins a head for a cut: identity, offsets, edges. The maildrop is synced
 * first, for a head may speak only of what is on the disk.
 */
int cutter_plan(struct cutter *cutter, const struct cut *cut,
    enum journal_phase phase, struct journal_head *head);

/* Makes a head count. Where there is no space for that, takes it back. */
int cutter_put(struct cutter *cutter, const struct journal_head *head);

/* From [from, end) in place to JOURNAL_CUT. */
int cutter_mark(struct cutter *cutter);

/* cut.c: from any phase of a journal that counts to the end. */
int cutter_finish(struct cutter *cutter);

/* redo.c: writes what is kept to the journal, and from there in place. */
int redo_commit(struct cutter *cutter, const struct cut *cut);
int redo_copy(struct cutter *cutter);

/* gap.c: writes a plan to the journal; moves what is kept by it. */
int gap_commit(struct cutter *cutter, const struct cut *cut);
int gap_move(struct cutter *cutter);

/* Hashes what is kept where it is now. EBADMSG: the plan makes no sense. */
int gap_hash_kept(struct cutter *cutter, struct digest *digestp);

#endif
