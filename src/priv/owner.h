/*
 * `owner` and `holder`, the two small texts of a state folder.
 */
#ifndef POPLAR_PRIV_OWNER_H
#define POPLAR_PRIV_OWNER_H

#include <limits.h>
#include <stddef.h>
#include <sys/types.h>

#include "ipc.h"

/* What recovery at start needs to know, as read from `owner`. */
struct owner {
	uid_t uid;
	gid_t gid;
	char login[IPC_NAME_MAX];
	char folder[PATH_MAX];
	char name[NAME_MAX + 1];
};

/*
 * `owner` as text: login, uid, gid, folder, name, a line "key=value" each, in
 * this order. owner_parse() takes nothing else: 0, or -1.
 */
int owner_parse(const char *text, size_t len, struct owner *owner);

/*
 * Reads and parses it from a state folder. 0, or -1 with errno (EBADMSG:
 * damaged).
 */
int owner_read(int state, struct owner *owner);

/* Writes it by temporary file and rename, both synced. 0, or -1 with errno. */
int owner_write(int state, const struct owner *owner);

/* Who holds the session lock: for the text of [IN-USE] only, so never synced. */
int holder_write(int state, const char *sid, const char *address);

/* "from 192.0.2.7 since 10:42:07", local time; a text that says so if unknown. */
void holder_read(int state, char *dst, size_t size);

#endif
