/*
 * UPDATE (RFC 1725 section 6): which octets go. How they go without being
 * lost is cut.h. Runs inside the session.
 *
 * A message goes from its From_ line to the next one. It goes only if its
 * octets were hashed in this session or a settled record vouches for them;
 * if the file has changed since, all from the first one that goes is hashed
 * again. What was delivered meanwhile stays, and must begin with a From_ line
 * if the message before it goes.
 */
#include <stdlib.h>

#include "cut.h"
#include "from.h"
#include "stamp.h"
#include "state.h"
#include "uidl.h"

#define SETTLE_ROUNDS 8

/* Octets of a journal that take no time to speak of to give back. */
#define TIDY_AT_ONCE ((off_t)1024 * 1024)

static bool
is_going(const struct maildrop *md, uint32_t index)
{
	return (md->table.messages[index].flags & MESSAGE_DELETED) != 0;
}

/* Whether nothing needs to be read of a message for what is to happen to it. */
static bool
is_certain(const struct maildrop *md, uint32_t index)
{
	if (!verify_is_known(md, index))
		return false;
	return !is_going(md, index) || index >= md->sure_from ||
	       (md->table.messages[index].flags & MESSAGE_HASHED) != 0;
}

/* Hashes, in runs, all messages from first on that are not certain. */
static enum md_error
make_certain(struct maildrop *md, uint32_t first)
{
	enum md_error error = MD_OK;

	for (uint32_t i = first, end; i < md->table.count && error == MD_OK;
	     i = end) {
		for (end = i; end < md->table.count && !is_certain(md, end);)
			end++;
		if (end > i)
			error = verify_messages(md, i, end - 1);
		else
			end++;
	}
	return error;
}

/* What was delivered behind the last message must be able to stand alone. */
static enum md_error
check_arrivals(struct maildrop *md)
{
	char line[FROM_LINE_MAX];
	const off_t end = (off_t)md->table.end;
	ssize_t got;

	if (md->stat.size == end || !is_going(md, md->table.count - 1))
		return MD_OK;
	got = disk_read(md->fds.mbox, line, sizeof(line), end);
	if (got == -1)
		return MD_IO;
	return from_line(line, (size_t)got, true) == FROM_YES ? MD_OK : MD_CHANGED;
}

static enum md_error
verify(struct maildrop *md, uint32_t first)
{
	enum md_error error = verify_look(md);

	if (error == MD_OK && md->stat.links != 1)
		return MD_CHANGED;
	if (error == MD_OK && (uint64_t)md->stat.size < md->table.end)
		error = verify_distrust(md);
	if (error == MD_OK)
		error = make_certain(md, first);
	if (error == MD_OK)
		error = check_arrivals(md);
	return error;
}

/* Ascending spans of all that stays behind first; NULL: no memory. */
static struct span *
spans_to_keep(const struct maildrop *md, uint32_t first, size_t *countp)
{
	const uint32_t count = md->table.count;
	struct span *keep;
	size_t n = 0;

	for (uint32_t i = first; i < count; i++)
		n += is_going(md, i);
	keep = calloc(n + 1, sizeof(*keep));
	if (keep == NULL)
		return NULL;
	n = 0;
	for (uint32_t i = first, end; i < count; i = end) {
		for (end = i; end < count && !is_going(md, end);)
			end++;
		if (end > i)
			keep[n++] = (struct span){
			    (off_t)md->table.messages[i].start,
			    (off_t)table_next(&md->table, end - 1)};
		else
			end++;
	}
	if (md->stat.size > (off_t)md->table.end && n > 0 &&
	    keep[n - 1].end == (off_t)md->table.end)
		keep[n - 1].end = md->stat.size;
	else if (md->stat.size > (off_t)md->table.end)
		keep[n++] = (struct span){(off_t)md->table.end, md->stat.size};
	*countp = n;
	return keep;
}

void
update_tidy(struct maildrop *md)
{
	if (md->untidy && cut_tidy(md->fds.journal) == 0)
		(void)cut_prepare(md->fds.journal);
	md->untidy = false;
}

