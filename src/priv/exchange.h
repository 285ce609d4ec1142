/*
 * What the auth child does in a SCRAM exchange beside looking up keys.
 */
#ifndef POPLAR_PRIV_EXCHANGE_H
#define POPLAR_PRIV_EXCHANGE_H

#include <stdbool.h>

#include "auth.h"
#include "imitation.h"
#include "scram.h"

/*
 * Whether a proof is right, over an AuthMessage that holds our nonce, salt
 * and iterations as they were given. Writes the server's signature.
 */
bool exchange_proves(const struct scram_keys *keys, const struct auth_proof *proof,
    unsigned char signature[IPC_KEY_SIZE]);

/*
 * Iterations and salt, in base64, for a name that has none: the same for the
 * name as long as those who have keys are the same, and looking like theirs.
 * They are made of the name and a key that is kept in server.state_dir, made at
 * its first use. 0, or -1 with the reason logged.
 */
int exchange_make_up(const struct config *config, const char *name,
    const struct imitation *imitation, char salt[IPC_SALT_SIZE],
    uint32_t *iterationsp);

#endif
