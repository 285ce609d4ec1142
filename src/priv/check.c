/*
 * What `poplard -t` looks at beyond the configuration's syntax. Changes
 * nothing. Runs as root or as the caller.
 */
#include "server.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "certificates.h"
#include "config.h"
#include "log.h"
#include "pam.h"
#include "service.h"
#include "sockets.h"
#include "users.h"

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

/*
 * The folder that all maildrops of maildrop.path have above them. It need not
 * be there yet: a user may have a place of his own, and a mount may come later.
 */
static void
look_for_maildrops(const struct config *config)
{
	const char *path = config->maildrop.path;
	char *folder = strndup(path, strcspn(path, "%"));
	char *slash = folder != NULL ? strrchr(folder, '/') : NULL;
	struct stat st;

	if (slash != NULL && slash != folder) {
		*slash = '\0';
		if (stat(folder, &st) == -1)
			log_warning("maildrop.path: %s: %s", folder,
			    strerror(errno));
		else if (!S_ISDIR(st.st_mode))
			log_warning("maildrop.path: %s is no folder", folder);
	}
	free(folder);
}

/* As where the folder of the maildrops is named alone. */
static void
look_for_names(const struct config *config)
{
	const char *path = config->maildrop.path;
	char ann[PATH_MAX], bob[PATH_MAX];

	if (config_expand_path(path, "ann@a", "/a", ann, sizeof(ann)) &&
	    config_expand_path(path, "bob@b", "/b", bob, sizeof(bob)) &&
	    strcmp(ann, bob) == 0)
		log_warning("maildrop.path: %s is one file for all users; name "
		            "each by %%u",
		    path);
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
	look_for_maildrops(config);
	look_for_names(config);
	return errors;
}
