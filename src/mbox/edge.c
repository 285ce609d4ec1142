/*
 * What surrounds a cut: see edge.h. Runs inside the session.
 *
 *   from      end      mark      far        size
 *    |  kept   |  near  |  nonce  | far tail  |
 *                       ^ a multiple of BLOCK
 */
#include "edge.h"

#include <errno.h>
#include <string.h>

#include "xxh.h"

#define BLOCK 4096
#define SECTOR 512

struct edge {
	off_t end, mark, far, size; /* as drawn above */
	size_t near;                /* octets from end to mark */
	bool nonce;                 /* there is room for one */
};

static struct edge
edge_of(const struct journal_head *head)
{
	struct edge edge = {.end = (off_t)head->end, .size = (off_t)head->size};
	off_t room;

	edge.mark = edge.end + (BLOCK - edge.end % BLOCK) % BLOCK;
	room = edge.size - edge.mark;
	edge.nonce = room >= (off_t)sizeof(head->tail.nonce);
	if (!edge.nonce)
		edge.mark = edge.size;
	edge.far = edge.mark + (edge.nonce ? (off_t)sizeof(head->tail.nonce) : 0);
	edge.near = (size_t)(edge.mark - edge.end);
	return edge;
}

/* Reads [from, to) to the buffer; fewer octets than that are an error. */
static int
read_all(struct ranger *ranger, int fd, off_t from, off_t to)
{
	size_t len = (size_t)(to - from);
	ssize_t got = disk_read(fd, ranger->buffer, len, from);

	if (got == -1)
		return -1;
	if ((size_t)got == len)
		return 0;
	errno = ENODATA;
	return -1;
}

/* Octets of the near tail that share a sector with the one at `done`. */
static size_t
sector_length(const struct edge *edge, size_t done)
{
	size_t to_boundary = SECTOR - (size_t)(edge->end + (off_t)done) % SECTOR;
	size_t left = edge->near - done;

	return left < to_boundary ? left : to_boundary;
}

static bool
is_nul(const char *octets, size_t len)
{
	return len == 0 ||
	       (octets[0] == '\0' && memcmp(octets, octets + 1, len - 1) == 0);
}

static int
hash_before(struct ranger *ranger, int mbox, const struct journal_head *head,
    struct digest *digestp)
{
	return range_hash_one(ranger, mbox, (off_t)head->before_at,
	    (off_t)head->from, digestp);
}

/* No two commits share a nonce, and no sender of mail can foresee one. */
static void
make_nonce(struct journal_head *head)
{
	int64_t now = disk_clock();
	struct digest digest;

	memcpy(head->tail.nonce, &now, sizeof(now));
	digest_of(head, sizeof(*head), &digest);
	memcpy(head->tail.nonce, digest.octet, sizeof(head->tail.nonce));
}

int
edge_describe(struct ranger *ranger, int mbox, struct journal_head *head)
{
	struct edge edge = edge_of(head);
	struct journal_tail *tail = &head->tail;
	size_t done = 0, len;

	*tail = (struct journal_tail){0};
	if (hash_before(ranger, mbox, head, &head->before) == -1)
		return -1;
	if (read_all(ranger, mbox, edge.end, edge.far) == -1)
		return -1;
	for (size_t i = 0; done < edge.near; i++, done += len) {
		len = sector_length(&edge, done);
		tail->near[i] = XXH3_64bits(ranger->buffer + done, len);
	}
	if (edge.nonce)
		memcpy(tail->under, ranger->buffer + edge.near,
		    sizeof(tail->under));
	if (range_hash_one(ranger, mbox, edge.far, edge.size, &tail->far) == -1)
		return -1;
	make_nonce(head);
	return 0;
}

int
edge_mark(struct ranger *ranger, int mbox, const struct journal_head *head)
{
	struct edge edge = edge_of(head);

	if (edge.nonce)
		return disk_write(mbox, head->tail.nonce, sizeof(head->tail.nonce),
		    edge.mark);
	memset(ranger->buffer, 0, edge.near);
	return disk_write(mbox, ranger->buffer, edge.near, edge.end);
}

int
edge_same_before(struct ranger *ranger, int mbox, const struct journal_head *head,
    bool *yesp)
{
	struct digest before;

	if (hash_before(ranger, mbox, head, &before) == -1)
		return -1;
	*yesp = digest_equal(&before, &head->before);
	return 0;
}

/* Each sector is as described or NUL; the nonce is there or it is not. */
static bool
same_near(const struct journal_tail *tail, const struct edge *edge,
    const char *octets)
{
	const char *mark = octets + edge->near;
	size_t done = 0, len;

	for (size_t i = 0; done < edge->near; i++, done += len) {
		len = sector_length(edge, done);
		if (!is_nul(octets + done, len) &&
		    XXH3_64bits(octets + done, len) != tail->near[i])
			return false;
	}
	return !edge->nonce ||
	       memcmp(mark, tail->nonce, sizeof(tail->nonce)) == 0 ||
	       memcmp(mark, tail->under, sizeof(tail->under)) == 0;
}

/* No sector of it has become NULs. */
static bool
is_old(const struct journal_tail *tail, const struct edge *edge, const char *octets)
{
	size_t done = 0, len;

	for (size_t i = 0; done < edge->near; i++, done += len) {
		len = sector_length(edge, done);
		if (XXH3_64bits(octets + done, len) != tail->near[i])
			return false;
	}
	return true;
}

int
edge_same_tail(struct ranger *ranger, int mbox, const struct journal_head *head,
    bool *yesp)
{
	struct edge edge = edge_of(head);

	*yesp = false;
	if (read_all(ranger, mbox, edge.end, edge.far) == -1)
		return -1;
	if (!same_near(&head->tail, &edge, ranger->buffer))
		return 0;
	return edge_same_far(ranger, mbox, head, yesp);
}

int
edge_is_marked(struct ranger *ranger, int mbox, const struct journal_head *head,
    bool *yesp)
{
	struct edge edge = edge_of(head);
	size_t len = (size_t)(edge.far - edge.end);
	ssize_t got = disk_read(mbox, ranger->buffer, len, edge.end);

	if (got == -1)
		return -1;
	*yesp = (size_t)got == len;
	if (*yesp && edge.nonce)
		*yesp = memcmp(ranger->buffer + edge.near, head->tail.nonce,
		            sizeof(head->tail.nonce)) == 0;
	else if (*yesp)
		*yesp = is_nul(ranger->buffer, edge.near);
	return 0;
}

int
edge_is_touched(struct ranger *ranger, int mbox, const struct journal_head *head,
    bool *yesp)
{
	struct edge edge = edge_of(head);
	const struct journal_tail *tail = &head->tail;
	ssize_t got;

	if (edge.nonce)
		return edge_is_marked(ranger, mbox, head, yesp);
	*yesp = false;
	got = disk_read(mbox, ranger->buffer, edge.near, edge.end);
	if (got == -1)
		return -1;
	if ((size_t)got == edge.near && same_near(tail, &edge, ranger->buffer))
		*yesp = !is_old(tail, &edge, ranger->buffer);
	return 0;
}

off_t
edge_far(const struct journal_head *head)
{
	return edge_of(head).far;
}

bool
edge_is_clean(off_t at)
{
	return at % BLOCK == 0;
}

int
edge_same_far(struct ranger *ranger, int mbox, const struct journal_head *head,
    bool *yesp)
{
	struct edge edge = edge_of(head);
	struct digest far;

	if (range_hash_one(ranger, mbox, edge.far, edge.size, &far) == -1)
		return -1;
	*yesp = digest_equal(&far, &head->tail.far);
	return 0;
}
