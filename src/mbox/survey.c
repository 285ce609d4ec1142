/*
 * What is in the maildrop? Runs inside the session.
 *
 * The index is asked first. If it vouches for the file, nothing of the file is
 * read, of the index often the header alone, and no dotlock is needed: see
 * survey_settled(). All else is done under both locks. If the file has only
 * grown, its last messages are scanned again together with the tail: the
 * scanner must find them as they are recorded and a message boundary where the
 * record ends. In every other case all is scanned, and the old index only tells
 * which copy had which unique-id.
 */
#include "clock.h"
#include "state.h"
#include "uidl.h"

/* How much of what is known is scanned again before a tail. */
#define AGAIN_MESSAGES 8
#define AGAIN_OCTETS BLOCK_SIZE

/* A scan that fills the table, behind messages that must be there again. */
struct filling {
	struct maildrop *md;
	uint32_t next; /* of the known messages, the one to be found next */
	uint32_t known;
};

static enum md_error
found_again(struct filling *filling, const struct scan_message *found)
{
	struct table *table = &filling->md->table;
	struct message *message = &table->messages[filling->next];

	if (found->internal || !table_is(table, filling->next, found))
		return MD_CHANGED;
	message->flags |= MESSAGE_HASHED;
	if (++filling->next < filling->known)
		return MD_OK;
	/* the last one: its separator may have come since */
	message->flags &= ~MESSAGE_SEPARATOR;
	message->flags |= (uint32_t)(found->next - found->end);
	table->end = found->next;
	return MD_OK;
}

static enum md_error
found_new(void *ctx, const struct scan_message *found)
{
	struct filling *filling = ctx;
	struct table *table = &filling->md->table;
	const uint32_t limit = filling->md->limits.max_messages;
	enum md_error error;

	if (filling->next < filling->known)
		return found_again(filling, found);
	if (found->internal) {
		table->end = found->next;
		return MD_OK;
	}
	if (limit != 0 && table->count >= limit)
		return MD_TOO_BIG;
	error = table_add(table, found);
	if (error == MD_OK)
		table->messages[table->count - 1].flags |= MESSAGE_HASHED;
	return error;
}

/* The first of the known messages that are scanned again. */
static uint32_t
first_again(const struct table *table)
{
	uint32_t first = table->count;

	while (first > 0 && table->count - first < AGAIN_MESSAGES &&
	       (first == table->count ||
	           table->end - table->messages[first - 1].start <= AGAIN_OCTETS))
		first--;
	return first;
}

/* Nothing was removed: the UPDATE that was announced came to nothing. */
static void
call_off(struct maildrop *md)
{
	for (uint32_t i = 0; i < md->table.count; i++)
		md->table.messages[i].flags &= ~MESSAGE_GOING;
}

/* Scans what is behind the messages of the index, which are in the table. */
static enum md_error
scan_tail(struct maildrop *md)
{
	struct table *table = &md->table;
	const uint32_t known = table->count, first = first_again(table);
	struct filling filling = {.md = md, .next = first, .known = known};
	const struct scan_sink sink = {.ctx = &filling, .found = found_new};
	const uint64_t from = known > 0 ? table->messages[first].start : table->end;
	const uint64_t end = table->end;
	uint32_t last = 0;
	enum md_error error;

	error = verify_scan(md, from, (uint64_t)md->stat.size, &sink);
	if (error == MD_OK && filling.next < known)
		error = MD_CHANGED;
	if (error == MD_OK)
		error = uidl_assign(table, known, NULL, &md->stats.fresh, &last);
	if (error != MD_OK)
		return error;
	if (md->sure_from == UINT32_MAX)
		md->facts.unsure = first;
	md->stats.scan = MD_SCAN_TAIL;
	md->facts.trusted = true;
	if (md->facts.announced) {
		call_off(md);
		index_save(md->fds.index, table, &md->facts, 0);
	} else /* the last one that was known may have got its separator */
		index_save(md->fds.index, table, &md->facts,
		    known > 0 && table_next(table, known - 1) != end ? known - 1
		                                                     : known);
	return MD_OK;
}

