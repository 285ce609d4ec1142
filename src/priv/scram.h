/*
 * Stored keys of SCRAM-SHA-256 (RFC 5802, RFC 7677), and a password held
 * against them.
 */
#ifndef POPLAR_PRIV_SCRAM_H
#define POPLAR_PRIV_SCRAM_H

#include <stdbool.h>

/* Most iterations that are believed: some seconds of one core. */
#define SCRAM_ITERATIONS_MAX 10000000

/*
 * What is wrong with "iterations,salt,StoredKey,ServerKey" (the order of
 * RFC 5803; the last three in base64), or NULL.
 */
const char *scram_fault(const char *text);

/* Whether these are the keys of a password. Constant time in the comparison. */
bool scram_matches(const char *text, const char *password);

#endif
