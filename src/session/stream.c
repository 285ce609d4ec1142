/*
 * Lines in and replies out. Runs sandboxed as the session's user. Output
 * gathers while whole lines wait in the input, so pipelined commands are
 * answered in few writes.
 */
#include "stream.h"

#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/mman.h>
#include <unistd.h>

#include "clock.h"
#include "pages.h"
#include "proxy.h"

/* How long stream_close() reads on, and how much. */
#define DRAIN_MS 2000
#define DRAIN_READS 256

/* A client that is idle for so long need not have the memory of large replies. */
#define REST_MS 1000
#define REST_SIZE 4096 /* which they are from here on; a page */

/* What speaks first on the wrong port: octets that begin no POP3 keyword. */
static const struct {
	const char *name;
	const char *text;
	size_t length;
} foreign[] = {
    {"TLS",   "\x16\x03",     2                         },
    {"SSH",   "SSH-",         4                         },
    {"HTTP",  "GET ",         4                         },
    {"HTTP",  "HEAD ",        5                         },
    {"HTTP",  "POST ",        5                         },
    {"HTTP",  "PUT ",         4                         },
    {"HTTP",  "OPTIONS ",     8                         },
    {"HTTP",  "CONNECT ",     8                         },
    {"PROXY", PROXY_V1_START, sizeof(PROXY_V1_START) - 1},
    {"PROXY", PROXY_V2_START, sizeof(PROXY_V2_START) - 1},
};

/* How long the rest of these octets is awaited. */
#define PIECES_MS 500

bool
stream_open(struct stream *stream, int in, int out, const struct monitor_link *link)
{
	memset(stream, 0, offsetof(struct stream, inbuf));
	channel_open(&stream->channel, in, out, link);
	stream->fresh = true;
	/* at a page's start: the kernel copies out of it twice as fast as elsewhere */
	stream->outbuf = pages_new(STREAM_OUT_SIZE);
	return stream->outbuf != NULL;
}

/* Whether the first octets are another protocol's; the stream knows its name then. */
static bool
is_foreign(struct stream *stream)
{
	for (size_t i = 0; i < sizeof(foreign) / sizeof(foreign[0]); i++) {
		if (stream->end >= foreign[i].length &&
		    memcmp(stream->inbuf, foreign[i].text, foreign[i].length) ==
		        0) {
			stream->foreign = foreign[i].name;
			return true;
		}
	}
	return false;
}

/* Whether more of them might make them so. */
static bool
may_be_foreign(const struct stream *stream)
{
	for (size_t i = 0; i < sizeof(foreign) / sizeof(foreign[0]); i++) {
		if (stream->end < foreign[i].length &&
		    memcmp(stream->inbuf, foreign[i].text, stream->end) == 0)
			return true;
	}
	return false;
}

bool
stream_can_send(const struct stream *stream)
{
	return stream->fault == STREAM_FINE || stream->fault == STREAM_CLOSED;
}

/* What a failed transfer means for the stream; late: what lateness means. */
static void
fail(struct stream *stream, enum channel_result result, enum stream_fault late)
{
	const enum stream_fault faults[] = {
	    [CHANNEL_DONE] = STREAM_FINE,
	    [CHANNEL_CLOSED] = STREAM_CLOSED,
	    [CHANNEL_LATE] = late,
	    [CHANNEL_BROKEN] = STREAM_BROKEN,
	    [CHANNEL_STOPPED] = STREAM_STOPPED,
	};

	if (result != CHANNEL_DONE && stream_can_send(stream))
		stream->fault = faults[result];
}

void
stream_flush(struct stream *stream)
{
	enum channel_result result;
	size_t done = 0, n;

	while (done < stream->filled && stream_can_send(stream)) {
		result = channel_write(&stream->channel, stream->outbuf + done,
		    stream->filled - done, clock_now() + stream->stall_ms, &n);
		if (result == CHANNEL_CLOSED)
			result = CHANNEL_BROKEN;
		if (result == CHANNEL_DONE)
			done += n;
		else
			fail(stream, result, STREAM_STALLED);
	}
	if (stream->filled > stream->used)
		stream->used = stream->filled;
	stream->filled = 0;
}

void
stream_flush_soon(struct stream *stream)
{
	struct pollfd client = {.fd = stream->channel.out, .events = POLLOUT};

	if (poll(&client, 1, 0) == 1)
		stream_flush(stream);
}

char *
stream_room(struct stream *stream, size_t want, size_t *roomp)
{
	if (STREAM_OUT_SIZE - stream->filled < want)
		stream_flush(stream);
	*roomp = STREAM_OUT_SIZE - stream->filled;
	return stream->outbuf + stream->filled;
}

void
stream_filled(struct stream *stream, size_t length)
{
	stream->filled += length;
}

void
stream_put(struct stream *stream, const char *text, size_t length)
{
	size_t room;
	char *dst = stream_room(stream, length, &room);

	memcpy(dst, text, length);
	stream_filled(stream, length);
}

void
stream_vformat(struct stream *stream, const char *fmt, va_list ap)
{
	char text[STREAM_LINE_MAX];
	int n;

	n = vsnprintf(text, sizeof(text), fmt, ap);
	if (n > 0)
		stream_put(stream, text,
		    (size_t)n < sizeof(text) ? (size_t)n : sizeof(text) - 1);
}

void
stream_format(struct stream *stream, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	stream_vformat(stream, fmt, ap);
	va_end(ap);
}

/* Gives back the memory of large replies. */
static void
rest(struct stream *stream)
{
	stream->used = 0;
	(void)madvise(stream->outbuf + REST_SIZE, STREAM_OUT_SIZE - REST_SIZE,
	    MADV_DONTNEED);
	if (stream->rest != NULL)
		stream->rest(stream->rest_ctx);
}

