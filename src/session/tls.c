/*
 * TLS by OpenSSL, over the client's non-blocking socket. Runs sandboxed. What
 * is permitted was fixed with the context, in src/priv/certificates.c; the
 * context's key is in this process's memory, and only this file uses it.
 */
#include "tls.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdlib.h>

struct tls {
	SSL *ssl;
};

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
	free(tls);
}

/* What OpenSSL's return means; its queue of errors is emptied. */
static enum io_result
result(const struct tls *tls, int returned)
{
	int error = SSL_get_error(tls->ssl, returned);

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

	return returned == 1 ? IO_DONE : result(tls, returned);
}

enum io_result
tls_read(struct tls *tls, void *buf, size_t size, size_t *lengthp)
{
	int returned = SSL_read_ex(tls->ssl, buf, size, lengthp);

	return returned == 1 ? IO_DONE : result(tls, returned);
}

enum io_result
tls_write(struct tls *tls, const void *buf, size_t size, size_t *lengthp)
{
	int returned = SSL_write_ex(tls->ssl, buf, size, lengthp);

	return returned == 1 ? IO_DONE : result(tls, returned);
}

unsigned
tls_version(const struct tls *tls)
{
	return (unsigned)SSL_version(tls->ssl);
}
