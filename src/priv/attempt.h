/*
 * One look of the auth child at what a session sent. Waits for its verdict,
 * AUTH_LIMIT_MS at most. *verdict is filled unless the result is AUTH_TROUBLE
 * or AUTH_MECHANISM.
 */
#ifndef POPLAR_PRIV_ATTEMPT_H
#define POPLAR_PRIV_ATTEMPT_H

#include <stdbool.h>

#include "running.h"

/*
 * Keeps a piece of what proves a client's certificate, unread. Of more than
 * IPC_HANDSHAKE_MAX octets the rest is left out, and no proof is in it then.
 */
void attempt_take_handshake(struct monitor *monitor,
    const struct ipc_handshake *piece);

/* A password, an APOP digest, or a name that the client's certificate holds. */
enum auth_result attempt_login(struct monitor *monitor,
    const struct ipc_login *login, struct auth_verdict *verdict);

/* SCRAM for monitor->user; false: no challenge is to be had. */
bool attempt_challenge(struct monitor *monitor, struct ipc_challenge *challenge);

/* The answer of monitor->user to monitor->challenge. */
enum auth_result attempt_proof(struct monitor *monitor,
    const struct ipc_proof *proof, struct auth_verdict *verdict);

#endif
