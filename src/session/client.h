/*
 * One client's session: its state, and what command handlers share.
 */
#ifndef POPLAR_SESSION_CLIENT_H
#define POPLAR_SESSION_CLIENT_H

#include <stdbool.h>
#include <stdint.h>

#include "config.h"
#include "ipc.h"
#include "language.h"
#include "maildrop.h"
#include "monitor_link.h"
#include "session.h"
#include "stream.h"

/* RFC 1725 section 3; bits, so that a command can name several. */
enum state { AUTHORIZATION = 1, TRANSACTION = 2, UPDATE = 4 };

/* What the loop does after a handler. */
enum verdict {
	GO_ON,
	CLOSE, /* send what is there, then close */
	DROP   /* close at once, so that a reply stays visibly unfinished */
};

struct sasl;

struct client {
	const struct session_setup *setup;
	struct monitor_link link;
	enum state state;                /* written by client_enter() only */
	enum ipc_end_reason reason;      /* of the end; 0 until known */
	const struct language *language; /* of human texts: RFC 6856 section 3 */
	bool local;                      /* the client is on this machine */
	bool utf8;                       /* UTF8 was given */
	bool certified;          /* the monitor can look at its certificate */
	char user[IPC_NAME_MAX]; /* of USER, for the line behind it; else empty */
	bool named;              /* this line was that USER */
	unsigned failures;       /* failed logins */
	struct sasl *sasl;       /* AUTH has begun; else NULL */
	unsigned long_lines;
	struct maildrop *maildrop;    /* in TRANSACTION; else NULL */
	struct md_fds fds;            /* ours, -1 where none */
	uint32_t last, last_at_login; /* LAST, RFC 1081 */
	struct ipc_end tally;         /* for the log */
	struct stream stream;         /* last: most of it is never touched */
};

/* Ends the session in a way that the log names. Returns verdict. */
enum verdict client_end(struct client *client, enum ipc_end_reason reason,
    enum verdict verdict);

/* A login failed: GO_ON, or the end once there were auth.max_attempts. */
enum verdict client_failed(struct client *client);

/* The one function that changes the state. */
void client_enter(struct client *client, enum state state);

/* Notes for the log what QUIT would leave in the maildrop, were it given now. */
void client_tally_left(struct client *client);

/* Closes the maildrop and its descriptors; the session lock goes with them. */
void client_release(struct client *client);

/* Turns the connection to TLS; false: it failed, and the stream has a fault. */
bool client_start_tls(struct client *client);

/* One line of a reply, CRLF added, in the client's language (language.h). */
void client_say(struct client *client, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* "-ERR text" likewise: one line, state unchanged. Always GO_ON. */
enum verdict client_refuse(struct client *client, const char *text);

#endif
