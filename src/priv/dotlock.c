/*
 * The dotlock, NAME.lock beside the maildrop. Runs as root, in the monitor,
 * with the account's file-system ids and relative to the descriptor of the
 * folder: whatever the user puts in the way, nothing outside is made, read or
 * removed. The ids are on only while the folder is worked in; the note is
 * root's.
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
#include "state_files.h"

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
	int len = snprintf(text, sizeof(text), "%d %s\n", (int)getpid(),
	    names->host);

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
	return fd;
}

static void
note_of(struct note *note, const struct names *names, const struct stat *st)
{
	*note = (struct note){.inode = st->st_ino,
	    .mtime = st->st_mtim,
	    .pid = getpid()};
	strlcpy(note->name, names->lock, sizeof(note->name));
}

/*
 * One file system keeps note and dotlock in their order through a power cut.
 * Two are kept in order by a sync of each step.
 */
static bool
on_one_disk(const struct opening *o)
{
	struct stat folder, state;

	return fstat(o->folder, &folder) == 0 && fstat(o->state, &state) == 0 &&
	       folder.st_dev == state.st_dev;
}

/* The dotlock is gone. As root, who may read every folder to sync it. */
static void
end_note(const struct opening *o)
{
	int fd = -1;

	if (!on_one_disk(o))
		fd = openat(o->folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd != -1) {
		(void)fsync(fd);
		close(fd);
	}
	note_clear(o->state);
}

static void
note_down(const struct opening *o, const struct names *names, const struct stat *st)
{
	struct note note;

	note_of(&note, names, st);
	if (note_write(o->state, &note) == -1 ||
	    (!on_one_disk(o) && fsync(o->state) == -1))
		log_warning("maildrop %s: its dotlock cannot be noted: %s", o->path,
		    strerror(errno));
}

/*
 * Gives it the name that counts. Over NFS the answer to a link that was made
 * can be lost: the file that stands there decides.
 */
static bool
give_name(const struct opening *o, const struct names *names,
    const struct stat *mine)
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
	static const int refusals[] = {EACCES, EPERM, EROFS, ENOSPC, EDQUOT,
	    ENAMETOOLONG, EEXIST, EISDIR};

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
	if (config->maildrop.dotlock != DOTLOCK_REQUIRED)
		return MD_DOTLOCK_OK;
	return error == ENOSPC || error == EDQUOT ? MD_DOTLOCK_NO_SPACE
	                                          : MD_DOTLOCK_REFUSED;
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

/* The folder may permit it to another group of the account. False: errno stands. */
static bool
reenter_with_groups(struct opening *o)
{
	const int saved = errno;
	bool more;

	account_leave(&o->own);
	more = identity_widen(&o->account, &o->theirs) == 1;
	if (!enter(o))
		more = false;
	errno = saved;
	return more;
}

/* The first half: complete, under its first name. mine is what it is, if it is. */
static enum md_dotlock
prepare(const struct config *config, struct opening *o, const struct names *names,
    struct stat *mine)
{
	enum md_dotlock result = MD_DOTLOCK_OK;
	int fd;

	if (!enter(o))
		return MD_DOTLOCK_FAILED;
	fd = create(o, names);
	if (fd == -1 && errno == EACCES && reenter_with_groups(o))
		fd = create(o, names);
	if (fd == -1)
		result = unable(config, o, names);
	else if (fchmod(fd, 0644) == 0)
		fill(fd, names);
	if (fd != -1 && fstat(fd, mine) == -1)
		result = unable(config, o, names);
	if (fd != -1)
		close(fd);
	account_leave(&o->own);
	return result;
}

