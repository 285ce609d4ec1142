/*
 * The commands: one table whose rows hold every fact about a command; and
 * their handlers.
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
enum verdict run_rpop(struct client *client, const struct args *args);

/* AUTH, in mechanisms.c. */
enum verdict run_auth(struct client *client, const struct args *args);

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

/* Handlers of both states, in quit.c and capa.c. */
enum verdict run_quit(struct client *client, const struct args *args);
enum verdict run_capa(struct client *client, const struct args *args);

/* Handlers of RFC 6856, in international.c. */
enum verdict run_lang(struct client *client, const struct args *args);
enum verdict run_utf8(struct client *client, const struct args *args);

#endif
