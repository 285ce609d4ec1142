/*
 * The file-system ids of an account. Real, effective and saved ids of the
 * process never change, so the user can neither signal nor trace it; only
 * what decides about access to files does.
 */
#ifndef POPLAR_PRIV_ACCOUNT_H
#define POPLAR_PRIV_ACCOUNT_H

#include <sys/types.h>

struct account {
	const char *login; /* the name that logged in */
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
 * An account's identity with its gid as the only group: enough for nearly all
 * maildrops, and no name service is asked. uid 0 is refused as root; without
 * root every account but the caller's is. 0, or -1 with errno (EPERM:
 * refused). *theirs is to be given to identity_free() in any case.
 */
int identity_of(const struct account *account, struct identity *theirs);

/*
 * Adds the groups of the login name, where getpwnam(3) knows it with the same
 * uid: for a second try after EACCES. 1: there are more now; 0: there are
 * none; -1 with errno. Not to be called while theirs is entered.
 */
int identity_widen(const struct account *account, struct identity *theirs);

/*
 * Loads the name services' modules, once, before any fork, so that no child has
 * to.
 */
void account_warm(void);

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
