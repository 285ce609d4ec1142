/*
 * One turn of a dialogue: what the client says next, and what is done about it.
 */
#ifndef POPLAR_SESSION_TURN_H
#define POPLAR_SESSION_TURN_H

#include "client.h"

/*
 * Waits for a line and has it answered. GO_ON, or how the session is to end, with
 * client->reason set.
 */
enum verdict turn_take(struct client *client);

#endif
