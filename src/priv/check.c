/*
 * What `poplard -t` looks at beyond the configuration's syntax. Changes
 * nothing. Runs as root or as the caller.
 */
#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "server.h"

#include "certificates.h"
#include "config.h"

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

/* A folder may be absent: the start makes it. */
static int
check_folder(const char *key, const char *path)
{
	struct stat st;

	if (lstat(path, &st) == -1) {
		if (errno == ENOENT)
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

static int
check_users_file(const char *path)
{
	struct stat st;

	if (stat(path, &st) == -1) {
		if (errno == ENOENT)
			return 0;
		fprintf(stderr, "auth.users_file: %s: %s\n", path, strerror(errno));
		return 1;
	}
	if (S_ISREG(st.st_mode) &&
	    (st.st_mode & (S_IROTH | S_IWOTH | S_IWGRP)) == 0)
		return 0;
	fprintf(stderr,
	    "auth.users_file: %s must be a file that others cannot read or "
	    "write; chmod 600\n",
	    path);
	return 1;
}

/* Logins of system users fail without it: said, but no error. */
static void
check_pam(const struct config *config)
{
	char path[512];

	if (strstr(config->auth.backends, "pam") == NULL)
		return;
	snprintf(path, sizeof(path), "/etc/pam.d/%s", config->auth.pam_service);
	if (access(path, F_OK) != 0)
		fprintf(stderr,
		    "warning: auth.pam_service: no %s; system users cannot log "
		    "in\n",
		    path);
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
	errors += check_users_file(config->auth.users_file);
	errors += check_certificates(config);
	check_pam(config);
	return errors;
}
