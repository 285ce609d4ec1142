/*
 * Lines in and replies out, over a socket pair: any portions, the limits, what
 * speaks another protocol, every end, and that nothing stays of a secret.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "session/monitor_link.h"
#include "session/stream.h"

/* A literal with its octets, NULs too. */
#define OCTETS(text) (text), sizeof(text) - 1

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

struct ends {
	struct stream stream;
	int wire, monitor; /* the far ends */
	struct monitor_link link;
	char *line; /* the last one */
	size_t length;
};

static struct ends *
open_ends(void)
{
	struct ends *e = calloc(1, sizeof(*e));
	int wire[2], pair[2];

	assert_non_null(e);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, wire),
	    0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
	e->link.fd = pair[1];
	assert_true(stream_open(&e->stream, wire[1], wire[1], &e->link));
	e->stream.idle_ms = e->stream.stall_ms = 100;
	e->wire = wire[0];
	e->monitor = pair[0];
	return e;
}

static void
close_ends(struct ends *e)
{
	close(e->wire);
	close(e->monitor);
	close(e->link.fd);
	close(e->stream.channel.in);
	munmap(e->stream.outbuf, STREAM_OUT_SIZE);
	free(e);
}

static void
put(struct ends *e, const char *octets, size_t length)
{
	assert_int_equal(send(e->wire, octets, length, MSG_NOSIGNAL), length);
}

/* So many octets, all the same. */
static void
put_many(struct ends *e, char octet, size_t count)
{
	char *octets = malloc(count + 1);

	assert_non_null(octets);
	memset(octets, octet, count);
	put(e, octets, count);
	free(octets);
}

static enum stream_event
next(struct ends *e)
{
	return stream_line(&e->stream, &e->line, &e->length);
}

static void
assert_line(struct ends *e, const char *octets, size_t length)
{
	assert_int_equal(next(e), STREAM_LINE);
	assert_int_equal(e->length, length);
	assert_memory_equal(e->line, octets, length);
	assert_int_equal(e->line[length], '\0');
}

static void
assert_end(struct ends *e, enum stream_fault fault)
{
	assert_int_equal(next(e), STREAM_END);
	assert_int_equal(e->stream.fault, fault);
	/* and it stays the first */
	assert_int_equal(next(e), STREAM_END);
	assert_int_equal(e->stream.fault, fault);
}

/* In portions of one octet, of two, and so on; a line is taken once it is whole. */
static void
test_portions(void **state)
{
	static const char text[] = "NOOP\r\nLIST 1\n\r\n\n a\rb\r\r\n\0c\0\r\nrest";
	static const struct {
		const char *octets;
		size_t length;
	} lines[] = {
	    {OCTETS("NOOP")},
	    {OCTETS("LIST 1")},
	    {OCTETS("")},
	    {OCTETS("")},
	    {OCTETS(" a\rb\r")},
	    {OCTETS("\0c\0")},
	};

	(void)state;
	for (size_t portion = 1; portion < sizeof(text); portion++) {
		struct ends *e = open_ends();
		size_t taken = 0;

		for (size_t at = 0; at < sizeof(text) - 1; at += portion) {
			size_t length = sizeof(text) - 1 - at;

			length = length < portion ? length : portion;
			put(e, text + at, length);
			for (size_t i = 0; i < length; i++) {
				if (text[at + i] != '\n')
					continue;
				assert_line(e, lines[taken].octets,
				    lines[taken].length);
				taken++;
			}
		}
		assert_int_equal(taken, COUNT(lines));
		/* what has no line end is no line */
		shutdown(e->wire, SHUT_WR);
		assert_end(e, STREAM_CLOSED);
		close_ends(e);
	}
}

/* With the line end: RFC 2449 section 4, RFC 5034 section 4. */
static void
test_limits(void **state)
{
	static const struct {
		const char *begin;
		bool responding;
		size_t most;
	} rows[] = {
	    {"x",      false, STREAM_LINE_MAX},
	    {"AUTHX ", false, STREAM_LINE_MAX},
	    {"AUTH",   false, STREAM_LINE_MAX},
	    {"AUTH ",  false, STREAM_AUTH_MAX},
	    {"auth\t", false, STREAM_AUTH_MAX},
	    {"x",      true,  STREAM_AUTH_MAX},
	};
	struct ends *e = open_ends();

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		const size_t length = strlen(rows[i].begin);

		e->stream.responding = rows[i].responding;
		for (size_t over = 0; over < 2; over++) {
			put(e, rows[i].begin, length);
			put_many(e, 'x', rows[i].most - 2 - length + over);
			put(e, OCTETS("\r\n"));
			assert_int_equal(next(e), over ? STREAM_LONG : STREAM_LINE);
		}
		put_many(e, 'y', 100000);
		put(e, OCTETS("\r\nNOOP\r\n"));
		assert_int_equal(next(e), STREAM_LONG);
		assert_line(e, OCTETS("NOOP"));
	}
	close_ends(e);
}

