/*
 * One session for a super-server: the client is on descriptor 0, or on 0 and
 * 1 where that is no socket. The same monitor as under the listener.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "auth.h"
#include "certificates.h"
#include "log.h"
#include "monitor.h"
#include "peer.h"
#include "server.h"
#include "service.h"
#include "users.h"

/* Above what a session's arrangement of descriptors uses. */
#define MOVED_FROM 16

static void
describe(struct monitor_setup *setup, struct peer *peer)
{
	struct sockaddr_storage from;
	socklen_t length = sizeof(from);

	memset(&from, 0, sizeof(from));
	if (getpeername(STDIN_FILENO, (struct sockaddr *)&from, &length) == -1)
		from.ss_family = AF_UNSPEC;
	peer_describe(&from, peer);
	setup->local = peer->local;
	setup->proxy = network_list_holds(setup->config->listen.proxy_networks,
	    peer->ip);
	strlcpy(setup->address, peer->address, sizeof(setup->address));
}

static bool
is_socket(int fd)
{
	int type;
	socklen_t length = sizeof(type);

	return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &length) == 0;
}

/* Moves the client away from 0 and 1, and puts /dev/null there. */
static int
move_client(struct monitor_setup *setup, bool keep_stderr)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	setup->client_in = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, MOVED_FROM);
	setup->client_out = is_socket(STDIN_FILENO)
	                        ? setup->client_in
	                        : fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, MOVED_FROM);
	if (null == -1 || setup->client_in == -1 || setup->client_out == -1)
		return -1;
	if (dup2(null, STDIN_FILENO) == -1 || dup2(null, STDOUT_FILENO) == -1 ||
	    (!keep_stderr && dup2(null, STDERR_FILENO) == -1))
		return -1;
	return 0;
}

void
inetd_refuse(bool tls)
{
	peer_refuse(is_socket(STDIN_FILENO) ? STDIN_FILENO : STDOUT_FILENO, tls,
	    "this server is not ready");
}

/* Folders and certificates. Returns an exit code. */
static int
prepare(struct monitor_setup *setup)
{
	if (service_folders(setup->config) == -1)
		return EX_CANTCREAT;
	return certificates_load(setup->config, &setup->tls) == -1 ? EX_CONFIG
	                                                           : EX_OK;
}

int
inetd_run(const struct config *config, const struct sandbox *sandbox, bool tls)
{
	struct monitor_setup setup = {.config = config,
	    .sandbox = sandbox,
	    .life = -1,
	    .tls_now = tls};
	struct peer peer;
	const int code = prepare(&setup);

	if (code != EX_OK) {
		inetd_refuse(tls);
		return code;
	}
	describe(&setup, &peer);
	if (move_client(&setup, log_descriptor() == STDERR_FILENO) == -1) {
		log_error("descriptor 0 is no connection: %s", strerror(errno));
		return EX_USAGE;
	}
	if (setup.client_in == setup.client_out)
		peer_tune(setup.client_in);
	else
		setup.tls = NULL; /* which needs a socket */
	if (tls && setup.tls == NULL) {
		log_error("-S needs tls.certificate, tls.private_key and a socket");
		return EX_CONFIG;
	}
	setup.apop = users_is_used(config) &&
	             users_offer_apop(config->auth.users_file);
	setup.scram = auth_users_alone(config) &&
	              users_offer_scram(config->auth.users_file);
	return monitor_run(&setup);
}
