/*
 * The state folder of a maildrop, for the files that implement opening.h.
 */
#ifndef POPLAR_PRIV_STATE_H
#define POPLAR_PRIV_STATE_H

#include <limits.h>
#include <stddef.h>
#include <sys/types.h>

#include "opening.h"

/* 64 hexadecimal digits, terminated. */
#define STATE_NAME_SIZE 65

/* What recovery at start needs to know, as read from `owner`. */
struct owner {
	uid_t uid;
	gid_t gid;
	char login[IPC_NAME_MAX];
	char folder[PATH_MAX];
	char name[NAME_MAX + 1];
};

/* SHA-256 over the resolved folder, a NUL and the file name. 0, or -1. */
int state_name_of(const char *folder, const char *name, char dst[STATE_NAME_SIZE]);

/*
 * Makes or opens the state folder of an opening whose folder_path, name and
 * account are set, takes the session lock, and brings all that is new to the
 * disk. Sets state, note, fds.index and fds.journal; holder on
 * OPENING_IN_USE; fault else.
 */
enum opening_result state_open(const struct config *config,
    struct opening *opening);

/* Reads `owner` of a state folder. 0, or -1 with the reason in why. */
int state_read_owner(const struct config *config, const char *state_name,
    struct owner *owner, char *why, size_t size);

/*
 * `owner` as text: login, uid, gid, folder, name, a line "key=value" each, in
 * this order. owner_parse() takes nothing else: 0, or -1.
 */
int owner_parse(const char *text, size_t len, struct owner *owner);

/* Reads and parses it from a state folder. 0, or -1 with errno (EBADMSG: damaged).
 */
int owner_read(int state, struct owner *owner);

/* Writes it by temporary file and rename, both synced. 0, or -1 with errno. */
int owner_write(int state, const struct owner *owner);

/* Who holds the session lock: for the text of [IN-USE] only, so never synced. */
int holder_write(int state, const char *sid, const char *address);

/* "from 192.0.2.7 since 10:42:07", local time; a text that says so if unknown. */
void holder_read(int state, char *dst, size_t size);

/*
 * Opens a file of a state folder for reading and writing: a regular file of
 * ours that nobody else can read. Made if absent; then *freshp is set, else
 * it is left alone. -1 with errno (EPERM: not as it should be).
 */
int state_file(int state, const char *name, bool *freshp);

#endif
