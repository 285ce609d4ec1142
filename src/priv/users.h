/*
 * The users file as a whole: what it means for what is offered, and its
 * faults.
 */
#ifndef POPLAR_PRIV_USERS_H
#define POPLAR_PRIV_USERS_H

#include <stdbool.h>

#include "config.h"

/* Whether `users` is one of the back ends; else nobody asks for the file. */
bool users_is_used(const struct config *config);

/*
 * Whether any user of the users file has an APOP secret: then, and only then,
 * the greeting holds a timestamp. No secret stays in memory. An absent file
 * has none.
 */
bool users_offer_apop(const char *path);

/*
 * Whether SCRAM may be offered unasked: some user of the users file can use
 * it, and nobody who logs in with a password cannot: a client that prefers a
 * mechanism it then fails with seldom tries another.
 */
bool users_offer_scram(const char *path);

/*
 * Reads the whole users file and logs each fault with its line, and with a
 * warning how many users have a uid that cannot log in. Returns the number of
 * faults; a file that is absent, or not used, has none.
 */
unsigned users_verify(const struct config *config);

#endif
