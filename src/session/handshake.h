/*
 * The messages of a TLS 1.3 handshake in which both sides showed a certificate
 * (RFC 8446 section 4), in their order, from the first ClientHello to the
 * client's CertificateVerify.
 */
#ifndef POPLAR_SESSION_HANDSHAKE_H
#define POPLAR_SESSION_HANDSHAKE_H

#include <stdbool.h>
#include <stddef.h>

/* A part of the handshake; borrowed. */
struct octets {
	const unsigned char *at;
	size_t left;
};

struct handshake {
	struct octets
	    retried; /* ClientHello before a HelloRetryRequest, or empty */
	struct octets covered;   /* what follows, to the client's Certificate */
	unsigned cipher;         /* suite, by its number */
	struct octets nonce;     /* of our extension in the CertificateRequest */
	struct octets server;    /* the server's certificate, in DER */
	struct octets chain;     /* the client's, for handshake_certificate() */
	unsigned scheme;         /* of the client's signature, by its number */
	struct octets signature; /* over all before it (section 4.4.3) */
};

/*
 * Takes a handshake apart. False: anything is missing, too much, or not in its
 * place. Says nothing of what the certificates and the signature are worth.
 */
bool handshake_parse(const unsigned char *data, size_t length,
    struct handshake *handshake);

/* Cuts the next certificate off a chain, in DER; false: there is none left. */
bool handshake_certificate(struct octets *chain, struct octets *certificate);

#endif
