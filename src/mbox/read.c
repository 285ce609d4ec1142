/*
 * Sending a message: RETR and TOP. Runs inside the session.
 *
 * The file is looked at before a message is begun and again behind every
 * block that was read: nothing goes out of a file that has changed before the
 * message was hashed whole, under the locks. A message that only the index
 * vouches for goes through the scanner on its way out, and its end is not
 * told unless it is the one that was recorded.
 */
#include "state.h"

#include <string.h>

/* TOP seldom needs more. */
#define TOP_SIZE (16U * 1024)

/* So often a message is hashed because the file changes while it is sent. */
#define HASHED_MAX 8

static enum md_error
compare(void *ctx, const struct scan_message *found)
{
	struct maildrop *md = ctx;

	if (!table_is(&md->table, md->reading.index, found))
		return MD_CHANGED;
	md->table.messages[md->reading.index].flags |= MESSAGE_HASHED;
	return MD_OK;
}

static void
start_comparing(struct maildrop *md)
{
	const struct scan_sink sink = {.ctx = md, .found = compare};

	scan_start(md->scan, md->table.messages[md->reading.index].start, &sink);
	md->reading.comparing = true;
}

/*
 * The file keeps changing, and to hash the message for every block would cost
 * the square of its length: from here on it goes out as it is read, and is
 * compared as a whole at its end.
 */
static enum md_error
trail(struct maildrop *md)
{
	struct reading *reading = &md->reading;

	reading->trailing = true;
	start_comparing(md);
	return verify_feed(md, md->table.messages[reading->index].start,
	    reading->at);
}

/* Hashes the message and reads a block of it, both locks being held. */
static enum md_error
read_hashed(struct maildrop *md, size_t want)
{
	struct reading *reading = &md->reading;
	const uint32_t index = reading->index;
	enum md_error error = verify_look(md);
	ssize_t got;

	if (error == MD_OK && !verify_is_known(md, index))
		error = verify_messages(md, index, index);
	reading->comparing = false;
	if (error == MD_OK && ++reading->hashed > HASHED_MAX)
		error = trail(md);
	if (error != MD_OK)
		return error;
	got = disk_read(md->fds.mbox, md->block, want, (off_t)reading->at);
	if (got == -1)
		return MD_IO;
	return (size_t)got == want ? verify_still(md) : MD_CHANGED;
}

/* The file has changed: what is sent of it is read under the locks. */
static enum md_error
read_locked(struct maildrop *md, size_t want)
{
	enum md_error error = lock_take(&md->lock);

	if (error != MD_OK)
		return error;
	error = read_hashed(md, want);
	/* somebody writes without a lock: once more, then it is given up */
	if (error == MD_CHANGED && md->facts.trusted)
		error = read_hashed(md, want);
	lock_drop(&md->lock);
	return error;
}

/* The look comes after the reading, so that it speaks for what was read. */
static enum md_error
read_block(struct maildrop *md, size_t want)
{
	const struct reading *reading = &md->reading;
	ssize_t got = disk_read(md->fds.mbox, md->block, want, (off_t)reading->at);
	enum md_error error;

	if (got == -1)
		return MD_IO;
	if (reading->trailing)
		return (size_t)got == want ? MD_OK : MD_CHANGED;
	error = verify_look(md);
	if (error == MD_OK && !verify_is_known(md, reading->index))
		return read_locked(md, want);
	return error == MD_OK && (size_t)got < want ? MD_CHANGED : error;
}

static enum md_error
fill(struct maildrop *md)
{
	struct reading *reading = &md->reading;
	const uint64_t left = reading->next - reading->at;
	const size_t most = reading->wire.lines_left == WIRE_WHOLE ? BLOCK_SIZE
	                                                           : TOP_SIZE;
	const size_t want = left < most ? (size_t)left : most;
	enum md_error error = read_block(md, want);

	if (error == MD_OK && reading->comparing)
		error = scan_feed(md->scan, md->block, want);
	if (error == MD_CHANGED || error == MD_FORMAT)
		return verify_distrust(md);
	if (error != MD_OK)
		return error;
	reading->pos = 0;
	reading->len = want;
	reading->at += want;
	return MD_OK;
}

