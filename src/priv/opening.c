/*
 * Opens a maildrop for a session. Runs as root, in the monitor.
 *
 * Everything in the user's folder is done with the account's file-system ids
 * and relative to a descriptor of that folder, so that no link or rename of
 * the user's leads root anywhere. The file is judged before it is opened (a
 * FIFO or a device may notice an open) and again on the descriptor. Only when
 * it is fit is the state folder touched.
 */
#include "opening.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "log.h"
#include "state.h"
#include "state_files.h"

#define FILE_FLAGS (O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC)

static enum opening_result
begin(struct opening *o, const struct account *account)
{
	memset(o, 0, offsetof(struct opening, folder_path));
	o->folder_path[0] = o->path[0] = '\0';
	o->account = *account;
	o->folder = o->state = -1;
	o->fds = (struct md_fds){-1, -1, -1, .writable = true};
	strlcpy(o->login, account->login, sizeof(o->login));
	o->account.login = o->login;
	if (identity_own(&o->own) == -1 || identity_of(account, &o->theirs) == -1)
		return opening_fault(o, OPENING_UNAVAILABLE,
		    "cannot act for uid %ju: %s", (uintmax_t)account->uid,
		    errno == EPERM ? "root, or not the caller's" : strerror(errno));
	return OPENING_OK;
}

/* No line end may come into `owner`, no control into a log line. */
static bool
printable(const char *text)
{
	for (; *text != '\0'; text++) {
		if ((unsigned char)*text < ' ' || *text == 0x7f)
			return false;
	}
	return true;
}

/* Splits a path; the folder goes where the resolved one will stand. */
static enum opening_result
split(struct opening *o, const char *path)
{
	const char *slash = strrchr(path, '/');
	size_t len = slash == NULL ? 0 : (size_t)(slash - path);

	if (path[0] != '/' || !printable(path) ||
	    len + 1 >= sizeof(o->folder_path) ||
	    strlcpy(o->name, slash + 1, sizeof(o->name)) >= sizeof(o->name) ||
	    o->name[0] == '\0' || strcmp(o->name, ".") == 0 ||
	    strcmp(o->name, "..") == 0)
		return opening_fault(o, OPENING_UNSUITABLE,
		    "its path is no absolute path of a file");
	strlcpy(o->path, path, sizeof(o->path));
	memcpy(o->folder_path, path, len);
	memcpy(o->folder_path + len, "/", len == 0 ? 2 : 1);
	if (len > 0)
		o->folder_path[len] = '\0';
	return OPENING_OK;
}

/* What waits for the administrator is unsuitable; what may pass, unavailable. */
static enum opening_result
refusal(int error)
{
	return error == EACCES || error == ELOOP || error == ENAMETOOLONG
	           ? OPENING_UNSUITABLE
	           : OPENING_UNAVAILABLE;
}

/* O_PATH: the user need only be able to search his folder, not to list it. */
static enum opening_result
open_folder(struct opening *o)
{
	o->folder = open(o->folder_path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	o->denied = o->folder == -1 && errno == EACCES;
	if (o->folder == -1)
		return opening_fault(o, refusal(errno), "its folder: %s",
		    strerror(errno));
	return OPENING_OK;
}

/* Two ways to one folder give one state folder. */
static enum opening_result
resolve(struct opening *o)
{
	char link[64];
	struct stat st;
	ssize_t len;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", o->folder);
	len = readlink(link, o->folder_path, sizeof(o->folder_path) - 1);
	if (len == -1)
		return opening_fault(o, OPENING_UNAVAILABLE,
		    "its folder cannot be resolved: %s: %s", link, strerror(errno));
	if (len == 0 || (size_t)len >= sizeof(o->folder_path) - 1 ||
	    fstat(o->folder, &st) == -1 || st.st_nlink == 0 ||
	    o->folder_path[0] != '/')
		return opening_fault(o, OPENING_UNAVAILABLE,
		    "its folder cannot be resolved");
	o->folder_path[len] = '\0';
	if ((size_t)snprintf(o->path, sizeof(o->path), "%s/%s",
	        len == 1 ? "" : o->folder_path, o->name) >= sizeof(o->path) ||
	    !printable(o->path))
		return opening_fault(o, OPENING_UNSUITABLE,
		    "its resolved path is too long or odd");
	return OPENING_OK;
}

static const char *
kind(mode_t mode)
{
	static const struct {
		mode_t type;
		const char *words;
	} kinds[] = {
	    {S_IFLNK,  "it is a symbolic link"},
	    {S_IFIFO,  "it is a FIFO"         },
	    {S_IFSOCK, "it is a socket"       },
	    {S_IFDIR,  "it is a folder"       },
	    {S_IFCHR,  "it is a device"       },
	    {S_IFBLK,  "it is a device"       },
	};

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if ((mode & S_IFMT) == kinds[i].type)
			return kinds[i].words;
	}
	return "it is not a regular file";
}

