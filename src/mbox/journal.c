/*
 * The journal's slots: see journal.h. Runs inside the session. Whatever is
 * read from a journal is hostile until every check here has passed.
 */
#include "journal.h"

#include <assert.h>
#include <string.h>

#include "maildrop.h"

#define VERSION 1

static const char magic[8] = {'p', 'o', 'p', 'l', 'a', 'r', 'J', '\n'};

static_assert(JOURNAL_BODY == MD_JOURNAL_BODY, "what maildrop.h tells");
static_assert(sizeof(struct journal_head) == JOURNAL_SLOT, "a head is a sector");

void
journal_start(struct journal *journal, int fd)
{
	*journal = (struct journal){.fd = fd, .slot = 1};
}

static void
sum(const struct journal_head *head, struct digest *digestp)
{
	digest_of(head, offsetof(struct journal_head, checksum), digestp);
}

static bool
is_zero(const struct journal_head *head)
{
	static const struct journal_head none;

	return memcmp(head, &none, sizeof(none)) == 0;
}

/* Offsets that cannot contradict each other, nor overflow an off_t. */
static bool
is_sane(const struct journal_head *head, off_t journal_size)
{
	uint64_t limit = (uint64_t)journal_size;

	if (head->phase < JOURNAL_COPY || head->phase >= JOURNAL_PHASES)
		return false;
	if (head->from > head->end || head->end >= head->size ||
	    head->size > INT64_MAX)
		return false;
	if (head->body_at < JOURNAL_BODY || head->body_at > INT64_MAX)
		return false;
	if (head->body_length > 0 &&
	    (head->body_at > limit || head->body_length > limit - head->body_at))
		return false;
	if (head->phase == JOURNAL_COPY &&
	    head->body_length != head->end - head->from)
		return false;
	return head->before_at <= head->from &&
	       head->moved <= head->end - head->from;
}

static bool
is_of(const struct journal_head *head, const struct disk_stat *id)
{
	return head->inode == id->inode && head->birth_sec == id->birth_sec &&
	       head->birth_nsec == id->birth_nsec;
}

/* All that can be told from the slot itself. */
static bool
is_believable(const struct journal_head *head, const struct disk_stat *id,
    off_t journal_size)
{
	struct digest checksum;

	if (memcmp(head->magic, magic, sizeof(magic)) != 0 ||
	    head->version != VERSION)
		return false;
	sum(head, &checksum);
	return digest_equal(&checksum, &head->checksum) &&
	       (head->phase == JOURNAL_DONE || is_of(head, id)) &&
	       is_sane(head, journal_size);
}

/* Whether the body is the one the slot speaks of. 0, or -1 with errno. */
static int
check_body(const struct journal *journal, const struct journal_head *head,
    struct ranger *ranger, bool *soundp)
{
	off_t at = (off_t)head->body_at;
	struct digest body;

	if (range_hash_one(ranger, journal->fd, at, at + (off_t)head->body_length,
	        &body) == -1)
		return -1;
	*soundp = digest_equal(&body, &head->body);
	return 0;
}

/* Tries one slot; takes it if it is valid. 0, or -1 with errno. */
static int
try_slot(struct journal *journal, const struct journal_head *head, unsigned slot,
    struct ranger *ranger, bool *validp)
{
	*validp = false;
	if (check_body(journal, head, ranger, validp) == -1)
		return -1;
	if (*validp) {
		journal->head = *head;
		journal->slot = slot;
	}
	return 0;
}

int
journal_load(struct journal *journal, const struct disk_stat *id,
    struct ranger *ranger, enum journal_state *statep)
{
	struct journal_head heads[2] = {0};
	struct disk_stat stat;
	bool valid = false;
	unsigned slot;

	*statep = JOURNAL_NONE;
	if (disk_stat(journal->fd, &stat) == -1)
		return -1;
	if (stat.size == 0)
		return 0;
	if (disk_read(journal->fd, heads, sizeof(heads), 0) == -1)
		return -1;
	if (is_zero(&heads[0]) && is_zero(&heads[1]))
		return 0;
	slot = heads[1].sequence > heads[0].sequence ? 1 : 0;
	for (int tries = 0; tries < 2 && !valid; tries++, slot ^= 1) {
		if (!is_believable(&heads[slot], id, stat.size))
			continue;
		if (try_slot(journal, &heads[slot], slot, ranger, &valid) == -1)
			return -1;
	}
	*statep = !valid                                ? JOURNAL_DAMAGED
	          : journal->head.phase == JOURNAL_DONE ? JOURNAL_OVER
	                                                : JOURNAL_VALID;
	return 0;
}

static int
write_slot(int fd, unsigned slot, const struct journal_head *head)
{
	return disk_write(fd, head, sizeof(*head), (off_t)slot * JOURNAL_SLOT);
}

/* Completes what is to count next and writes it. */
static int
write_next(const struct journal *journal, struct journal_head *next)
{
	memcpy(next->magic, magic, sizeof(magic));
	next->version = VERSION;
	next->sequence = journal->head.sequence + 1;
	sum(next, &next->checksum);
	return write_slot(journal->fd, journal->slot ^ 1, next);
}

int
journal_put(struct journal *journal, const struct journal_head *head)
{
	struct journal_head next = *head;

	if (write_next(journal, &next) == -1 || disk_datasync(journal->fd) == -1)
		return -1;
	journal->slot ^= 1;
	journal->head = next;
	return 0;
}

int
journal_renew(const struct journal *journal)
{
	if (write_slot(journal->fd, journal->slot, &journal->head) == -1)
		return -1;
	return disk_datasync(journal->fd);
}

int
journal_finish(struct journal *journal)
{
	struct journal_head done = journal->head;

	done.phase = JOURNAL_DONE;
	done.body_length = 0;
	digest_of("", 0, &done.body);
	if (write_next(journal, &done) == -1)
		return -1;
	journal_start(journal, journal->fd);
	return 0;
}

int
journal_clear(int fd)
{
	if (disk_datasync(fd) == -1)
		return -1;
	return disk_truncate(fd, 0);
}
