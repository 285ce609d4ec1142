/*
 * The keys of SCRAM-SHA-256 (RFC 5802, RFC 7677) that a server keeps instead
 * of a password. Not for src/session: stored keys never get there.
 */
#ifndef POPLAR_SCRAM_H
#define POPLAR_SCRAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SCRAM_KEY_SIZE 32 /* of SHA-256 */

/* Most iterations that are believed: some seconds of one core. */
#define SCRAM_ITERATIONS_MAX 10000000

/* Of new keys, and of names without keys where nobody has any. */
#define SCRAM_ITERATIONS 10000
#define SCRAM_SALT_SIZE 16

#define SCRAM_SALT_MAX 128

/* To be wiped. */
struct scram_keys {
	uint64_t iterations;
	size_t salt_len;
	unsigned char salt[SCRAM_SALT_MAX];
	unsigned char stored[SCRAM_KEY_SIZE];
	unsigned char server[SCRAM_KEY_SIZE];
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

/* New keys of a password as scram_parse() reads them, for freezero; or NULL. */
char *scram_encode(const char *password);

/*
 * HMAC and SHA-256, with which proofs are made of keys. False: libcrypto has
 * none.
 */
bool scram_sign(const unsigned char key[SCRAM_KEY_SIZE], const char *text,
    unsigned char signature[SCRAM_KEY_SIZE]);
bool scram_hash(const unsigned char key[SCRAM_KEY_SIZE],
    unsigned char hashed[SCRAM_KEY_SIZE]);

#endif
