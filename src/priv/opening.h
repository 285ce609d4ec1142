/*
 * What root does for a session with the account's file-system ids: open its
 * maildrop, keep its state folder, make its dotlock.
 */
#ifndef POPLAR_PRIV_OPENING_H
#define POPLAR_PRIV_OPENING_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>

#include "account.h"
#include "config.h"
#include "ipc.h"
#include "maildrop.h"

enum opening_result {
	OPENING_OK = 0,
	OPENING_IN_USE,     /* another session; holder is set */
	OPENING_UNSUITABLE, /* not a plain file of the account: [SYS/PERM] */
	OPENING_UNAVAILABLE /* folder missing, system trouble: [SYS/TEMP] */
};

/* An open maildrop, on the privileged side. Unused descriptors are -1. */
struct opening {
	struct account account;
	struct identity theirs;   /* file-system ids for the maildrop's folder */
	struct identity own;      /* and those to go back to */
	int folder;               /* the maildrop's folder, O_PATH */
	int state;                /* its state folder */
	struct md_fds fds;        /* index and journal carry the session lock */
	bool denied;              /* EACCES: other groups of the account may help */
	char name[NAME_MAX + 1];  /* the file's name in its folder */
	char login[IPC_NAME_MAX]; /* for log lines */
	char holder[IPC_HOLDER_MAX]; /* of the other session: "from ADDRESS since
					TIME", or empty */
	char fault[256];     /* what was wrong, for the log; empty without fault */
	struct stat dotlock; /* st_ino 0: none made by us */
	bool warned;         /* that no dotlock can be made */
	/* resolved; and the file name with it, for log lines. Last, and touched
	 * no farther than they reach: an idle monitor keeps its opening */
	char folder_path[PATH_MAX];
	char path[PATH_MAX];
};

/*
 * Opens the maildrop at a path with the account's ids: O_NOFOLLOW, a regular
 * file, one link, owned by the account; read-only where it cannot be written;
 * fds.mbox is -1 where there is no file. Makes and syncs the state folder
 * (named by a hash of uid, resolved folder and file name; root's, 0700, with
 * `owner`), takes the session lock, clears a dotlock that a dead session of
 * ours left (noted in the state folder), writes `holder` (sid, address,
 * since). *opening is filled, to be given to opening_close() in every case.
 */
enum opening_result opening_open(const struct config *config,
    const struct account *account, const char *path, const char *sid,
    const char *address, struct opening *opening);

/*
 * The same from a state folder's `owner`, for recovery: no account is looked up
 * but for its other groups, where nothing else permits what is to be done.
 * OPENING_UNAVAILABLE where `owner` is damaged or the folder has moved.
 */
enum opening_result opening_reopen(const struct config *config,
    const char *state_name, const char *sid, struct opening *opening);

/*
 * Sets the maildrop's mtime back by a nanosecond, with the account's ids. 0, or
 * -1 where that cannot be.
 */
int opening_backdate(struct opening *opening);

/*
 * Removes our dotlock and closes all, which lets the session lock go once the
 * session is gone too.
 */
void opening_close(struct opening *opening);

/* Sets opening->fault and returns result. For the files behind this header. */
enum opening_result opening_fault(struct opening *opening,
    enum opening_result result, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/*
 * Makes the dotlock: NAME.lock beside the maildrop, relative to the folder's
 * descriptor, with the account's file-system ids (and, only on EACCES in a
 * root-owned, group-writable folder of group mail, file-system gid mail);
 * exclusive, 0644, "pid host\n"; noted in the state folder first. Called only
 * while the session holds its fcntl lock. Another's is broken only when older
 * than 5 minutes, unchanged, and not of a live process of this host. One try,
 * no waiting. Then checks that the path still names the open file, with one
 * link. For an absent file no dotlock is made; it must still be absent.
 */
enum md_dotlock dotlock_make(const struct config *config, struct opening *opening);

/*
 * Renews its time, once a minute while it is held. False: it is ours no more
 * (logged).
 */
bool dotlock_touch(struct opening *opening);

/* Removes it if device and inode are still ours; logs if not. */
void dotlock_remove(struct opening *opening);

/* Removes the dotlock of a dead session of ours. The session lock is held. */
void dotlock_clear(struct opening *opening);

/*
 * Moves the journal into conflict/, puts an empty one in its place and logs
 * an error that says what to do. 0; or -1 with errno: nothing was changed, or
 * the journal is in conflict/ and none in its place. On 0 fds.journal is new
 * and the old descriptor closed.
 */
int journal_set_aside(struct opening *opening);

/*
 * Makes server.state_dir if it is absent (not its parents) and checks that it
 * is a folder of the caller's that nobody else can write. 0, or -1 with the
 * reason and what to do in why.
 */
int state_prepare(const struct config *config, char *why, size_t size);

/*
 * Calls a function with the name of each state folder that a dead session
 * left something in: a journal or a noted dotlock. 0, or -1 with errno.
 */
int state_each_pending(const struct config *config,
    void (*pending)(const char *state_name, void *ctx), void *ctx);

#endif
