/*
 * A session in AUTHORIZATION, line by line: the client's end of its wire and
 * the monitor's end of its pair are here, both socket pairs. What the monitor
 * answers is given first and sent once the line was read, as it would be.
 */
#ifndef POPLAR_TESTS_DIALOGUE_H
#define POPLAR_TESTS_DIALOGUE_H

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <openssl/ssl.h>

#include <cmocka.h>

#include "ipc.h"
#include "session/command.h"
#include "session/language.h"
#include "session/sasl.h"
#include "session/tls.h"
#include "text.h"

/* A literal with its octets, NULs too. */
#define OCTETS(text) (text), sizeof(text) - 1

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

#define ANSWERS_MAX 2

struct answer {
	union ipc_message message;
	size_t size, fds; /* descriptors that go with it, of empty files */
};

struct dialogue {
	struct client client;
	struct config config;
	struct session_setup setup;
	int wire, monitor; /* the far ends */
	SSL *ssl;          /* the client's end of TLS; NULL: plaintext */
	struct answer answers[ANSWERS_MAX];
	size_t answered;
	enum stream_event event; /* what the last line was, */
	enum verdict verdict;    /* and what came of it */
	char said[65536];        /* the replies to it */
};

static inline void
pair_of(int type, int pair[2])
{
	assert_int_equal(socketpair(AF_UNIX, type, 0, pair), 0);
}

/* A session with these mechanisms. */
static inline struct dialogue *
dialogue_begin(const char *mechanisms)
{
	/* a request that is not expected has no answer, and must not wait for it */
	const struct timeval soon = {.tv_usec = 200000};
	struct dialogue *d = calloc(1, sizeof(*d));
	int wire[2], pair[2];

	assert_non_null(d);
	pair_of(SOCK_STREAM | SOCK_NONBLOCK, wire);
	pair_of(SOCK_SEQPACKET, pair);
	assert_int_equal(
	    setsockopt(pair[1], SOL_SOCKET, SO_RCVTIMEO, &soon, sizeof(soon)), 0);
	d->wire = wire[0];
	d->monitor = pair[0];
	d->config.auth.mechanisms = strdup(mechanisms);
	d->config.auth.cleartext = CLEARTEXT_ALWAYS;
	d->config.auth.max_attempts = 3;
	d->config.session.expire = strdup("never");
	d->setup.config = &d->config;
	d->client.setup = &d->setup;
	d->client.state = AUTHORIZATION;
	d->client.language = &languages[0];
	d->client.fds = (struct md_fds){.mbox = -1, .index = -1, .journal = -1};
	d->client.link.fd = pair[1];
	assert_true(
	    stream_open(&d->client.stream, wire[1], wire[1], &d->client.link));
	d->client.stream.idle_ms = d->client.stream.stall_ms = 5000;
	return d;
}

static inline void
dialogue_end(struct dialogue *d)
{
	sasl_cancel(&d->client);
	client_release(&d->client);
	tls_end(d->client.stream.channel.tls);
	SSL_free(d->ssl);
	close(d->wire);
	close(d->monitor);
	close(d->client.stream.channel.in);
	close(d->client.link.fd);
	munmap(d->client.stream.outbuf, STREAM_OUT_SIZE);
	free(d->config.auth.mechanisms);
	free(d->config.session.expire);
	free(d);
}

/* The monitor's answer to the next line; fds: with so many descriptors. No size: it is gone. */
static inline void
answers(struct dialogue *d, const void *message, size_t size, size_t fds)
{
	struct answer *answer = &d->answers[d->answered++];

	assert_true(d->answered <= ANSWERS_MAX);
	memcpy(&answer->message, message, size);
	answer->size = size;
	answer->fds = fds;
}

/* The same to a login. */
static inline void
answers_login(struct dialogue *d, enum ipc_result result)
{
	const struct ipc_login_reply reply = {.type = IPC_LOGIN_REPLY,
	    .result = result,
	    .writable = 1,
	    .holder = "from 192.0.2.7",
	    .signature = "a signature of thirty-two octets"};

	answers(d, &reply, sizeof(reply), result == IPC_RESULT_OK ? 2 : 0);
}

