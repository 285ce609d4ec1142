/*
 * How many connections there may be: in all, and from one address.
 */
#ifndef POPLAR_PRIV_LIMITS_H
#define POPLAR_PRIV_LIMITS_H

#include <stdbool.h>

#include "config.h"
#include "peer.h"
#include "table.h"

/*
 * Whether a new connection may be served. Over session.max the oldest one
 * that has not logged in is told to go; without such a one, or over
 * session.max_per_address (loopback and proxies are exempt), the new one is
 * refused with a line that names the limit, and closed.
 */
bool limits_admit(const struct config *config, struct table *table,
    const struct peer *peer);

/*
 * Sends one -ERR line without waiting (none under TLS), logs it as below, closes
 * the connection.
 */
void limits_refuse(struct table *table, const struct peer *peer, const char *text);

/* Logs that a connection was refused, at most once a second for all together. */
void limits_log(struct table *table, const char *address, const char *text);

#endif
