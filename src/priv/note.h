/*
 * What is noted of our dotlock in the state folder, before it gets its name:
 * a session that comes after a death knows by it which dotlock is Poplar's.
 */
#ifndef POPLAR_PRIV_NOTE_H
#define POPLAR_PRIV_NOTE_H

#include <limits.h>
#include <stdbool.h>
#include <sys/types.h>
#include <time.h>

struct note {
	ino_t inode;
	struct timespec mtime;
	pid_t pid;
	char name[NAME_MAX + 1]; /* of the dotlock */
};

/* Puts it in the place of the one that was there. 0, or -1 with errno. */
int note_write(int state, const struct note *note);

/* Whether there is one; a damaged one is none. */
bool note_read(int state, struct note *note);

/* Removes it; none is fine. */
void note_clear(int state);

#endif
