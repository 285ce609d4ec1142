/*
 * The file-system ids of an account. Real, effective and saved ids of the
 * process never change, so the user can neither signal nor trace it; only
 * what decides about access to files does.
 */
#ifndef POPLAR_PRIV_ACCOUNT_H
#define POPLAR_PRIV_ACCOUNT_H

#include <sys/types.h>

struct account {
	const char *login; /* the name that logged in; NULL: look up no groups */
	uid_t uid;
	gid_t gid;
};

/* File-system uid and gid, and supplementary groups (the struct's own). */
struct identity {
	uid_t uid;
	gid_t gid;
	gid_t *groups;
	int count;
};

/*
 * Finds an account's identity: its groups where the login name is known to
 * getpwnam(3) with the same uid, else its gid alone. uid 0 is refused as
 * root; without root every account but the caller's is. 0, or -1 with errno
 * (EPERM: refused). *theirs is to be given to identity_free() in any case.
 */
int identity_of(const struct account *account, struct identity *theirs);

/* What the process has now, to go back to. Frees as above. 0, or -1 with errno. */
int identity_own(struct identity *own);

void identity_free(struct identity *identity);

/*
 * setgroups(2), setfsgid(2) and setfsuid(2), each read back. On failure the
 * caller's own identity stands. Without root nothing is changed. Clears
 * PR_SET_PDEATHSIG, as every change of these ids does. 0, or -1 with errno.
 */
int account_enter(const struct identity *theirs, const struct identity *own);

/* Changes the file-system gid while theirs is entered. 0, or -1 with errno. */
int account_regroup(struct identity *theirs, gid_t gid);

/* Goes back. A process that cannot go back has no use: it ends. */
void account_leave(const struct identity *own);

#endif
