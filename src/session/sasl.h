/*
 * AUTH (RFC 5034, RFC 1734): the exchange of challenges and responses of one
 * attempt, from the command to its end.
 */
#ifndef POPLAR_SESSION_SASL_H
#define POPLAR_SESSION_SASL_H

#include <stdbool.h>
#include <stddef.h>

#include "client.h"

/* One step of a mechanism: takes a response, decoded and terminated. */
#define SASL_STEP(name)                                                            \
	enum verdict name(struct client *client, char *data, size_t length)

/* SCRAM's part of an attempt. */
struct sasl_scram {
	char header[1024];         /* gs2-header, as it came */
	char binding[64];          /* type of channel binding; empty: none */
	char nonce[IPC_AUTH_SIZE]; /* the client's part, then both */
	struct ipc_proof proof;    /* its message grows from step to step */
};

/* One attempt; holds secrets, wiped with it. */
struct sasl {
	enum ipc_mech mech;
	SASL_STEP((*next));
	bool challenged; /* the monitor waits for the end, or counts a failure */
	bool binding_offered; /* SCRAM-SHA-256-PLUS would be accepted now */
	char name[IPC_NAME_MAX];
	struct sasl_scram scram;
};

/*
 * The next line of the client's, which belongs to the attempt. Cut and decoded
 * in place.
 */
enum verdict sasl_response(struct client *client, char *line, size_t length);

/* The same of an initial response, which cannot cancel. */
enum verdict sasl_take(struct client *client, char *text, size_t length);

/* Forgets the attempt, if there is one. */
void sasl_cancel(struct client *client);

/* For mechanisms: a challenge, and who takes the response to it. GO_ON. */
enum verdict sasl_challenge(struct client *client, const char *text,
    SASL_STEP((*next)));

/*
 * Answers "-ERR text", which ends the attempt if there is one; the session too
 * if that holds a maildrop, or was the last failure of auth.max_attempts: a
 * challenge of SCRAM that is not answered is one.
 */
enum verdict sasl_refuse(struct client *client, const char *text);

/* The refusal of an authzid that is not the name. */
extern const char sasl_other_name[];

/* mechanisms.c: whether AUTH would accept any mechanism now. */
bool sasl_offered(const struct client *client);

/* Adds those that AUTH would accept to the output, a blank before each. */
void sasl_list(struct client *client);

/* PLAIN and LOGIN, in sasl_plain.c. */
SASL_STEP(plain_start);
SASL_STEP(login_start);

/* SCRAM, in sasl_scram.c, and whether it can bind to the channel. */
SASL_STEP(scram_start);
bool scram_can_bind(const struct client *client);

/* EXTERNAL, in sasl_external.c, and whether there is a name. */
SASL_STEP(external_start);
bool external_possible(const struct client *client);

#endif
