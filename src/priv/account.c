/*
 * The file-system ids of an account. Runs as root; without root everything is
 * done as the caller and nothing is changed here.
 *
 * setfsuid(2) and setfsgid(2) report no failure: they return the value that
 * was, so a second call with an id that does not exist tells what holds. With
 * file-system uid 0 gone, the kernel takes the capabilities that override
 * file permissions from the effective set until it comes back.
 */
#include "account.h"

#include <errno.h>
#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/fsuid.h>
#include <sysexits.h>
#include <unistd.h>

#include "log.h"

#define NO_UID ((uid_t)-1)
#define NO_GID ((gid_t)-1)

/* A name that no system has: every name service is asked for it. */
#define NOBODY_AT_ALL "poplar no such user"

/* Grows the list until getgrouplist(3) is content. */
static int
list_groups(const struct account *account, struct identity *theirs)
{
	int count = 32;
	gid_t *groups;

	while (count <= NGROUPS_MAX) {
		groups = reallocarray(theirs->groups, (size_t)count, sizeof(gid_t));
		if (groups == NULL)
			return -1;
		theirs->groups = groups;
		theirs->count = count;
		if (getgrouplist(account->login, account->gid, groups,
		        &theirs->count) != -1)
			return 0;
		count = theirs->count > count ? theirs->count : count * 2;
	}
	errno = E2BIG;
	return -1;
}

/*
 * A name of the users file may be that of a system user by chance; it gets
 * his groups only if it has his uid.
 */
static bool
has_groups(const struct account *account)
{
	const struct passwd *pw = getpwnam(account->login);

	return pw != NULL && pw->pw_uid == account->uid;
}

int
identity_of(const struct account *account, struct identity *theirs)
{
	uid_t self = geteuid();

	*theirs = (struct identity){.uid = account->uid, .gid = account->gid};
	if (self != 0 ? account->uid != self : account->uid == 0) {
		errno = EPERM;
		return -1;
	}
	if (self != 0)
		return 0;
	theirs->groups = malloc(sizeof(gid_t));
	if (theirs->groups == NULL)
		return -1;
	theirs->groups[0] = account->gid;
	theirs->count = 1;
	return 0;
}

int
identity_widen(const struct account *account, struct identity *theirs)
{
	int before = theirs->count;

	if (geteuid() != 0 || !has_groups(account))
		return 0;
	if (list_groups(account, theirs) == -1)
		return -1;
	return theirs->count > before;
}

void
account_warm(void)
{
	gid_t group;
	int count = 1;

	(void)getpwnam(NOBODY_AT_ALL);
	(void)getgrouplist(NOBODY_AT_ALL, 0, &group, &count);
}

int
identity_own(struct identity *own)
{
	*own = (struct identity){.uid = geteuid(), .gid = getegid()};
	if (own->uid != 0)
		return 0;
	own->count = getgroups(0, NULL);
	if (own->count <= 0)
		return own->count;
	own->groups = calloc((size_t)own->count, sizeof(gid_t));
	if (own->groups == NULL)
		return -1;
	own->count = getgroups(own->count, own->groups);
	return own->count == -1 ? -1 : 0;
}

void
identity_free(struct identity *identity)
{
	free(identity->groups);
	*identity = (struct identity){.groups = NULL};
}

/* The user comes last: only then does the kernel give up its capabilities. */
static int
become(const struct identity *identity)
{
	if (setgroups((size_t)identity->count, identity->groups) == -1)
		return -1;
	setfsgid(identity->gid);
	setfsuid(identity->uid);
	if ((gid_t)setfsgid(NO_GID) == identity->gid &&
	    (uid_t)setfsuid(NO_UID) == identity->uid)
		return 0;
	errno = EPERM;
	return -1;
}

int
account_enter(const struct identity *theirs, const struct identity *own)
{
	int saved;

	if (geteuid() != 0)
		return 0;
	if (theirs->uid == 0) {
		errno = EPERM;
		return -1;
	}
	if (become(theirs) == 0)
		return 0;
	saved = errno;
	account_leave(own);
	errno = saved;
	return -1;
}

int
account_regroup(struct identity *theirs, gid_t gid)
{
	setfsgid(gid);
	if ((gid_t)setfsgid(NO_GID) != gid) {
		errno = EPERM;
		return -1;
	}
	theirs->gid = gid;
	return 0;
}

void
account_leave(const struct identity *own)
{
	int saved = errno;

	if (geteuid() == 0 && become(own) == -1)
		fatal(EX_OSERR, "cannot take back root's file-system ids");
	errno = saved;
}
