/*
 * What the world around a daemon expects of it: a pid file, readiness, the
 * sockets that systemd opened, detaching, its folders. server_root() and
 * server_user() of server.h are beside it.
 */
#ifndef POPLAR_PRIV_SERVICE_H
#define POPLAR_PRIV_SERVICE_H

#include "config.h"

/*
 * Makes run_dir, the sessions' empty root in it, and state_dir; checks them. 0,
 * or -1 with the reason logged.
 */
int service_folders(const struct config *config);

/* What that would say, changing nothing. Returns the number of faults, each logged. */
int service_check_folders(const struct config *config);

struct pidfh;

/* Claims run_dir/poplard.pid. NULL: another daemon runs there (logged). */
struct pidfh *service_claim(const struct config *config);

/*
 * Goes to the background. Returns, in the child, a descriptor for
 * service_ready(); the parent waits for it and exits with 0, or with the
 * child's exit code. -1 with errno.
 */
int service_detach(void);

/* Readiness: to the parent that waits (descriptor or -1) and to NOTIFY_SOCKET. */
void service_ready(int descriptor);

/* "RELOADING=1", "STOPPING=1" and the like to NOTIFY_SOCKET, if there is one. */
void service_notify(const char *state);

/* Sockets passed by LISTEN_FDS (sd_listen_fds(3)): their number. */
int service_inherited(void);

#endif
