/*
 * Waiting and moving octets. Runs sandboxed as the session's user. What
 * differs between plaintext and TLS is one attempt to read or write; the
 * waiting is the same.
 *
 * A client that vanished is told from one that takes nothing by whether it
 * acknowledges. Keepalive finds it where nothing is on its way; where something
 * is, the kernel alone would go on for a quarter of an hour, and its
 * TCP_USER_TIMEOUT ends those too that acknowledge a closed window.
 */
#include "channel.h"

#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"
#include "monitor_link.h"
#include "tls.h"

/*
 * A client that sends a command when it has the reply to the last is back in a
 * few microseconds; to wake a core that has gone to sleep takes longer, in a
 * virtual machine much longer. So the next command is looked for a moment before
 * the wait, while the last one came that soon. Whoever else can run goes first, so
 * that nothing is lost where the cores are busy.
 */
#define LOOK_US 100
#define PROMPT_US 200

/*
 * Without an acknowledgement for so long, real time, a client is gone: the kernel
 * asks again at least every two minutes. How often that is looked at.
 */
#define GONE_MS 150000
#define GLANCE_MS 30000

void
channel_open(struct channel *channel, int in, int out,
    const struct monitor_link *link)
{
	*channel = (struct channel){
	    .in = in,
	    .out = out,
	    .link = link,
	    .socket = in == out,
	};
}

/* As poll(2), until the deadline. */
static int
look_and_wait(struct channel *channel, struct pollfd fds[2], uint64_t deadline)
{
	const uint64_t began = clock_now_us();
	int n = 0;

	while (channel->prompt && n == 0 && clock_now_us() - began < LOOK_US) {
		(void)sched_yield();
		n = poll(fds, 2, 0);
	}
	if (n == 0)
		n = poll(fds, 2, clock_poll_timeout(deadline));
	channel->prompt = clock_now_us() - began < PROMPT_US;
	return n;
}

/* Whether octets or probes of the other end are on their way to nowhere. */
static bool
is_gone(const struct channel *channel)
{
	struct tcp_info info;
	socklen_t length = sizeof(info);

	return channel->socket &&
	       getsockopt(channel->out, IPPROTO_TCP, TCP_INFO, &info, &length) ==
	           0 &&
	       (info.tcpi_unacked > 0 || info.tcpi_probes > 1) &&
	       info.tcpi_last_ack_recv >= GONE_MS;
}

/* Waits for the client until the deadline. */
static enum channel_result
await(struct channel *channel, int fd, short events, uint64_t deadline)
{
	struct pollfd fds[2] = {
	    {.fd = fd,                .events = events},
	    {.fd = channel->link->fd, .events = POLLIN},
	};
	uint64_t glance;
	int n;

	while (channel->link->stop == 0) {
		glance = clock_now() + GLANCE_MS;
		n = look_and_wait(channel, fds,
		    glance < deadline ? glance : deadline);
		if (n == -1 && errno != EINTR)
			return CHANNEL_BROKEN;
		if (n > 0)
			return fds[1].revents != 0 ? CHANNEL_STOPPED : CHANNEL_DONE;
		if (clock_now() >= deadline)
			return CHANNEL_LATE;
		if (is_gone(channel))
			return CHANNEL_BROKEN;
	}
	return CHANNEL_STOPPED;
}

/* The same of the monitor alone, for a client that need not be waited for. */
static bool
is_stopped(const struct channel *channel)
{
	struct pollfd pair = {.fd = channel->link->fd, .events = POLLIN};

	return channel->link->stop != 0 || poll(&pair, 1, 0) > 0;
}

/* After an attempt that would have waited: waits. */
static enum channel_result
await_result(struct channel *channel, enum io_result result, uint64_t deadline)
{
	switch (result) {
	case IO_WANT_READ:
		return await(channel, channel->in, POLLIN, deadline);
	case IO_WANT_WRITE:
		return await(channel, channel->out, POLLOUT, deadline);
	case IO_CLOSED:
		return CHANNEL_CLOSED;
	default:
		return CHANNEL_BROKEN;
	}
}

static enum io_result
plain_result(ssize_t n, enum io_result again, size_t *lengthp)
{
	if (n > 0) {
		*lengthp = (size_t)n;
		return IO_DONE;
	}
	if (n == 0)
		return IO_CLOSED;
	return errno == EAGAIN || errno == EINTR ? again : IO_FAILED;
}

static enum io_result
try_read(struct channel *channel, void *buf, size_t size, size_t *lengthp)
{
	if (channel->tls != NULL)
		return tls_read(channel->tls, buf, size, lengthp);
	return plain_result(read(channel->in, buf, size), IO_WANT_READ, lengthp);
}

static enum io_result
try_write(struct channel *channel, const void *buf, size_t size, size_t *lengthp)
{
	if (channel->tls != NULL)
		return tls_write(channel->tls, buf, size, lengthp);
	if (!channel->socket && size > PIPE_BUF)
		size = PIPE_BUF;
	return plain_result(write(channel->out, buf, size), IO_WANT_WRITE, lengthp);
}

enum channel_result
channel_read(struct channel *channel, void *buf, size_t size, uint64_t deadline,
    size_t *lengthp)
{
	/* plaintext is seldom there before it is waited for; TLS may hold some */
	bool waited = channel->tls == NULL;
	enum channel_result result = CHANNEL_DONE;
	enum io_result attempt;

	if (waited)
		result = await(channel, channel->in, POLLIN, deadline);
	while (result == CHANNEL_DONE) {
		attempt = try_read(channel, buf, size, lengthp);
		if (attempt == IO_DONE)
			return waited || !is_stopped(channel) ? CHANNEL_DONE
			                                      : CHANNEL_STOPPED;
		result = await_result(channel, attempt, deadline);
		waited = true;
	}
	return result;
}

enum channel_result
channel_write(struct channel *channel, const void *buf, size_t size,
    uint64_t deadline, size_t *lengthp)
{
	enum channel_result result = CHANNEL_DONE;
	enum io_result attempt;

	if (!channel->socket)
		result = await(channel, channel->out, POLLOUT, deadline);
	while (result == CHANNEL_DONE) {
		attempt = try_write(channel, buf, size, lengthp);
		if (attempt == IO_DONE)
			return CHANNEL_DONE;
		result = await_result(channel, attempt, deadline);
	}
	return result;
}

enum channel_result
channel_start_tls(struct channel *channel, struct ssl_ctx_st *ctx,
    uint64_t deadline)
{
	enum channel_result result = CHANNEL_DONE;
	enum io_result attempt;

	channel->tls = channel->socket ? tls_new(ctx, channel->in) : NULL;
	if (channel->tls == NULL)
		return CHANNEL_BROKEN;
	while (result == CHANNEL_DONE) {
		attempt = tls_handshake(channel->tls);
		if (attempt == IO_DONE)
			return CHANNEL_DONE;
		result = await_result(channel, attempt, deadline);
	}
	return result;
}

void
channel_end(struct channel *channel)
{
	tls_end(channel->tls);
	channel->tls = NULL;
	if (channel->socket)
		(void)shutdown(channel->out, SHUT_WR);
}
