/*
 * The client's connection: lines in, replies out. Once there is a fault no
 * further line is taken. It stays, and nothing more is sent; but behind the end
 * of the input, where a client may still read, replies go out, and a later fault
 * takes its place.
 */
#ifndef POPLAR_SESSION_STREAM_H
#define POPLAR_SESSION_STREAM_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "channel.h"

/* A command line with its line end: RFC 2449 section 4. */
#define STREAM_LINE_MAX 512
/* An AUTH command and each response to a challenge: RFC 5034 section 4. */
#define STREAM_AUTH_MAX 12288
#define STREAM_IN_SIZE 16384
#define STREAM_OUT_SIZE 131072

enum stream_fault {
	STREAM_FINE = 0,
	STREAM_CLOSED,  /* end of input: the client is gone or half-closed */
	STREAM_IDLE,    /* no line within idle_timeout */
	STREAM_STALLED, /* no octet accepted within stall_timeout */
	STREAM_BROKEN,  /* reset, vanished, or another error */
	STREAM_STOPPED  /* the monitor wants an end, or is gone */
};

enum stream_event {
	STREAM_LINE,    /* a line, terminated, without its line end */
	STREAM_LONG,    /* a line over its limit, thrown away whole */
	STREAM_FOREIGN, /* the first octets are of the protocol stream->foreign */
	STREAM_END      /* a fault, see stream->fault */
};

struct stream {
	struct channel channel;
	bool fresh;      /* no line was taken yet */
	bool responding; /* the next line is a response to a challenge */
	uint64_t idle_ms, stall_ms;
	enum stream_fault fault;
	size_t start, end; /* of the unread octets in inbuf */
	size_t high;       /* behind the last octet that inbuf ever held */
	const char *foreign;
	bool skipping; /* inside a line that is too long */
	size_t filled; /* octets in outbuf */
	size_t used;   /* the most it held since it was given back */
	char *outbuf;  /* STREAM_OUT_SIZE */
	/* called when a client that was sent much is idle; NULL: not */
	void (*rest)(void *ctx);
	void *rest_ctx;
	char inbuf[STREAM_IN_SIZE];
};

/* Borrows what channel_open() does. False: no memory. */
bool stream_open(struct stream *stream, int in, int out,
    const struct monitor_link *link);

/*
 * Waits for the next line, at most idle_ms; sends what is in outbuf first
 * when no whole line is there yet. The line lies in the stream's buffer until
 * the next call; *lengthp are its octets (it may hold NULs).
 */
enum stream_event stream_line(struct stream *stream, char **linep, size_t *lengthp);

/* Whether replies can still go out; false for good. */
bool stream_can_send(const struct stream *stream);

/*
 * Adds to the output; sends when the buffer is full. At most STREAM_OUT_SIZE
 * octets; what is formatted is cut below STREAM_LINE_MAX.
 */
void stream_put(struct stream *stream, const char *text, size_t length);
void stream_format(struct stream *stream, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
void stream_vformat(struct stream *stream, const char *fmt, va_list ap)
    __attribute__((format(printf, 2, 0)));

/*
 * Room in the output itself: *roomp is at least want octets (at most
 * STREAM_OUT_SIZE), and good until the next call. stream_filled() says how many
 * of them became output.
 */
char *stream_room(struct stream *stream, size_t want, size_t *roomp);
void stream_filled(struct stream *stream, size_t length);

/* Sends all output. */
void stream_flush(struct stream *stream);

/* The same, if the client's connection has room for it now. */
void stream_flush_soon(struct stream *stream);

/*
 * Sends all output, then turns to TLS within timeout_ms. The caller has made
 * sure that no input is buffered. False: there is a fault now.
 */
bool stream_start_tls(struct stream *stream, struct ssl_ctx_st *ctx,
    uint64_t timeout_ms);

/* Whether octets were read that no line was made of yet. */
bool stream_has_input(const struct stream *stream);

/*
 * Says goodbye: sends all, ends our direction, and reads away what the client
 * had sent already (2 s at most), so that a reset does not eat the last reply.
 */
void stream_close(struct stream *stream);

/* Wipes the line that was taken last, with all that was taken before. */
void stream_wipe(struct stream *stream);

#endif
