/*
 * What the auth child does in a SCRAM exchange beside looking up keys.
 */
#ifndef POPLAR_PRIV_EXCHANGE_H
#define POPLAR_PRIV_EXCHANGE_H

#include <stdbool.h>

#include "auth.h"
#include "scram.h"

/*
 * Whether a proof is right, over an AuthMessage that holds our nonce, salt
 * and iterations as they were given. Writes the server's signature.
 */
bool exchange_proves(const struct scram_keys *keys, const struct auth_proof *proof,
    unsigned char signature[IPC_KEY_SIZE]);

/*
 * A salt for a name that has none, in base64: the same for the name for ever,
 * and looking like any other. It is made of the name and a key that is kept
 * in server.state_dir, made at its first use. 0, or -1 with the reason logged.
 */
int exchange_made_up_salt(const struct config *config, const char *name,
    char salt[IPC_SALT_SIZE]);

#endif