bool
maildrop_is_untidy(const struct maildrop *md)
{
	return md->untidy;
}

/* A small journal is emptied at once, that of a large maildrop at leisure. */
static void
tidy_soon(struct maildrop *md)
{
	struct disk_stat journal;

	if (disk_stat(md->fds.journal, &journal) == -1)
		return;
	md->untidy = journal.size > 0;
	if (journal.size <= TIDY_AT_ONCE)
		update_tidy(md);
}

static enum md_error
commit(struct maildrop *md, uint32_t first)
{
	size_t count = 0;
	struct span *keep = spans_to_keep(md, first, &count);
	const struct cut cut = {
	    .mbox = md->fds.mbox,
	    .journal = md->fds.journal,
	    .size = md->stat.size,
	    .keep = keep,
	    .count = count,
	    .from = (off_t)md->table.messages[first].start,
	};
	enum md_error error;

	if (keep == NULL)
		return MD_NO_MEMORY;
	error = cut_commit(&cut);
	if (error == MD_OK)
		tidy_soon(md);
	free(keep);
	return error;
}

/*
 * Tells the index which messages are about to go, where copies could be
 * mistaken for each other if this session died between the cut and its end. A
 * message knows of the copies that came before it, not of those behind: if there
 * is any copy, any message may have one.
 */
static void
announce(struct maildrop *md)
{
	bool copies = false;

	for (uint32_t i = 0; i < md->table.count; i++) {
		struct message *message = &md->table.messages[i];

		message->flags &= ~MESSAGE_GOING;
		if (is_going(md, i))
			message->flags |= MESSAGE_GOING;
		copies |= message->used > 0;
	}
	md->facts.announced = copies;
	if (copies)
		index_save(md->fds.index, &md->table, &md->facts, 0);
}

/* Takes the messages that are gone out of the table. Returns how many. */
static uint32_t
compact(struct maildrop *md)
{
	struct table *table = &md->table;
	const uint32_t count = table->count;
	const uint64_t end = table->end;
	uint64_t gone = 0, next;
	uint32_t kept = 0, last = 0, unsure = 0;

	for (uint32_t i = 0; i < count; i++) {
		struct message message = table->messages[i];

		next = i + 1 < count ? table->messages[i + 1].start : end;
		if ((message.flags & MESSAGE_DELETED) != 0) {
			gone += next - message.start;
			table->octets -= message.octets;
			continue;
		}
		message.start -= gone;
		message.flags &= MESSAGE_SEPARATOR;
		table->messages[kept++] = message;
		if (i < md->last)
			last = kept;
		if (i < md->facts.unsure || message.epoch != md->epoch)
			unsure = kept;
	}
	table->count = kept;
	table->end = end - gone;
	md->last = last;
	md->facts.unsure = unsure;
	return count - kept;
}

static bool
is_earlier(const struct disk_stat *one, const struct disk_stat *other)
{
	return one->mtime_sec != other->mtime_sec
	           ? one->mtime_sec < other->mtime_sec
	           : one->mtime_nsec < other->mtime_nsec;
}

/*
 * The host sets the mtime back, before that of our change. No later change can
 * bear it: the clock that stamps the file does not go backwards, however coarse
 * it is. md->stat is the file's state, before and behind.
 */
static bool
seal(struct maildrop *md)
{
	const struct disk_stat made = md->stat;

	return md->host.backdate(md->host.ctx) &&
	       disk_stat(md->fds.mbox, &md->stat) == 0 &&
	       md->stat.size == made.size && is_earlier(&md->stat, &made);
}

/* Until no later change can bear the times of ours: their clock goes on. */
static void
outlast(struct maildrop *md)
{
	int64_t left;

	/* more than one round: the coarse clock is behind by up to a tick */
	for (int i = 0; i < SETTLE_ROUNDS; i++) {
		left = stamp_wait(&md->stat, disk_clock());
		if (left == 0 ||
		    !md->host.pause(md->host.ctx, (unsigned)(left / 1000000 + 1)))
			break;
	}
	md->facts.taken = md->looked = disk_clock();
	if (verify_still(md) != MD_OK)
		md->facts.trusted = false;
}

