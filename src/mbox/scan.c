/*
 * The mbox parser. Runs inside the session; all of its input is hostile.
 *
 * One function for each state takes octets from the front of a block and
 * says how many it took. It takes none of a suffix that cannot be judged
 * without what follows: at most a line end, an empty line and the counted
 * octets of a From_ line. scan_feed() carries that suffix over and joins it
 * to the front of the next block, so no split of the file can change a
 * judgement. Bodies are searched by blocks for an "F" behind a line end, and
 * their lines are counted in the same pass.
 *
 * A message ends where an empty line is followed by a From_ line or by
 * nothing. That empty line is the separator and not of the message, also at
 * the end of the file: neither the size nor the unique-id of the last message
 * may change when mail is delivered behind it.
 *
 * A message that has ended waits for the next ones, or for the end of the file, so
 * that the headers of several are hashed at once (hash.h); then all are told.
 */
#include "scan.h"

#include <string.h>
#include <sys/mman.h>

#include "from.h"
#include "hash.h"
#include "header.h"
#include "lines.h"
#include "pages.h"
#include "wire.h"

#define CARRY_MAX (FROM_LINE_MAX + 8)
#define JOIN_MAX (2 * CARRY_MAX)

enum state {
	AT_START,       /* before the first From_ line */
	IN_FROM_LINE,   /* in a From_ line, to its end */
	AT_HEADER_LINE, /* at the beginning of a line of the headers */
	IN_HEADER_LINE, /* in a line of the headers, to its end */
	IN_BODY,
	STATES
};

struct scan {
	struct scan_sink sink;
	enum state state;
	enum md_error error;
	uint64_t at; /* offset of the next octet to be judged */
	/* ended and not yet told, then the one under way */
	struct scan_message messages[HASH_OWED_MAX];
	size_t ended;
	struct wire wire;
	struct hash *hash;
	unsigned signs;
	bool skipped;    /* this header line is one that readers rewrite */
	bool line_start; /* of the body: the next octet begins a line */
	char carry[CARRY_MAX];
	size_t carried;
};

struct scan *
scan_new(void)
{
	struct scan *scan = pages_new(sizeof(*scan));

	if (scan == NULL)
		return NULL;
	scan->hash = hash_new();
	if (scan->hash == NULL) {
		scan_free(scan);
		return NULL;
	}
	return scan;
}

void
scan_free(struct scan *scan)
{
	if (scan == NULL)
		return;
	hash_free(scan->hash);
	munmap(scan, sizeof(*scan));
}

void
scan_start(struct scan *scan, uint64_t at, const struct scan_sink *sink)
{
	scan->sink = *sink;
	scan->state = AT_START;
	scan->error = MD_OK;
	scan->at = at;
	scan->ended = 0;
	scan->carried = 0;
	hash_forget(scan->hash);
}

static void
fail(struct scan *scan, enum md_error error)
{
	if (scan->error == MD_OK)
		scan->error = error;
}

static void
begin_message(struct scan *scan, uint64_t at)
{
	scan->messages[scan->ended] = (struct scan_message){.start = at};
	scan->state = IN_FROM_LINE;
	scan->signs = 0;
	scan->skipped = false;
	wire_start(&scan->wire, WIRE_WHOLE);
	hash_start(scan->hash);
}

/* Tells the messages that have ended. */
static void
tell(struct scan *scan)
{
	hash_settle(scan->hash);
	for (size_t i = 0; i < scan->ended && scan->error == MD_OK; i++)
		fail(scan, scan->sink.found(scan->sink.ctx, &scan->messages[i]));
	scan->ended = 0;
}

/* The message ends at an offset, with a separator of so many octets behind it. */
static void
end_message(struct scan *scan, uint64_t end, size_t separator)
{
	struct scan_message *message = &scan->messages[scan->ended++];

	wire_count_finish(&scan->wire);
	hash_finish(scan->hash, message->header, message->body);
	message->end = end;
	message->next = end + separator;
	message->octets = scan->wire.octets;
	message->internal = scan->signs == HEADER_INTERNAL;
	if (scan->ended == HASH_OWED_MAX)
		tell(scan);
}

/* Whether a message ends before the empty line at the beginning of src. */
static enum from_verdict
ends_here(const char *src, size_t len, size_t empty, bool last)
{
	if (len == empty)
		return last ? FROM_YES : FROM_UNDECIDED;
	return from_line(src + empty, len - empty, last);
}

