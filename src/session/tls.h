/*
 * TLS on the client's connection (RFC 2595, RFC 8314). All use of the
 * server's private key is behind this header.
 */
#ifndef POPLAR_SESSION_TLS_H
#define POPLAR_SESSION_TLS_H

#include <stdbool.h>
#include <stddef.h>

#include "io.h"

struct ssl_ctx_st;
struct tls;

/* A server's end over a connected socket, before the handshake. NULL: no memory. */
struct tls *tls_new(struct ssl_ctx_st *ctx, int fd);

/* Tells the client goodbye if it can be told at once, and frees. NULL is allowed. */
void tls_end(struct tls *tls);

/* To be repeated until it is done or has failed. */
enum io_result tls_handshake(struct tls *tls);

/* At least one octet and at most size; *lengthp is set with IO_DONE. */
enum io_result tls_read(struct tls *tls, void *buf, size_t size, size_t *lengthp);

/* Writes up to size octets; *lengthp is set with IO_DONE. */
enum io_result tls_write(struct tls *tls, const void *buf, size_t size,
    size_t *lengthp);

/* Octets of channel binding data, at most: a digest of the certificate. */
#define TLS_BINDING_MAX 64

/*
 * Channel binding data of a type by its registered name: tls-exporter (RFC
 * 9266), tls-unique and tls-server-end-point (RFC 5929), each where it is
 * safe and defined. Returns the octets; 0: not of this type, here.
 */
size_t tls_binding(const struct tls *tls, const char *type,
    unsigned char data[TLS_BINDING_MAX]);

/* Whether there is any. */
bool tls_has_binding(const struct tls *tls);

/*
 * A name that a verified certificate of the client's holds: its e-mail
 * addresses in subjectAltName, counted from 0; or, where it has none, the one
 * CN of its subject. False: no such name, or no such certificate.
 */
bool tls_client_name(const struct tls *tls, unsigned number, char *name,
    size_t size);

/*
 * The handshake up to the client's CertificateVerify, until it is forgotten.
 * NULL: not TLS 1.3, no certificate of the client's, or too long for the
 * monitor. *lengthp is set otherwise.
 */
const unsigned char *tls_transcript(const struct tls *tls, size_t *lengthp);
void tls_forget_transcript(struct tls *tls);

/* Why TLS failed, in OpenSSL's words; NULL: not for a reason of TLS. Static. */
const char *tls_fault(const struct tls *tls);

/* The version on the wire, TLS1_2_VERSION or TLS1_3_VERSION, for the log. */
unsigned tls_version(const struct tls *tls);

#endif
