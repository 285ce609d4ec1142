/*
 * Where to listen: the addresses that listen.pop3 and listen.pop3s stand for.
 */
#ifndef POPLAR_PRIV_PLACES_H
#define POPLAR_PRIV_PLACES_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

#include "config.h"

#define PLACES_MAX 32

struct place {
	struct sockaddr_storage address;
	socklen_t length;
	bool tls;      /* from the first octet */
	bool any;      /* of "*": a machine may lack the family */
	unsigned word; /* which of the configured ones it came from, from 1 */
	char name[CONFIG_HOST_MAX + sizeof(" port ") + CONFIG_PORT_MAX];
};

struct places {
	size_t count;
	struct place at[PLACES_MAX];
};

/* Whether the configuration names an address at all; if not, that is logged. */
bool places_wanted(const struct config *config);

/*
 * Looks all of them up. Returns the number of faults, each logged: what stands
 * for nothing, and what cannot be bound beside another of them.
 */
int places_find(const struct config *config, struct places *places);

/*
 * Whether two addresses, without an octet that has no meaning, are the same or
 * one is that port on every address: the kernel binds one of them alone.
 */
bool places_meet(const struct sockaddr_storage *a,
    const struct sockaddr_storage *b);

#endif
