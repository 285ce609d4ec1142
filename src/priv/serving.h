/*
 * What new connections are served with: configuration, sockets, certificates.
 * A reload replaces all of it or nothing.
 */
#ifndef POPLAR_PRIV_SERVING_H
#define POPLAR_PRIV_SERVING_H

#include <stdbool.h>

#include "config.h"
#include "server.h"
#include "sockets.h"

struct ssl_ctx_st;

struct serving {
	struct config *config;
	struct sockets sockets;
	bool inherited;         /* the sockets are systemd's */
	struct ssl_ctx_st *tls; /* NULL: no TLS */
};

/*
 * Reads the certificates, then binds. Takes the configuration over. Returns
 * EX_OK, or an exit code with the reason logged.
 */
int serving_start(struct serving *serving, struct config *config);

/*
 * Reads the configuration and the certificates again and binds what is new
 * before the old is closed. On any fault, which is logged, all stays as it
 * was.
 */
void serving_reload(struct serving *serving, const struct server_options *options);

/* Points the log where log.target and log.level say. */
void serving_log(const struct serving *serving, bool foreground);

/* No new connections. */
void serving_stop(struct serving *serving);

/* Frees configuration and certificates; the sockets end with the process. */
void serving_free(struct serving *serving);

#endif
