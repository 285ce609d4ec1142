/*
 * System accounts, and which of them may log in. Runs as root in the auth
 * child, where a name service that hangs is cut off with it.
 */
#include "backend.h"

#include <errno.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "log.h"

/* Far above _SC_GETPW_R_SIZE_MAX, which is a hint only. */
#define ENTRY_MAX 65536

static enum system_lookup
copy(const struct passwd *found, int error, struct system_account *account)
{
	if (found == NULL)
		return error == 0 || error == ENOENT ? SYSTEM_NONE : SYSTEM_FAILED;
	account->uid = found->pw_uid;
	account->gid = found->pw_gid;
	if (strlcpy(account->name, found->pw_name, sizeof(account->name)) >=
	        sizeof(account->name) ||
	    strlcpy(account->home, found->pw_dir, sizeof(account->home)) >=
	        sizeof(account->home))
		return SYSTEM_FAILED;
	return SYSTEM_FOUND;
}

/* By name, or where that is NULL by uid. */
static enum system_lookup
look_up(const char *name, uid_t uid, struct system_account *account)
{
	struct passwd entry, *found = NULL;
	char *buf = malloc(ENTRY_MAX);
	enum system_lookup lookup = SYSTEM_FAILED;
	int error = ENOMEM;

	if (buf != NULL) {
		error = name != NULL
		            ? getpwnam_r(name, &entry, buf, ENTRY_MAX, &found)
		            : getpwuid_r(uid, &entry, buf, ENTRY_MAX, &found);
		lookup = copy(found, error, account);
	}
	free(buf);
	if (lookup == SYSTEM_FAILED)
		log_error("auth: a system account cannot be looked up: %s",
		    strerror(error != 0 ? error : ENAMETOOLONG));
	return lookup;
}

enum system_lookup
system_by_name(const char *name, struct system_account *account)
{
	return look_up(name, 0, account);
}

enum system_lookup
system_by_uid(uid_t uid, struct system_account *account)
{
	return look_up(NULL, uid, account);
}

bool
system_uid_permitted(const struct config *config, uid_t uid)
{
	if (uid == 0 || uid < config->auth.first_uid)
		return false;
	return geteuid() == 0 || uid == geteuid();
}
