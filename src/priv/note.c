/*
 * The note of a dotlock: "inode seconds nanoseconds pid name", as the target
 * of a symbolic link that nothing follows. Runs as root.
 *
 * A link, because it comes into being whole, and because file systems bring
 * such changes to the disk in their order: a power cut that left the dotlock
 * left the note too, without a sync at every login. Only where the mail lies on
 * another file system dotlock.c syncs.
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
note_write(int state, const struct note *note)
{
	char text[NOTE_MAX];
	int rc;

	snprintf(text, sizeof(text), "%ju %jd %ld %d %s", (uintmax_t)note->inode,
	    (intmax_t)note->mtime.tv_sec, note->mtime.tv_nsec, (int)note->pid,
	    note->name);
	rc = symlinkat(text, state, "dotlock.new");
	if (rc == -1 && errno == EEXIST && unlinkat(state, "dotlock.new", 0) == 0)
		rc = symlinkat(text, state, "dotlock.new");
	return rc == -1 ? -1 : renameat(state, "dotlock.new", state, "dotlock");
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
note_read(int state, struct note *note)
{
	char buf[NOTE_MAX], *text = buf;
	ssize_t len = readlinkat(state, "dotlock", buf, sizeof(buf) - 1);
	uint64_t inode, seconds, nanoseconds, pid;

	if (len == -1)
		return false;
	buf[len] = '\0';
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
note_clear(int state)
{
	/* one that stays behind a failure names a dotlock that is not there */
	(void)unlinkat(state, "dotlock", 0);
}
