/*
 * A name service of our own, for tests of this folder: one account, with more
 * groups than a first look has room for.
 */
#ifndef POPLAR_TEST_GROUPS_H
#define POPLAR_TEST_GROUPS_H

#include <grp.h>
#include <pwd.h>
#include <stdlib.h>

#define GROUPS 40
#define FIRST_GROUP 61100

static uid_t account_uid; /* of the account of every name; 0: there is none */

struct passwd *
getpwnam(const char *name)
{
	static struct passwd account;

	(void)name;
	account.pw_uid = account_uid;
	return account_uid != 0 ? &account : NULL;
}

int
getgrouplist(const char *name, gid_t group, gid_t *groups, int *countp)
{
	const int room = *countp;

	(void)name;
	*countp = GROUPS + 1;
	if (room < *countp)
		return -1;
	groups[0] = group;
	for (int i = 1; i <= GROUPS; i++)
		groups[i] = FIRST_GROUP + (gid_t)i;
	return *countp;
}

#endif
