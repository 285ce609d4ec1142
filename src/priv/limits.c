/*
 * The limits on connections. Runs as root, in the listener, before anything
 * is spent on a connection; of a proxy's client a monitor logs the refusal.
 */
#include "limits.h"

#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

#include "clock.h"
#include "log.h"

#define LINE_EVERY_MS 1000
#define FULL_EVERY_MS 60000

/*
 * To be refused costs a client next to nothing: a line for each would fill the log,
 * or make syslog drop what others write. Those without one are counted.
 */
void
limits_log(struct table *table, const char *address, const char *text)
{
	const uint64_t now = clock_now();
	uint64_t told = table->refusal_told;

	if ((told != 0 && now - told < LINE_EVERY_MS) ||
	    !atomic_compare_exchange_strong(&table->refusal_told, &told, now))
		table->refusals_untold++;
	else
		log_info("ip=%s refused: %s untold=%u", address, text,
		    atomic_exchange(&table->refusals_untold, 0));
}

void
limits_refuse(struct table *table, const struct peer *peer, const char *text)
{
	limits_log(table, peer->address, text);
	peer_refuse(peer->fd, peer->tls, text);
	close(peer->fd);
}

/* An attack, or a limit that is too low: nothing else shows that some are dropped. */
static void
tell_full(const struct config *config, struct table *table)
{
	const uint64_t now = clock_now();

	if (table->full_told != 0 && now - table->full_told < FULL_EVERY_MS)
		return;
	table->full_told = now;
	log_warning("session.max = %llu is reached: the oldest connections that "
	            "have not logged in are dropped",
	    (unsigned long long)config->session.max);
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
		limits_refuse(table, peer, text);
		return false;
	}
	if (table_used(table) < config->session.max)
		return true;
	oldest = table_oldest_waiting(table);
	if (oldest != NULL) {
		tell_full(config, table);
		table_kick(oldest);
		return true;
	}
	snprintf(text, sizeof(text), "too many connections (session.max = %llu)",
	    (unsigned long long)config->session.max);
	limits_refuse(table, peer, text);
	return false;
}
