/*
 * The dotlock, NAME.lock beside the maildrop. Runs as root, in the monitor,
 * with the account's file-system ids and relative to the descriptor of the
 * folder: whatever the user puts in the way, nothing outside is made, read or
 * removed.
 *
 * Made: a file of a name of our own is created exclusively and filled, noted
 * in the state folder, then link(2)ed to NAME.lock, which fails if that is
 * there, on NFS too; then the first name goes. So it never stands there half
 * made, and it is in the note before it stands there at all.
 *
 * The names of our own are derived from the state folder and the host, so that
 * what a killed process leaves is found again by the next.
 */
#include "dotlock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "log.h"
#include "note.h"
#include "state.h"

static int
find_names(const struct opening *o, struct names *names)
{
	char hex[STATE_NAME_SIZE], key[80];
	struct stat st;

	names->lock[0] = '\0';
	if (gethostname(names->host, sizeof(names->host)) == -1 ||
	    fstat(o->state, &st) == -1)
		return -1;
	names->host[sizeof(names->host) - 1] = '\0';
	snprintf(key, sizeof(key), "%ju %ju", (uintmax_t)st.st_dev,
	    (uintmax_t)st.st_ino);
	if (state_name_of(names->host, key, hex) == -1)
		return -1;
	snprintf(names->fresh, sizeof(names->fresh), ".poplar-%.16s", hex);
	snprintf(names->aside, sizeof(names->aside), ".poplar-%.16s-old", hex);
	if ((size_t)snprintf(names->lock, sizeof(names->lock), "%s.lock", o->name) <
	    sizeof(names->lock))
		return 0;
	names->lock[0] = '\0';
	errno = ENAMETOOLONG;
	return -1;
}

static void
fill(int fd, const struct names *names)
{
	char text[HOST_NAME_MAX + 32];
	int len =
	    snprintf(text, sizeof(text), "%d %s\n", (int)getpid(), names->host);

	/* on a full disk an empty one will do, half a pid will not */
	if (pwrite(fd, text, (size_t)len, 0) != len && ftruncate(fd, 0) == -1)
		log_warning("dotlock: %s", strerror(errno));
}

/*
 * The file under its first name. A killed process may have left one there; and
 * each of the two steps may show that the folder wants group mail.
 */
static int
create(struct opening *o, const struct names *names)
{
	int fd = -1, rc;

	for (int i = 0; i < 3 && fd == -1; i++) {
		fd = openat(o->folder, names->fresh,
		    O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
		if (fd != -1)
			break;
		rc = errno == EEXIST ? unlinkat(o->folder, names->fresh, 0) : -1;
		if (rc == -1 && !dotlock_as_mail(o))
			return -1;
	}
	if (fd != -1 && fchmod(fd, 0644) == 0)
		fill(fd, names);
	return fd;
}

static void
note_down(const struct opening *o, const struct names *names, const struct stat *st)
{
	struct note note = {
	    .inode = st->st_ino, .mtime = st->st_mtim, .pid = getpid()};

	strlcpy(note.name, names->lock, sizeof(note.name));
	if (note_write(o->note, &note) == -1)
		log_warning("maildrop %s: its dotlock cannot be noted: %s", o->path,
		    strerror(errno));
}

/*
 * Gives it the name that counts. Over NFS the answer to a link that was made
 * can be lost: the file that stands there decides.
 */
static bool
give_name(
    const struct opening *o, const struct names *names, const struct stat *mine)
{
	struct stat st;
	int saved;

	if (linkat(o->folder, names->fresh, o->folder, names->lock, 0) == 0)
		return true;
	if (errno == EPERM || errno == EOPNOTSUPP) /* a file system without links */
		return renameat2(o->folder, names->fresh, o->folder, names->lock,
		           RENAME_NOREPLACE) == 0;
	saved = errno;
	if (dotlock_look(o, names->lock, &st) && dotlock_same(&st, mine))
		return true;
	errno = saved;
	return false;
}

/* Errors that speak of the folder, not of us: `try` goes on with a warning. */
static bool
is_refusal(int error)
{
	static const int refusals[] = {
	    EACCES, EPERM, EROFS, ENOSPC, EDQUOT, ENAMETOOLONG, EEXIST, EISDIR};

	for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
		if (error == refusals[i])
			return true;
	}
	return false;
}

/* A dotlock that we could not make is honoured all the same while it is fresh. */
static enum md_dotlock
unable(const struct config *config, struct opening *o, const struct names *names)
{
	int error = errno;
	struct stat st;

	if (!is_refusal(error)) {
		log_warning("maildrop %s: its dotlock failed: %s", o->path,
		    strerror(error));
		return MD_DOTLOCK_FAILED;
	}
	if (dotlock_look(o, names->lock, &st) && S_ISREG(st.st_mode) &&
	    time(NULL) - st.st_mtim.tv_sec <= DOTLOCK_STALE_AGE)
		return MD_DOTLOCK_BUSY;
	if (!o->warned)
		log_warning(
		    "maildrop %s: no dotlock can be made: %s (maildrop.dotlock)",
		    o->path, strerror(error));
	o->warned = true;
	return config->maildrop.dotlock == DOTLOCK_REQUIRED ? MD_DOTLOCK_REFUSED
	                                                    : MD_DOTLOCK_OK;
}

