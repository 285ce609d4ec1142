/*
 * The limits on connections. Runs as root, in the listener, before anything
 * is spent on a connection.
 */
#include "limits.h"

#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "clock.h"
#include "log.h"

void
limits_refuse(const struct peer *peer, const char *text)
{
	log_info("ip=%s refused: %s", peer->address, text);
	peer_refuse(peer->fd, peer->tls, text);
	close(peer->fd);
}

static void
kick(struct row *row)
{
	row->kicked = clock_now();
	(void)kill(row->pid, SIGUSR1);
}

bool
limits_admit(const struct config *config, struct table *table,
    const struct peer *peer)
{
	unsigned char source[NETWORK_OCTETS];
	struct row *oldest;
	char text[128];

	peer_source(peer->ip, source);
	if (!peer->local && !peer->proxy &&
	    table_from(table, source) >= config->session.max_per_address) {
		snprintf(text, sizeof(text),
		    "too many connections from your address "
		    "(session.max_per_address = %llu)",
		    (unsigned long long)config->session.max_per_address);
		limits_refuse(peer, text);
		return false;
	}
	if (table_used(table) < config->session.max)
		return true;
	oldest = table_oldest_waiting(table);
	if (oldest != NULL) {
		kick(oldest);
		return true;
	}
	snprintf(text, sizeof(text), "too many connections (session.max = %llu)",
	    (unsigned long long)config->session.max);
	limits_refuse(peer, text);
	return false;
}
