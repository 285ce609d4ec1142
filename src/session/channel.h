/*
 * Octets to and from the client: a socket, two pipes, or TLS. Every wait is
 * for the client and the monitor together.
 */
#ifndef POPLAR_SESSION_CHANNEL_H
#define POPLAR_SESSION_CHANNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct monitor_link;
struct ssl_ctx_st;
struct tls;

struct channel {
	int in, out; /* the same for a socket; not blocking then */
	const struct monitor_link *link;
	bool socket;     /* else writes are kept short, so as not to block */
	bool prompt;     /* the last wait was short */
	struct tls *tls; /* NULL: plaintext */
};

enum channel_result {
	CHANNEL_DONE,
	CHANNEL_CLOSED, /* end of input */
	CHANNEL_LATE,   /* the deadline came first */
	CHANNEL_BROKEN, /* reset, vanished, or another error */
	CHANNEL_STOPPED /* the monitor has something to say, or is gone; or the
			   link took its wish to stop already */
};

/* Borrows all three; in and out may be one. */
void channel_open(struct channel *channel, int in, int out,
    const struct monitor_link *link);

/* Waits for at least one octet, until the deadline (clock.h). */
enum channel_result channel_read(struct channel *channel, void *buf, size_t size,
    uint64_t deadline, size_t *lengthp);

/*
 * Waits until at least one octet is taken. The first attempt is made before
 * any wait, so that a last word can be said although the monitor wants an end.
 */
enum channel_result channel_write(struct channel *channel, const void *buf,
    size_t size, uint64_t deadline, size_t *lengthp);

/*
 * Turns to TLS; done when the handshake is. A channel that failed is BROKEN for
 * good.
 */
enum channel_result channel_start_tls(struct channel *channel,
    struct ssl_ctx_st *ctx, uint64_t deadline);

/* Says goodbye in TLS's way, and ends our direction of a socket. */
void channel_end(struct channel *channel);

#endif
