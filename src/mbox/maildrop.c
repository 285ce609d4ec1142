/*
 * A maildrop: opening, behind the recovery of what was interrupted, and closing.
 * Runs inside the session, on descriptors that it was handed.
 */
#include "maildrop.h"

#include <stdlib.h>

#include "cut.h"
#include "hash.h"
#include "journal.h"
#include "state.h"

void
maildrop_prepare(void)
{
	hash_prepare();
}

/* Finishes what an earlier session left, if it left anything. */
static enum md_error
recover(struct maildrop *md)
{
	enum md_recovery recovery = MD_RECOVERY_NONE;
	enum md_error error = update_recover(&md->fds, &md->host, &recovery);

	md->stats.recovered = recovery == MD_RECOVERY_DONE;
	return error;
}

static enum md_error
take_stock_locked(struct maildrop *md)
{
	enum md_error error = lock_take(&md->lock);

	if (error == MD_OK)
		error = recover(md);
	if (error == MD_OK)
		error = survey(md);
	lock_drop(&md->lock);
	return error;
}

/* Where somebody has the lock, there may be more to do than to look. */
static enum md_error
look_settled(struct maildrop *md, bool *settledp)
{
	enum md_error error;

	if (!lock_try_first(&md->lock))
		return MD_OK;
	error = survey_settled(md, settledp);
	lock_drop_first(&md->lock);
	return error;
}

/*
 * A login to a maildrop that the index vouches for needs no dotlock, unless the
 * locks are to be kept, or an interrupted UPDATE is to be finished first.
 */
static enum md_error
take_stock(struct maildrop *md)
{
	struct disk_stat journal;
	bool settled = false;
	enum md_error error;

	if (md->fds.mbox == -1)
		return recover(md);
	if (disk_stat(md->fds.journal, &journal) == -1)
		return MD_IO;
	error = survey_peek(md);
	if (error == MD_OK && journal.size == 0 && !md->limits.lock_session)
		error = look_settled(md, &settled);
	if (error == MD_OK && !settled)
		error = survey_index(md);
	if (error == MD_OK && !settled)
		error = take_stock_locked(md);
	if (error == MD_OK && md->fds.writable &&
	    (journal.size > 0 || journal.room < JOURNAL_RESERVE))
		cut_prepare(md->fds.journal);
	return error;
}

enum md_error
maildrop_open(const struct md_fds *fds, const struct md_limits *limits,
    const struct md_host *host, struct maildrop **mdp)
{
	struct maildrop *md = calloc(1, sizeof(*md));
	enum md_error error;

	*mdp = NULL;
	if (md == NULL)
		return MD_NO_MEMORY;
	md->fds = *fds;
	md->limits = *limits;
	md->host = *host;
	md->lock = (struct lock){
	    .mbox = fds->mbox,
	    .exclusive = fds->writable,
	    .keep = limits->lock_session,
	    .wait_ms = limits->lock_wait_ms,
	    .host = &md->host,
	};
	error = take_stock(md);
	if (error != MD_OK) {
		maildrop_close(md);
		return error;
	}
	maildrop_rest(md);
	md->last = md->stats.last;
	md->live = md->table.count;
	md->octets = md->table.octets;
	*mdp = md;
	return MD_OK;
}

/*
 * The index has changed or was damaged since: all is read, and must be as told.
 * Until it is, what was told stays.
 */
static enum md_error
load_anew(struct maildrop *md)
{
	struct table told = md->table;
	enum md_error error;

	md->table = (struct table){0};
	md->facts = (struct index_facts){0};
	error = take_stock_locked(md);
	if (error == MD_OK &&
	    (md->table.count != told.count || md->table.octets != told.octets))
		error = MD_CHANGED;
	table_clear(error == MD_OK ? &told : &md->table);
	if (error != MD_OK)
		md->table = told;
	return error;
}

/* Copies get their numbers, which are kept before anybody hears of them. */
static enum md_error
number(struct maildrop *md)
{
	const uint32_t first = md->table.count - md->facts.unnumbered;
	enum md_error error = survey_number(md);

	if (error != MD_OK || first == md->table.count)
		return error;
	if (table_has_copies(&md->table, first))
		index_save(md->fds.index, &md->table, &md->facts, first);
	else
		index_save_facts(md->fds.index, &md->facts);
	return MD_OK;
}

/* Reads all of the index. Messages that are in memory already stay as they are. */
static enum md_error
load(struct maildrop *md)
{
	struct table *told = &md->table;
	struct index_facts facts;
	struct table table;
	enum md_error error = index_load(md->fds.index, &table, &facts);

	if (error != MD_OK)
		return error;
	if (!facts.trusted || table.count != told->count ||
	    table.octets != told->octets || table.end != told->end) {
		table_clear(&table);
		return load_anew(md);
	}
	for (uint32_t i = told->first; i < told->count; i++)
		table.messages[i] = *table_at(told, i);
	table_clear(told);
	md->table = table;
	return MD_OK;
}

enum md_error
maildrop_load(struct maildrop *md)
{
	enum md_error error = md->table.first > 0 ? load(md) : MD_OK;

	return error == MD_OK ? number(md) : error;
}

void
maildrop_close(struct maildrop *md)
{
	if (md == NULL)
		return;
	lock_end(&md->lock);
	update_tidy(md);
	table_clear(&md->table);
	maildrop_rest(md);
	free(md);
}
