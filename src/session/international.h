/*
 * UTF8 (RFC 6856), for what depends on the client's mode.
 */
#ifndef POPLAR_SESSION_INTERNATIONAL_H
#define POPLAR_SESSION_INTERNATIONAL_H

#include "client.h"

/* Whether UTF8 is offered (session.utf8). */
bool utf8_offered(const struct client *client);

/*
 * Whether a message may be sent in the client's mode (RFC 6856 section 2). An
 * error of the maildrop is returned.
 */
enum md_error utf8_permits(struct client *client, uint32_t message, bool *permitsp);

#endif
