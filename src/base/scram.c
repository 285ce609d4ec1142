/*
 * The keys of SCRAM-SHA-256:
 *
 *   SaltedPassword := PBKDF2-HMAC-SHA-256(password, salt, iterations)
 *   StoredKey      := SHA-256(HMAC(SaltedPassword, "Client Key"))
 *   ServerKey      := HMAC(SaltedPassword, "Server Key")
 *
 * (RFC 5802 section 3.) The password is taken as it is; SASLprep leaves ASCII
 * alone, and who makes the keys of another gives it in the prepared form. No
 * privilege: secrets come and go with the caller.
 */
#include "scram.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "text.h"

#define TEXT_MAX 512

/* One field in base64. Returns the octets, or -1. */
static int
decode64(const char *text, unsigned char *dst, size_t size)
{
	size_t length;

	if (!text_from_base64(text, strlen(text), dst, size, &length) ||
	    length == 0)
		return -1;
	return (int)length;
}

const char *
scram_parse(const char *text, struct scram_keys *keys)
{
	char copy[TEXT_MAX], *rest = copy;
	const char *field[4];
	const char *fault = NULL;
	bool fit = strlcpy(copy, text, sizeof(copy)) < sizeof(copy);
	int salt;

	for (size_t i = 0; i < 4; i++)
		field[i] = rest == NULL ? "" : strsep(&rest, ",");
	salt = decode64(field[1], keys->salt, sizeof(keys->salt));
	if (!fit)
		fault = "the SCRAM keys are too long";
	else if (!text_number(field[0], SCRAM_ITERATIONS_MAX, &keys->iterations) ||
	         keys->iterations == 0)
		fault = "no number of SCRAM iterations from 1 to 10000000";
	else if (salt == -1)
		fault = "the SCRAM salt is not base64";
	else if (decode64(field[2], keys->stored, SCRAM_KEY_SIZE) !=
	             SCRAM_KEY_SIZE ||
	         decode64(field[3], keys->server, SCRAM_KEY_SIZE) !=
	             SCRAM_KEY_SIZE ||
	         rest != NULL)
		fault = "not two SCRAM keys of 32 octets in base64";
	else
		keys->salt_len = (size_t)salt;
	explicit_bzero(copy, sizeof(copy));
	return fault;
}

const char *
scram_fault(const char *text)
{
	struct scram_keys keys;
	const char *fault = scram_parse(text, &keys);

	explicit_bzero(&keys, sizeof(keys));
	return fault;
}

bool
scram_sign(const unsigned char key[SCRAM_KEY_SIZE], const char *text,
    unsigned char signature[SCRAM_KEY_SIZE])
{
	return HMAC(EVP_sha256(), key, SCRAM_KEY_SIZE, (const unsigned char *)text,
	           strlen(text), signature, NULL) != NULL;
}

bool
scram_hash(const unsigned char key[SCRAM_KEY_SIZE],
    unsigned char hashed[SCRAM_KEY_SIZE])
{
	return EVP_Digest(key, SCRAM_KEY_SIZE, hashed, NULL, EVP_sha256(), NULL) ==
	       1;
}

/* The keys of a password, by the salt and iterations that are in them. */
static bool
fill_keys(const char *password, struct scram_keys *keys)
{
	unsigned char salted[SCRAM_KEY_SIZE], client[SCRAM_KEY_SIZE];
	bool done;

	done = PKCS5_PBKDF2_HMAC(password, (int)strlen(password), keys->salt,
	           (int)keys->salt_len, (int)keys->iterations, EVP_sha256(),
	           SCRAM_KEY_SIZE, salted) == 1 &&
	       scram_sign(salted, "Client Key", client) &&
	       scram_hash(client, keys->stored) &&
	       scram_sign(salted, "Server Key", keys->server);
	explicit_bzero(salted, sizeof(salted));
	explicit_bzero(client, sizeof(client));
	return done;
}

bool
scram_derive(const char *password, const char *salt, uint32_t iterations,
    struct scram_keys *keys)
{
	int length = decode64(salt, keys->salt, sizeof(keys->salt));

	if (length == -1 || iterations == 0 || iterations > SCRAM_ITERATIONS_MAX)
		return false;
	keys->salt_len = (size_t)length;
	keys->iterations = iterations;
	return fill_keys(password, keys);
}

bool
scram_matches(const char *text, const char *password)
{
	struct scram_keys keys, made;
	bool equal = false;

	if (scram_parse(text, &keys) == NULL) {
		made = keys;
		equal = fill_keys(password, &made) &&
		        CRYPTO_memcmp(made.stored, keys.stored, SCRAM_KEY_SIZE) ==
		            0;
	}
	explicit_bzero(&keys, sizeof(keys));
	explicit_bzero(&made, sizeof(made));
	return equal;
}

char *
scram_encode(const char *password)
{
	struct scram_keys keys = {.iterations = SCRAM_ITERATIONS,
	    .salt_len = SCRAM_SALT_SIZE};
	char salt[TEXT_BASE64_SIZE(SCRAM_SALT_SIZE)];
	char stored[TEXT_BASE64_SIZE(SCRAM_KEY_SIZE)], server[sizeof(stored)];
	char *text = NULL;

	arc4random_buf(keys.salt, keys.salt_len);
	if (fill_keys(password, &keys)) {
		text_to_base64(salt, keys.salt, keys.salt_len);
		text_to_base64(stored, keys.stored, sizeof(keys.stored));
		text_to_base64(server, keys.server, sizeof(keys.server));
		if (asprintf(&text, "%llu,%s,%s,%s",
		        (unsigned long long)keys.iterations, salt, stored,
		        server) == -1)
			text = NULL;
	}
	explicit_bzero(&keys, sizeof(keys));
	explicit_bzero(stored, sizeof(stored));
	explicit_bzero(server, sizeof(server));
	return text;
}