/* Waits for input, and rests meanwhile. */
static enum channel_result
read_more(struct stream *stream, uint64_t deadline, size_t *lengthp)
{
	char *dst = stream->inbuf + stream->end;
	const size_t size = sizeof(stream->inbuf) - stream->end;
	const uint64_t rest_at = clock_now() + REST_MS;
	enum channel_result result;

	if (stream->used > REST_SIZE && rest_at < deadline) {
		result = channel_read(&stream->channel, dst, size, rest_at,
		    lengthp);
		if (result != CHANNEL_LATE)
			return result;
		rest(stream);
	}
	return channel_read(&stream->channel, dst, size, deadline, lengthp);
}

static void
took(struct stream *stream, size_t length)
{
	stream->end += length;
	if (stream->end > stream->high)
		stream->high = stream->end;
}

/*
 * Reads more input; false: there is a fault now. A client that sends on and on, and
 * never a line, is not waited for, and idle all the same.
 */
static bool
fill(struct stream *stream, uint64_t deadline)
{
	enum channel_result result = CHANNEL_LATE;
	size_t n = 0;

	if (stream->start > 0) {
		memmove(stream->inbuf, stream->inbuf + stream->start,
		    stream->end - stream->start);
		stream->end -= stream->start;
		stream->start = 0;
	}
	if (clock_now() < deadline)
		result = read_more(stream, deadline, &n);
	took(stream, n);
	fail(stream, result, STREAM_IDLE);
	return result == CHANNEL_DONE;
}

/*
 * Whether the first octets are of another protocol. What begins with empty
 * lines, as a PROXY header does, may come in pieces: they are not answered
 * before the rest has had its moment. A fault comes again with the next read.
 */
static bool
begins_foreign(struct stream *stream)
{
	const uint64_t deadline = clock_now() + PIECES_MS;
	size_t n = 0;

	while (may_be_foreign(stream)) {
		if (channel_read(&stream->channel, stream->inbuf + stream->end,
		        sizeof(stream->inbuf) - stream->end, deadline,
		        &n) != CHANNEL_DONE)
			break;
		took(stream, n);
	}
	return is_foreign(stream);
}

/* What a line that begins so may have, with its line end. */
static size_t
limit(const struct stream *stream, const char *line, size_t length)
{
	if (stream->responding ||
	    (length > 4 && strncasecmp(line, "AUTH", 4) == 0 &&
	        strchr(" \t", line[4]) != NULL))
		return STREAM_AUTH_MAX;
	return STREAM_LINE_MAX;
}

/* Takes one whole line out of the buffer, if there is one. */
static bool
take_line(struct stream *stream, char **linep, size_t *lengthp, bool *longp)
{
	char *line = stream->inbuf + stream->start;
	char *lf = memchr(line, '\n', stream->end - stream->start);
	size_t length;

	if (lf == NULL)
		return false;
	length = (size_t)(lf - line);
	stream->start += length + 1;
	*longp = stream->skipping || length + 1 > limit(stream, line, length);
	stream->skipping = false;
	if (length > 0 && line[length - 1] == '\r')
		length--;
	line[length] = '\0';
	*linep = line;
	*lengthp = length;
	return true;
}

/* Throws away the beginning of a line that is too long already. */
static void
shorten(struct stream *stream)
{
	size_t length = stream->end - stream->start;

	if (stream->skipping ||
	    length > limit(stream, stream->inbuf + stream->start, length)) {
		stream->skipping = true;
		stream->fresh = false;
		stream->start = stream->end = 0;
	}
}

enum stream_event
stream_line(struct stream *stream, char **linep, size_t *lengthp)
{
	uint64_t deadline = 0;
	bool too_long;

	while (stream->fault == STREAM_FINE) {
		if (take_line(stream, linep, lengthp, &too_long)) {
			stream->fresh = false;
			return too_long ? STREAM_LONG : STREAM_LINE;
		}
		shorten(stream);
		stream_flush(stream);
		if (deadline == 0)
			deadline = clock_now() + stream->idle_ms;
		if (stream->fault != STREAM_FINE || !fill(stream, deadline))
			break;
		if (stream->fresh && begins_foreign(stream))
			return STREAM_FOREIGN;
	}
	return STREAM_END;
}

bool
stream_start_tls(struct stream *stream, struct ssl_ctx_st *ctx, uint64_t timeout_ms)
{
	enum channel_result result;

	stream_flush(stream);
	if (stream->fault != STREAM_FINE)
		return false;
	result = channel_start_tls(&stream->channel, ctx, clock_now() + timeout_ms);
	if (result != CHANNEL_DONE)
		fail(stream, result, STREAM_STALLED);
	return result == CHANNEL_DONE;
}

bool
stream_has_input(const struct stream *stream)
{
	return stream->end > stream->start;
}

void
stream_close(struct stream *stream)
{
	uint64_t deadline = clock_now() + DRAIN_MS;
	struct pollfd client = {.fd = stream->channel.in, .events = POLLIN};
	ssize_t n = 1;

	stream_flush(stream);
	channel_end(&stream->channel);
	if (!stream->channel.socket || !stream_can_send(stream) ||
	    poll(&client, 1, 0) != 1)
		return;
	for (int i = 0; i < DRAIN_READS && n > 0; i++) {
		n = read(client.fd, stream->inbuf, sizeof(stream->inbuf));
		if (n > 0 && poll(&client, 1, clock_poll_timeout(deadline)) != 1)
			break;
	}
}

/* The line lies before start; behind end is what was moved to the front since. */
void
stream_wipe(struct stream *stream)
{
	explicit_bzero(stream->inbuf, stream->start);
	explicit_bzero(stream->inbuf + stream->end, stream->high - stream->end);
}
