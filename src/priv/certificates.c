/*
 * Certificates and keys. Runs as root, at start and at SIGHUP; sessions
 * inherit the finished context by fork. Sane defaults are fixed here: TLS 1.2
 * or newer, no renegotiation, no compression, no early data, no tickets and
 * no session cache (each session would hold their keys), ALPN "pop3".
 */
#include "certificates.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "log.h"
#include "session.h"
#include "text.h"

/* Of OpenSSL 3.2: a recorded handshake holds certificates as they are. */
#ifndef SSL_OP_NO_TX_CERTIFICATE_COMPRESSION
#define SSL_OP_NO_TX_CERTIFICATE_COMPRESSION 0
#define SSL_OP_NO_RX_CERTIFICATE_COMPRESSION 0
#endif

#define PAIRS_MAX 64
#define WARN_DAYS 21

/*
 * Where tls.ciphers is empty: OpenSSL's own, but no key exchange without
 * forward secrecy. Finite fields are left out of both versions: a client that
 * insists on the largest makes the server work for it.
 */
#define CIPHERS "DEFAULT:!kRSA:!kDHE"
#define GROUPS "X25519:P-256:P-384:P-521:X448"

/* The contexts of all pairs; owned by the first one, as its application data. */
struct pairs {
	size_t count;
	SSL_CTX *ctx[PAIRS_MAX];                 /* [0] is the owner itself */
	int days[PAIRS_MAX];                     /* left, as last told */
	STACK_OF(X509) * own;                    /* their certificates, borrowed */
	unsigned char nonce[SESSION_NONCE_SIZE]; /* of this process's connection */
};

/* The reason of OpenSSL's fault, in its words; the first one says most. */
static const char *
reason(void)
{
	const char *text = ERR_reason_error_string(ERR_peek_error());

	return text != NULL ? text : "unknown reason";
}

/* Nobody is there to ask: an encrypted key is a fault, not a prompt. */
static int
no_password(char *buf, int size, int writing, void *ctx)
{
	(void)buf;
	(void)size;
	(void)writing;
	*(bool *)ctx = true;
	return -1;
}

/* RFC 7301: a client that offers protocols must offer ours. */
static int
choose_protocol(SSL *ssl, const unsigned char **out, unsigned char *outlen,
    const unsigned char *in, unsigned inlen, void *arg)
{
	static const unsigned char ours[] = "\4pop3";
	unsigned char *chosen;

	(void)ssl;
	(void)arg;
	if (SSL_select_next_proto(&chosen, outlen, ours, sizeof(ours) - 1, in,
	        inlen) != OPENSSL_NPN_NEGOTIATED)
		return SSL_TLSEXT_ERR_ALERT_FATAL;
	*out = chosen;
	return SSL_TLSEXT_ERR_OK;
}

/* SNI: the pair whose certificate holds the name; the first if none does. */
static int
choose_pair(SSL *ssl, int *alert, void *arg)
{
	const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
	const struct pairs *pairs = arg;

	(void)alert;
	for (size_t i = 0; name != NULL && i < pairs->count; i++) {
		X509 *leaf = SSL_CTX_get0_certificate(pairs->ctx[i]);

		if (X509_check_host(leaf, name, 0, 0, NULL) == 1) {
			SSL_set_SSL_CTX(ssl, pairs->ctx[i]);
			break;
		}
	}
	return SSL_TLSEXT_ERR_OK;
}

/* Ours in a CertificateRequest: the session's process has its own nonce. */
static int
add_nonce(SSL *ssl, unsigned type, unsigned context, const unsigned char **out,
    size_t *outlen, X509 *certificate, size_t place, int *alert, void *arg)
{
	const struct pairs *pairs = arg;

	(void)ssl;
	(void)type;
	(void)context;
	(void)certificate;
	(void)place;
	(void)alert;
	*out = pairs->nonce;
	*outlen = sizeof(pairs->nonce);
	return 1;
}

