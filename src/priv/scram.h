/*
 * SCRAM-SHA-256 (RFC 5802, RFC 7677) as far as it needs secrets: stored keys,
 * the keys of a password, a proof held against them, and the salt of a name
 * that has none of its own.
 */
#ifndef POPLAR_PRIV_SCRAM_H
#define POPLAR_PRIV_SCRAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "auth.h"

/* Most iterations that are believed: some seconds of one core. */
#define SCRAM_ITERATIONS_MAX 10000000

/* Of new keys, and of every name without keys, so that the number tells nothing. */
#define SCRAM_ITERATIONS 10000
#define SCRAM_SALT_SIZE 16

#define SCRAM_SALT_MAX 128

/* To be wiped. */
struct scram_keys {
	uint64_t iterations;
	size_t salt_len;
	unsigned char salt[SCRAM_SALT_MAX];
	unsigned char stored[IPC_KEY_SIZE];
	unsigned char server[IPC_KEY_SIZE];
};

/*
 * Reads "iterations,salt,StoredKey,ServerKey" (the order of RFC 5803; the
 * last three in base64). Returns NULL, or what is wrong with it.
 */
const char *scram_parse(const char *text, struct scram_keys *keys);

/* The same without the keys. */
const char *scram_fault(const char *text);

/* The keys of a password, by a salt in base64. */
bool scram_derive(const char *password, const char *salt, uint32_t iterations,
    struct scram_keys *keys);

/* Whether these are the keys of a password. Constant time in the comparison. */
bool scram_matches(const char *text, const char *password);

/*
 * Whether a proof is right, over an AuthMessage that holds our nonce, salt
 * and iterations as they were given. Writes the server's signature.
 */
bool scram_proves(const struct scram_keys *keys, const struct auth_proof *proof,
    unsigned char signature[IPC_KEY_SIZE]);

/*
 * A salt for a name that has none, in base64: the same for the name for ever,
 * and looking like any other. It is made of the name and a key that is kept
 * in server.state_dir, made at its first use. 0, or -1 with the reason logged.
 */
int scram_made_up_salt(
    const struct config *config, const char *name, char salt[IPC_SALT_SIZE]);

#endif
