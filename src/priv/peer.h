/*
 * A connection: who is at its other end, and the options of its socket.
 */
#ifndef POPLAR_PRIV_PEER_H
#define POPLAR_PRIV_PEER_H

#include <stdbool.h>
#include <sys/socket.h>

#include "network.h"
#include "session.h"

struct peer {
	int fd;     /* set by whoever accepted it */
	bool tls;   /* from the first octet; likewise */
	bool proxy; /* in listen.proxy_networks; likewise */
	char
	    address[SESSION_ADDRESS_MAX]; /* printable; "local" without a network */
	unsigned char ip[NETWORK_OCTETS]; /* all zero without a network */
	bool local;                       /* loopback, or no network */
};

/* Describes an address as accept(2) or getpeername(2) gives it. */
void peer_describe(const struct sockaddr_storage *from, struct peer *peer);

/* What max_per_address counts: an IPv4 address, or an IPv6 /64. */
void peer_source(const unsigned char ip[NETWORK_OCTETS],
    unsigned char source[NETWORK_OCTETS]);

/*
 * A client's socket: not blocking, no Nagle delay, keepalive after 60 s, dead
 * after two minutes when nothing is on its way (else see session/channel.c). What
 * fails is left as it is.
 */
void peer_tune(int fd);

/*
 * Tells a client that no session will speak to: "-ERR [SYS/TEMP] text", without
 * waiting. Nothing under TLS, where no client would take it for a reply. fd may
 * be a pipe. The text has 200 octets at most.
 */
void peer_refuse(int fd, bool tls, const char *text);

#endif
