/*
 * When a dotlock that is in the way may be broken, and how. Runs as root with
 * the account's file-system ids on, relative to the descriptor of the folder.
 *
 * It is renamed to a name of our own, compared with the file that was
 * examined, and only then removed; else it is put back. So two programs that
 * break one stale dotlock at a time never take away the new one of a third.
 *
 * Age is told by the file server's clock, as it stamped our own new file.
 */
#include "dotlock.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "log.h"
#include "note.h"

#define CONTENT_MAX 256

bool
dotlock_same(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

bool
dotlock_look(const struct opening *o, const char *name, struct stat *st)
{
	return fstatat(o->folder, name, st, AT_SYMLINK_NOFOLLOW) == 0;
}

bool
dotlock_as_mail(struct opening *o)
{
	const struct group *mail;
	struct stat st;

	if (errno != EACCES || geteuid() != 0 || fstat(o->folder, &st) == -1 ||
	    st.st_uid != 0 || (st.st_mode & S_IWGRP) == 0)
		return false;
	mail = getgrnam("mail");
	errno = EACCES;
	if (mail == NULL || st.st_gid != mail->gr_gid ||
	    o->theirs.gid == mail->gr_gid)
		return false;
	return account_regroup(&o->theirs, mail->gr_gid) == 0;
}

/*
 * What a dotlock says of its maker, terminated; empty if it cannot be read.
 * 0, or -1 with errno, ESTALE where another stands there now.
 */
static int
read_content(const struct opening *o, const struct names *names,
    const struct stat *seen, char text[CONTENT_MAX])
{
	int fd = openat(o->folder, names->lock,
	    O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	struct stat st;
	ssize_t n = -1;

	if (fd != -1) {
		errno = ESTALE;
		if (fstat(fd, &st) == 0 && dotlock_same(&st, seen))
			n = read(fd, text, CONTENT_MAX - 1);
		close(fd);
	}
	text[n > 0 ? n : 0] = '\0';
	return n == -1 ? -1 : 0;
}

/* A short name and a full one may be of one host. */
static bool
same_host(const char *a, const char *b)
{
	size_t len = strcspn(a, ".");

	return len == strcspn(b, ".") && strncasecmp(a, b, len) == 0;
}

/*
 * Whether "pid" or "pid host" names a live process of this host. Without a
 * host it is taken for one of ours: better to wait than to break.
 */
static bool
maker_lives(const char *text, const char *host)
{
	char *rest;
	long pid;

	if (!isdigit((unsigned char)text[strspn(text, " \t")]))
		return false;
	errno = 0;
	pid = strtol(text, &rest, 10);
	if (errno != 0 || pid <= 0 || pid > INT32_MAX)
		return false;
	rest += strspn(rest, " \t\r\n");
	rest[strcspn(rest, " \t\r\n")] = '\0';
	if (*rest != '\0' && !same_host(rest, host))
		return false;
	return kill((pid_t)pid, 0) == 0 || errno == EPERM;
}

static bool
unchanged(const struct stat *a, const struct stat *b)
{
	return dotlock_same(a, b) && a->st_size == b->st_size &&
	       a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
	       a->st_mtim.tv_nsec == b->st_mtim.tv_nsec &&
	       a->st_ctim.tv_sec == b->st_ctim.tv_sec &&
	       a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

/* Another's, and good for nothing any more. A link or a folder never is. */
static bool
is_stale(const struct opening *o, const struct names *names,
    const struct stat *mine, struct stat *seen)
{
	char text[CONTENT_MAX];
	struct stat again;

	if (!dotlock_look(o, names->lock, seen) || !S_ISREG(seen->st_mode) ||
	    mine->st_mtim.tv_sec - seen->st_mtim.tv_sec <= DOTLOCK_STALE_AGE)
		return false;
	(void)read_content(o, names, seen, text);
	return !maker_lives(text, names->host) &&
	       dotlock_look(o, names->lock, &again) && unchanged(seen, &again);
}

/* What was taken was not what was examined. */
static void
put_back(const struct opening *o, const struct names *names)
{
	if (renameat2(o->folder, names->aside, o->folder, names->lock,
	        RENAME_NOREPLACE) == 0)
		return;
	if (linkat(o->folder, names->aside, o->folder, names->lock, 0) == -1)
		log_warning("maildrop %s: two dotlocks of other programs met: %s",
		    o->path, strerror(errno));
	(void)unlinkat(o->folder, names->aside, 0);
}

bool
dotlock_break(struct opening *o, const struct names *names, const struct stat *seen)
{
	struct stat st;
	int rc = renameat(o->folder, names->lock, o->folder, names->aside);

	if (rc == -1 && dotlock_as_mail(o))
		rc = renameat(o->folder, names->lock, o->folder, names->aside);
	if (rc == -1)
		return false;
	if (dotlock_look(o, names->aside, &st) && dotlock_same(&st, seen))
		return unlinkat(o->folder, names->aside, 0) == 0;
	put_back(o, names);
	return false;
}

bool
dotlock_break_stale(struct opening *o, const struct names *names,
    const struct stat *mine)
{
	struct stat seen;

	if (!is_stale(o, names, mine, &seen) || !dotlock_break(o, names, &seen))
		return false;
	log_warning("maildrop %s: broke another program's stale dotlock, %jd s old",
	    o->path, (intmax_t)(mine->st_mtim.tv_sec - seen.st_mtim.tv_sec));
	return true;
}

/* Ours can be read: an error of another kind speaks of the file that stands there. */
static bool
is_our_trouble(int error)
{
	static const int troubles[] = {EIO, EINTR, EMFILE, ENFILE, ENOMEM,
	    ETIMEDOUT};

	for (size_t i = 0; i < sizeof(troubles) / sizeof(troubles[0]); i++) {
		if (error == troubles[i])
			return true;
	}
	return false;
}

/*
 * An inode is soon used again: the content must be ours too, or the time, where a
 * full disk left no content, or a power cut its length in NULs.
 */
enum dotlock_owner
dotlock_owner(const struct opening *o, const struct names *names,
    const struct note *note, const struct stat *seen)
{
	char text[CONTENT_MAX], ours[CONTENT_MAX];
	bool same;

	if (!S_ISREG(seen->st_mode) || seen->st_ino != note->inode ||
	    strcmp(note->name, names->lock) != 0)
		return DOTLOCK_ANOTHERS;
	if (read_content(o, names, seen, text) == -1)
		return is_our_trouble(errno) ? DOTLOCK_UNKNOWN : DOTLOCK_ANOTHERS;
	snprintf(ours, sizeof(ours), "%d %s\n", (int)note->pid, names->host);
	same = text[0] != '\0' ? strcmp(text, ours) == 0
	                       : seen->st_mtim.tv_sec == note->mtime.tv_sec &&
	                             seen->st_mtim.tv_nsec == note->mtime.tv_nsec;
	return same ? DOTLOCK_OURS : DOTLOCK_ANOTHERS;
}
