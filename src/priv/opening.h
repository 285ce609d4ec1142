/*
 * What root does for a session with the account's file-system ids: open its
 * maildrop, keep its state folder, make its dotlock. Real, effective and saved
 * ids never change, so the user can neither signal nor trace the monitor.
 */
#ifndef POPLAR_PRIV_OPENING_H
#define POPLAR_PRIV_OPENING_H

#include <limits.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "config.h"
#include "maildrop.h"

struct account {
	const char *login; /* the name that logged in */
	uid_t uid;
	gid_t gid;
};

enum opening_result {
	OPENING_OK = 0,
	OPENING_IN_USE,      /* another session; holder is set */
	OPENING_UNSUITABLE,  /* not a plain file of the account: [SYS/PERM] */
	OPENING_UNAVAILABLE  /* folder missing, system trouble: [SYS/TEMP] */
};

/* An open maildrop, on the privileged side. Unused descriptors are -1. */
struct opening {
	struct account account;
	int folder;          /* the maildrop's folder, opened with the account's ids */
	int state;           /* its state folder */
	struct md_fds fds;   /* index carries the session lock */
	char path[PATH_MAX]; /* resolved folder and file name, for log lines */
	char name[NAME_MAX + 1]; /* the file's name in its folder */
	char holder[IPC_HOLDER_MAX]; /* of the other session */
	char fault[256];     /* what was wrong, for the log; empty without fault */
	struct stat dotlock; /* st_ino 0: none made by us */
};

/*
 * Opens the maildrop at a path with the account's ids: O_NOFOLLOW, a regular
 * file, one link, owned by the account; read-only where it cannot be written;
 * fds.mbox is -1 where there is no file. Makes and syncs the state folder
 * (named by a hash of resolved folder and file name, root's, 0700, with
 * `owner`), takes the session lock, clears a dotlock that a dead session of
 * ours left (noted in the state folder), writes `holder` (sid, address,
 * since). *opening is filled, to be given to opening_close() in every case.
 * account.login is copied by reference and must outlive the opening.
 */
enum opening_result opening_open(const struct config *config, const struct account *account,
    const char *path, const char *sid, const char *address, struct opening *opening);

/*
 * The same from a state folder's `owner`, for recovery at start: no name of
 * an account is looked up. OPENING_UNAVAILABLE where `owner` is damaged.
 */
enum opening_result opening_reopen(const struct config *config, const char *state_name,
    const char *sid, struct opening *opening);

/* Removes our dotlock, closes all, which lets the session lock go once the session is gone too. */
void opening_close(const struct config *config, struct opening *opening);

/*
 * Makes the dotlock: NAME.lock beside the maildrop, relative to the folder's
 * descriptor, with the account's file-system ids (and, only on EACCES in a
 * root-owned, group-writable folder of group mail, file-system gid mail);
 * O_EXCL, 0644, "pid host\n"; noted in the state folder first. Another's is
 * broken only when older than 5 minutes, unchanged, and not of a live process
 * of this host. One try, no waiting. Then checks that the path still names
 * the open file, with one link (an absent file must still be absent).
 */
enum md_dotlock dotlock_make(const struct config *config, struct opening *opening);

/* Renews its time, once a minute while it is held. False: it is ours no more (logged). */
bool dotlock_touch(struct opening *opening);

/* Removes it if device and inode are still ours; logs if not. */
void dotlock_remove(struct opening *opening);

/* Renames the journal into conflict/, puts an empty one in its place. 0, or -1 with errno; fds.journal is new. */
int journal_set_aside(struct opening *opening);

/* Calls a function with the name of each state folder whose journal is not empty. */
int state_each_pending(const struct config *config,
    void (*pending)(const char *state_name, void *ctx), void *ctx);

/*
 * setfsgid, setgroups for file access and setfsuid to the account, read back.
 * Without root it only checks that the account is the caller's. 0, or -1.
 */
int account_enter(const struct account *account);
void account_leave(void);

#endif
