/*
 * What is in the maildrop? Runs inside the session.
 *
 * The index is asked first. If it vouches for the file, nothing of the file is
 * read, of the index often the header alone, and no dotlock is needed: see
 * survey_settled(). All else is done under both locks. If the same file has
 * only grown, its last messages are scanned again together with the tail: the
 * scanner must find them as they are recorded and a message boundary where the
 * record ends. The other messages are not needed for that and not read where they
 * are many; so whether new ones are copies is looked at when all are read. In every
 * other case all is scanned, and the old index only tells which copy had which
 * unique-id.
 */
#include "clock.h"
#include "state.h"
#include "uidl.h"

/* How much of what is known is scanned again before a tail. */
#define AGAIN_MESSAGES INDEX_LAST
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
	struct message *message = table_at(table, filling->next);

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
		table_at(table, table->count - 1)->flags |= MESSAGE_HASHED;
	return error;
}

/* The first of the known messages that are scanned again. */
static uint32_t
first_again(const struct table *table)
{
	uint32_t first = table->count;

	while (first > table->first && table->count - first < AGAIN_MESSAGES &&
	       (first == table->count ||
	           table->end - table_at(table, first - 1)->start <= AGAIN_OCTETS))
		first--;
	return first;
}

enum md_error
survey_number(struct maildrop *md)
{
	struct table *table = &md->table;
	const uint32_t first = table->count - md->facts.unnumbered;
	uint32_t fresh, last = 0;
	enum md_error error;

	if (first == table->count)
		return MD_OK;
	error = uidl_assign(table, first, NULL, &fresh, &last);
	if (error == MD_OK)
		md->facts.unnumbered = 0;
	return error;
}

/*
 * Adds to the index what was found behind the messages that it knows; from: the
 * first one that is not there as it is. MD_CHANGED: for that all would have to be in
 * memory. Where they are, copies are numbered at once.
 */
static enum md_error
note_tail(struct maildrop *md, uint32_t known, uint32_t from)
{
	const bool all = md->table.first == 0;
	const uint32_t numbered = known - md->facts.unnumbered;
	enum md_error error = MD_OK;

	if (!all && from < known)
		return MD_CHANGED;
	if (all && numbered < from)
		from = numbered;
	md->stats.scan = MD_SCAN_TAIL;
	md->stats.fresh = md->table.count - known;
	md->facts.unnumbered += md->stats.fresh;
	md->facts.trusted = true;
	if (all)
		error = survey_number(md);
	if (error == MD_OK)
		index_save(md->fds.index, &md->table, &md->facts, from);
	return error;
}

/*
 * Scans what is behind the messages of the index, which are one or more, the last of
 * them in memory.
 */
static enum md_error
scan_tail(struct maildrop *md)
{
	const struct table *table = &md->table;
	const uint32_t known = table->count, first = first_again(table);
	struct filling filling = {.md = md, .next = first, .known = known};
	const struct scan_sink sink = {.ctx = &filling, .found = found_new};
	const uint64_t end = table->end;
	enum md_error error;

	error = verify_scan(md, table_at(table, first)->start,
	    (uint64_t)md->stat.size, &sink);
	if (error == MD_OK && filling.next < known)
		error = MD_CHANGED;
	if (error != MD_OK)
		return error;
	if (md->sure_from == UINT32_MAX)
		md->facts.unsure = first;
	/* the last one that was known may have got its separator */
	return note_tail(md, known,
	    table_next(table, known - 1) != end ? known - 1 : known);
}

/* All messages that the index knows, and no others. */
static enum md_error
load_all(struct maildrop *md)
{
	struct index_facts facts;
	enum md_error error;

	table_clear(&md->table);
	error = index_load(md->fds.index, &md->table, &facts);
	md->facts.unnumbered = facts.unnumbered;
	return error;
}

/* Scans all; of the old messages only what their unique-ids were is of use. */
static enum md_error
scan_all(struct maildrop *md)
{
	struct filling filling = {.md = md};
	const struct scan_sink sink = {.ctx = &filling, .found = found_new};
	enum md_error error = load_all(md);
	struct table old;

	if (error == MD_OK)
		error = survey_number(md);
	if (error != MD_OK)
		return error;
	old = md->table;
	md->table = (struct table){0};
	md->sure_from = UINT32_MAX;
	error = verify_scan(md, 0, (uint64_t)md->stat.size, &sink);
	if (error == MD_OK)
		error = uidl_assign(&md->table, 0, &old, &md->stats.fresh,
		    &md->facts.last);
	table_clear(&old);
	if (error != MD_OK)
		return error;
	md->facts.unsure = 0;
	md->facts.announced = false;
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
	const struct table *table = &md->table;
	enum md_error error;
	bool all = false;

	if (match == INDEX_EXACT)
		adopt(md);
	if (match == INDEX_EXACT && table->end == (uint64_t)md->stat.size)
		return MD_OK;
	/*
	 * What the last messages do not settle, all of them may. Without any, the
	 * record of where they end says nothing of the file as it is now.
	 */
	while (match != INDEX_NOTHING && table->count > 0 && !all) {
		all = table->first == 0;
		error = scan_tail(md);
		if (error != MD_CHANGED && error != MD_FORMAT)
			return error;
		if (!all && (error = load_all(md)) != MD_OK)
			return error;
	}
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
	return md->table.first == 0 ? MD_OK : read_index(md, index_load_last);
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
