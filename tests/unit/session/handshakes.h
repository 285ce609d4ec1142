/*
 * Certificates made for a test, a server's context that is loaded from them as
 * at start, and handshakes with it that are recorded as a session does.
 */
#ifndef POPLAR_TESTS_HANDSHAKES_H
#define POPLAR_TESTS_HANDSHAKES_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "ipc.h"
#include "priv/certificates.h"
#include "session.h"
#include "session/tls.h"

#define DAY 86400L

/* A certificate and its key. */
struct holder {
	X509 *certificate;
	EVP_PKEY *key;
};

/* A handshake as it was recorded. */
struct recording {
	unsigned char octets[IPC_HANDSHAKE_MAX];
	size_t length;
};

static inline EVP_PKEY *
make_key(const char *kind, const char *group)
{
	EVP_PKEY *key;

	if (strcmp(kind, "EC") == 0)
		key = EVP_PKEY_Q_keygen(NULL, NULL, kind, group);
	else if (strcmp(kind, "RSA") == 0)
		key = EVP_PKEY_Q_keygen(NULL, NULL, kind, (size_t)2048);
	else
		key = EVP_PKEY_Q_keygen(NULL, NULL, kind);
	assert_non_null(key);
	return key;
}

static inline void
add_extension(X509 *certificate, int nid, const char *value)
{
	X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, NULL, nid, value);

	assert_non_null(extension);
	assert_int_equal(X509_add_ext(certificate, extension, -1), 1);
	X509_EXTENSION_free(extension);
}

static inline void
sign(X509 *certificate, EVP_PKEY *key)
{
	bool plain = EVP_PKEY_get_id(key) == EVP_PKEY_ED25519 ||
	             EVP_PKEY_get_id(key) == EVP_PKEY_ED448;

	assert_true(X509_sign(certificate, key, plain ? NULL : EVP_sha256()) > 0);
}

/*
 * A certificate of that name, by an issuer (NULL: by itself, an authority), for
 * so many days; usage: its extended key usage, or NULL.
 */
static inline struct holder
make_holder(const char *name, EVP_PKEY *key, const struct holder *issuer, int days,
    const char *usage)
{
	struct holder made = {X509_new(), key};
	X509_NAME *subject = X509_get_subject_name(made.certificate);
	static long serial;

	X509_set_version(made.certificate, X509_VERSION_3);
	ASN1_INTEGER_set(X509_get_serialNumber(made.certificate), ++serial);
	X509_gmtime_adj(X509_getm_notBefore(made.certificate), -9 * DAY);
	X509_gmtime_adj(X509_getm_notAfter(made.certificate), days * DAY);
	X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC,
	    (const unsigned char *)name, -1, -1, 0);
	X509_set_pubkey(made.certificate, key);
	X509_set_issuer_name(made.certificate,
	    issuer == NULL ? subject : X509_get_subject_name(issuer->certificate));
	if (issuer == NULL)
		add_extension(made.certificate, NID_basic_constraints,
		    "critical,CA:TRUE");
	if (usage != NULL)
		add_extension(made.certificate, NID_ext_key_usage, usage);
	sign(made.certificate, issuer == NULL ? key : issuer->key);
	return made;
}

static inline struct holder
make_plain(const char *name, const struct holder *issuer)
{
	return make_holder(name, make_key("EC", "P-256"), issuer, 30, NULL);
}

static inline void
free_holder(struct holder *holder)
{
	X509_free(holder->certificate);
	EVP_PKEY_free(holder->key);
}

static inline void
write_pem(const char *path, const struct holder *holder, bool key)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	assert_int_equal(fchmod(fileno(file), 0600), 0);
	assert_int_equal(key ? PEM_write_PKCS8PrivateKey(file, holder->key, NULL,
	                           NULL, 0, NULL, NULL)
	                     : PEM_write_X509(file, holder->certificate),
	    1);
	assert_int_equal(fclose(file), 0);
}

/* A server's context, as the listener loads it. */
static inline SSL_CTX *
load_server(const struct holder *server, const struct holder *client_ca)
{
	char folder[] = "/tmp/poplar-pki-XXXXXX", certificate[64], key[64], ca[64],
	     ciphers[] = "";
	struct config config = {
	    .tls = {.certificate = certificate,
	            .private_key = key,
	            .client_ca = ca,
	            .ciphers = ciphers,
	            .min_protocol = PROTOCOL_TLS12}
        };
	SSL_CTX *ctx;

	assert_non_null(mkdtemp(folder));
	snprintf(certificate, sizeof(certificate), "%s/certificate", folder);
	snprintf(key, sizeof(key), "%s/key", folder);
	snprintf(ca, sizeof(ca), "%s/ca", folder);
	write_pem(certificate, server, false);
	write_pem(key, server, true);
	write_pem(ca, client_ca, false);
	assert_int_equal(certificates_load(&config, &ctx), 0);
	certificates_freshen(ctx);
	assert_int_equal(unlink(certificate) | unlink(key) | unlink(ca), 0);
	assert_int_equal(rmdir(folder), 0);
	return ctx;
}

/* How the client goes about it; NULL: as it likes. */
struct manners {
	const char *ciphers, *groups;
	int version; /* the highest */
};

static inline SSL_CTX *
make_client(const struct holder *client, const struct manners *manners)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());

	assert_non_null(ctx);
	if (client != NULL) {
		assert_int_equal(SSL_CTX_use_certificate(ctx, client->certificate),
		    1);
		assert_int_equal(SSL_CTX_use_PrivateKey(ctx, client->key), 1);
	}
	if (manners->ciphers != NULL)
		assert_int_equal(SSL_CTX_set_ciphersuites(ctx, manners->ciphers),
		    1);
	if (manners->groups != NULL)
		assert_int_equal(SSL_CTX_set1_groups_list(ctx, manners->groups), 1);
	if (manners->version != 0)
		SSL_CTX_set_max_proto_version(ctx, manners->version);
	return ctx;
}

/* One handshake; false: nothing was recorded that a monitor would look at. */
static inline bool
record(SSL_CTX *server_ctx, const struct holder *client,
    const struct manners *manners, struct recording *recording)
{
	SSL_CTX *ctx = make_client(client, manners);
	SSL *ssl = SSL_new(ctx);
	int pair[2];
	struct tls *server;
	const unsigned char *octets;
	enum io_result result = IO_WANT_READ;

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair),
	    0);
	server = tls_new(server_ctx, pair[0]);
	assert_non_null(server);
	SSL_set_fd(ssl, pair[1]);
	while (result == IO_WANT_READ || result == IO_WANT_WRITE) {
		(void)SSL_connect(ssl);
		result = tls_handshake(server);
	}
	assert_int_equal(result, IO_DONE);
	octets = tls_transcript(server, &recording->length);
	if (octets != NULL)
		memcpy(recording->octets, octets, recording->length);
	SSL_free(ssl);
	SSL_CTX_free(ctx);
	tls_end(server);
	close(pair[0]);
	close(pair[1]);
	return octets != NULL;
}

#endif
