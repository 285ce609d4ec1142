/*
 * The PROXY protocol, versions 1 and 2, as a proxy in front sends it once,
 * before anything of the client's (the specification is HAProxy's
 * proxy-protocol.txt).
 */
#ifndef POPLAR_SESSION_PROXY_H
#define POPLAR_SESSION_PROXY_H

#include <stdbool.h>
#include <stddef.h>

#include "network.h"

/* What a header of each version begins with; the second holds a NUL. */
#define PROXY_V1_START "PROXY "
#define PROXY_V2_START "\r\n\r\n\0\r\nQUIT\n"

/* Octets of a header that are taken at most, extensions included. */
#define PROXY_MAX 2048

enum proxy_result {
	PROXY_MORE, /* so far it may become a header */
	PROXY_DONE,
	PROXY_BAD
};

struct proxy_header {
	bool known; /* else: the proxy speaks for itself, or does not know */
	unsigned char address[NETWORK_OCTETS]; /* the client's */
	size_t need;   /* PROXY_MORE: octets that certainly belong to it still */
	size_t length; /* octets of the header */
};

/*
 * Looks at the first octets of a connection; any number of them, again and
 * again with more, so that a caller need not read past the header. A checksum
 * of version 2 is verified, other extensions are passed over.
 */
enum proxy_result proxy_parse(const char *octets, size_t length,
    struct proxy_header *header);

#endif
