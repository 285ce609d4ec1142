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
enum io_result
tls_write(struct tls *tls, const void *buf, size_t size, size_t *lengthp);

/* The version on the wire, TLS1_2_VERSION or TLS1_3_VERSION, for the log. */
unsigned tls_version(const struct tls *tls);

#endif