/* Ends the message under way and begins the one behind the separator. */
static size_t
cut_here(struct scan *scan, uint64_t end, size_t separator)
{
	end_message(scan, end, separator);
	begin_message(scan, end + separator);
	return separator;
}

static size_t
at_start(struct scan *scan, const char *src, size_t len, bool last)
{
	static const char daemon[] = "From MAILER-DAEMON";
	const size_t n = sizeof(daemon) - 1;
	bool first = scan->at == 0;
	enum from_verdict verdict = first ? from_first_line(src, len, last)
	                                  : from_line(src, len, last);

	if (verdict == FROM_UNDECIDED ||
	    (first && len < HEADER_LOOK_AHEAD && !last))
		return 0;
	if (verdict == FROM_NO) {
		fail(scan, MD_FORMAT);
		return len;
	}
	begin_message(scan, scan->at);
	if (first && len > n && memcmp(src, daemon, n) == 0 &&
	    strchr(" @", src[n]) != NULL)
		scan->signs |= HEADER_FIRST;
	return 0;
}

static size_t
in_from_line(struct scan *scan, const char *src, size_t len, bool last)
{
	const char *lf = memchr(src, '\n', len);

	(void)last;
	if (lf == NULL)
		return len;
	scan->state = AT_HEADER_LINE;
	return (size_t)(lf + 1 - src);
}

/* Judges the header line at the beginning of src. False: not enough to tell. */
static bool
judge_header_line(struct scan *scan, const char *src, size_t len, bool last)
{
	if (src[0] == ' ' || src[0] == '\t')
		return true; /* folded: as the line before */
	if (len < HEADER_LOOK_AHEAD && !last && memchr(src, '\n', len) == NULL)
		return false;
	scan->skipped = header_is_rewritten(src, len);
	if ((scan->signs & HEADER_FIRST) != 0)
		scan->signs |= header_signs(src, len);
	return true;
}

/* The headers end at an empty line; perhaps the message does as well. */
static size_t
end_headers(struct scan *scan, const char *src, size_t len, size_t empty, bool last)
{
	switch (ends_here(src, len, empty, last)) {
	case FROM_UNDECIDED:
		return 0;
	case FROM_YES:
		return cut_here(scan, scan->at, empty);
	case FROM_NO:
	default:
		wire_count(&scan->wire, src, empty);
		scan->line_start = true;
		scan->state = IN_BODY;
		return empty;
	}
}

/* Takes len octets of header lines, all of which readers rewrite, or none. */
static void
take_headers(struct scan *scan, bool skipped, const char *src, size_t len)
{
	if (!skipped)
		hash_header(scan->hash, src, len);
}

/* Takes what can be judged of the header lines before the next empty one. */
static size_t
in_headers(struct scan *scan, const char *src, size_t len, bool last)
{
	size_t at = 0, run = 0;
	uint64_t bare = 0;

	while (at < len) {
		const bool skipped = scan->skipped;
		const char *lf;

		if (scan->state == AT_HEADER_LINE &&
		    (header_empty_line(src + at, len - at) > 0 ||
		        !judge_header_line(scan, src + at, len - at, last)))
			break;
		if (scan->skipped != skipped) {
			take_headers(scan, skipped, src + run, at - run);
			run = at;
		}
		lf = memchr(src + at, '\n', len - at);
		scan->state = lf != NULL ? AT_HEADER_LINE : IN_HEADER_LINE;
		at = lf != NULL ? (size_t)(lf + 1 - src) : len;
		bare += lf != NULL && lf > src && lf[-1] != '\r';
	}
	take_headers(scan, scan->skipped, src + run, at - run);
	wire_count_lines(&scan->wire, src, at, bare);
	return at;
}

static size_t
at_header_line(struct scan *scan, const char *src, size_t len, bool last)
{
	size_t empty = header_empty_line(src, len);

	if (empty > 0)
		return end_headers(scan, src, len, empty, last);
	return in_headers(scan, src, len, last);
}

/*
 * The length of the empty line that ends at src[end], 0 if there is none;
 * line_start: src begins a line.
 */
static size_t
empty_line_before(const char *src, size_t end, bool line_start)
{
	size_t n = hash_line_end(src, end);

	if (n == 0 || src[end - 1] != '\n')
		return 0;
	if (end == n)
		return line_start ? n : 0;
	return src[end - n - 1] == '\n' ? n : 0;
}

