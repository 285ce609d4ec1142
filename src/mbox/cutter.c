/*
 * A cut at work: the steps that all ways to make one share. Runs inside the
 * session. A head speaks only of what is on the disk: everything it names is
 * synced before it is put.
 */
#include "cutter.h"

#include <errno.h>

#include "edge.h"

/* Octets before the cut that must be the same after a crash. */
#define BEFORE 4096

int
cutter_open(struct cutter *cutter, int mbox, int journal)
{
	*cutter = (struct cutter){.mbox = mbox};
	journal_start(&cutter->journal, journal);
	if (mbox != -1 && disk_stat(mbox, &cutter->id) == -1)
		return -1;
	return range_open(&cutter->ranger);
}

void
cutter_close(struct cutter *cutter)
{
	range_close(&cutter->ranger);
}

bool
cutter_no_space(int error)
{
	return error == ENOSPC || error == EDQUOT || error == EFBIG;
}

static off_t
kept_length(const struct cut *cut)
{
	off_t length = 0;

	for (size_t i = 0; i < cut->count; i++)
		length += cut->keep[i].end - cut->keep[i].start;
	return length;
}

int
cutter_plan(struct cutter *cutter, const struct cut *cut, enum journal_phase phase,
    struct journal_head *head)
{
	const struct journal_head *last = &cutter->journal.head;

	*head = (struct journal_head){
	    .phase = phase,
	    .inode = cutter->id.inode,
	    .birth_sec = cutter->id.birth_sec,
	    .birth_nsec = cutter->id.birth_nsec,
	    .from = (uint64_t)cut->from,
	    .end = (uint64_t)(cut->from + kept_length(cut)),
	    .size = (uint64_t)cut->size,
	    .before_at = cut->from > BEFORE ? (uint64_t)cut->from - BEFORE : 0,
	    .body_at = JOURNAL_BODY,
	};
	if (last->sequence != 0) {
		head->before_at = last->before_at;
		head->body_at = last->body_at + last->body_length;
	}
	/* what has no room must be known before it is committed, not then */
	if (disk_claim(cutter->mbox, cut->from, edge_far(head) - cut->from) == -1)
		return -1;
	if (disk_datasync(cutter->mbox) == -1)
		return -1;
	return edge_describe(&cutter->ranger, cutter->mbox, head);
}

/*
 * Takes back a head that may be on the disk already. Zeros in its slot, not
 * an empty file: if they are not synced, the next recovery sees and does it.
 */
static int
take_back(struct cutter *cutter)
{
	static const struct journal_head none;

	if (disk_write(cutter->journal.fd, &none, sizeof(none), 0) == -1)
		return -1;
	return disk_datasync(cutter->journal.fd);
}

int
cutter_put(struct cutter *cutter, const struct journal_head *head)
{
	bool first = cutter->journal.head.sequence == 0;

	if (journal_put(&cutter->journal, head) == 0)
		return 0;
	if (first && cutter_no_space(errno) && take_back(cutter) == 0)
		errno = ENOSPC;
	else
		errno = EIO;
	return -1;
}

int
cutter_mark(struct cutter *cutter)
{
	struct journal_head head = cutter->journal.head;

	if (edge_mark(&cutter->ranger, cutter->mbox, &head) == -1)
		return -1;
	if (disk_datasync(cutter->mbox) == -1)
		return -1;
	head.phase = JOURNAL_CUT;
	return cutter_put(cutter, &head);
}
