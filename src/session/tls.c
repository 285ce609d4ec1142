/*
 * TLS by OpenSSL, over the client's non-blocking socket. Runs sandboxed. What
 * is permitted was fixed with the context, in src/priv/certificates.c; the
 * context's key is in this process's memory, and only this file uses it.
 */
#include "tls.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>

#include "certificate_name.h"
#include "transcript.h"

/*
 * Messages of TLS's own that a client may send one after the other without
 * any data between them: a new key for each octet would be legal, and costs
 * us more than the client.
 */
#define IDLE_MESSAGES_MAX 32

struct tls {
	SSL *ssl;
	unsigned idle;                /* such messages, since data came */
	struct transcript transcript; /* of the handshake */
	const char *fault; /* why it failed, of OpenSSL's table; or NULL */
};

/*
 * Records the handshake; counts what the client makes us do: keys to change,
 * renegotiation refused.
 */
static void
see_message(int written, int version, int type, const void *data, size_t length,
    SSL *ssl, void *ctx)
{
	const unsigned char *octets = data;
	struct tls *tls = ctx;

	(void)version;
	(void)ssl;
	if (length == 0)
		return;
	if (type == SSL3_RT_HANDSHAKE)
		transcript_add(&tls->transcript, !written, data, length);
	if ((!written && type == SSL3_RT_HANDSHAKE) ||
	    (written && type == SSL3_RT_ALERT && octets[0] == SSL3_AL_WARNING))
		tls->idle++;
}

struct tls *
tls_new(struct ssl_ctx_st *ctx, int fd)
{
	struct tls *tls = calloc(1, sizeof(*tls));

	if (tls == NULL)
		return NULL;
	tls->ssl = SSL_new(ctx);
	if (tls->ssl == NULL || SSL_set_fd(tls->ssl, fd) != 1) {
		SSL_free(tls->ssl);
		free(tls);
		return NULL;
	}
	SSL_set_accept_state(tls->ssl);
	/* without client certificates there is nothing to show */
	tls->transcript.done = SSL_get_verify_mode(tls->ssl) == SSL_VERIFY_NONE;
	SSL_set_msg_callback(tls->ssl, see_message);
	SSL_set_msg_callback_arg(tls->ssl, tls);
	/* to be asked after each such message, and not to go on by itself */
	SSL_clear_mode(tls->ssl, SSL_MODE_AUTO_RETRY);
	return tls;
}

void
tls_end(struct tls *tls)
{
	if (tls == NULL)
		return;
	if (SSL_is_init_finished(tls->ssl))
		(void)SSL_shutdown(tls->ssl);
	SSL_free(tls->ssl);
	transcript_forget(&tls->transcript);
	free(tls);
}

/* To OpenSSL a client that went away is a fault; of one that never spoke none. */
static bool
has_spoken(const struct tls *tls)
{
	return BIO_number_read(SSL_get_rbio(tls->ssl)) > 0;
}

/* What OpenSSL's return means; its queue of errors is emptied. */
static enum io_result
result(struct tls *tls, int returned)
{
	int error = SSL_get_error(tls->ssl, returned);

	if (error == SSL_ERROR_SSL && has_spoken(tls))
		tls->fault = ERR_reason_error_string(ERR_peek_error());
	ERR_clear_error();
	switch (error) {
	case SSL_ERROR_WANT_READ:
		return IO_WANT_READ;
	case SSL_ERROR_WANT_WRITE:
		return IO_WANT_WRITE;
	case SSL_ERROR_ZERO_RETURN:
		return IO_CLOSED;
	default:
		return IO_FAILED;
	}
}

enum io_result
tls_handshake(struct tls *tls)
{
	int returned = SSL_do_handshake(tls->ssl);

	tls->idle = 0;
	return returned == 1 ? IO_DONE : result(tls, returned);
}

enum io_result
tls_read(struct tls *tls, void *buf, size_t size, size_t *lengthp)
{
	int returned = SSL_read_ex(tls->ssl, buf, size, lengthp);

	if (returned == 1) {
		tls->idle = 0;
		return IO_DONE;
	}
	return tls->idle > IDLE_MESSAGES_MAX ? IO_FAILED : result(tls, returned);
}

