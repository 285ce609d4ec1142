/*
 * What `poplard -t` looks at beyond the configuration's syntax. Changes
 * nothing. Runs as root or as the caller.
 */
#include "server.h"

#include <unistd.h>

#include "auth.h"
#include "certificates.h"
#include "config.h"
#include "service.h"
#include "sockets.h"

/* Sessions change their user with root alone. */
static int
check_user(const struct config *config)
{
	uid_t uid;
	gid_t gid;

	return geteuid() == 0 && server_user(config, &uid, &gid) == -1;
}

/* Reads them as a start would; each fault is logged. */
static int
check_certificates(const struct config *config)
{
	struct ssl_ctx_st *ctx;
	const int failed = certificates_load(config, &ctx) == -1;

	certificates_free(ctx);
	return failed;
}

int
server_check(const struct config *config)
{
	int errors = 0;

	errors += check_user(config);
	errors += service_check_folders(config);
	errors += sockets_check(config);
	errors += (int)users_verify(config);
	errors += check_certificates(config);
	pam_verify(config);
	return errors;
}