/* What of the end of src may be an empty line whose rest is still to come. */
static size_t
undecided(const char *src, size_t len, bool line_start)
{
	size_t n = empty_line_before(src, len, line_start);
	bool at_line = len > 1 ? src[len - 2] == '\n' : line_start;

	if (n > 0)
		return n;
	return src[len - 1] == '\r' && at_line ? 1 : 0;
}

/*
 * Takes len octets of the body out of src; bare: what find() of lines.h counted
 * in src[1..end), and what is behind len is an empty line.
 */
static size_t
take_body(struct scan *scan, const char *src, size_t len, size_t end, uint64_t bare)
{
	if (end - len == 1 && len > 0 && src[len] == '\n')
		bare--;
	if (len > 0) {
		wire_count_lines(&scan->wire, src, len, bare);
		hash_body(scan->hash, src, len);
		scan->line_start = src[len - 1] == '\n';
	}
	return len;
}

/* The body to the end of src, but for what may be an empty line. */
static size_t
take_rest(struct scan *scan, const char *src, size_t len, uint64_t bare, bool last)
{
	size_t rest = undecided(src, len, scan->line_start);

	if (!last)
		return take_body(scan, src, len - rest, len, bare);
	if (rest > 0 && src[len - 1] != '\n')
		rest = 0;
	take_body(scan, src, len - rest, len, bare);
	if (rest > 0)
		cut_here(scan, scan->at + len - rest, rest);
	return len;
}

static size_t
in_body(struct scan *scan, const char *src, size_t len, bool last)
{
	const struct lines_path *path = lines_path();
	uint64_t bare = 0;
	size_t i = 0, empty;

	while ((i += path->find(src + i, len - i, &bare)) < len) {
		enum from_verdict verdict = FROM_NO;

		empty = empty_line_before(src, i, scan->line_start);
		if (empty > 0)
			verdict = from_line(src + i, len - i, last);
		if (verdict == FROM_NO)
			continue;
		take_body(scan, src, i - empty, i, bare);
		if (verdict == FROM_YES)
			return i - empty +
			       cut_here(scan, scan->at + i - empty, empty);
		return i - empty;
	}
	return take_rest(scan, src, len, bare, last);
}

static size_t (*const takers[STATES])(struct scan *, const char *, size_t, bool) = {
    [AT_START] = at_start,
    [IN_FROM_LINE] = in_from_line,
    [AT_HEADER_LINE] = at_header_line,
    [IN_HEADER_LINE] = in_headers,
    [IN_BODY] = in_body,
};

/* Takes what can be judged; returns how many octets that are. */
static size_t
take(struct scan *scan, const char *src, size_t len, bool last)
{
	size_t done = 0, taken;
	enum state before;

	do {
		if (done == len || scan->error != MD_OK)
			return len;
		before = scan->state;
		taken = takers[before](scan, src + done, len - done, last);
		done += taken;
		scan->at += taken;
	} while (taken > 0 || scan->state != before);
	return done;
}

enum md_error
scan_feed(struct scan *scan, const char *src, size_t len)
{
	char joined[JOIN_MAX];
	size_t fresh, taken, done = 0;

	if (scan->carried > 0) {
		fresh = len < CARRY_MAX ? len : CARRY_MAX;
		memcpy(joined, scan->carry, scan->carried);
		memcpy(joined + scan->carried, src, fresh);
		taken = take(scan, joined, scan->carried + fresh, false);
		if (taken < scan->carried) {
			/* all of src is in joined: a longer one would be judged */
			scan->carried += fresh - taken;
			memcpy(scan->carry, joined + taken, scan->carried);
			return scan->error;
		}
		done = taken - scan->carried;
		scan->carried = 0;
	}
	done += take(scan, src + done, len - done, false);
	scan->carried = len - done;
	memcpy(scan->carry, src + done, scan->carried);
	return scan->error;
}

enum md_error
scan_finish(struct scan *scan)
{
	if (scan->carried > 0)
		take(scan, scan->carry, scan->carried, true);
	scan->carried = 0;
	if (scan->error != MD_OK || scan->state == AT_START)
		return scan->error;
	/* unless the last message ended with its separator */
	if (scan->at != scan->messages[scan->ended].start)
		end_message(scan, scan->at, 0);
	tell(scan);
	return scan->error;
}
