/*
 * AUTH (RFC 5034, RFC 1734): the exchange of challenges and responses of one
 * attempt, from the command to its end.
 */
#ifndef POPLAR_SESSION_SASL_H
#define POPLAR_SESSION_SASL_H

#include <stdbool.h>
#include <stddef.h>

#include "client.h"

struct mechanism;

/* One attempt; holds secrets, wiped with it. */
struct sasl {
	const struct mechanism *mechanism;
	/* takes the next response, decoded and terminated */
	enum verdict (*next)(struct client *client, char *data, size_t length);
	char name[IPC_NAME_MAX];
};

/* Whether AUTH would accept any mechanism now. */
bool sasl_offered(const struct client *client);

/* Adds those that AUTH would accept to the output, a blank before each. */
void sasl_list(struct client *client);

/* The next line of the client's, which belongs to the attempt. Cut and decoded in place. */
enum verdict sasl_response(struct client *client, char *line, size_t length);

/* Forgets the attempt, if there is one. */
void sasl_cancel(struct client *client);

#endif
