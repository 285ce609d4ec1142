/*
 * What is permitted before login, for those who announce it.
 */
#ifndef POPLAR_SESSION_AUTHORIZATION_H
#define POPLAR_SESSION_AUTHORIZATION_H

#include "client.h"

/* Whether a password may come over this connection (auth.cleartext). */
bool cleartext_allowed(const struct client *client);

/* Whether STLS would be obeyed: there is a certificate, and no TLS yet. */
bool stls_allowed(const struct client *client);

#endif
