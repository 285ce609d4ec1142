/*
 * The listening sockets.
 */
#ifndef POPLAR_PRIV_SOCKETS_H
#define POPLAR_PRIV_SOCKETS_H

#include <stdbool.h>
#include <stddef.h>

#include "places.h"

#define SOCKETS_MAX PLACES_MAX

struct sockets {
	int fds[SOCKETS_MAX];
	bool tls[SOCKETS_MAX]; /* from the first octet */
	size_t count;
};

/*
 * Binds every address of listen.pop3 and listen.pop3s, all or none. Sockets of
 * `old` (may be NULL) that are bound to an address already are taken over, so
 * that a reload never frees a port. 0, or -1 with the address and the reason
 * logged.
 */
int sockets_open(const struct config *config, const struct sockets *old,
    struct sockets *sockets);

/*
 * Looks whether sockets_open() would find addresses that this host has, and may
 * bind them; whether a port is free only that can tell. Returns the number of
 * faults, each logged.
 */
int sockets_check(const struct config *config);

/*
 * Takes over sockets that systemd passed, so many from SERVER_INHERITED on.
 * Those on port 995 are TLS.
 */
void sockets_adopt(int count, struct sockets *sockets);

/* The addresses as a person knows them, separated by blanks; may be cut. */
void sockets_name(const struct sockets *sockets, char *text, size_t size);

/* Closes all that are not also in `keep` (may be NULL). */
void sockets_close(const struct sockets *sockets, const struct sockets *keep);

#endif
