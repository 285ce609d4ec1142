/*
 * The users file, changed a line at a time. Runs with the privilege of
 * poplarctl's caller.
 *
 * The file is read whole under a lock, and replaced by rename(2): a reader
 * sees the old file or the new one, and after a crash so does everybody.
 * flopen(3) looks again whether the path still names what it locked, so that
 * a run that waited goes on with the file that the other one left. It is read
 * and written with plain system calls and kept in one piece of memory, so
 * that all of its secrets can be wiped.
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <libutil.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ctl.h"

#define FILE_LIMIT (256 << 20) /* octets */

/* Reads all of fd. 0, or -1 with errno. */
static int
read_whole(int fd, size_t len, char *text)
{
	size_t have = 0;
	ssize_t n;

	while (have < len) {
		n = read(fd, text + have, len - have);
		if (n == -1 && errno == EINTR)
			continue;
		if (n <= 0) {
			errno = n == 0 ? EIO : errno;
			return -1;
		}
		have += (size_t)n;
	}
	return 0;
}

static int
write_whole(int fd, const char *text, size_t len)
{
	ssize_t n;

	for (; len > 0; text += n, len -= (size_t)n) {
		n = write(fd, text, len);
		if (n == -1 && errno == EINTR)
			n = 0;
		if (n == -1)
			return -1;
	}
	return 0;
}

static int
load(struct users *users)
{
	if (fstat(users->fd, &users->st) == -1) {
		warn("%s", users->path);
		return -1;
	}
	if (!S_ISREG(users->st.st_mode) || users->st.st_size > FILE_LIMIT) {
		warnx("%s: is no plain file of a sensible size", users->path);
		return -1;
	}
	users->len = (size_t)users->st.st_size;
	users->text = malloc(users->len + 1);
	if (users->text == NULL ||
	    read_whole(users->fd, users->len, users->text) == -1) {
		warn("%s", users->path);
		return -1;
	}
	return 0;
}

int
users_open(const char *path, struct users *users)
{
	*users = (struct users){.fd = -1};
	users->path = realpath(path, NULL);
	if (users->path == NULL && errno == ENOENT) {
		users->created = true;
		users->path = strdup(path);
	}
	if (users->path != NULL)
		users->fd = flopen(users->path,
		    O_RDONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY, 0600);
	if (users->fd == -1) {
		warn("%s", path);
		return -1;
	}
	return load(users);
}

void
users_close(struct users *users)
{
	if (users->created && users->fd != -1 && users->st.st_size == 0)
		unlink(users->path);
	if (users->fd != -1)
		close(users->fd);
	freezero(users->text, users->len);
	free(users->path);
}

/* The number of the line that begins at an offset, from 1. */
static size_t
line_number(const struct users *users, size_t start)
{
	size_t line = 1;

	for (size_t i = 0; i < start; i++)
		line += users->text[i] == '\n';
	return line;
}

/* Takes a line apart; fields that it lacks are empty. 0, or -1: too many. */
static int
split(struct users_entry *entry)
{
	char *rest = entry->copy;

	for (int i = 0; i < USERS_FIELDS; i++)
		entry->fields[i] = rest != NULL ? strsep(&rest, ":") : "";
	return rest == NULL ? 0 : -1;
}

/* Remembers the line at start as the entry. 0, or -1, said. */
static int
take_line(const struct users *users, size_t start, size_t len,
    struct users_entry *entry)
{
	if (entry->len != 0) {
		warnx(
		    "%s:%zu: the name has another line, %zu; remove one of the two",
		    users->path, line_number(users, start),
		    line_number(users, entry->start));
		return -1;
	}
	entry->copy = malloc(len + 1);
	if (entry->copy == NULL) {
		warn(NULL);
		return -1;
	}
	entry->start = start;
	entry->len = len;
	memcpy(entry->copy, users->text + start, len);
	entry->copy[len] = '\0';
	if (memchr(entry->copy, '\0', len) != NULL || split(entry) == -1) {
		warnx("%s:%zu: is no line of 7 fields; correct it by hand",
		    users->path, line_number(users, start));
		return -1;
	}
	return 0;
}

