/*
 * How a session waits for its client: it looks a moment for who was back soon the
 * last time, sleeps at once for who was not, and wakes to see whether the client
 * is there at all. sched_yield() is ours: the other end speaks in it. So are a
 * sleep, what the kernel knows of a client, and TLS, of which there is always more.
 */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "clock.h"
#include "session/channel.h"
#include "session/monitor_link.h"
#include "session/tls.h"

#define WAIT_MS 20
#define LONG_MS 600000
#define TRIES 100

static struct {
	unsigned looks;
	unsigned speak_at; /* the look at which an octet comes; 0: never */
	int speaker;
} other;

/* What the kernel knows of the client. */
static struct tcp_info known;

/* Long sleeps up to the one in which the monitor wakes the session. */
#define SLEEPS 3
static unsigned sleeps;

static struct line {
	struct channel channel;
	struct monitor_link link;
	int client, monitor;
} line;

int
sched_yield(void)
{
	if (++other.looks == other.speak_at)
		assert_int_equal(write(other.speaker, "x", 1), 1);
	return 0;
}

/* Half a minute and more goes by at once. */
int
poll(struct pollfd *fds, nfds_t count, int timeout)
{
	const struct timespec wait = {.tv_nsec = timeout % 1000 * 1000000L};

	if (timeout >= 1000 && ++sleeps == SLEEPS)
		assert_int_equal(write(line.monitor, "x", 1), 1);
	if (timeout >= 1000)
		return ppoll(fds, count, &(struct timespec){0}, NULL);
	return ppoll(fds, count, timeout < 0 ? NULL : &wait, NULL);
}

int
getsockopt(int fd, int level, int name, void *value, socklen_t *lengthp)
{
	(void)fd;
	assert_int_equal(level, IPPROTO_TCP);
	assert_int_equal(name, TCP_INFO);
	assert_int_equal(*lengthp, sizeof(known));
	memcpy(value, &known, sizeof(known));
	return 0;
}

/* TLS with a client that never stops talking. */
enum io_result
tls_read(struct tls *tls, void *buf, size_t size, size_t *lengthp)
{
	(void)tls;
	memset(buf, 'x', size);
	*lengthp = size;
	return IO_DONE;
}

enum io_result
tls_write(struct tls *tls, const void *buf, size_t size, size_t *lengthp)
{
	(void)tls;
	(void)buf;
	*lengthp = size;
	return IO_DONE;
}

enum io_result
tls_handshake(struct tls *tls)
{
	(void)tls;
	return IO_DONE;
}

struct tls *
tls_new(struct ssl_ctx_st *ctx, int fd)
{
	static char tls;

	(void)ctx;
	(void)fd;
	return (struct tls *)&tls;
}

void
tls_end(struct tls *tls)
{
	(void)tls;
}

static enum channel_result
hear(void)
{
	char octet;
	size_t length;

	other.looks = 0;
	return channel_read(&line.channel, &octet, 1, clock_now() + WAIT_MS,
	    &length);
}

static int
set_up(void **state)
{
	int client[2], pair[2];

	(void)state;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, client) == -1 ||
	    socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair) == -1)
		return -1;
	line = (struct line){.link = {.fd = pair[0]},
	    .client = client[1],
	    .monitor = pair[1]};
	channel_open(&line.channel, client[0], client[0], &line.link);
	other.speak_at = 0;
	sleeps = 0;
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	close(line.channel.in);
	close(line.link.fd);
	close(line.client);
	close(line.monitor);
	return 0;
}

/* Makes the last wait a short one; the machine may be in the way a few times. */
static void
be_prompt(void)
{
	other.speak_at = 0;
	for (int i = 0; i < TRIES && !line.channel.prompt; i++) {
		assert_int_equal(write(line.client, "x", 1), 1);
		assert_int_equal(hear(), CHANNEL_DONE);
	}
	assert_true(line.channel.prompt);
}

/* What a wait comes to in which somebody speaks at the first look. */
static enum channel_result
hear_spoken(int speaker)
{
	enum channel_result result = CHANNEL_LATE;

	/* one that was held up before its first look has not looked */
	for (int i = 0; i < TRIES && result == CHANNEL_LATE; i++) {
		be_prompt();
		other.speaker = speaker;
		other.speak_at = 1;
		result = hear();
	}
	return result;
}

/* Who speaks while it looks is heard without a sleep. */
static void
test_looks_for_the_prompt(void **state)
{
	(void)state;
	assert_int_equal(hear_spoken(line.client), CHANNEL_DONE);
	assert_int_equal(other.looks, 1);
}