/* Steps over the From_ line, as far as it is in the block. */
static void
skip_from_line(struct maildrop *md)
{
	struct reading *reading = &md->reading;
	const char *src = md->block + reading->pos;
	const char *lf = memchr(src, '\n', reading->len - reading->pos);

	reading->in_from_line = lf == NULL;
	reading->pos = lf != NULL ? (size_t)(lf + 1 - md->block) : reading->len;
}

/* Octets of the message in the block that are not sent yet. */
static size_t
text_left(const struct reading *reading)
{
	const uint64_t behind = reading->at - (reading->len - reading->pos);
	const uint64_t text = reading->end > behind ? reading->end - behind : 0;
	const size_t left = reading->len - reading->pos;

	return text < left ? (size_t)text : left;
}

/* All is out: was it what was recorded? */
static enum md_error
conclude(struct maildrop *md)
{
	struct reading *reading = &md->reading;
	const bool whole = reading->wire.lines_left == WIRE_WHOLE;
	enum md_error error = MD_OK;

	while (error == MD_OK && reading->comparing && reading->at < reading->next)
		error = fill(md);
	if (error == MD_OK && reading->comparing)
		error = scan_finish(md->scan);
	if (error == MD_OK && reading->comparing &&
	    !(md->table.messages[reading->index].flags & MESSAGE_HASHED))
		error = MD_CHANGED;
	if (error == MD_OK && whole &&
	    reading->wire.octets != md->table.messages[reading->index].octets)
		error = MD_CHANGED;
	return error == MD_CHANGED || error == MD_FORMAT ? verify_distrust(md)
	                                                 : error;
}

/*
 * Puts the next octets into buf. Returns how many; 0: a block is wanted, or all
 * is out.
 */
static size_t
encode(struct maildrop *md, char *buf, size_t size)
{
	struct reading *reading = &md->reading;
	size_t taken, put, left;

	if (reading->in_from_line)
		skip_from_line(md);
	left = text_left(reading);
	if (left == 0)
		return 0;
	put = wire_encode(&reading->wire, md->block + reading->pos, left, buf, size,
	    &taken);
	reading->pos += taken;
	return put;
}

static bool
is_at_end(const struct reading *reading)
{
	return reading->wire.stopped ||
	       (text_left(reading) == 0 && reading->at >= reading->end);
}

enum md_error
maildrop_read(struct maildrop *md, uint32_t number, uint64_t body_lines)
{
	struct reading *reading = &md->reading;
	const uint32_t index = number - 1;
	const struct message *message = &md->table.messages[index];
	enum md_error error = verify_prepare(md);

	*reading = (struct reading){
	    .open = true,
	    .in_from_line = true,
	    .index = index,
	    .at = message->start,
	    .end = table_end(&md->table, index),
	    .next = table_next(&md->table, index),
	};
	wire_start(&reading->wire, body_lines);
	if (error == MD_OK && body_lines == WIRE_WHOLE &&
	    (message->flags & MESSAGE_HASHED) == 0)
		start_comparing(md);
	if (error == MD_OK)
		error = fill(md);
	reading->open = error == MD_OK;
	return error;
}

enum md_error
maildrop_next(struct maildrop *md, char *buf, size_t size, size_t *lengthp)
{
	struct reading *reading = &md->reading;
	size_t length = 0;
	enum md_error error;

	*lengthp = 0;
	if (!reading->open || reading->finished)
		return reading->open ? reading->result : MD_OK;
	while (size - length >= 8) {
		if (is_at_end(reading)) {
			length += wire_finish(&reading->wire, buf + length);
			reading->finished = true;
			reading->result = conclude(md);
			break;
		}
		if (reading->pos == reading->len && (error = fill(md)) != MD_OK) {
			reading->finished = true;
			reading->result = error;
			return error;
		}
		length += encode(md, buf + length, size - length);
	}
	*lengthp = length;
	return MD_OK;
}

uint64_t
maildrop_sent(const struct maildrop *md)
{
	return md->reading.wire.octets;
}
