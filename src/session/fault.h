/*
 * What a client is told where its maildrop cannot be read or changed.
 */
#ifndef POPLAR_SESSION_FAULT_H
#define POPLAR_SESSION_FAULT_H

#include "client.h"

/*
 * What a client is told of a maildrop that could not be read or changed, in
 * English, static; NULL where the disk failed, of which each command says what
 * follows.
 */
const char *fault_text(enum md_error error);

/*
 * Of a command that asks for a message where none can be told of: answers why,
 * and ends the session or not.
 */
enum verdict fault_refuse(struct client *client, enum md_error error);

/*
 * Likewise without an answer, for the log alone tells why: at UIDL, whose -ERR
 * clients take for a server that has no unique-ids.
 */
enum verdict fault_end(struct client *client, enum md_error error);

#endif