/* The second half, with the account's ids on: its name. */
static enum md_dotlock
publish(const struct config *config, struct opening *o, const struct names *names,
    const struct stat *mine)
{
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

/*
 * With the account's ids on. A system that cannot say what stands there does not
 * tell that ours is lost: then the note stays, for the time when it can.
 */
static bool
is_lost(const struct opening *o, const struct names *names)
{
	struct stat st;
	struct note ours;

	if (!dotlock_look(o, names->lock, &st))
		return errno == ENOENT;
	note_of(&ours, names, &o->dotlock);
	return dotlock_owner(o, names, &ours, &st) == DOTLOCK_ANOTHERS;
}

static void
forget(struct opening *o)
{
	log_warning("maildrop %s: another program removed or replaced our dotlock; "
	            "what is there is left alone",
	    o->path);
	o->dotlock = (struct stat){.st_ino = 0};
	note_clear(o->state);
}

/* Whether the one that we made still stands there; if not, it is forgotten. */
static bool
is_held(struct opening *o, const struct names *names)
{
	bool lost;

	if (o->dotlock.st_ino == 0 || !enter(o))
		return false;
	lost = is_lost(o, names);
	account_leave(&o->own);
	if (lost)
		forget(o);
	return !lost;
}

static enum md_dotlock
acquire(const struct config *config, struct opening *o)
{
	struct names names;
	struct stat mine = {.st_ino = 0};
	enum md_dotlock result;

	if (find_names(o, &names) == -1)
		return unable(config, o, &names);
	if (is_held(o, &names))
		return MD_DOTLOCK_OK;
	result = prepare(config, o, &names, &mine);
	if (mine.st_ino == 0)
		return result;
	note_down(o, &names, &mine);
	if (!enter(o))
		return MD_DOTLOCK_FAILED;
	result = publish(config, o, &names, &mine);
	(void)unlinkat(o->folder, names.fresh, 0);
	account_leave(&o->own);
	if (o->dotlock.st_ino == 0)
		note_clear(o->state);
	return result;
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

enum md_dotlock
dotlock_make(const struct config *config, struct opening *opening)
{
	enum md_dotlock result = MD_DOTLOCK_OK;
	bool ours;

	dotlock_clear(opening);
	if (config->maildrop.dotlock != DOTLOCK_OFF && opening->fds.mbox != -1)
		result = acquire(config, opening);
	if (result != MD_DOTLOCK_OK)
		return result;
	if (!enter(opening))
		return MD_DOTLOCK_FAILED;
	ours = path_is_ours(opening);
	account_leave(&opening->own);
	if (ours)
		return MD_DOTLOCK_OK;
	dotlock_remove(opening);
	return MD_DOTLOCK_CHANGED;
}

bool
dotlock_touch(struct opening *opening)
{
	struct names names;
	struct stat now;
	int rc;

	if (find_names(opening, &names) == -1 || !is_held(opening, &names) ||
	    !enter(opening))
		return false;
	rc = utimensat(opening->folder, names.lock, NULL, AT_SYMLINK_NOFOLLOW);
	if (rc == -1 || !dotlock_look(opening, names.lock, &now))
		log_warning("maildrop %s: its dotlock cannot be renewed: %s",
		    opening->path, strerror(errno));
	else if (dotlock_same(&now, &opening->dotlock))
		opening->dotlock = now;
	account_leave(&opening->own);
	note_down(opening, &names, &opening->dotlock);
	return true;
}

void
dotlock_remove(struct opening *opening)
{
	struct names names;
	bool lost;
	int rc = -1;

	if (opening->dotlock.st_ino == 0 || find_names(opening, &names) == -1 ||
	    !enter(opening))
		return;
	lost = is_lost(opening, &names);
	if (!lost)
		rc = unlinkat(opening->folder, names.lock, 0);
	account_leave(&opening->own);
	if (lost)
		forget(opening);
	else if (rc == -1)
		log_warning("maildrop %s: its dotlock cannot be removed: %s",
		    opening->path, strerror(errno));
	else
		end_note(opening);
	opening->dotlock = (struct stat){.st_ino = 0};
}

/* A name of our own that a killed process may have left. */
static void
sweep(struct opening *o, const char *name)
{
	if (unlinkat(o->folder, name, 0) == -1 && dotlock_as_mail(o))
		(void)unlinkat(o->folder, name, 0);
}

/* With the account's ids on. Whether the note has done its duty; else errno. */
static bool
clear_noted(struct opening *o, const struct names *names, const struct note *note)
{
	struct stat seen;
	enum dotlock_owner owner;

	sweep(o, names->fresh);
	sweep(o, names->aside);
	if (!dotlock_look(o, names->lock, &seen))
		return errno == ENOENT;
	owner = dotlock_owner(o, names, note, &seen);
	if (owner != DOTLOCK_OURS)
		return owner == DOTLOCK_ANOTHERS;
	if (!dotlock_break(o, names, &seen))
		return false;
	log_warning("maildrop %s: removed the dotlock of a session that died",
	    o->path);
	return true;
}

void
dotlock_clear(struct opening *opening)
{
	struct names names;
	struct note note;
	bool done;

	if (opening->dotlock.st_ino != 0 || !note_read(opening->state, &note) ||
	    find_names(opening, &names) == -1 || !enter(opening))
		return;
	done = clear_noted(opening, &names, &note);
	if (!done && errno == EACCES && reenter_with_groups(opening))
		done = clear_noted(opening, &names, &note);
	account_leave(&opening->own);
	if (done)
		end_note(opening);
}
