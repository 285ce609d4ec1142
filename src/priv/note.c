/*
 * The note of a dotlock: "inode seconds nanoseconds pid name\n". Runs as root,
 * on a descriptor, so that it can be written while the account's file-system
 * ids are on.
 *
 * It is not synced: it has to outlive a killed process, not the kernel. After
 * a power cut a dotlock that was left is broken by its age, as by any other
 * program.
 */
#include "note.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "text.h"

#define NOTE_MAX (NAME_MAX + 128)

int
note_write(int fd, const struct note *note)
{
	char text[NOTE_MAX];
	int len = snprintf(text, sizeof(text), "%ju %jd %ld %d %s\n",
	    (uintmax_t)note->inode, (intmax_t)note->mtime.tv_sec,
	    note->mtime.tv_nsec, (int)note->pid, note->name);
	ssize_t n = pwrite(fd, text, (size_t)len, 0);

	if (n == len)
		return ftruncate(fd, len);
	if (n != -1)
		errno = ENOSPC;
	return -1;
}

/* Takes a number and the blank behind it off *textp. */
static bool
take_number(char **textp, uint64_t max, uint64_t *valuep)
{
	char *text = *textp, *blank = strchr(text, ' ');

	if (blank == NULL)
		return false;
	*blank = '\0';
	*textp = blank + 1;
	return text_number(text, max, valuep);
}

bool
note_read(int fd, struct note *note)
{
	char buf[NOTE_MAX], *text = buf, *end;
	ssize_t len = pread(fd, buf, sizeof(buf) - 1, 0);
	uint64_t inode, seconds, nanoseconds, pid;

	if (len <= 0)
		return false;
	buf[len] = '\0';
	end = strchr(buf, '\n');
	if (end == NULL || end != buf + len - 1)
		return false;
	*end = '\0';
	if (!take_number(&text, UINT64_MAX, &inode) ||
	    !take_number(&text, INT64_MAX, &seconds) ||
	    !take_number(&text, 999999999, &nanoseconds) ||
	    !take_number(&text, INT32_MAX, &pid) || inode == 0 || text[0] == '\0' ||
	    strchr(text, '/') != NULL)
		return false;
	*note = (struct note){
	    .inode = (ino_t)inode,
	    .mtime = {(time_t)seconds, (long)nanoseconds},
	    .pid = (pid_t)pid,
	};
	return strlcpy(note->name, text, sizeof(note->name)) < sizeof(note->name);
}

void
note_clear(int fd)
{
	/* what stays behind a failure matches no file and is written over */
	while (ftruncate(fd, 0) == -1 && errno == EINTR)
		continue;
}
