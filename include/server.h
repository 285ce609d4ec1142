/*
 * The ways to run: as a daemon that listens, for the one client on descriptor
 * 0, or to recover and end. All lead to the same monitor.
 */
#ifndef POPLAR_SERVER_H
#define POPLAR_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* Sockets that systemd may pass, from descriptor SERVER_INHERITED on. */
#define SERVER_INHERITED 3
#define SERVER_INHERITED_MAX 16

struct config;
struct sandbox;
struct config_overrides;

struct server_options {
	const char *config_path;
	bool config_required;
	const struct config_overrides *overrides; /* for a reload */
	bool foreground;
};

/* Listens until SIGTERM. Takes the configuration over. Returns an exit code. */
int listener_run(struct config *config, const struct sandbox *sandbox,
    const struct server_options *options);

/*
 * One session on descriptor 0 (and 1 where that is no socket); tls: at once.
 * Returns an exit code.
 */
int inetd_run(const struct config *config, const struct sandbox *sandbox, bool tls);

/* Tells the client of inetd_run() that nothing can be served; not under TLS. */
void inetd_refuse(bool tls);

/*
 * Finishes all interrupted UPDATEs, two at a time, and returns: EX_OK, or
 * EX_TEMPFAIL if some must be tried again (each is logged).
 */
int recover_run(const struct config *config, const struct sandbox *sandbox);

/* Whom sessions become, with root. 0, or -1 with the reason logged. */
int server_user(const struct config *config, uid_t *uidp, gid_t *gidp);

/* The path of the empty folder that sessions have as their root. */
void server_root(const struct config *config, char *dst, size_t size);

/*
 * What -t looks at beyond the syntax: users, folders, addresses, certificates,
 * PAM's service. Returns the number of errors, each logged.
 */
int server_check(const struct config *config);

#endif