/*
 * The record of what was made can be believed only if no later change of the
 * file can bear the same times. Not worth waiting for where no message is left.
 */
static void
settle(struct maildrop *md)
{
	md->facts.taken = md->looked = disk_clock();
	md->facts.sealed = false;
	if (disk_stat(md->fds.mbox, &md->stat) == -1)
		md->facts.trusted = false;
	else if (md->table.count > 0)
		md->facts.sealed = seal(md);
	md->facts.stat = md->stat;
	if (md->facts.trusted && md->table.count > 0 && !md->facts.sealed)
		outlast(md);
}

/*
 * Whether the messages are those of the file, also before the first one that goes,
 * where nobody looked. A file that has grown is taken for as it was there, as by the
 * login to one; one that changed otherwise was rewritten.
 */
static bool
is_as_listed(const struct maildrop *md)
{
	bool known = true;

	for (uint32_t i = 0; i < md->table.count; i++)
		known = known && verify_is_known(md, i);
	return known || (uint64_t)md->stat.size > md->table.end;
}

static void
finish(struct maildrop *md, uint32_t *removedp)
{
	const bool listed = is_as_listed(md);
	const bool numbered = uidl_retire(&md->table) == MD_OK;

	*removedp = compact(md);
	md->facts.last = md->last;
	md->facts.trusted = listed && numbered;
	md->facts.announced = false;
	md->sure_from = md->facts.unsure;
	settle(md);
	index_save(md->fds.index, &md->table, &md->facts, 0);
	maildrop_undelete_all(md);
}

enum md_error
maildrop_update(struct maildrop *md, uint32_t *removedp)
{
	uint32_t first = 0;
	enum md_error error;

	*removedp = 0;
	md->reading = (struct reading){0};
	if (md->last != md->facts.last && md->fds.mbox != -1) {
		md->facts.last = md->last;
		index_save_facts(md->fds.index, &md->facts);
	}
	if (md->live == md->table.count)
		return MD_OK;
	while (!is_going(md, first))
		first++;
	error = lock_take(&md->lock);
	if (error != MD_OK)
		return error;
	error = verify(md, first);
	if (error == MD_OK) {
		announce(md);
		error = commit(md, first);
	}
	if (error == MD_OK)
		finish(md, removedp);
	lock_end(&md->lock);
	return error;
}

enum md_error
update_recover(struct md_fds *fds, const struct md_host *host,
    enum md_recovery *recoveryp)
{
	struct disk_stat journal;
	enum md_error error;

	*recoveryp = MD_RECOVERY_NONE;
	if (disk_stat(fds->journal, &journal) == -1)
		return MD_IO;
	if (journal.size == 0)
		return MD_OK;
	/* what cannot be written is as good as absent: only what is over is emptied */
	error = cut_recover(fds->writable ? fds->mbox : -1, fds->journal,
	    recoveryp);
	if (error != MD_OK || *recoveryp != MD_RECOVERY_CONFLICT)
		return error;
	if (!fds->writable)
		return MD_PENDING;
	fds->journal = host->set_aside(host->ctx);
	return fds->journal != -1 ? MD_OK : MD_PENDING;
}

enum md_error
maildrop_recover(const struct md_fds *fds, const struct md_limits *limits,
    const struct md_host *host, enum md_recovery *recoveryp)
{
	struct md_fds mine = *fds;
	struct lock lock = {
	    .mbox = fds->mbox,
	    .exclusive = fds->writable,
	    .wait_ms = limits->lock_wait_ms,
	    .host = host,
	};
	enum md_error error;

	*recoveryp = MD_RECOVERY_NONE;
	if (fds->mbox == -1)
		return update_recover(&mine, host, recoveryp);
	error = lock_take(&lock);
	if (error != MD_OK)
		return error;
	error = update_recover(&mine, host, recoveryp);
	lock_end(&lock);
	return error;
}