int
users_find(const struct users *users, const char *name, struct users_entry *entryp)
{
	size_t name_len = strlen(name), len;
	const char *line, *end;

	*entryp = (struct users_entry){.start = users->len};
	for (int i = 0; i < USERS_FIELDS; i++)
		entryp->fields[i] = "";
	for (size_t start = 0; start < users->len; start += len + 1) {
		line = users->text + start;
		end = memchr(line, '\n', users->len - start);
		len = end != NULL ? (size_t)(end - line) : users->len - start;
		if (len > name_len && line[name_len] == ':' &&
		    memcmp(line, name, name_len) == 0 &&
		    take_line(users, start, len, entryp) == -1)
			return -1;
	}
	return 0;
}

void
users_entry_free(struct users_entry *entry)
{
	freezero(entry->copy, entry->len);
}

/* The fields with colons between, to be given to freezero; or NULL. */
static char *
join(const struct users_entry *entry)
{
	size_t size = USERS_FIELDS;
	char *line;

	for (int i = 0; i < USERS_FIELDS; i++)
		size += strlen(entry->fields[i]);
	line = calloc(1, size);
	for (int i = 0; line != NULL && i < USERS_FIELDS; i++) {
		strlcat(line, i > 0 ? ":" : "", size);
		strlcat(line, entry->fields[i], size);
	}
	return line;
}

/* The text with the new line in the old one's place. 0, or -1 with errno. */
static int
write_text(const struct users *users, const struct users_entry *entry, int fd)
{
	size_t rest = entry->start + entry->len;
	const char *text = users->text;
	char *line = join(entry);
	int result = -1;

	if (line == NULL || write_whole(fd, text, entry->start) == -1)
		goto out;
	if (entry->len == 0 && users->len > 0 && text[users->len - 1] != '\n' &&
	    write_whole(fd, "\n", 1) == -1)
		goto out;
	if (write_whole(fd, line, strlen(line)) == -1)
		goto out;
	if (entry->len == 0)
		result = write_whole(fd, "\n", 1);
	else
		result = write_whole(fd, text + rest, users->len - rest);
out:
	if (line != NULL)
		freezero(line, strlen(line));
	return result;
}

/* Owner and mode as they were; a change of owner may clear bits of the mode. */
static int
copy_rights(const struct users *users, int fd)
{
	struct stat st;

	if (fstat(fd, &st) == -1)
		return -1;
	if ((st.st_uid != users->st.st_uid || st.st_gid != users->st.st_gid) &&
	    fchown(fd, users->st.st_uid, users->st.st_gid) == -1)
		return -1;
	return fchmod(fd, users->st.st_mode & 07777);
}

static int
sync_folder(const char *path)
{
	char *copy = strdup(path);
	int fd, result = -1;

	if (copy == NULL)
		return -1;
	fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd != -1) {
		result = fsync(fd);
		close(fd);
	}
	free(copy);
	return result;
}

static int
replace(struct users *users, const struct users_entry *entry)
{
	char temp[PATH_MAX];
	int fd, result = -1;

	if (snprintf(temp, sizeof(temp), "%s.XXXXXX", users->path) >=
	    (int)sizeof(temp)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	fd = mkostemp(temp, O_CLOEXEC);
	if (fd == -1)
		return -1;
	if (copy_rights(users, fd) == -1 || write_text(users, entry, fd) == -1 ||
	    fsync(fd) == -1 || rename(temp, users->path) == -1)
		unlink(temp);
	else {
		users->created = false;
		result = 0;
	}
	close(fd);
	return result;
}

/* Signals that a person or a limit sends wait until the temporary file is gone. */
int
users_store(struct users *users, const struct users_entry *entry)
{
	sigset_t signals, before;
	int result;

	sigemptyset(&signals);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGQUIT);
	sigaddset(&signals, SIGHUP);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGTSTP);
	sigaddset(&signals, SIGXFSZ);
	sigprocmask(SIG_BLOCK, &signals, &before);
	result = replace(users, entry);
	if (result == -1)
		warn("%s", users->path);
	else if ((result = sync_folder(users->path)) == -1)
		warn("%s is changed, but not yet on the disk", users->path);
	sigprocmask(SIG_SETMASK, &before, NULL);
	return result;
}
