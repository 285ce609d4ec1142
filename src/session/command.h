/*
 * The commands: one table whose rows hold every fact about a command; their
 * handlers, and what these share.
 */
#ifndef POPLAR_SESSION_COMMAND_H
#define POPLAR_SESSION_COMMAND_H

#include <stddef.h>
#include <stdint.h>

#include "client.h"

/* What a command takes, parsed and checked before its handler runs. */
enum form {
	FORM_NONE,          /* nothing */
	FORM_NAME,          /* one word of 1 to 255 octets */
	FORM_MAYBE_NAME,    /* likewise, or nothing */
	FORM_TWO_WORDS,     /* a name and a digest */
	FORM_MAYBE_WORDS,   /* up to two, the second of any length */
	FORM_REST,          /* every octet after the first blank, 1 to 255 */
	FORM_MESSAGE,       /* a live message */
	FORM_MAYBE_MESSAGE, /* a live message, or nothing */
	FORM_MESSAGE_LINES, /* a live message and a number of lines */
	FORMS
};

struct args {
	char *first, *second; /* words, terminated */
	uint32_t message;     /* a live message-number; 0: none given */
	uint64_t lines;
};

struct command {
	char verb[5];
	unsigned char states; /* enum state, or-ed */
	unsigned char form;   /* enum form */
	const char *usage;    /* behind "usage: " in a refusal */
	enum verdict (*run)(struct client *client, const struct args *args);
	/* the answer where messages cannot be told of; NULL: it asks of none */
	enum verdict (*unread)(struct client *client, enum md_error error);
};

/*
 * Parses one line (RFC 1725 section 3) and runs its command, or answers with
 * one -ERR and does nothing. The line is cut into words in place.
 */
enum verdict command_run(struct client *client, char *line, size_t length);

/* Handlers of AUTHORIZATION, in authorization.c. */
enum verdict run_user(struct client *client, const struct args *args);
enum verdict run_pass(struct client *client, const struct args *args);
enum verdict run_apop(struct client *client, const struct args *args);
enum verdict run_stls(struct client *client, const struct args *args);

/* Whether a password may come over this connection (auth.cleartext). */
bool cleartext_allowed(const struct client *client);

/* Whether STLS would be obeyed: there is a certificate, and no TLS yet. */
bool stls_allowed(const struct client *client);

/* session.login_delay in seconds, as clients are told it: rounded up. */
unsigned login_delay_seconds(const struct client *client);

/* In mechanisms.c. */
enum verdict run_auth(struct client *client, const struct args *args);

/*
 * A login by a name and a secret, decided by the monitor; opens the maildrop
 * and answers, with success or not.
 */
enum verdict login_with_secret(struct client *client, enum ipc_mech mech,
    const char *name, const char *secret);

/*
 * The same in two steps. What the monitor answered to a login, if it did:
 * true if the maildrop is to be opened, else the client was answered and
 * *verdictp is what the handler returns.
 */
bool login_permitted(struct client *client, bool answered,
    const struct ipc_login_reply *reply, enum verdict *verdictp);
enum verdict login_open(struct client *client);

/* Handlers of TRANSACTION, in transaction.c. */
enum verdict run_stat(struct client *client, const struct args *args);
enum verdict run_list(struct client *client, const struct args *args);
enum verdict run_uidl(struct client *client, const struct args *args);
enum verdict run_retr(struct client *client, const struct args *args);
enum verdict run_top(struct client *client, const struct args *args);
enum verdict run_dele(struct client *client, const struct args *args);
enum verdict run_rset(struct client *client, const struct args *args);
enum verdict run_noop(struct client *client, const struct args *args);
enum verdict run_last(struct client *client, const struct args *args);

/* Nothing can be told of a message: answers why, and ends the session or not. */
enum verdict refuse_unread(struct client *client, enum md_error error);

/*
 * Likewise without an answer, for the log alone tells why: at UIDL, whose -ERR
 * clients take for a server that has no unique-ids.
 */
enum verdict end_unread(struct client *client, enum md_error error);

/*
 * What a client is told of a maildrop that could not be read or changed, in
 * English, static; NULL where the disk failed, of which each command says what
 * follows.
 */
const char *fault_text(enum md_error error);

/* Handlers of more than one state, in common.c. */
enum verdict run_quit(struct client *client, const struct args *args);
enum verdict run_capa(struct client *client, const struct args *args);
enum verdict run_rpop(struct client *client, const struct args *args);

/* Handlers of RFC 6856, in international.c. */
enum verdict run_lang(struct client *client, const struct args *args);
enum verdict run_utf8(struct client *client, const struct args *args);

/* Whether UTF8 is offered (session.utf8). */
bool utf8_offered(const struct client *client);

/*
 * Whether a message may be sent in the client's mode (RFC 6856 section 2). An
 * error of the maildrop is returned.
 */
enum md_error utf8_permits(struct client *client, uint32_t message, bool *permitsp);

#endif