static void
fix_defaults(SSL_CTX *ctx, const struct config *config)
{
	SSL_CTX_set_min_proto_version(ctx,
	    config->tls.min_protocol == PROTOCOL_TLS13 ? TLS1_3_VERSION
	                                               : TLS1_2_VERSION);
	SSL_CTX_set_options(ctx,
	    SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_NO_TICKET |
	        SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_CLEANSE_PLAINTEXT |
	        SSL_OP_NO_TX_CERTIFICATE_COMPRESSION |
	        SSL_OP_NO_RX_CERTIFICATE_COMPRESSION);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_num_tickets(ctx, 0);
	SSL_CTX_set_max_early_data(ctx, 0);
	SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE |
	                          SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
	                          SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_alpn_select_cb(ctx, choose_protocol, NULL);
}

static int
set_ciphers(SSL_CTX *ctx, const struct config *config)
{
	const char *list = config->tls.ciphers;

	if (SSL_CTX_set_cipher_list(ctx, list[0] != '\0' ? list : CIPHERS) == 1 &&
	    SSL_CTX_set1_groups_list(ctx, GROUPS) == 1)
		return 0;
	log_error("tls.ciphers: \"%s\": %s; see openssl-ciphers(1)", list,
	    reason());
	return -1;
}

/*
 * What OpenSSL tells in no words of use: whether there is a file with something
 * in it. A key is a secret: others must not have it (forbidden, of its mode).
 */
static int
check_file(const char *key, const char *path, mode_t forbidden)
{
	const int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	const char *fault = NULL;
	struct stat st;

	if (fd == -1 || fstat(fd, &st) == -1)
		fault = strerror(errno);
	else if (!S_ISREG(st.st_mode))
		fault = "not a file";
	else if (st.st_size == 0)
		fault = "the file is empty";
	else if ((st.st_mode & forbidden) != 0)
		fault = "others can read or write it; chmod 600";
	if (fd != -1)
		close(fd);
	if (fault != NULL)
		log_error("%s: %s: %s", key, path, fault);
	return fault == NULL ? 0 : -1;
}

/* Client certificates are asked for, not demanded: AUTH EXTERNAL uses them. */
static int
set_client_ca(SSL_CTX *ctx, const struct config *config)
{
	const char *path = config->tls.client_ca;
	STACK_OF(X509_NAME) * names;

	if (path[0] == '\0')
		return 0;
	if (check_file("tls.client_ca", path, 0) == -1)
		return -1;
	names = SSL_load_client_CA_file(path);
	if (names == NULL || SSL_CTX_load_verify_file(ctx, path) != 1) {
		sk_X509_NAME_pop_free(names, X509_NAME_free);
		log_error("tls.client_ca: %s: no certificates in PEM form: %s",
		    path, reason());
		return -1;
	}
	SSL_CTX_set_client_CA_list(ctx, names);
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
	/* what TLS demands of keys, a claim's check shall too */
	X509_VERIFY_PARAM_set_auth_level(X509_STORE_get0_param(
	                                     SSL_CTX_get_cert_store(ctx)),
	    SSL_CTX_get_security_level(ctx));
	return 0;
}

static int
use_key(SSL_CTX *ctx, const char *path)
{
	bool asked = false;
	EVP_PKEY *key = NULL;
	FILE *file;
	int done = -1;

	if (check_file("tls.private_key", path, S_IROTH | S_IWOTH | S_IWGRP) == -1)
		return -1;
	file = fopen(path, "re");
	if (file != NULL) {
		setvbuf(file, NULL, _IONBF, 0);
		key = PEM_read_PrivateKey(file, NULL, no_password, &asked);
		fclose(file);
	}
	if (asked)
		log_error(
		    "tls.private_key: %s: the key is encrypted; store it without a "
		    "passphrase",
		    path);
	else if (key == NULL)
		log_error("tls.private_key: %s: no key in PEM form: %s", path,
		    reason());
	else if (SSL_CTX_use_PrivateKey(ctx, key) != 1 ||
	         SSL_CTX_check_private_key(ctx) != 1)
		log_error("tls.private_key: %s does not match its certificate",
		    path);
	else
		done = 0;
	EVP_PKEY_free(key);
	return done;
}