static enum opening_result
judge(struct opening *o, const struct stat *st)
{
	if (!S_ISREG(st->st_mode))
		return opening_fault(o, OPENING_UNSUITABLE, "%s",
		    kind(st->st_mode));
	if (st->st_nlink != 1)
		return opening_fault(o, OPENING_UNSUITABLE, "it has %ju links",
		    (uintmax_t)st->st_nlink);
	if (st->st_uid != o->account.uid)
		return opening_fault(o, OPENING_UNSUITABLE,
		    "it belongs to uid %ju, not %ju", (uintmax_t)st->st_uid,
		    (uintmax_t)o->account.uid);
	return OPENING_OK;
}

/* EPERM: a file marked immutable or append-only (chattr(1)). */
static int
open_file(struct opening *o)
{
	int fd = openat(o->folder, o->name, O_RDWR | FILE_FLAGS);

	o->denied = fd == -1 && errno == EACCES;
	if (fd == -1 && (errno == EACCES || errno == EROFS || errno == EPERM)) {
		o->fds.writable = false;
		fd = openat(o->folder, o->name, O_RDONLY | FILE_FLAGS);
	}
	return fd;
}

/* No process may write behind its limit, so nothing can be moved there. */
static bool
over_limit(const struct stat *st)
{
	struct rlimit limit;

	return getrlimit(RLIMIT_FSIZE, &limit) == 0 &&
	       limit.rlim_cur != RLIM_INFINITY &&
	       (rlim_t)st->st_size > limit.rlim_cur;
}

static enum opening_result
open_mbox(struct opening *o)
{
	enum opening_result result;
	struct stat st;

	if (fstatat(o->folder, o->name, &st, AT_SYMLINK_NOFOLLOW) == -1) {
		o->denied = errno == EACCES;
		if (errno == ENOENT)
			return OPENING_OK;
		return opening_fault(o, refusal(errno), "%s", strerror(errno));
	}
	result = judge(o, &st);
	if (result != OPENING_OK)
		return result;
	o->fds.mbox = open_file(o);
	if (o->fds.mbox == -1 || fstat(o->fds.mbox, &st) == -1)
		return opening_fault(o, refusal(errno), "it cannot be opened: %s",
		    strerror(errno));
	if (over_limit(&st))
		o->fds.writable = false;
	return judge(o, &st);
}

/* The part that is done with the account's ids. */
static enum opening_result
enter_and_open(struct opening *o)
{
	enum opening_result result;

	if (account_enter(&o->theirs, &o->own) == -1)
		return opening_fault(o, OPENING_UNAVAILABLE,
		    "cannot take the ids of uid %ju: %s", (uintmax_t)o->account.uid,
		    strerror(errno));
	result = open_folder(o);
	if (result == OPENING_OK)
		result = open_mbox(o);
	account_leave(&o->own);
	return result;
}

static void
shut(int *fdp)
{
	if (*fdp != -1)
		close(*fdp);
	*fdp = -1;
}

