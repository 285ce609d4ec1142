/*
 * The listening sockets.
 */
#ifndef POPLAR_PRIV_SOCKETS_H
#define POPLAR_PRIV_SOCKETS_H

#include <stddef.h>

#define SOCKETS_MAX 32

struct sockets {
	int fds[SOCKETS_MAX];
	size_t count;
};

/*
 * Binds every address of a list like listen.pop3, all or none. Sockets of
 * `old` (may be NULL) that are bound to an address already are taken over, so
 * that a reload never frees a port. 0, or -1 with the address and the reason
 * logged.
 */
int sockets_open(
    const char *addresses, const struct sockets *old, struct sockets *sockets);

/* Takes over sockets that systemd passed, descriptors 3 to 3 + count - 1. */
void sockets_adopt(int count, struct sockets *sockets);

/* Closes all that are not also in `keep` (may be NULL). */
void sockets_close(const struct sockets *sockets, const struct sockets *keep);

#endif