enum io_result
tls_write(struct tls *tls, const void *buf, size_t size, size_t *lengthp)
{
	int returned = SSL_write_ex(tls->ssl, buf, size, lengthp);

	return returned == 1 ? IO_DONE : result(tls, returned);
}

const char *
tls_fault(const struct tls *tls)
{
	return tls->fault;
}

unsigned
tls_version(const struct tls *tls)
{
	return (unsigned)SSL_version(tls->ssl);
}

/*
 * RFC 9266 section 2: an empty context, which for TLS 1.2 is not the same as none
 * (RFC 5705 section 4), and 32 octets. Needs the extended master secret.
 */
static size_t
bind_exporter(SSL *ssl, unsigned char data[TLS_BINDING_MAX])
{
	static const char label[] = "EXPORTER-Channel-Binding";
	enum { OCTETS = 32 };

	if (SSL_version(ssl) < TLS1_3_VERSION && SSL_get_extms_support(ssl) != 1)
		return 0;
	return SSL_export_keying_material(ssl, data, OCTETS, label,
	           sizeof(label) - 1, (const unsigned char *)"", 0, 1) == 1
	           ? OCTETS
	           : 0;
}

/* The first Finished message: the client's, since no session is resumed. */
static size_t
bind_unique(SSL *ssl, unsigned char data[TLS_BINDING_MAX])
{
	size_t length;

	if (SSL_version(ssl) != TLS1_2_VERSION || SSL_get_extms_support(ssl) != 1)
		return 0;
	length = SSL_get_peer_finished(ssl, data, TLS_BINDING_MAX);
	return length <= TLS_BINDING_MAX ? length : 0;
}

/* The hash of the certificate, by the hash of its signature, or SHA-256. */
static size_t
bind_end_point(SSL *ssl, unsigned char data[TLS_BINDING_MAX])
{
	X509 *certificate = SSL_get_certificate(ssl);
	const EVP_MD *digest;
	unsigned length = 0;
	int hash;

	if (certificate == NULL ||
	    X509_get_signature_info(certificate, &hash, NULL, NULL, NULL) != 1)
		return 0;
	if (hash == NID_md5 || hash == NID_sha1)
		hash = NID_sha256;
	digest = EVP_get_digestbynid(hash);
	if (digest == NULL || EVP_MD_get_size(digest) > TLS_BINDING_MAX ||
	    X509_digest(certificate, digest, data, &length) != 1)
		return 0;
	return length;
}

static const struct {
	const char *type;
	size_t (*bind)(SSL *ssl, unsigned char data[TLS_BINDING_MAX]);
} bindings[] = {
    {"tls-exporter",         bind_exporter },
    {"tls-unique",           bind_unique   },
    {"tls-server-end-point", bind_end_point},
};

#define BINDINGS (sizeof(bindings) / sizeof(bindings[0]))

size_t
tls_binding(const struct tls *tls, const char *type,
    unsigned char data[TLS_BINDING_MAX])
{
	size_t length = 0;

	for (size_t i = 0; i < BINDINGS; i++) {
		if (strcmp(bindings[i].type, type) == 0)
			length = bindings[i].bind(tls->ssl, data);
	}
	ERR_clear_error();
	return length;
}

bool
tls_has_binding(const struct tls *tls)
{
	unsigned char data[TLS_BINDING_MAX];

	for (size_t i = 0; i < BINDINGS; i++) {
		if (tls_binding(tls, bindings[i].type, data) > 0)
			return true;
	}
	return false;
}

bool
tls_client_name(const struct tls *tls, unsigned number, char *name, size_t size)
{
	const X509 *certificate = SSL_get0_peer_certificate(tls->ssl);

	return certificate != NULL &&
	       SSL_get_verify_result(tls->ssl) == X509_V_OK &&
	       certificate_name(certificate, number, name, size);
}

const unsigned char *
tls_transcript(const struct tls *tls, size_t *lengthp)
{
	if (SSL_version(tls->ssl) != TLS1_3_VERSION ||
	    !transcript_whole(&tls->transcript))
		return NULL;
	*lengthp = tls->transcript.length;
	return tls->transcript.octets;
}

void
tls_forget_transcript(struct tls *tls)
{
	transcript_forget(&tls->transcript);
}
