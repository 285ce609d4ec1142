/*
 * What the monitor answers where its session asks for a login: each takes one
 * message, valid and legal in this phase, and changes the phase with what
 * comes of it. They take as long as the back ends and the maildrop's locks do.
 */
#ifndef POPLAR_PRIV_LOGIN_H
#define POPLAR_PRIV_LOGIN_H

#include "running.h"

/* IPC_LOGIN: a password, a digest or a certificate. The message is wiped. */
void login_answer(struct monitor *monitor, union ipc_message *message);

/* IPC_SCRAM: a challenge for any name, known or not. */
void login_challenge(struct monitor *monitor, union ipc_message *message);

/* IPC_PROOF: what the client makes of the challenge; without one, a failure. */
void login_prove(struct monitor *monitor, union ipc_message *message);

/* IPC_OPENED: how the session got on with the maildrop that it was given. */
void login_opened(struct monitor *monitor, union ipc_message *message);

/*
 * A challenge that is not answered costs as much as one that is answered wrong,
 * and counts like that. False: there was none.
 */
bool login_drop_challenge(struct monitor *monitor);

#endif