static int
use_certificate(SSL_CTX *ctx, const char *path)
{
	if (check_file("tls.certificate", path, 0) == -1)
		return -1;
	if (SSL_CTX_use_certificate_chain_file(ctx, path) == 1)
		return 0;
	log_error("tls.certificate: %s: no certificate in PEM form, or one that "
	          "cannot serve: %s",
	    path, reason());
	return -1;
}

/* Whole days until it ends; -1: it has expired. */
static int
days_left(SSL_CTX *ctx)
{
	const X509 *leaf = SSL_CTX_get0_certificate(ctx);
	int days = 0, seconds = 0;

	if (ASN1_TIME_diff(&days, &seconds, NULL, X509_get0_notAfter(leaf)) != 1)
		return -1;
	return days < 0 || seconds < 0 ? -1 : days;
}

static void
tell_days(const char *path, int days)
{
	if (days < 0)
		log_warning("tls.certificate: %s has expired", path);
	else if (days < WARN_DAYS)
		log_warning("tls.certificate: %s ends in %d days; renew it", path,
		    days);
	else
		log_info("tls.certificate: %s is good for %d days", path, days);
}

static SSL_CTX *
load_pair(const struct config *config, const char *certificate, const char *key)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());

	if (ctx == NULL) {
		log_error("tls.certificate: %s: %s", certificate, reason());
		return NULL;
	}
	ERR_clear_error();
	fix_defaults(ctx, config);
	if (set_ciphers(ctx, config) == -1 || set_client_ca(ctx, config) == -1)
		goto fail;
	if (use_certificate(ctx, certificate) == -1 || use_key(ctx, key) == -1)
		goto fail;
	if (X509_cmp_current_time(
	        X509_get0_notBefore(SSL_CTX_get0_certificate(ctx))) > 0)
		log_warning("tls.certificate: %s is not valid yet", certificate);
	return ctx;
fail:
	SSL_CTX_free(ctx);
	return NULL;
}

/* Adds a pair that was read. */
static void
add_pair(struct pairs *pairs, SSL_CTX *ctx, const char *certificate)
{
	pairs->days[pairs->count] = days_left(ctx);
	tell_days(certificate, pairs->days[pairs->count]);
	pairs->ctx[pairs->count++] = ctx;
}

/* The next of a blank-separated list, copied; false at the end, or too long. */
static bool
next_path(const char **listp, char *path, size_t size)
{
	size_t length;
	const char *word = text_word(listp, &length);

	if (word == NULL || length >= size)
		return false;
	memcpy(path, word, length);
	path[length] = '\0';
	return true;
}

static int
load_pairs(const struct config *config, struct pairs *pairs)
{
	const char *certificates = config->tls.certificate,
	           *keys = config->tls.private_key;
	char certificate[PATH_MAX], key[PATH_MAX];
	SSL_CTX *ctx;
	int faults = 0;

	while (next_path(&certificates, certificate, sizeof(certificate))) {
		if (!next_path(&keys, key, sizeof(key))) {
			log_error(
			    "tls.private_key: no key for %s; name as many keys as "
			    "certificates",
			    certificate);
			return -1;
		}
		if (pairs->count == PAIRS_MAX) {
			log_error("tls.certificate: more than %d", PAIRS_MAX);
			return -1;
		}
		ctx = load_pair(config, certificate, key);
		if (ctx != NULL)
			add_pair(pairs, ctx, certificate);
		else
			faults++;
	}
	if (next_path(&keys, key, sizeof(key))) {
		log_error("tls.private_key: no certificate for %s", key);
		faults++;
	}
	return faults == 0 ? 0 : -1;
}

