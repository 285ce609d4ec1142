/*
 * The folders and files that are poplard's own. Descriptors are the caller's
 * to close, and none outlives an exec.
 */
#ifndef POPLAR_PRIV_STATE_FILES_H
#define POPLAR_PRIV_STATE_FILES_H

#include <stdbool.h>
#include <stddef.h>

#include "config.h"

/* 64 hexadecimal digits, terminated. */
#define STATE_NAME_SIZE 65

/*
 * SHA-256 over folder, a NUL and name. Of which folder and name the hash is a
 * state folder's, state_name_for() says. 0; -1: they are longer than any path.
 */
int state_name_of(const char *folder, const char *name, char dst[STATE_NAME_SIZE]);

/* Whether text has the form of a state folder's name. */
bool state_is_name(const char *text);

/* Opens and judges server.state_dir; -1 with the reason in why. */
int state_dir_open(const struct config *config, char *why, size_t size);

/*
 * Opens a folder that is ours and that nobody else can enter. -1 with errno
 * (EPERM: not as it should be).
 */
int state_folder_open(int parent, const char *name);

/* The same, made if absent. */
int state_folder_make(int parent, const char *name);

/*
 * Opens a file of a state folder for reading and writing: a regular file of
 * ours that nobody else can read. Made if absent; then *freshp is set, else
 * it is left alone. -1 with errno (EPERM: not as it should be).
 */
int state_file(int state, const char *name, bool *freshp);

/*
 * Takes the session lock on a file, without waiting. It is an OFD lock, so it
 * lives as long as any duplicate. 0, or -1 with errno (EAGAIN or EACCES: held).
 */
int state_lock(int fd);

#endif
