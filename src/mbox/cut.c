/*
 * UPDATE on the disk: the order of events. Runs inside the session.
 *
 *   1. what is kept behind the first cut goes to the journal, synced
 *   2. a head with phase COPY, synced: from here on the cut will be made
 *   3. the body is written over [from, end), the tail marked, both synced
 *   4. a head with phase CUT, synced
 *   5. the file is shortened, synced
 *   6. a head with phase DONE, not synced
 *   7. the journal is synced and emptied, when there is time: cut_tidy()
 *
 * Without space for 1, phase MOVE takes the place of COPY: see gap.c. What
 * was appended before 5 is moved down by a cut of its own.
 *
 * Where nothing is kept behind the first cut, a head with phase DROP takes
 * the place of 1 and 2, the mark alone that of 3, and there is no 4.
 */
#include "cutter.h"

#include <errno.h>

#include "edge.h"

/* Ascending spans, none empty, all behind `from`, at least one octet less. */
static bool
is_sound(const struct cut *cut)
{
	off_t at = cut->from;

	if (cut->from < 0 || cut->from >= cut->size)
		return false;
	for (size_t i = 0; i < cut->count; i++) {
		if (cut->keep[i].start < at ||
		    cut->keep[i].end <= cut->keep[i].start)
			return false;
		at = cut->keep[i].end;
	}
	return at <= cut->size &&
	       (cut->count == 0 || cut->keep[0].start > cut->from);
}

static int
commit(struct cutter *cutter, const struct cut *cut)
{
	if (redo_commit(cutter, cut) == 0)
		return 0;
	if (errno != ENOSPC)
		return -1;
	return gap_commit(cutter, cut);
}

/* Mail that was appended behind a tail not yet cut off. */
static int
commit_appended(struct cutter *cutter, off_t size)
{
	const struct journal_head *head = &cutter->journal.head;
	const struct span appended = {.start = (off_t)head->size, .end = size};
	const struct cut cut = {
	    .mbox = cutter->mbox,
	    .journal = cutter->journal.fd,
	    .size = size,
	    .keep = &appended,
	    .count = 1,
	    .from = (off_t)head->end,
	};

	return commit(cutter, &cut);
}

static int
shorten(struct cutter *cutter)
{
	const struct journal_head *head = &cutter->journal.head;
	struct disk_stat stat;

	if (disk_stat(cutter->mbox, &stat) == -1)
		return -1;
	if (stat.size > (off_t)head->size)
		return commit_appended(cutter, stat.size);
	if (disk_truncate(cutter->mbox, (off_t)head->end) == -1)
		return -1;
	if (disk_sync(cutter->mbox) == -1)
		return -1;
	return journal_finish(&cutter->journal);
}

static int
drop(struct cutter *cutter)
{
	if (edge_mark(&cutter->ranger, cutter->mbox, &cutter->journal.head) == -1)
		return -1;
	if (disk_datasync(cutter->mbox) == -1)
		return -1;
	return shorten(cutter);
}

int
cutter_finish(struct cutter *cutter)
{
	static int (*const work[JOURNAL_PHASES])(struct cutter *) = {
	    [JOURNAL_COPY] = redo_copy,
	    [JOURNAL_MOVE] = gap_move,
	    [JOURNAL_CUT] = shorten,
	    [JOURNAL_DROP] = drop,
	};

	while (cutter->journal.head.sequence != 0) {
		if (work[cutter->journal.head.phase](cutter) == -1)
			return -1;
	}
	return 0;
}

/* Why a cut was not committed. */
static enum md_error
reason(int error)
{
	if (cutter_no_space(error))
		return MD_NO_SPACE;
	if (error == ENOMEM)
		return MD_NO_MEMORY;
	return error == ENODATA ? MD_CHANGED : MD_IO;
}

static enum md_error
truncate_alone(const struct cut *cut)
{
	if (disk_truncate(cut->mbox, cut->from) == -1)
		return reason(errno);
	return disk_sync(cut->mbox) == -1 ? MD_IO : MD_OK;
}

/*
 * Nothing is kept behind the cut. Shortening the file is all where no block
 * is filled up by it; and where there is no space even for a head.
 */
static enum md_error
cut_rest(struct cutter *cutter, const struct cut *cut)
{
	struct journal_head head;

	if (edge_is_clean(cut->from))
		return truncate_alone(cut);
	if (cutter_plan(cutter, cut, JOURNAL_DROP, &head) == -1)
		return cutter_no_space(errno) ? truncate_alone(cut) : reason(errno);
	digest_of("", 0, &head.body);
	/* no body's sync has made sure that the journal is empty on the disk */
	if (disk_datasync(cut->journal) == -1)
		return MD_IO;
	if (cutter_put(cutter, &head) == 0)
		return cutter_finish(cutter) == -1 ? MD_IO : MD_OK;
	return errno == ENOSPC ? truncate_alone(cut) : MD_IO;
}

static enum md_error
cut_some(struct cutter *cutter, const struct cut *cut)
{
	enum journal_state state;

	if (journal_load(&cutter->journal, &cutter->id, &cutter->ranger, &state) ==
	    -1)
		return MD_IO;
	if (state != JOURNAL_NONE)
		return MD_PENDING;
	if (cut->count == 0)
		return cut_rest(cutter, cut);
	if (commit(cutter, cut) == -1)
		return reason(errno);
	return cutter_finish(cutter) == -1 ? MD_IO : MD_OK;
}

enum md_error
cut_commit(const struct cut *cut)
{
	struct cutter cutter;
	enum md_error error;

	if (!is_sound(cut))
		return MD_CHANGED;
	if (cutter_open(&cutter, cut->mbox, cut->journal) == -1)
		return reason(errno);
	error = cutter.id.size == cut->size ? cut_some(&cutter, cut) : MD_CHANGED;
	cutter_close(&cutter);
	return error;
}

int
cut_tidy(int journal)
{
	return journal_clear(journal);
}

int
cut_prepare(int journal)
{
	return disk_reserve(journal, 0, JOURNAL_RESERVE);
}
