/*
 * The users file, a line at a time:
 * name:credential:uid:gid:gecos:home:maildrop, `#` comments.
 */
#ifndef POPLAR_PRIV_USERS_FILE_H
#define POPLAR_PRIV_USERS_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "credential.h"

/* A longer line is a fault; two paths and a credential fit with room to spare. */
#define USERS_LINE_MAX 16384

/* One line that is neither empty nor a comment. The text is the scan's. */
struct users_line {
	unsigned number; /* from 1 */
	char *text;      /* terminated, without its line end */
	size_t len;      /* strlen(text) unless there is a NUL inside */
	bool whole;      /* false: cut at USERS_LINE_MAX */
};

/* Its fields, pointing into the line. */
struct users_entry {
	const char *name;
	struct credential credential;
	bool has_uid, has_gid;
	uid_t uid;
	gid_t gid;
	const char *home;     /* empty: the account's */
	const char *maildrop; /* empty: maildrop.path */
};

enum users_state {
	USERS_READ = 0,
	USERS_ABSENT, /* no such file, so no such users */
	USERS_REFUSED /* cannot be read, or must not be: see the reason */
};

/*
 * Reads the file through one buffer of fixed size, which is wiped; calls a
 * function for each line until it returns false. The file must be a plain
 * file of root's or the caller's, not writable by group or others, and not
 * readable by others if a line holds a secret; this is known only at the end,
 * so a caller acts on a line after USERS_READ. *reasonp is a static text, or
 * one of strerror(3), set with USERS_REFUSED.
 */
enum users_state users_scan(const char *path,
    bool (*visit)(struct users_line *line, void *ctx), void *ctx,
    const char **reasonp);

/* Whether the line's first field is this name, faulty or not. */
bool users_line_is(const struct users_line *line, const char *name);

/*
 * Splits a line, which is written to. Returns NULL, or what is wrong with it
 * in words that hold nothing of the line.
 */
const char *users_parse(struct users_line *line, struct users_entry *entry);

#endif
