/*
 * The state folder of a maildrop, for the files that implement opening.h.
 */
#ifndef POPLAR_PRIV_STATE_H
#define POPLAR_PRIV_STATE_H

#include <stddef.h>

#include "opening.h"
#include "owner.h"
#include "state_files.h"

/*
 * The name of an opening's state folder, from its account's uid, folder_path
 * and name. 0, or -1.
 */
int state_name_for(const struct opening *opening, char dst[STATE_NAME_SIZE]);

/*
 * Makes or opens the state folder of an opening whose folder_path, name and
 * account are set, takes the session lock, and brings all that is new to the
 * disk. Sets state, fds.index and fds.journal; holder on
 * OPENING_IN_USE; fault else.
 */
enum opening_result state_open(const struct config *config,
    struct opening *opening);

/* Reads `owner` of a state folder. 0, or -1 with the reason in why. */
int state_read_owner(const struct config *config, const char *state_name,
    struct owner *owner, char *why, size_t size);

#endif
