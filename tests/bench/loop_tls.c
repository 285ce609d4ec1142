/*
 * The reference loop with TLS: what the machine can do when a server does
 * nothing but the handshake and the least behind it, by as many processes for
 * each connection as Poplar has. No privilege.
 *
 * loop_tls COUNT PEM       listens on a free port of 127.0.0.1, prints it, and
 *                          serves until standard input ends, by COUNT processes
 *                          for each connection; PEM holds certificate and key
 */
#include <err.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <openssl/ssl.h>

#include "canned.h"

struct service {
	SSL_CTX *context;
	long processes; /* for each connection */
};

static bool
put(SSL *ssl, const char *text)
{
	return SSL_write(ssl, text, (int)strlen(text)) > 0;
}

/* Command lines are taken to come whole. */
static void
serve_secured(SSL *ssl)
{
	char line[512];
	const char *reply = CANNED_GREETING;
	int n = 4;

	while (reply != NULL && put(ssl, reply) &&
	       !canned_is(line, (size_t)n, "QUIT")) {
		n = SSL_read(ssl, line, sizeof(line));
		reply = n > 0 ? canned_reply(line, (size_t)n) : NULL;
	}
	(void)SSL_shutdown(ssl);
}

static void
serve(int client, void *ctx)
{
	const struct service *service = ctx;
	SSL *ssl;

	if (!by_processes(service->processes))
		return;
	ssl = SSL_new(service->context);
	if (ssl != NULL && SSL_set_fd(ssl, client) == 1 && SSL_accept(ssl) == 1)
		serve_secured(ssl);
	SSL_free(ssl);
}

/*
 * One handshake with ourselves: what OpenSSL makes at its first use is made
 * here, and not in each child anew.
 */
static void
rehearse(SSL_CTX *context)
{
	SSL_CTX *theirs = SSL_CTX_new(TLS_client_method());
	SSL *server = SSL_new(context), *client = SSL_new(theirs);
	BIO *near, *far;

	if (BIO_new_bio_pair(&near, 0, &far, 0) != 1)
		errx(1, "no memory");
	SSL_set_bio(server, near, near);
	SSL_set_bio(client, far, far);
	SSL_set_accept_state(server);
	SSL_set_connect_state(client);
	for (int turns = 0; turns < 8 && !SSL_is_init_finished(server); turns++) {
		(void)SSL_do_handshake(client);
		(void)SSL_do_handshake(server);
	}
	if (!SSL_is_init_finished(server))
		errx(1, "no handshake with ourselves");
	SSL_free(server);
	SSL_free(client);
	SSL_CTX_free(theirs);
}

int
main(int argc, char **argv)
{
	SSL_CTX *context = SSL_CTX_new(TLS_server_method());
	struct service service = {.context = context};

	if (argc != 3)
		errx(1, "usage: loop_tls COUNT PEM");
	if (context == NULL ||
	    SSL_CTX_use_certificate_chain_file(context, argv[2]) != 1 ||
	    SSL_CTX_use_PrivateKey_file(context, argv[2], SSL_FILETYPE_PEM) != 1)
		errx(1, "%s: no certificate and key", argv[2]);
	(void)SSL_CTX_set_num_tickets(context, 0);
	(void)SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
	service.processes = strtol(argv[1], NULL, 10);
	rehearse(context);
	serve_all(listen_on_loopback(0), STDIN_FILENO, serve, &service);
	return 0;
}
