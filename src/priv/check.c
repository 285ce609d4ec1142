/*
 * What `poplard -t` looks at beyond the configuration's syntax. Changes
 * nothing. Runs as root or as the caller.
 */
#include "server.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "auth.h"
#include "certificates.h"
#include "config.h"
#include "log.h"
#include "sockets.h"

static int
check_user(const struct config *config)
{
	const struct passwd *pw;

	if (geteuid() != 0)
		return 0;
	pw = getpwnam(config->server.user);
	if (pw != NULL && pw->pw_uid != 0)
		return 0;
	fprintf(stderr,
	    "server.user: %s \"%s\"; create one without privilege "
	    "(adduser --system --group poplar)\n",
	    pw == NULL ? "no user" : "uid 0 for", config->server.user);
	return 1;
}

/* Whether the folder can be made, which the start does. */
static bool
can_make(const char *path)
{
	char *copy = strdup(path);
	const bool can = copy != NULL && faccessat(AT_FDCWD, dirname(copy),
	                                     W_OK | X_OK, AT_EACCESS) == 0;

	free(copy);
	return can;
}

static int
check_folder(const char *key, const char *path)
{
	struct stat st;

	if (lstat(path, &st) == -1) {
		if (errno == ENOENT && can_make(path))
			return 0;
		fprintf(stderr, "%s: %s: %s\n", key, path, strerror(errno));
		return 1;
	}
	if (S_ISDIR(st.st_mode) && st.st_uid == geteuid() &&
	    (st.st_mode & (S_IWGRP | S_IWOTH)) == 0)
		return 0;
	fprintf(stderr,
	    "%s: %s must be a folder of uid %u that nobody else can write "
	    "to\n",
	    key, path, (unsigned)geteuid());
	return 1;
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
	errors += check_folder("server.state_dir", config->server.state_dir);
	errors += check_folder("server.run_dir", config->server.run_dir);
	errors += sockets_check(config);
	errors += (int)users_verify(config->auth.users_file);
	errors += check_certificates(config);
	pam_verify(config);
	return errors;
}