static enum md_dotlock
publish(const struct config *config, struct opening *o, const struct names *names,
    const struct stat *mine)
{
	note_down(o, names, mine);
	if (!give_name(o, names, mine)) {
		if (errno != EEXIST)
			return unable(config, o, names);
		if (!dotlock_break_stale(o, names, mine) ||
		    !give_name(o, names, mine))
			return MD_DOTLOCK_BUSY;
	}
	o->dotlock = *mine;
	return MD_DOTLOCK_OK;
}

static enum md_dotlock
make(const struct config *config, struct opening *o)
{
	struct names names;
	struct stat mine;
	enum md_dotlock result;
	int fd;

	if (find_names(o, &names) == -1)
		return unable(config, o, &names);
	fd = create(o, &names);
	if (fd == -1)
		return unable(config, o, &names);
	if (fstat(fd, &mine) == 0)
		result = publish(config, o, &names, &mine);
	else
		result = unable(config, o, &names);
	(void)unlinkat(o->folder, names.fresh, 0);
	if (o->dotlock.st_ino == 0)
		note_clear(o->note);
	close(fd);
	return result;
}

/* Whether the one that we made still stands there; if not, it is forgotten. */
static bool
is_held(struct opening *o, const struct names *names)
{
	struct stat st;

	if (o->dotlock.st_ino == 0)
		return false;
	if (dotlock_look(o, names->lock, &st) && dotlock_same(&st, &o->dotlock))
		return true;
	log_warning("maildrop %s: another program removed or replaced our dotlock; "
	            "what is there is left alone",
	    o->path);
	o->dotlock = (struct stat){.st_ino = 0};
	note_clear(o->note);
	return false;
}

/* With the account's ids on. */
static void
drop(struct opening *o)
{
	struct names names;

	if (o->dotlock.st_ino == 0 || find_names(o, &names) == -1 ||
	    !is_held(o, &names))
		return;
	if (unlinkat(o->folder, names.lock, 0) == -1)
		log_warning("maildrop %s: its dotlock cannot be removed: %s",
		    o->path, strerror(errno));
	else
		note_clear(o->note);
	o->dotlock = (struct stat){.st_ino = 0};
}

/* Under both locks: the path still names the file that is open, or still none. */
static bool
path_is_ours(const struct opening *o)
{
	struct stat now, ours;

	if (!dotlock_look(o, o->name, &now))
		return errno == ENOENT && o->fds.mbox == -1;
	return o->fds.mbox != -1 && fstat(o->fds.mbox, &ours) == 0 &&
	       dotlock_same(&now, &ours) && now.st_nlink == 1;
}

static bool
enter(const struct opening *o)
{
	if (account_enter(&o->theirs, &o->own) == 0)
		return true;
	log_error("maildrop %s: cannot take the ids of uid %ju: %s", o->path,
	    (uintmax_t)o->account.uid, strerror(errno));
	return false;
}

enum md_dotlock
dotlock_make(const struct config *config, struct opening *opening)
{
	enum md_dotlock result = MD_DOTLOCK_OK;
	struct names names;

	dotlock_clear(opening);
	if (!enter(opening))
		return MD_DOTLOCK_FAILED;
	if (config->maildrop.dotlock != DOTLOCK_OFF && opening->fds.mbox != -1 &&
	    (find_names(opening, &names) == -1 || !is_held(opening, &names)))
		result = make(config, opening);
	if (result == MD_DOTLOCK_OK && !path_is_ours(opening)) {
		result = MD_DOTLOCK_CHANGED;
		drop(opening);
	}
	account_leave(&opening->own);
	return result;
}

bool
dotlock_touch(struct opening *opening)
{
	struct names names;
	bool held;

	if (opening->dotlock.st_ino == 0 || find_names(opening, &names) == -1 ||
	    !enter(opening))
		return false;
	held = is_held(opening, &names);
	if (held && (utimensat(opening->folder, names.lock, NULL,
	                 AT_SYMLINK_NOFOLLOW) == -1 ||
	                !dotlock_look(opening, names.lock, &opening->dotlock)))
		log_warning("maildrop %s: its dotlock cannot be renewed: %s",
		    opening->path, strerror(errno));
	account_leave(&opening->own);
	if (held)
		note_down(opening, &names, &opening->dotlock);
	return held;
}

void
dotlock_remove(struct opening *opening)
{
	if (opening->dotlock.st_ino == 0 || !enter(opening))
		return;
	drop(opening);
	account_leave(&opening->own);
}

/* A name of our own that a killed process may have left. */
static void
sweep(struct opening *o, const char *name)
{
	if (unlinkat(o->folder, name, 0) == -1 && dotlock_as_mail(o))
		(void)unlinkat(o->folder, name, 0);
}

/* With the account's ids on. Whether the note has done its duty. */
static bool
clear_noted(struct opening *o, const struct names *names, const struct note *note)
{
	struct stat seen;

	sweep(o, names->fresh);
	sweep(o, names->aside);
	if (!dotlock_look(o, names->lock, &seen))
		return errno == ENOENT;
	if (!dotlock_is_noted(o, names, note, &seen))
		return true;
	if (!dotlock_break(o, names, &seen))
		return false;
	log_warning(
	    "maildrop %s: removed the dotlock of a session that died", o->path);
	return true;
}

void
dotlock_clear(struct opening *opening)
{
	struct names names;
	struct note note;
	bool done;

	if (opening->dotlock.st_ino != 0 || !note_read(opening->note, &note) ||
	    find_names(opening, &names) == -1 || !enter(opening))
		return;
	done = clear_noted(opening, &names, &note);
	account_leave(&opening->own);
	if (done)
		note_clear(opening->note);
}
