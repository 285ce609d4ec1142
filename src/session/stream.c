/*
 * Lines in and replies out, over one non-blocking socket (or two pipes). Runs
 * sandboxed as the session's user. All waiting is poll(2) on the client and
 * the monitor's pair together, with deadlines on the monotonic clock. Output
 * gathers while whole lines wait in the input, so pipelined commands are
 * answered in few writes.
 */
#include "stream.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"

/* How long stream_close() reads on, and how much. */
#define DRAIN_MS 2000
#define DRAIN_READS 256

/* What speaks first on the wrong port: octets that begin no POP3 keyword. */
static const struct {
	const char *text;
	size_t length;
} foreign[] = {
    {"\x16\x03",             2 }, /* TLS hello */
    {"SSH-",		 4 },
    {"GET ",                 4 },
    {"HEAD ",                5 },
    {"POST ",                5 },
    {"PUT ",                 4 },
    {"OPTIONS ",             8 },
    {"CONNECT ",             8 },
    {"PROXY ",               6 },
    {"\r\n\r\n\0\r\nQUIT\n", 12}, /* PROXY version 2 */
};

void
stream_open(struct stream *stream, int in, int out, int pair)
{
	memset(stream, 0, offsetof(struct stream, inbuf));
	stream->in = in;
	stream->out = out;
	stream->pair = pair;
	stream->socket = in == out;
	stream->fresh = true;
}

static void
fail(struct stream *stream, enum stream_fault fault)
{
	if (stream->fault == STREAM_FINE)
		stream->fault = fault;
}

static bool
is_foreign(const char *text, size_t length)
{
	for (size_t i = 0; i < sizeof(foreign) / sizeof(foreign[0]); i++) {
		if (length >= foreign[i].length &&
		    memcmp(text, foreign[i].text, foreign[i].length) == 0)
			return true;
	}
	return false;
}

/* Waits for the client; false: the deadline or the monitor came first. */
static bool
await(struct stream *stream, int fd, short events, uint64_t deadline,
    enum stream_fault late)
{
	struct pollfd fds[2] = {
	    {.fd = fd,           .events = events},
	    {.fd = stream->pair, .events = POLLIN},
	};
	int n;

	do {
		n = poll(fds, 2, clock_poll_timeout(deadline));
		if (n == -1 && errno != EINTR) {
			fail(stream, STREAM_BROKEN);
			return false;
		}
	} while (n <= 0 && clock_now() < deadline);
	if (fds[1].revents != 0 && n > 0) {
		fail(stream, STREAM_STOPPED);
		return false;
	}
	if (n <= 0) {
		fail(stream, late);
		return false;
	}
	return true;
}

/* One write of what is in outbuf from an offset on; 0: try again. */
static size_t
write_some(struct stream *stream, size_t from)
{
	size_t length = stream->filled - from;
	ssize_t n;

	if (!stream->socket && length > PIPE_BUF)
		length = PIPE_BUF;
	n = write(stream->out, stream->outbuf + from, length);
	if (n > 0)
		return (size_t)n;
	if (n == -1 && errno != EAGAIN && errno != EINTR)
		fail(stream, STREAM_BROKEN);
	return 0;
}

void
stream_flush(struct stream *stream)
{
	uint64_t deadline = clock_now() + stream->stall_ms;
	size_t done = 0, n;

	while (done < stream->filled && stream->fault <= STREAM_CLOSED) {
		if ((done > 0 || !stream->socket) &&
		    !await(stream, stream->out, POLLOUT, deadline, STREAM_STALLED))
			break;
		n = write_some(stream, done);
		if (n > 0)
			deadline = clock_now() + stream->stall_ms;
		else if (stream->fault <= STREAM_CLOSED &&
			 !await(stream, stream->out, POLLOUT, deadline,
			     STREAM_STALLED))
			break;
		done += n;
	}
	stream->filled = 0;
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
stream_format(struct stream *stream, const char *fmt, ...)
{
	char text[STREAM_LINE_MAX];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (n > 0)
		stream_put(stream, text,
		    (size_t)n < sizeof(text) ? (size_t)n : sizeof(text) - 1);
}

/* Reads more input; false: there is a fault now. */
static bool
fill(struct stream *stream, uint64_t deadline)
{
	ssize_t n;

	if (stream->start > 0) {
		memmove(stream->inbuf, stream->inbuf + stream->start,
		    stream->end - stream->start);
		stream->end -= stream->start;
		stream->start = 0;
	}
	do {
		if (!await(stream, stream->in, POLLIN, deadline, STREAM_IDLE))
			return false;
		n = read(stream->in, stream->inbuf + stream->end,
		    sizeof(stream->inbuf) - stream->end);
	} while (n == -1 && (errno == EAGAIN || errno == EINTR));
	if (n <= 0) {
		fail(stream, n == 0 ? STREAM_CLOSED : STREAM_BROKEN);
		return false;
	}
	stream->end += (size_t)n;
	return true;
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
	*longp = stream->skipping || length + 1 > STREAM_LINE_MAX;
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
	if (stream->end - stream->start > STREAM_LINE_MAX || stream->skipping) {
		stream->skipping = true;
		stream->start = stream->end = 0;
	}
}

enum stream_event
stream_line(struct stream *stream, char **linep, size_t *lengthp)
{
	uint64_t deadline = 0;
	bool first = stream->fresh, too_long;

	while (stream->fault == STREAM_FINE) {
		if (take_line(stream, linep, lengthp, &too_long)) {
			stream->fresh = false;
			if (first && is_foreign(*linep, *lengthp))
				return STREAM_FOREIGN;
			return too_long ? STREAM_LONG : STREAM_LINE;
		}
		shorten(stream);
		stream_flush(stream);
		if (deadline == 0)
			deadline = clock_now() + stream->idle_ms;
		if (stream->fault != STREAM_FINE || !fill(stream, deadline))
			break;
		if (first && is_foreign(stream->inbuf, stream->end))
			return STREAM_FOREIGN;
	}
	return STREAM_END;
}

void
stream_close(struct stream *stream)
{
	uint64_t deadline = clock_now() + DRAIN_MS;
	struct pollfd client = {.fd = stream->in, .events = POLLIN};
	ssize_t n = 1;

	stream_flush(stream);
	if (!stream->socket || stream->fault > STREAM_CLOSED)
		return;
	shutdown(stream->out, SHUT_WR);
	if (poll(&client, 1, 0) != 1)
		return;
	for (int i = 0; i < DRAIN_READS && n > 0; i++) {
		n = read(stream->in, stream->inbuf, sizeof(stream->inbuf));
		if (n > 0 && poll(&client, 1, clock_poll_timeout(deadline)) != 1)
			break;
	}
}

void
stream_wipe(struct stream *stream, char *line, size_t length)
{
	explicit_bzero(line, length);
	explicit_bzero(stream->inbuf, stream->start);
	explicit_bzero(
	    stream->inbuf + stream->end, sizeof(stream->inbuf) - stream->end);
}