static void
test_foreign(void **state)
{
	static const struct {
		const char *octets;
		size_t length;
		const char *name;
	} rows[] = {
	    {OCTETS("\x16\x03\x01"),                 "TLS"  },
	    {OCTETS("SSH-2.0-x\r\n"),                "SSH"  },
	    {OCTETS("GET / HTTP/1.1\r\n\r\n"),       "HTTP" },
	    {OCTETS("CONNECT x:25 HTTP/1.1\r\n"),    "HTTP" },
	    {OCTETS("PROXY UNKNOWN\r\n"),            "PROXY"},
	    {OCTETS("\r\n\r\n\0\r\nQUIT\n\x20\0\0"), "PROXY"},
	};
	static const struct {
		const char *octets;
		size_t length;
	} ours[] = {
	    {OCTETS("\r\n")},
	    {OCTETS("\r\n\r\n\0\r\n")},
	    {OCTETS("get / HTTP\r\n")},
	    {OCTETS("PROXYX\r\n")},
	    {OCTETS("NOOP\r\nGET / HTTP/1.1\r\n")},
	    {OCTETS("NOOP\r\nSSH-2.0-x\r\n")},
	};
	struct ends *e;

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		e = open_ends();
		put(e, rows[i].octets, rows[i].length);
		assert_int_equal(next(e), STREAM_FOREIGN);
		assert_string_equal(e->stream.foreign, rows[i].name);
		close_ends(e);
	}
	for (size_t i = 0; i < COUNT(ours); i++) {
		e = open_ends();
		put(e, ours[i].octets, ours[i].length);
		shutdown(e->wire, SHUT_WR);
		while (next(e) == STREAM_LINE)
			continue;
		assert_int_equal(e->stream.fault, STREAM_CLOSED);
		close_ends(e);
	}
	/* the middle of a line is not its beginning */
	e = open_ends();
	put_many(e, 'x', 16384);
	put(e, OCTETS("GET / HTTP/1.1\r\n"));
	assert_int_equal(next(e), STREAM_LONG);
	close_ends(e);
}

static void
test_ends(void **state)
{
	struct ends *e = open_ends();

	(void)state;
	put(e, OCTETS("NOOP"));
	assert_end(e, STREAM_IDLE);
	assert_false(stream_can_send(&e->stream));
	close_ends(e);
	e = open_ends();
	put(e, OCTETS("NOOP\r\n"));
	shutdown(e->wire, SHUT_WR);
	assert_line(e, OCTETS("NOOP"));
	assert_end(e, STREAM_CLOSED);
	assert_true(stream_can_send(&e->stream));
	close_ends(e);
	/* the monitor goes before a line that waits */
	e = open_ends();
	assert_int_equal(send(e->monitor, "stop", 4, 0), 4);
	put(e, OCTETS("NOOP\r\n"));
	assert_end(e, STREAM_STOPPED);
	close_ends(e);
}

/* A client that never ends its line: once it is late, no more of it is read. */
static void
test_endless_line(void **state)
{
	struct ends *e = open_ends();
	char octet;

	(void)state;
	e->stream.idle_ms = 0;
	put_many(e, 'x', (size_t)2 * STREAM_IN_SIZE);
	assert_end(e, STREAM_IDLE);
	assert_int_equal(read(e->stream.channel.in, &octet, 1), 1);
	close_ends(e);
}

/* A client that reads nothing: what does not fit ends the stream, in time. */
static void
test_stalled(void **state)
{
	struct ends *e = open_ends();
	char text[4096];

	(void)state;
	memset(text, 'z', sizeof(text));
	for (size_t i = 0; i < 1024 && e->stream.fault == STREAM_FINE; i++)
		stream_put(&e->stream, text, sizeof(text));
	assert_int_equal(e->stream.fault, STREAM_STALLED);
	put(e, OCTETS("QUIT\r\n"));
	assert_end(e, STREAM_STALLED);
	close_ends(e);
}

/* Replies wait while whole lines do, and go out before a wait for more. */
static void
test_replies_gather(void **state)
{
	struct ends *e = open_ends();
	char got[64];

	(void)state;
	put(e, OCTETS("A\r\nB\r\nC"));
	assert_line(e, OCTETS("A"));
	stream_format(&e->stream, "+OK %d\r\n", 1);
	assert_line(e, OCTETS("B"));
	assert_int_equal(recv(e->wire, got, sizeof(got), 0), -1);
	assert_int_equal(errno, EAGAIN);
	stream_put(&e->stream, OCTETS("+OK 2\r\n"));
	assert_true(stream_has_input(&e->stream));
	assert_int_equal(next(e), STREAM_END);
	assert_int_equal(recv(e->wire, got, sizeof(got), 0), 14);
	assert_memory_equal(got, "+OK 1\r\n+OK 2\r\n", 14);
	close_ends(e);
}

/* Wherever in the buffer it was, moved by what came behind it or not. */
static void
test_wiped(void **state)
{
	static const char secret[] = "PASS hunter2hunter2";
	struct ends *e = open_ends();

	(void)state;
	for (size_t before = 0; before < 40; before++) {
		for (size_t i = 0; i < before; i++)
			put(e, OCTETS("NOOP\r\n"));
		put(e, secret, 12);
		for (size_t i = 0; i < before; i++)
			assert_line(e, OCTETS("NOOP"));
		put(e, secret + 12, sizeof(secret) - 13);
		put(e, OCTETS("\r\nSTAT\r\nLI"));
		assert_line(e, OCTETS(secret));
		stream_wipe(&e->stream);
		assert_null(
		    memmem(e->stream.inbuf, sizeof(e->stream.inbuf), "hunter", 6));
		assert_line(e, OCTETS("STAT"));
		put(e, OCTETS("ST\r\n"));
		assert_line(e, OCTETS("LIST"));
	}
	close_ends(e);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_portions),
	    cmocka_unit_test(test_limits),
	    cmocka_unit_test(test_foreign),
	    cmocka_unit_test(test_ends),
	    cmocka_unit_test(test_endless_line),
	    cmocka_unit_test(test_stalled),
	    cmocka_unit_test(test_replies_gather),
	    cmocka_unit_test(test_wiped),
	};

	return cmocka_run_group_tests_name("stream", tests, NULL, NULL);
}
