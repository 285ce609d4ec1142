/*
 * A cut without space for a journal of what is kept. Runs inside the session.
 *
 * The journal holds only a plan: the spans that stay, in blocks reserved at
 * login. What stays is moved down in chunks no longer than the gap between a
 * chunk and its new place, so that the source is whole until the chunk is on
 * the disk; then `moved` in the next head says so. Each chunk costs two
 * syncs, hence the limit of steps. The gap grows with every span that goes.
 */
#include "cutter.h"

#include <assert.h>
#include <errno.h>

#define STEPS_MAX 2000
#define SPANS_MAX ((JOURNAL_RESERVE - JOURNAL_BODY) / sizeof(struct span))

/* As it lies in the journal. */
struct plan {
	size_t count;
	struct span spans[SPANS_MAX];
};

static_assert(sizeof(struct span) == 16, "two offsets of 8 octets");

/* What is next: [source, source + length) goes to `place`. */
struct chunk {
	off_t source, place, length;
};

static off_t
length_of(const struct span *span)
{
	return span->end - span->start;
}

/* Where octet number `moved` of what is kept lay, to the end of its span. */
static bool
find(const struct plan *plan, uint64_t moved, struct span *restp)
{
	for (size_t i = 0; i < plan->count; i++) {
		const struct span *span = &plan->spans[i];
		uint64_t length = (uint64_t)length_of(span);

		if (moved < length) {
			*restp = (struct span){span->start + (off_t)moved,
			    span->end};
			return true;
		}
		moved -= length;
	}
	return false;
}

static bool
next_chunk(const struct plan *plan, const struct journal_head *head,
    struct chunk *chunkp)
{
	off_t place = (off_t)(head->from + head->moved), gap;
	struct span rest;

	if (!find(plan, head->moved, &rest))
		return false;
	gap = rest.start - place;
	*chunkp = (struct chunk){rest.start, place, length_of(&rest)};
	if (chunkp->length > gap)
		chunkp->length = gap;
	return true;
}

static off_t
count_steps(const struct cut *cut)
{
	off_t place = cut->from, steps = 0;

	for (size_t i = 0; i < cut->count && steps <= STEPS_MAX; i++) {
		off_t gap = cut->keep[i].start - place,
		      length = length_of(&cut->keep[i]);

		steps += length / gap + (length % gap != 0);
		place += length;
	}
	return steps;
}

static int
write_plan(struct cutter *cutter, const struct cut *cut, struct journal_head *head)
{
	size_t size = cut->count * sizeof(struct span);

	head->body_length = size;
	digest_of(cut->keep, size, &head->body);
	range_begin(&cutter->ranger);
	for (size_t i = 0; i < cut->count; i++) {
		const struct span *span = &cut->keep[i];

		if (range_hash(&cutter->ranger, cut->mbox, span->start,
		        span->end) == -1)
			return -1;
	}
	range_digest(&cutter->ranger, &head->kept);
	if (disk_write(cut->journal, cut->keep, size, (off_t)head->body_at) == -1)
		return -1;
	return disk_datasync(cut->journal);
}

int
gap_commit(struct cutter *cutter, const struct cut *cut)
{
	struct journal_head head;

	if (cut->count > SPANS_MAX || count_steps(cut) > STEPS_MAX) {
		errno = ENOSPC;
		return -1;
	}
	if (cutter_plan(cutter, cut, JOURNAL_MOVE, &head) == -1)
		return -1;
	if (write_plan(cutter, cut, &head) == -1)
		return -1;
	return cutter_put(cutter, &head);
}

/* Ascending, behind `from`, and as long as the head says. */
static bool
is_sound(const struct plan *plan, const struct journal_head *head)
{
	off_t at = (off_t)head->from + 1;
	uint64_t length = 0;

	for (size_t i = 0; i < plan->count; i++) {
		const struct span *span = &plan->spans[i];

		if (span->start < at || span->end <= span->start)
			return false;
		length += (uint64_t)length_of(span);
		at = span->end;
	}
	return at <= (off_t)head->size && length == head->end - head->from;
}

/* The plan of the head that counts. EBADMSG: it makes no sense. */
static int
read_plan(const struct journal *journal, struct plan *plan)
{
	const struct journal_head *head = &journal->head;
	size_t size = (size_t)head->body_length;

	errno = EBADMSG;
	if (size > sizeof(plan->spans) || size % sizeof(struct span) != 0)
		return -1;
	plan->count = size / sizeof(struct span);
	if (disk_read(journal->fd, plan->spans, size, (off_t)head->body_at) !=
	    (ssize_t)size)
		return -1;
	if (is_sound(plan, head))
		return 0;
	errno = EBADMSG;
	return -1;
}

static int
move(struct cutter *cutter, const struct chunk *chunk)
{
	struct journal_head head = cutter->journal.head;
	const struct range_way way = {cutter->mbox, chunk->source,
	    chunk->source + chunk->length, cutter->mbox, chunk->place};

	if (range_copy(&cutter->ranger, &way) == -1)
		return -1;
	if (disk_datasync(cutter->mbox) == -1)
		return -1;
	head.moved += (uint64_t)chunk->length;
	return cutter_put(cutter, &head);
}

int
gap_move(struct cutter *cutter)
{
	struct chunk chunk;
	struct plan plan;

	if (read_plan(&cutter->journal, &plan) == -1)
		return -1;
	while (next_chunk(&plan, &cutter->journal.head, &chunk)) {
		if (move(cutter, &chunk) == -1)
			return -1;
	}
	return cutter_mark(cutter);
}

int
gap_hash_kept(struct cutter *cutter, struct digest *digestp)
{
	const struct journal_head *head = &cutter->journal.head;
	off_t from = (off_t)head->from;
	uint64_t at = head->moved;
	struct span rest;
	struct plan plan;

	if (read_plan(&cutter->journal, &plan) == -1)
		return -1;
	range_begin(&cutter->ranger);
	if (range_hash(&cutter->ranger, cutter->mbox, from, from + (off_t)at) == -1)
		return -1;
	for (; find(&plan, at, &rest); at += (uint64_t)length_of(&rest)) {
		if (range_hash(&cutter->ranger, cutter->mbox, rest.start,
		        rest.end) == -1)
			return -1;
	}
	range_digest(&cutter->ranger, digestp);
	return 0;
}
