/*
 * The second field of a line of the users file: what is compared with the
 * password or the digest that a client sent.
 */
#ifndef POPLAR_PRIV_CREDENTIAL_H
#define POPLAR_PRIV_CREDENTIAL_H

#include <stdbool.h>
#include <stdint.h>

#include "auth.h"

struct scheme;

struct credential {
	const struct scheme *scheme; /* NULL: locked, and nothing behind the lock */
	const char *text;            /* behind the prefix; borrowed */
	bool locked;
};

/*
 * Reads a credential: a crypt(3) hash, bare or as {CRYPT}; {PLAIN}password;
 * {SCRAM-SHA-256}iterations,salt,StoredKey,ServerKey; {APOP}shared secret;
 * any of them behind a `!`, or a lone `!` or `*`, locked. Returns NULL, or
 * what is wrong with it, without any part of it.
 */
const char *credential_parse(const char *text, struct credential *credential);

/* PASS or APOP, one or the other (RFC 1725 section 12); 0: neither. */
uint32_t credential_mech(const struct credential *credential);

/* Whether a mechanism, as of an auth_request, can log in with this credential. */
bool credential_serves(const struct credential *credential, uint32_t mech);

/*
 * AUTH_OK where what was sent is right, AUTH_PASSWORD where it is wrong,
 * AUTH_MECHANISM where the mechanism is none that it serves; AUTH_TROUBLE, logged,
 * where that cannot be told. With SCRAM the server's signature is written.
 */
enum auth_result credential_compare(const struct credential *credential,
    const struct auth_request *request, unsigned char signature[IPC_KEY_SIZE]);

/* The salt and iterations of SCRAM keys; false: these are none. */
bool credential_salt(const struct credential *credential, char salt[IPC_SALT_SIZE],
    uint32_t *iterationsp);

/*
 * Does the work of a comparison with a credential of the default cost: for names
 * that have none, so that time does not tell them. Returns the result that is
 * given; or AUTH_TROUBLE, as for a name that has one.
 */
enum auth_result credential_pretend(const struct auth_request *request,
    enum auth_result result);

#endif