/* It looks once in vain, and then no more. */
static void
test_sleeps_for_the_slow(void **state)
{
	(void)state;
	assert_int_equal(hear(), CHANNEL_LATE);
	assert_int_equal(other.looks, 0);
	for (int i = 0; i < TRIES && other.looks == 0; i++) {
		be_prompt();
		assert_int_equal(hear(), CHANNEL_LATE);
	}
	assert_true(other.looks > 0);
	assert_int_equal(hear(), CHANNEL_LATE);
	assert_int_equal(other.looks, 0);
}

/* The monitor is heard while it looks, as in the sleep. */
static void
test_stopped_while_it_looks(void **state)
{
	(void)state;
	assert_int_equal(hear_spoken(line.monitor), CHANNEL_STOPPED);
	assert_int_equal(other.looks, 1);
}

/* And it is heard where the client's next octets are always there already. */
static void
test_stopped_under_a_flood(void **state)
{
	(void)state;
	assert_int_equal(channel_start_tls(&line.channel, NULL, 0), CHANNEL_DONE);
	for (int i = 0; i < TRIES; i++)
		assert_int_equal(hear(), CHANNEL_DONE);
	assert_int_equal(write(line.monitor, "x", 1), 1);
	assert_int_equal(hear(), CHANNEL_STOPPED);
}

/* A wish to stop that came with an answer to the session's own question. */
static void
test_stop_that_was_taken(void **state)
{
	size_t length;

	(void)state;
	line.link.stop = IPC_END_SHUTDOWN;
	assert_int_equal(write(line.client, "x", 1), 1);
	assert_int_equal(hear(), CHANNEL_STOPPED);
	assert_int_equal(channel_write(&line.channel, "x", 1, clock_now() + WAIT_MS,
	                     &length),
	    CHANNEL_DONE);
	assert_int_equal(channel_start_tls(&line.channel, NULL, 0), CHANNEL_DONE);
	assert_int_equal(hear(), CHANNEL_STOPPED);
}

/* Waits long for a client of which the kernel knows this. */
static enum channel_result
hear_known(unsigned unacknowledged, unsigned probes, unsigned silent_s)
{
	char octet;
	size_t length;

	known = (struct tcp_info){.tcpi_unacked = unacknowledged,
	    .tcpi_probes = (unsigned char)probes,
	    .tcpi_last_ack_recv = silent_s * 1000};
	return channel_read(&line.channel, &octet, 1, clock_now() + LONG_MS,
	    &length);
}

/* Nothing comes back for what was sent, or for one question after the other. */
static void
test_vanished(void **state)
{
	(void)state;
	assert_int_equal(hear_known(1, 0, 150), CHANNEL_BROKEN);
	assert_int_equal(sleeps, 1);
	assert_int_equal(hear_known(0, 2, 200), CHANNEL_BROKEN);
	assert_int_equal(sleeps, 2);
}

/* A closed window is asked about every two minutes. */
static void
test_takes_nothing(void **state)
{
	(void)state;
	assert_int_equal(hear_known(4, 0, 121), CHANNEL_STOPPED);
	assert_int_equal(hear_known(0, 1, 150), CHANNEL_STOPPED);
}

static void
test_says_nothing(void **state)
{
	(void)state;
	assert_int_equal(hear_known(0, 0, 500), CHANNEL_STOPPED);
}

/* A client that takes nothing is awaited in the same way. */
static void
test_vanished_with_replies_left(void **state)
{
	enum channel_result result = CHANNEL_DONE;
	char much[4096] = "";
	size_t length;

	(void)state;
	known = (struct tcp_info){.tcpi_unacked = 9, .tcpi_last_ack_recv = LONG_MS};
	for (int i = 0; i < 1024 && result == CHANNEL_DONE; i++)
		result = channel_write(&line.channel, much, sizeof(much),
		    clock_now() + LONG_MS, &length);
	assert_int_equal(result, CHANNEL_BROKEN);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_looks_for_the_prompt, set_up,
	        tear_down),
	    cmocka_unit_test_setup_teardown(test_sleeps_for_the_slow, set_up,
	        tear_down),
	    cmocka_unit_test_setup_teardown(test_stopped_while_it_looks, set_up,
	        tear_down),
	    cmocka_unit_test_setup_teardown(test_stopped_under_a_flood, set_up,
	        tear_down),
	    cmocka_unit_test_setup_teardown(test_stop_that_was_taken, set_up,
	        tear_down),
	    cmocka_unit_test_setup_teardown(test_vanished, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(test_takes_nothing, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(test_says_nothing, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(test_vanished_with_replies_left, set_up,
	        tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
