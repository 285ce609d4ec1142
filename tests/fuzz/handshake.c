/*
 * Any octets as the handshake that a session hands over. What is taken apart
 * lies in the input, in its order. The claim is then looked at as if nonce,
 * server and chain were the right ones, so that the signature is reached; with
 * another nonce it must not hold.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/x509.h>
#include <openssl/x509_vfy.h>

#include "session/handshake.h"
#include "session/prove.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
require(int truth)
{
	if (!truth)
		abort();
}

/* Whether a part begins at a place or behind it; returns where it ends. */
static const uint8_t *
behind(const uint8_t *place, const struct octets *part, const uint8_t *end)
{
	require(part->at >= place && part->at <= end);
	require(part->left <= (size_t)(end - part->at));
	return part->at + part->left;
}

static void
check_parts(const struct handshake *handshake, const uint8_t *data, size_t size)
{
	const uint8_t *end = data + size, *at = data;

	if (handshake->retried.left > 0)
		at = behind(at, &handshake->retried, end);
	require(handshake->covered.at == at);
	at = behind(at, &handshake->nonce, end);
	at = behind(at, &handshake->server, end);
	at = behind(at, &handshake->chain, end);
	require(at == handshake->covered.at + handshake->covered.left);
	require(behind(at, &handshake->signature, end) == end);
}

/* A certificate, or NULL. */
static X509 *
certificate_of(const struct octets *der)
{
	const unsigned char *at = der->at;

	return d2i_X509(NULL, &at, (long)der->left);
}

/* What believes the client's own certificate, whatever it is. */
static void
trust(X509_STORE *store, struct octets chain)
{
	struct octets der;
	X509 *leaf = NULL;

	if (handshake_certificate(&chain, &der))
		leaf = certificate_of(&der);
	if (leaf != NULL)
		X509_STORE_add_cert(store, leaf);
	X509_free(leaf);
	X509_STORE_set_flags(store,
	    X509_V_FLAG_PARTIAL_CHAIN | X509_V_FLAG_NO_CHECK_TIME);
}

/* The claim with the nonce that is in it, and with one that is not. */
static void
look(struct session_claim *claim, const struct handshake *handshake)
{
	unsigned char other[SESSION_NONCE_SIZE];

	memcpy(other, handshake->nonce.at, sizeof(other));
	other[sizeof(other) - 1] ^= 1;
	claim->nonce = other;
	require(prove(claim) == PROVED_NOT_FRESH);
	claim->nonce = handshake->nonce.at;
	require(prove(claim) < PROVED_RESULTS);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct session_claim claim = {.handshake = data,
	    .length = size,
	    .user = "mrose"};
	struct handshake handshake;
	STACK_OF(X509) * own;
	X509 *server;

	if (!handshake_parse(data, size, &handshake)) {
		require(prove(&claim) == PROVED_NO_HANDSHAKE);
		return 0;
	}
	check_parts(&handshake, data, size);
	server = certificate_of(&handshake.server);
	if (server != NULL && handshake.nonce.left == SESSION_NONCE_SIZE) {
		own = sk_X509_new_null();
		sk_X509_push(own, server);
		claim.own = own;
		claim.store = X509_STORE_new();
		trust(claim.store, handshake.chain);
		look(&claim, &handshake);
		X509_STORE_free(claim.store);
		sk_X509_free(own);
	}
	X509_free(server);
	return 0;
}