/* Each pair is of the others' kind; a name asked for may choose any of them. */
static int
join_pairs(struct pairs *pairs)
{
	pairs->own = sk_X509_new_null();
	for (size_t i = 0; i < pairs->count; i++) {
		if (sk_X509_push(pairs->own,
		        SSL_CTX_get0_certificate(pairs->ctx[i])) <= 0 ||
		    SSL_CTX_add_custom_ext(pairs->ctx[i], SESSION_NONCE_EXTENSION,
		        SSL_EXT_TLS1_3_CERTIFICATE_REQUEST, add_nonce, NULL, pairs,
		        NULL, NULL) != 1) {
			log_error("tls.certificate: %s", reason());
			return -1;
		}
	}
	SSL_CTX_set_app_data(pairs->ctx[0], (char *)pairs);
	SSL_CTX_set_tlsext_servername_callback(pairs->ctx[0], choose_pair);
	SSL_CTX_set_tlsext_servername_arg(pairs->ctx[0], pairs);
	return 0;
}

static void
free_pairs(struct pairs *pairs)
{
	sk_X509_free(pairs->own);
	for (size_t i = 0; i < pairs->count; i++)
		SSL_CTX_free(pairs->ctx[i]);
	free(pairs);
}

/*
 * libcrypto makes all of a kind at the first fetch of one: here, once, and not
 * in every session's handshake.
 */
static void
warm_handshakes(void)
{
	EVP_KDF_free(EVP_KDF_fetch(NULL, "TLS13-KDF", NULL));
	EVP_MAC_free(EVP_MAC_fetch(NULL, "HMAC", NULL));
	EVP_KEYEXCH_free(EVP_KEYEXCH_fetch(NULL, "X25519", NULL));
	EVP_SIGNATURE_free(EVP_SIGNATURE_fetch(NULL, "ECDSA", NULL));
	ERR_clear_error();
}

int
certificates_load(const struct config *config, struct ssl_ctx_st **ctxp)
{
	struct pairs *pairs;

	*ctxp = NULL;
	if (config->tls.certificate[0] == '\0' &&
	    config->tls.private_key[0] == '\0')
		return 0;
	pairs = calloc(1, sizeof(*pairs));
	if (pairs == NULL) {
		log_error("tls.certificate: %s", strerror(errno));
		return -1;
	}
	if (load_pairs(config, pairs) == -1 || pairs->count == 0 ||
	    join_pairs(pairs) == -1) {
		free_pairs(pairs);
		return -1;
	}
	warm_handshakes();
	*ctxp = pairs->ctx[0];
	return 0;
}

static struct pairs *
pairs_of(SSL_CTX *ctx)
{
	return (struct pairs *)(void *)SSL_CTX_get_app_data(ctx);
}

void
certificates_watch(const struct config *config, struct ssl_ctx_st *ctx)
{
	struct pairs *pairs = ctx != NULL ? pairs_of(ctx) : NULL;
	const char *list = config->tls.certificate;
	char path[PATH_MAX];
	int days;

	for (size_t i = 0; pairs != NULL && i < pairs->count &&
	                   next_path(&list, path, sizeof(path));
	     i++) {
		days = days_left(pairs->ctx[i]);
		if (days == pairs->days[i])
			continue;
		pairs->days[i] = days;
		if (days < WARN_DAYS)
			tell_days(path, days);
	}
}

/* Whether there is a tls.client_ca. */
static bool
asks_clients(SSL_CTX *ctx)
{
	return SSL_CTX_get_verify_mode(ctx) != SSL_VERIFY_NONE;
}

void
certificates_freshen(struct ssl_ctx_st *ctx)
{
	if (ctx != NULL && asks_clients(ctx) &&
	    getentropy(pairs_of(ctx)->nonce, SESSION_NONCE_SIZE) == -1)
		fatal(EX_OSERR, "no random numbers: %s", strerror(errno));
}

bool
certificates_terms(struct ssl_ctx_st *ctx, struct session_claim *claim)
{
	const struct pairs *pairs;

	if (ctx == NULL || !asks_clients(ctx))
		return false;
	pairs = pairs_of(ctx);
	claim->store = SSL_CTX_get_cert_store(ctx);
	claim->own = pairs->own;
	claim->nonce = pairs->nonce;
	return true;
}

void
certificates_free(struct ssl_ctx_st *ctx)
{
	if (ctx != NULL)
		free_pairs(pairs_of(ctx));
}
