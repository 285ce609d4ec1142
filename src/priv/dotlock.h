/*
 * For dotlock.c and stale.c, which look after one file. All of these run with
 * the account's file-system ids on.
 */
#ifndef POPLAR_PRIV_DOTLOCK_H
#define POPLAR_PRIV_DOTLOCK_H

#include <limits.h>
#include <stdbool.h>
#include <sys/stat.h>

#include "opening.h"

struct note;

/* Another program's dotlock is left alone for so many seconds. */
#define DOTLOCK_STALE_AGE 300

struct names {
	char lock[NAME_MAX + 1]; /* the dotlock; empty: too long for a name */
	char fresh[48],
	    aside[48]; /* our own: before it is made, while it is broken */
	char host[HOST_NAME_MAX + 1];
};

/* Device and inode. */
bool dotlock_same(const struct stat *a, const struct stat *b);

/* fstatat(2) in the folder, following nothing. False with errno. */
bool dotlock_look(const struct opening *opening, const char *name, struct stat *st);

/*
 * Behind EACCES: a spool folder of root's that group mail may write is written
 * with that group, from then on. True: try again. False: errno is as it was.
 */
bool dotlock_as_mail(struct opening *opening);

/* Removes the dotlock that was examined, and no other. Whether it did. */
bool dotlock_break(struct opening *opening, const struct names *names,
    const struct stat *seen);

/*
 * Breaks another program's, if it is a plain file, older than 5 minutes by
 * the time of our own new file, not of a live process of this host, and did
 * not change meanwhile. Whether it did; logged.
 */
bool dotlock_break_stale(struct opening *opening, const struct names *names,
    const struct stat *mine);

enum dotlock_owner {
	DOTLOCK_OURS,
	DOTLOCK_ANOTHERS,
	DOTLOCK_UNKNOWN /* the disk or the system fails */
};

/* Whether the file that was examined is the one of the note. */
enum dotlock_owner dotlock_owner(const struct opening *opening,
    const struct names *names, const struct note *note, const struct stat *seen);

#endif
