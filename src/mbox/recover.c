/*
 * What to do with the journal that a crash left. Runs inside the session, and
 * alone in a sandbox at start. The locks are held.
 *
 * The journal is believed only where the maildrop looks as the cut must have
 * left it; anything else means that another program rewrote the maildrop
 * since, and its version stays.
 *
 * COPY, MOVE and CUT:
 *   size < end, or other octets before `from`      conflict
 *   COPY  the tail as described, or marked         go on; else conflict
 *   MOVE  the same, and what is kept as hashed     go on; else conflict
 *   CUT   not what is kept in [from, end)          conflict
 *         marked, the rest of the tail the same    go on; else conflict
 *         not marked                               it is done
 *
 *   DROP  marked, or in part, the rest the same    go on
 *         anything else                            it is done, or need not be
 */
#include "cutter.h"

#include <errno.h>

#include "edge.h"

enum verdict { CONFLICT, GO_ON, FINISHED };

/* The judges: 0 and a verdict, or -1 with errno. */

static int
judge_copy(struct cutter *cutter, enum verdict *verdictp)
{
	const struct journal_head *head = &cutter->journal.head;
	bool same;

	if (cutter->id.size < (off_t)head->size)
		return 0;
	if (edge_same_tail(&cutter->ranger, cutter->mbox, head, &same) == -1)
		return -1;
	*verdictp = same ? GO_ON : CONFLICT;
	return 0;
}

static int
judge_move(struct cutter *cutter, enum verdict *verdictp)
{
	struct digest kept;

	if (judge_copy(cutter, verdictp) == -1)
		return -1;
	if (*verdictp == CONFLICT)
		return 0;
	if (gap_hash_kept(cutter, &kept) == -1) {
		*verdictp = CONFLICT;
		return errno == EBADMSG ? 0 : -1;
	}
	if (!digest_equal(&kept, &cutter->journal.head.kept))
		*verdictp = CONFLICT;
	return 0;
}

/* The file is marked; is what lies behind the mark what it was? */
static int
judge_marked(struct cutter *cutter, enum verdict *verdictp)
{
	const struct journal_head *head = &cutter->journal.head;
	bool same;

	*verdictp = CONFLICT;
	if (cutter->id.size < (off_t)head->size)
		return 0;
	if (edge_same_far(&cutter->ranger, cutter->mbox, head, &same) == -1)
		return -1;
	*verdictp = same ? GO_ON : CONFLICT;
	return 0;
}

static int
judge_cut(struct cutter *cutter, enum verdict *verdictp)
{
	const struct journal_head *head = &cutter->journal.head;
	struct digest kept;
	bool marked;

	if (range_hash_one(&cutter->ranger, cutter->mbox, (off_t)head->from,
	        (off_t)head->end, &kept) == -1)
		return -1;
	if (!digest_equal(&kept, &head->kept))
		return 0;
	if (edge_is_marked(&cutter->ranger, cutter->mbox, head, &marked) == -1)
		return -1;
	if (marked)
		return judge_marked(cutter, verdictp);
	*verdictp = FINISHED;
	return 0;
}

/* Marked, the file is to be shortened; else it is the old one or the new one. */
static int
judge_drop(struct cutter *cutter, enum verdict *verdictp)
{
	bool marked;

	*verdictp = FINISHED;
	if (edge_is_touched(&cutter->ranger, cutter->mbox, &cutter->journal.head,
	        &marked) == -1)
		return -1;
	if (marked && judge_marked(cutter, verdictp) == -1)
		return -1;
	if (*verdictp == CONFLICT)
		*verdictp = FINISHED;
	return 0;
}

static int
judge(struct cutter *cutter, enum verdict *verdictp)
{
	static int (*const judges[JOURNAL_PHASES])(struct cutter *,
	    enum verdict *) = {
	    [JOURNAL_COPY] = judge_copy,
	    [JOURNAL_MOVE] = judge_move,
	    [JOURNAL_CUT] = judge_cut,
	    [JOURNAL_DROP] = judge_drop,
	};
	const struct journal_head *head = &cutter->journal.head;
	bool same = false;

	*verdictp = CONFLICT;
	if (cutter->id.size >= (off_t)head->end &&
	    edge_same_before(&cutter->ranger, cutter->mbox, head, &same) == -1)
		return -1;
	if (same && judges[head->phase](cutter, verdictp) == -1)
		return -1;
	if (head->phase == JOURNAL_DROP && *verdictp == CONFLICT)
		*verdictp = FINISHED;
	return 0;
}

static int
go_on(struct cutter *cutter)
{
	if (journal_renew(&cutter->journal) == -1)
		return -1;
	return cutter_finish(cutter);
}

/* The file was shortened; whether that is on the disk is not known. */
static int
close_up(struct cutter *cutter)
{
	if (disk_sync(cutter->mbox) == -1)
		return -1;
	return journal_finish(&cutter->journal);
}

static int
act(struct cutter *cutter, enum md_recovery *recoveryp)
{
	enum verdict verdict;

	if (judge(cutter, &verdict) == -1)
		return -1;
	*recoveryp = verdict == CONFLICT ? MD_RECOVERY_CONFLICT : MD_RECOVERY_DONE;
	if (verdict == GO_ON)
		return go_on(cutter);
	return verdict == FINISHED ? close_up(cutter) : 0;
}

static int
recover(struct cutter *cutter, enum md_recovery *recoveryp)
{
	enum journal_state state;

	if (journal_load(&cutter->journal, &cutter->id, &cutter->ranger, &state) ==
	    -1)
		return -1;
	if (state == JOURNAL_DAMAGED)
		*recoveryp = MD_RECOVERY_CONFLICT;
	if (state == JOURNAL_VALID && act(cutter, recoveryp) == -1)
		return -1;
	if (*recoveryp == MD_RECOVERY_CONFLICT)
		return 0;
	return journal_clear(cutter->journal.fd);
}

static enum md_error
reason(int error)
{
	if (cutter_no_space(error))
		return MD_PENDING;
	return error == ENOMEM ? MD_NO_MEMORY : MD_IO;
}

enum md_error
cut_recover(int mbox, int journal, enum md_recovery *recoveryp)
{
	enum md_error error = MD_OK;
	struct disk_stat stat;
	struct cutter cutter;

	*recoveryp = MD_RECOVERY_NONE;
	if (disk_stat(journal, &stat) == -1)
		return MD_IO;
	if (stat.size == 0)
		return MD_OK;
	if (cutter_open(&cutter, mbox, journal) == -1)
		return reason(errno);
	cutter.recovering = true;
	if (recover(&cutter, recoveryp) == -1) {
		error = reason(errno);
		*recoveryp = MD_RECOVERY_NONE;
	}
	cutter_close(&cutter);
	return error;
}