/*
 * First with the account's own group; where that is not enough, with all of its
 * groups.
 */
static enum opening_result
open_as_account(struct opening *o)
{
	enum opening_result result = enter_and_open(o);

	if (!o->denied || identity_widen(&o->account, &o->theirs) != 1)
		return result;
	shut(&o->fds.mbox);
	shut(&o->folder);
	o->fds.writable = true;
	o->fault[0] = '\0';
	return enter_and_open(o);
}

static enum opening_result
locate(struct opening *o, const char *path)
{
	enum opening_result result = split(o, path);

	if (result == OPENING_OK)
		result = open_as_account(o);
	if (result == OPENING_OK)
		result = resolve(o);
	return result;
}

static enum opening_result
occupy(const struct config *config, struct opening *o, const char *sid,
    const char *address)
{
	enum opening_result result = state_open(config, o);

	if (result != OPENING_OK)
		return result;
	dotlock_clear(o);
	if (holder_write(o->state, sid, address) == -1)
		log_warning("maildrop %s: cannot note its holder: %s", o->path,
		    strerror(errno));
	return OPENING_OK;
}

enum opening_result
opening_open(const struct config *config, const struct account *account,
    const char *path, const char *sid, const char *address, struct opening *opening)
{
	enum opening_result result = begin(opening, account);

	if (result == OPENING_OK)
		result = locate(opening, path);
	if (result == OPENING_OK)
		result = occupy(config, opening, sid, address);
	return result;
}

/* A state folder that does not belong to the maildrop of its `owner` is damaged. */
static enum opening_result
check_name(struct opening *o, const char *state_name)
{
	char name[STATE_NAME_SIZE];

	if (state_name_for(o, name) == -1 || strcmp(name, state_name) != 0)
		return opening_fault(o, OPENING_UNAVAILABLE,
		    "its folder is now %s, not the one in owner", o->folder_path);
	return OPENING_OK;
}

enum opening_result
opening_reopen(const struct config *config, const char *state_name, const char *sid,
    struct opening *opening)
{
	const struct account nobody = {
	    .login = "",
	    .uid = geteuid(),
	    .gid = getegid(),
	};
	struct owner owner;
	struct account account;
	enum opening_result result;
	char path[PATH_MAX + NAME_MAX + 2], why[128];

	if (state_read_owner(config, state_name, &owner, why, sizeof(why)) == -1) {
		(void)begin(opening, &nobody);
		return opening_fault(opening, OPENING_UNAVAILABLE, "%s", why);
	}
	account = (struct account){
	    .login = owner.login,
	    .uid = owner.uid,
	    .gid = owner.gid,
	};
	result = begin(opening, &account);
	snprintf(path, sizeof(path), "%s/%s", owner.folder, owner.name);
	if (result == OPENING_OK)
		result = locate(opening, path);
	if (result == OPENING_OK)
		result = check_name(opening, state_name);
	if (result == OPENING_OK)
		result = occupy(config, opening, sid, "recovery");
	return result;
}

int
opening_backdate(struct opening *o)
{
	struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}};
	struct stat st;
	int rc;

	if (o->fds.mbox == -1 || fstat(o->fds.mbox, &st) == -1 ||
	    account_enter(&o->theirs, &o->own) == -1)
		return -1;
	times[1] = st.st_mtim;
	if (times[1].tv_nsec-- == 0) {
		times[1].tv_nsec = 999999999;
		times[1].tv_sec--;
	}
	rc = futimens(o->fds.mbox, times);
	account_leave(&o->own);
	return rc;
}

void
opening_close(struct opening *opening)
{
	dotlock_remove(opening);
	shut(&opening->fds.mbox);
	shut(&opening->fds.journal);
	shut(&opening->fds.index);
	shut(&opening->state);
	shut(&opening->folder);
	identity_free(&opening->theirs);
	identity_free(&opening->own);
}
