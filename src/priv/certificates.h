/*
 * The server's certificates and keys, read and checked with privilege.
 */
#ifndef POPLAR_PRIV_CERTIFICATES_H
#define POPLAR_PRIV_CERTIFICATES_H

#include <stdbool.h>

#include "config.h"

struct session_claim;
struct ssl_ctx_st;

/*
 * Reads every pair of tls.certificate and tls.private_key into a context for
 * sessions: the first pair for clients that name no server, the others by
 * the name they ask for (SNI). *ctxp is NULL where none is configured; else
 * the caller's, for certificates_free(). 0; or -1 with each fault logged by
 * file and reason: key that others can read, encrypted key, key that does not
 * match, empty or unreadable file. Warns of certificates that have expired,
 * are not valid yet, or end in under 21 days; tells the days left.
 */
int certificates_load(const struct config *config, struct ssl_ctx_st **ctxp);

/*
 * For a daemon that runs for long, every few seconds: tells when one of them has
 * a day less than was told last, of under 21, and when one has expired. The
 * configuration is the one they were read by. ctx may be NULL.
 */
void certificates_watch(const struct config *config, struct ssl_ctx_st *ctx);

/*
 * Makes the nonce of one connection, which its CertificateRequest will hold. In
 * the monitor, before the session is forked. NULL is allowed.
 */
void certificates_freshen(struct ssl_ctx_st *ctx);

/*
 * What a claim of a client's certificate is held against: that nonce, our
 * certificates, and tls.client_ca; all of the context. False: there is no
 * tls.client_ca, so no claim is worth anything. ctx may be NULL.
 */
bool certificates_terms(struct ssl_ctx_st *ctx, struct session_claim *claim);

/* NULL is allowed. */
void certificates_free(struct ssl_ctx_st *ctx);

#endif
