/*
 * Is the maildrop still what was scanned? Runs inside the session.
 *
 * Every look at the file that finds its state changed begins a new epoch. In
 * a new epoch nothing that was known of any message holds until the scanner
 * has seen its octets again, under the locks, and has found the same message:
 * same place, same end, same hashes, same size.
 *
 * A coarse clock may stamp two changes alike: a look at a file that changed
 * less than 20 ms before does not vouch for the next one, unless the change was
 * our own and no later one can bear its times (update.c).
 */
#include "state.h"

#include <sys/mman.h>

#include "pages.h"
#include "stamp.h"

/* A file may be of any size: so often the host is asked whether to go on. */
#define STRIDE ((uint64_t)16 * 1024 * 1024)

enum md_error
verify_prepare(struct maildrop *md)
{
	/* malloc(3) would keep what is given back */
	if (md->block == NULL)
		md->block = pages_new(BLOCK_SIZE);
	if (md->scan == NULL)
		md->scan = scan_new();
	return md->block != NULL && md->scan != NULL ? MD_OK : MD_NO_MEMORY;
}

void
maildrop_rest(struct maildrop *md)
{
	if (md->block != NULL)
		munmap(md->block, BLOCK_SIZE);
	md->block = NULL;
	scan_free(md->scan);
	md->scan = NULL;
	md->reading = (struct reading){0};
}

enum md_error
verify_feed(struct maildrop *md, uint64_t from, uint64_t to)
{
	enum md_error error = MD_OK;

	for (uint64_t at = from; at < to && error == MD_OK;) {
		size_t want = to - at < BLOCK_SIZE ? (size_t)(to - at) : BLOCK_SIZE;
		ssize_t got = disk_read(md->fds.mbox, md->block, want, (off_t)at);

		if (got == -1)
			return MD_IO;
		if ((size_t)got < want)
			return MD_CHANGED;
		error = scan_feed(md->scan, md->block, want);
		at += want;
		if (error == MD_OK && (at - want) / STRIDE < at / STRIDE &&
		    !md->host.pause(md->host.ctx, 0))
			return MD_STOPPED;
	}
	return error;
}

enum md_error
verify_scan(struct maildrop *md, uint64_t from, uint64_t to,
    const struct scan_sink *sink)
{
	enum md_error error = verify_prepare(md);

	if (error != MD_OK)
		return error;
	scan_start(md->scan, from, sink);
	error = verify_feed(md, from, to);
	return error == MD_OK ? scan_finish(md->scan) : error;
}

/* Whether the last look can vouch for a file that now looks the same. */
static bool
was_settled(const struct maildrop *md)
{
	return stamp_wait(&md->stat, md->looked) == 0 ||
	       (md->facts.sealed && stamp_same(&md->facts.stat, &md->stat));
}

enum md_error
verify_look(struct maildrop *md)
{
	const int64_t when = disk_clock();
	struct disk_stat now;

	if (disk_stat(md->fds.mbox, &now) == -1)
		return MD_IO;
	if (!stamp_same(&md->stat, &now) || !was_settled(md)) {
		md->stat = now;
		md->looked = when;
		md->epoch++;
	}
	return now.links > 0 ? MD_OK : MD_CHANGED;
}

enum md_error
verify_still(struct maildrop *md)
{
	struct disk_stat now;

	if (disk_stat(md->fds.mbox, &now) == -1)
		return MD_IO;
	return stamp_same(&md->stat, &now) ? MD_OK : MD_CHANGED;
}

bool
verify_is_known(const struct maildrop *md, uint32_t index)
{
	return md->table.messages[index].epoch == md->epoch;
}

enum md_error
verify_distrust(struct maildrop *md)
{
	md->facts.trusted = false;
	index_save_facts(md->fds.index, &md->facts);
	return MD_CHANGED;
}

/* A run of messages that the scanner is to find again. */
struct run {
	struct maildrop *md;
	uint32_t next, last;
};

static enum md_error
is_next(void *ctx, const struct scan_message *found)
{
	struct run *run = ctx;
	struct maildrop *md = run->md;
	struct message *message = &md->table.messages[run->next];

	if (run->next > run->last || !table_is(&md->table, run->next, found))
		return MD_CHANGED;
	message->flags |= MESSAGE_HASHED;
	message->epoch = md->epoch;
	run->next++;
	return MD_OK;
}

enum md_error
verify_messages(struct maildrop *md, uint32_t first, uint32_t last)
{
	struct run run = {.md = md, .next = first, .last = last};
	const struct scan_sink sink = {.ctx = &run, .found = is_next};
	enum md_error error;

	error = verify_scan(md, md->table.messages[first].start,
	    table_next(&md->table, last), &sink);
	if (error == MD_FORMAT || (error == MD_OK && run.next != last + 1))
		error = MD_CHANGED;
	return error == MD_CHANGED ? verify_distrust(md) : error;
}
