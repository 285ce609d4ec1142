/*
 * Whether a client is whom its certificate names, found out anew from what a
 * session has recorded, for the session's word is not enough. Runs sandboxed,
 * in a process that has neither the client's connection nor anything else.
 *
 * In TLS 1.3 a client signs the handshake up to its certificate (RFC 8446
 * section 4.4.3). So its signature, by the key of a certificate that leads to
 * tls.client_ca, says that whoever has that key was asked for it
 *   - in this connection: the handshake holds a nonce of the monitor's;
 *   - by this server: the handshake holds a certificate of ours, and a client
 *     signs only after the server proved to have the key of that.
 */
#include "prove.h"

#include <openssl/evp.h>
#include <openssl/x509.h>
#include <openssl/x509_vfy.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "certificate_name.h"
#include "handshake.h"
#include "ipc.h"
#include "log.h"
#include "sandbox.h"

/* The octets before the transcript's hash in what is signed. */
#define SIGNED_PREFIX                                                              \
	"                                "                                         \
	"                                "                                         \
	"TLS 1.3, client CertificateVerify"

/* RFC 8446 section 4.4.1: what stands for a ClientHello that was retried. */
#define MESSAGE_HASH 254

/* The hash of each cipher suite (section B.4). */
static const struct {
	unsigned cipher;
	const EVP_MD *(*digest)(void);
} ciphers[] = {
    {0x1301, EVP_sha256},
    {0x1302, EVP_sha384},
    {0x1303, EVP_sha256},
    {0x1304, EVP_sha256},
    {0x1305, EVP_sha256},
};

/* The signatures that TLS 1.3 knows (section 4.2.3), each for one kind of key. */
/* clang-format off */
static const struct scheme {
	unsigned number;
	int key;
	const char *curve;             /* NULL: the key has none to choose */
	const EVP_MD *(*digest)(void); /* NULL: part of the algorithm */
} schemes[] = {
    {0x0403, EVP_PKEY_EC,      "prime256v1", EVP_sha256},
    {0x0503, EVP_PKEY_EC,      "secp384r1",  EVP_sha384},
    {0x0603, EVP_PKEY_EC,      "secp521r1",  EVP_sha512},
    {0x0804, EVP_PKEY_RSA,     NULL,         EVP_sha256},
    {0x0805, EVP_PKEY_RSA,     NULL,         EVP_sha384},
    {0x0806, EVP_PKEY_RSA,     NULL,         EVP_sha512},
    {0x0807, EVP_PKEY_ED25519, NULL,         NULL},
    {0x0808, EVP_PKEY_ED448,   NULL,         NULL},
    {0x0809, EVP_PKEY_RSA_PSS, NULL,         EVP_sha256},
    {0x080a, EVP_PKEY_RSA_PSS, NULL,         EVP_sha384},
    {0x080b, EVP_PKEY_RSA_PSS, NULL,         EVP_sha512},
};
/* clang-format on */

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

static bool
equal(const struct octets *octets, const unsigned char *other, size_t length)
{
	return octets->left == length && memcmp(octets->at, other, length) == 0;
}

/* Whether the certificate is one that we show. */
static bool
is_own(const struct octets *certificate, const STACK_OF(X509) * own)
{
	unsigned char *der;
	bool found = false;
	int length;

	for (int i = 0; i < sk_X509_num(own) && !found; i++) {
		der = NULL;
		length = i2d_X509(sk_X509_value(own, i), &der);
		found = length > 0 && equal(certificate, der, (size_t)length);
		OPENSSL_free(der);
	}
	return found;
}

/* The client's certificates, its own first; NULL: not all of them are any. */
static STACK_OF(X509) * read_chain(struct octets rest)
{
	STACK_OF(X509) *chain = sk_X509_new_null();
	struct octets der;
	const unsigned char *at;
	X509 *certificate;

	while (chain != NULL && handshake_certificate(&rest, &der)) {
		at = der.at;
		certificate = d2i_X509(NULL, &at, (long)der.left);
		if (certificate != NULL && at == der.at + der.left &&
		    sk_X509_push(chain, certificate) > 0)
			continue;
		X509_free(certificate);
		sk_X509_pop_free(chain, X509_free);
		chain = NULL;
	}
	return chain;
}

/* As TLS itself checks a client's chain. */
static bool
is_trusted(X509_STORE *store, X509 *leaf, STACK_OF(X509) * chain)
{
	X509_STORE_CTX *ctx = X509_STORE_CTX_new();
	bool trusted = ctx != NULL &&
	               X509_STORE_CTX_init(ctx, store, leaf, chain) == 1 &&
	               X509_STORE_CTX_set_default(ctx, "ssl_client") == 1 &&
	               X509_verify_cert(ctx) == 1;

	X509_STORE_CTX_free(ctx);
	return trusted;
}

static bool
is_named(const X509 *certificate, const char *user)
{
	char name[IPC_NAME_MAX];

	for (unsigned number = 0;
	     certificate_name(certificate, number, name, sizeof(name)); number++) {
		if (strcmp(name, user) == 0)
			return true;
	}
	return false;
}

static const EVP_MD *
digest_of(unsigned cipher)
{
	for (size_t i = 0; i < COUNT(ciphers); i++) {
		if (ciphers[i].cipher == cipher)
			return ciphers[i].digest();
	}
	return NULL;
}