static inline void
send_answers(struct dialogue *d)
{
	int fds[IPC_FDS_MAX];

	for (size_t i = 0; i < d->answered; i++) {
		const struct answer *answer = &d->answers[i];

		if (answer->size == 0)
			shutdown(d->monitor, SHUT_RDWR);
		for (size_t n = 0; n < answer->fds; n++)
			fds[n] = memfd_create("empty", MFD_CLOEXEC);
		assert_int_equal(ipc_send(d->monitor, &answer->message,
		                     answer->size, fds, answer->fds),
		    answer->size == 0 ? -1 : 0);
		for (size_t n = 0; n < answer->fds; n++)
			close(fds[n]);
	}
	d->answered = 0;
}

/* Octets from the client; whole, since the buffers of a socket hold them. */
static inline void
put(struct dialogue *d, const char *octets, size_t length)
{
	if (length == 0)
		return;
	if (d->ssl != NULL)
		assert_int_equal(SSL_write(d->ssl, octets, (int)length), length);
	else
		assert_int_equal(write(d->wire, octets, length), length);
}

/* What has come to the client, terminated. */
static inline void
get(struct dialogue *d)
{
	size_t length = 0;
	ssize_t n;

	do {
		const size_t room = sizeof(d->said) - 1 - length;

		n = d->ssl != NULL ? SSL_read(d->ssl, d->said + length, (int)room)
		                   : read(d->wire, d->said + length, room);
		length += n > 0 ? (size_t)n : 0;
	} while (n > 0);
	d->said[length] = '\0';
}

/* One line, without its line end, goes through the session; the replies. */
static inline const char *
say(struct dialogue *d, const char *octets, size_t length)
{
	struct client *client = &d->client;
	char *line;

	put(d, octets, length);
	put(d, "\r\n", 2);
	d->event = stream_line(&client->stream, &line, &length);
	send_answers(d);
	assert_in_range(d->event, STREAM_LINE, STREAM_LONG);
	if (d->event == STREAM_LONG)
		d->verdict = sasl_refuse(client, "line too long");
	else
		d->verdict = client->sasl != NULL
		                 ? sasl_response(client, line, length)
		                 : command_run(client, line, length);
	assert_int_equal(client->stream.responding,
	    client->sasl != NULL && d->verdict == GO_ON);
	stream_flush(&client->stream);
	get(d);
	return d->said;
}

/* The same with octets in base64 behind a command, or behind nothing. */
static inline const char *
say64(struct dialogue *d, const char *command, const char *octets, size_t length)
{
	const size_t before = strlen(command);
	char *line = malloc(before + TEXT_BASE64_SIZE(length));
	const char *said;

	assert_non_null(line);
	memcpy(line, command, before);
	text_to_base64(line + before, octets, length);
	said = say(d, line, strlen(line));
	free(line);
	return said;
}

/* What the session asked of its monitor; 0: nothing. */
static inline uint32_t
asked(struct dialogue *d, union ipc_message *message)
{
	ssize_t n = recv(d->monitor, message, sizeof(*message), MSG_DONTWAIT);

	if (n == -1)
		return 0;
	assert_true(ipc_valid(message, (size_t)n));
	return message->type;
}

/* The last line got one -ERR that begins so, and the attempt is over. */
static inline void
assert_refused(struct dialogue *d, const char *text)
{
	assert_memory_equal(d->said, "-ERR ", 5);
	assert_ptr_equal(strstr(d->said, "\r\n"), d->said + strlen(d->said) - 2);
	assert_memory_equal(d->said + 5, text, strlen(text));
	assert_null(d->client.sasl);
	assert_int_equal(d->client.state, AUTHORIZATION);
}

/* The same, and the monitor never heard of it. */
static inline void
assert_refused_here(struct dialogue *d, const char *text)
{
	union ipc_message message;

	assert_refused(d, text);
	assert_int_equal(asked(d, &message), 0);
	assert_int_equal(d->verdict, GO_ON);
}

/* The last line got a challenge; what it holds, in text. */
static inline void
assert_challenged(struct dialogue *d, char *text, size_t size)
{
	size_t length = strlen(d->said);

	assert_true(length >= 4);
	assert_memory_equal(d->said, "+ ", 2);
	assert_string_equal(d->said + length - 2, "\r\n");
	assert_true(
	    text_from_base64(d->said + 2, length - 4, text, size - 1, &length));
	text[length] = '\0';
	assert_non_null(d->client.sasl);
}

#endif