/* Scans all; the old table goes, but for what its unique-ids were. */
static enum md_error
scan_all(struct maildrop *md)
{
	struct table old = md->table;
	struct filling filling = {.md = md};
	const struct scan_sink sink = {.ctx = &filling, .found = found_new};
	enum md_error error;

	md->table = (struct table){.gone = old.gone, .gone_count = old.gone_count};
	old.gone = NULL;
	old.gone_count = 0;
	error = verify_scan(md, 0, (uint64_t)md->stat.size, &sink);
	if (error == MD_OK)
		error = uidl_assign(&md->table, 0, &old, &md->stats.fresh,
		    &md->facts.last);
	table_clear(&old);
	if (error != MD_OK)
		return error;
	md->facts.unsure = 0;
	md->stats.scan = MD_SCAN_FULL;
	md->facts.trusted = true;
	index_save(md->fds.index, &md->table, &md->facts, 0);
	return MD_OK;
}

/*
 * The index speaks of this very state: its messages are those of the file. Of a
 * sealed one that is enough to list and to compare, not to delete: a program that
 * found the mtime and set it back after a change, all within a tick of the clock,
 * would not show.
 */
static void
adopt(struct maildrop *md)
{
	if (md->facts.sealed)
		md->facts.unsure = md->table.count;
	md->sure_from = md->facts.unsure;
}

static enum md_error
survey_with(struct maildrop *md, enum index_match match)
{
	struct table *table = &md->table;
	const uint32_t known = table->count;
	enum md_error error;

	if (match == INDEX_EXACT)
		adopt(md);
	if (match == INDEX_EXACT && table->end == (uint64_t)md->stat.size)
		return MD_OK;
	if (match == INDEX_NOTHING || table->end == 0)
		return scan_all(md);
	error = scan_tail(md);
	if (error != MD_CHANGED && error != MD_FORMAT)
		return error;
	table->count = known;
	md->sure_from = UINT32_MAX;
	return scan_all(md);
}

static enum md_error
look(struct maildrop *md)
{
	md->looked = disk_clock();
	if (disk_stat(md->fds.mbox, &md->stat) == -1)
		return MD_IO;
	if (!md->stat.regular || md->stat.links != 1)
		return MD_CHANGED;
	if (md->limits.max_size != 0 &&
	    (uint64_t)md->stat.size > md->limits.max_size)
		return MD_TOO_BIG;
	return MD_OK;
}

/* Reads the index in one way or the other. */
static enum md_error
read_index(struct maildrop *md,
    enum md_error (*read)(int, struct table *, struct index_facts *))
{
	const uint64_t began = clock_now_us();
	enum md_error error = read(md->fds.index, &md->table, &md->facts);

	md->stats.scan_us += (uint32_t)(clock_now_us() - began);
	return error;
}

enum md_error
survey_peek(struct maildrop *md)
{
	return read_index(md, index_peek);
}

enum md_error
survey_index(struct maildrop *md)
{
	return md->table.messages != NULL ? MD_OK : read_index(md, index_load);
}

/* All messages are in the table. */
static enum md_error
conclude(struct maildrop *md)
{
	if (md->limits.max_messages != 0 &&
	    md->table.count > md->limits.max_messages)
		return MD_TOO_BIG;
	md->stats.last = md->facts.last;
	return MD_OK;
}

static bool
is_settled(const struct maildrop *md)
{
	return index_compare(&md->facts, &md->stat) == INDEX_EXACT &&
	       md->table.end == (uint64_t)md->stat.size;
}

enum md_error
survey_settled(struct maildrop *md, bool *settledp)
{
	enum md_error error = look(md);

	*settledp = error == MD_OK && is_settled(md);
	if (!*settledp)
		return error;
	md->facts.stat = md->stat;
	md->facts.taken = md->looked;
	adopt(md);
	return conclude(md);
}

enum md_error
survey(struct maildrop *md)
{
	const uint64_t began = clock_now_us();
	enum md_error error = look(md);
	enum index_match match;

	if (error != MD_OK)
		return error;
	match = index_compare(&md->facts, &md->stat);
	md->sure_from = UINT32_MAX;
	md->facts.sealed = md->facts.sealed && match == INDEX_EXACT;
	md->facts.stat = md->stat;
	md->facts.taken = md->looked;
	error = survey_with(md, match);
	if (error == MD_OK)
		error = conclude(md);
	md->stats.scan_us += (uint32_t)(clock_now_us() - began);
	return error;
}