/* A ClientHello that was retried is in the transcript by its hash alone. */
static bool
add_retried(EVP_MD_CTX *ctx, const EVP_MD *digest, const struct octets *hello)
{
	unsigned char head[] = {MESSAGE_HASH, 0, 0, 0}, hash[EVP_MAX_MD_SIZE];
	unsigned length;

	if (hello->left == 0)
		return true;
	if (EVP_Digest(hello->at, hello->left, hash, &length, digest, NULL) != 1)
		return false;
	head[3] = (unsigned char)length;
	return EVP_DigestUpdate(ctx, head, sizeof(head)) == 1 &&
	       EVP_DigestUpdate(ctx, hash, length) == 1;
}

/* Transcript-Hash (section 4.4.1). */
static bool
hash_transcript(const struct handshake *handshake, unsigned char *hash,
    unsigned *lengthp)
{
	const EVP_MD *digest = digest_of(handshake->cipher);
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	bool done = ctx != NULL && digest != NULL &&
	            EVP_DigestInit_ex(ctx, digest, NULL) == 1 &&
	            add_retried(ctx, digest, &handshake->retried) &&
	            EVP_DigestUpdate(ctx, handshake->covered.at,
	                handshake->covered.left) == 1 &&
	            EVP_DigestFinal_ex(ctx, hash, lengthp) == 1;

	EVP_MD_CTX_free(ctx);
	return done;
}

/* The scheme of this number, if the key is of its kind. */
static const struct scheme *
find_scheme(unsigned number, const EVP_PKEY *key)
{
	char curve[32];
	size_t length;

	for (const struct scheme *scheme = schemes;
	     scheme < schemes + COUNT(schemes); scheme++) {
		if (scheme->number != number || EVP_PKEY_get_id(key) != scheme->key)
			continue;
		if (scheme->curve == NULL)
			return scheme;
		if (EVP_PKEY_get_group_name(key, curve, sizeof(curve), &length) ==
		        1 &&
		    strcmp(curve, scheme->curve) == 0)
			return scheme;
	}
	return NULL;
}

/* Section 4.2.3: RSA signs by RSASSA-PSS, with a salt as long as the digest. */
static bool
set_padding(EVP_PKEY_CTX *ctx, const struct scheme *scheme)
{
	if (scheme->key != EVP_PKEY_RSA && scheme->key != EVP_PKEY_RSA_PSS)
		return true;
	return EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PSS_PADDING) == 1 &&
	       EVP_PKEY_CTX_set_rsa_pss_saltlen(ctx, RSA_PSS_SALTLEN_DIGEST) == 1;
}

/* Section 4.4.3. */
static bool
is_signed(const struct handshake *handshake, EVP_PKEY *key)
{
	unsigned char text[sizeof(SIGNED_PREFIX) + EVP_MAX_MD_SIZE] = SIGNED_PREFIX;
	const struct scheme *scheme = key != NULL
	                                  ? find_scheme(handshake->scheme, key)
	                                  : NULL;
	EVP_MD_CTX *ctx;
	EVP_PKEY_CTX *key_ctx;
	unsigned length;
	bool good;

	/* the NUL behind the prefix is part of what is signed */
	if (scheme == NULL ||
	    !hash_transcript(handshake, text + sizeof(SIGNED_PREFIX), &length))
		return false;
	ctx = EVP_MD_CTX_new();
	good = ctx != NULL &&
	       EVP_DigestVerifyInit(ctx, &key_ctx,
	           scheme->digest != NULL ? scheme->digest() : NULL, NULL,
	           key) == 1 &&
	       set_padding(key_ctx, scheme) &&
	       EVP_DigestVerify(ctx, handshake->signature.at,
	           handshake->signature.left, text,
	           sizeof(SIGNED_PREFIX) + length) == 1;
	EVP_MD_CTX_free(ctx);
	return good;
}

static enum session_proved
judge(const struct session_claim *claim, const struct handshake *handshake,
    STACK_OF(X509) * chain)
{
	X509 *leaf = sk_X509_value(chain, 0);

	if (leaf == NULL || !is_trusted(claim->store, leaf, chain))
		return PROVED_NO_CHAIN;
	if (!is_signed(handshake, X509_get0_pubkey(leaf)))
		return PROVED_NO_SIGNATURE;
	return is_named(leaf, claim->user) ? PROVED : PROVED_NO_NAME;
}

enum session_proved
prove(const struct session_claim *claim)
{
	enum session_proved result;
	struct handshake handshake;
	STACK_OF(X509) * chain;

	if (!handshake_parse(claim->handshake, claim->length, &handshake))
		return PROVED_NO_HANDSHAKE;
	if (!equal(&handshake.nonce, claim->nonce, SESSION_NONCE_SIZE))
		return PROVED_NOT_FRESH;
	if (!is_own(&handshake.server, claim->own))
		return PROVED_NOT_OURS;
	chain = read_chain(handshake.chain);
	result = judge(claim, &handshake, chain);
	sk_X509_pop_free(chain, X509_free);
	return result;
}

void
session_prove(const struct session_claim *claim)
{
	log_open(LOG_TO_NOTHING, LOG_ERROR_LEVEL);
	if (sandbox_enter(claim->sandbox, SANDBOX_RECOVER, claim->parent) != NULL)
		_exit(EXIT_FAILURE);
	_exit((int)prove(claim));
}
