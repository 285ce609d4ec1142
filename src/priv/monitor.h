/*
 * The monitor: one process a connection, with the privilege the program was
 * started with and without the client's socket. It authenticates, opens,
 * locks, logs and recovers for its session, which it forks and outlives.
 */
#ifndef POPLAR_PRIV_MONITOR_H
#define POPLAR_PRIV_MONITOR_H

#include <stdbool.h>

#include "config.h"
#include "session.h"
#include "table.h"

/* What an UPDATE, or the end of one, may take: of any size, on any disk. */
#define MONITOR_UPDATE_MS 600000

struct monitor_setup {
	const struct config *config;
	const struct sandbox *sandbox;
	int client_in,
	    client_out;      /* given away: closed once the session has them */
	int life;            /* end of file: the daemon is going down; or -1 */
	struct table *table; /* NULL without a listener */
	struct row *row;
	bool local;             /* the peer is loopback, or no socket */
	bool proxy;             /* a PROXY header comes first */
	bool tls_now;           /* TLS from the first octet */
	struct ssl_ctx_st *tls; /* NULL: no TLS; borrowed */
	bool apop;              /* some user has an APOP secret */
	bool scram;             /* users_offer_scram(), no other back end */
	char address[SESSION_ADDRESS_MAX]; /* printable, for log lines and PAM */
};

/*
 * Serves one client to its end. Returns 0, or an exit code if the session
 * could not be started. SIGUSR1 kicks it, if blocked by the caller already.
 */
int monitor_run(const struct monitor_setup *setup);

/*
 * Finishes an interrupted UPDATE in one state folder and clears a dotlock
 * left by a dead session. Returns 0, or 1 if it must be tried again.
 */
int monitor_recover(const struct monitor_setup *setup, const char *state_name);

#endif
