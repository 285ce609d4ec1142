/*
 * From the addresses of the configuration to those that are bound. Runs with
 * whatever privilege the caller has; binds nothing, so that `poplard -t` finds
 * what a start would.
 */
#include "places.h"

#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "log.h"

static in_port_t
port_of(const struct sockaddr_storage *address)
{
	return address->ss_family == AF_INET
	           ? ((const struct sockaddr_in *)address)->sin_port
	           : ((const struct sockaddr_in6 *)address)->sin6_port;
}

static bool
is_any(const struct sockaddr_storage *address)
{
	if (address->ss_family == AF_INET)
		return ((const struct sockaddr_in *)address)->sin_addr.s_addr ==
		       htonl(INADDR_ANY);
	return IN6_IS_ADDR_UNSPECIFIED(
	    &((const struct sockaddr_in6 *)address)->sin6_addr);
}

bool
places_meet(const struct sockaddr_storage *a, const struct sockaddr_storage *b)
{
	return a->ss_family == b->ss_family && port_of(a) == port_of(b) &&
	       (is_any(a) || is_any(b) || memcmp(a, b, sizeof(*a)) == 0);
}

/* What a host and a port stand for, to be freed; NULL: nothing, which is logged. */
static struct addrinfo *
resolve(const char *host, const char *port)
{
	const struct addrinfo hints = {.ai_flags = AI_PASSIVE | AI_NUMERICSERV,
	    .ai_family = AF_UNSPEC,
	    .ai_socktype = SOCK_STREAM};
	struct addrinfo *list;
	int error = getaddrinfo(strcmp(host, "*") == 0 ? NULL : host, port, &hints,
	    &list);

	if (error == 0)
		return list;
	log_error("cannot listen on %s port %s: %s", host, port,
	    gai_strerror(error));
	return NULL;
}

/*
 * Takes one in; a name may stand for an address twice. False, logged: there is
 * no room, or another is in its way.
 */
static bool
add(struct places *places, const struct place *place)
{
	for (size_t i = 0; i < places->count; i++) {
		const struct place *other = &places->at[i];

		if (!places_meet(&other->address, &place->address))
			continue;
		if (other->word == place->word)
			return true;
		log_error("cannot listen on %s and on %s: one address cannot be "
		          "bound twice; remove one of the two",
		    other->name, place->name);
		return false;
	}
	if (places->count == PLACES_MAX) {
		log_error("cannot listen on %s: more than %d addresses",
		    place->name, PLACES_MAX);
		return false;
	}
	places->at[places->count++] = *place;
	return true;
}

/* All addresses of one word; false: a fault, logged. */
static bool
add_word(struct places *places, struct place *place, const char *host,
    const char *port)
{
	struct addrinfo *list = resolve(host, port);
	bool good = list != NULL;

	snprintf(place->name, sizeof(place->name), "%s port %s", host, port);
	place->any = strcmp(host, "*") == 0;
	place->word++;
	for (const struct addrinfo *entry = list; good && entry != NULL;
	     entry = entry->ai_next) {
		memset(&place->address, 0, sizeof(place->address));
		memcpy(&place->address, entry->ai_addr, entry->ai_addrlen);
		place->length = entry->ai_addrlen;
		good = add(places, place);
	}
	if (list != NULL)
		freeaddrinfo(list);
	return good;
}

bool
places_wanted(const struct config *config)
{
	if (config->listen.pop3[0] != '\0' || config->listen.pop3s[0] != '\0')
		return true;
	log_error("listen.pop3 and listen.pop3s are empty: nothing to listen on");
	return false;
}

int
places_find(const struct config *config, struct places *places)
{
	const char *lists[] = {config->listen.pop3, config->listen.pop3s};
	char host[CONFIG_HOST_MAX], port[CONFIG_PORT_MAX];
	struct place place = {.word = 0};
	int faults = 0;

	places->count = 0;
	for (size_t i = 0; i < 2; i++) {
		place.tls = i == 1;
		while (config_next_address(&lists[i], host, port) == 1)
			faults += !add_word(places, &place, host, port);
	}
	return faults;
}
