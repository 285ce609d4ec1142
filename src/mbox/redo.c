/*
 * A cut by a redo journal: what is kept is written to the journal first, and
 * from there over the place where it belongs, as often as it takes. Runs
 * inside the session.
 */
#include "cutter.h"

#include <errno.h>

/* A journal never takes the disk's last 64 MiB, or 5% where that is less. */
#define SPARE ((uint64_t)64 * 1024 * 1024)

static int
make_room(const struct cutter *cutter, const struct journal_head *head)
{
	off_t at = (off_t)head->body_at, len = (off_t)head->body_length;
	uint64_t left, total, spare;

	if (!cutter->recovering) {
		if (disk_space(cutter->journal.fd, &left, &total) == -1)
			return -1;
		spare = total / 20 < SPARE ? total / 20 : SPARE;
		if (left < spare || left - spare < head->body_length) {
			errno = ENOSPC;
			return -1;
		}
	}
	if (disk_allocate(cutter->journal.fd, at, len) == 0 || errno == EOPNOTSUPP)
		return 0;
	return -1;
}

/* Copies what is kept to the body and syncs it. */
static int
write_body(struct cutter *cutter, const struct cut *cut, struct journal_head *head)
{
	off_t at = (off_t)head->body_at;

	range_begin(&cutter->ranger);
	for (size_t i = 0; i < cut->count; i++) {
		const struct span *span = &cut->keep[i];
		const struct range_way way = {cut->mbox, span->start, span->end,
		    cut->journal, at};

		if (range_copy_hash(&cutter->ranger, &way) == -1)
			return -1;
		at += span->end - span->start;
	}
	range_digest(&cutter->ranger, &head->body);
	head->kept = head->body;
	return disk_datasync(cut->journal);
}

static int
fill(struct cutter *cutter, const struct cut *cut, struct journal_head *head)
{
	if (make_room(cutter, head) == -1)
		return -1;
	return write_body(cutter, cut, head);
}

/*
 * Gives back the room of a body that could not be written; the plan of a cut
 * without space finds the first blocks still there.
 */
static int
give_back(const struct cutter *cutter, int error)
{
	bool first = cutter->journal.head.sequence == 0;

	errno = error;
	if (!cutter_no_space(error))
		return -1;
	if (first && disk_truncate(cutter->journal.fd, JOURNAL_RESERVE) == -1)
		return -1;
	errno = ENOSPC;
	return -1;
}

int
redo_commit(struct cutter *cutter, const struct cut *cut)
{
	struct journal_head head;

	if (cutter_plan(cutter, cut, JOURNAL_COPY, &head) == -1)
		return -1;
	head.body_length = head.end - head.from;
	if (fill(cutter, cut, &head) == -1)
		return give_back(cutter, errno);
	if (cutter_put(cutter, &head) == -1)
		return give_back(cutter, errno);
	return 0;
}

int
redo_copy(struct cutter *cutter)
{
	const struct journal_head *head = &cutter->journal.head;
	const struct range_way way = {
	    .source = cutter->journal.fd,
	    .from = (off_t)head->body_at,
	    .to = (off_t)(head->body_at + head->body_length),
	    .target = cutter->mbox,
	    .at = (off_t)head->from,
	};

	if (range_copy(&cutter->ranger, &way) == -1)
		return -1;
	return cutter_mark(cutter);
}
