/*
 * A password held against the stored keys of SCRAM-SHA-256:
 *
 *   SaltedPassword := PBKDF2-HMAC-SHA-256(password, salt, iterations)
 *   StoredKey      := SHA-256(HMAC(SaltedPassword, "Client Key"))
 *
 * (RFC 5802 section 3.) The password is taken as it was sent; SASLprep leaves
 * ASCII alone, and who makes the keys of another sends it in the same form.
 * Runs as root in the auth child.
 */
#include "scram.h"

#include <stdint.h>
#include <string.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "text.h"

#define KEY_SIZE 32
#define SALT_MAX 128
#define TEXT_MAX 512

struct keys {
	uint64_t iterations;
	size_t salt_len;
	unsigned char salt[SALT_MAX];
	unsigned char stored[KEY_SIZE];
	unsigned char server[KEY_SIZE];
};

/*
 * Strict base64 (RFC 4648 section 4). EVP_DecodeBlock() counts the padding as
 * zeros and skips blanks, so both are looked at here. Returns the octets, -1
 * for no base64 or more than size.
 */
static int
decode64(const char *text, unsigned char *dst, size_t size)
{
	static const char digits[] =
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	unsigned char buf[SALT_MAX + 3];
	size_t len = strlen(text), body = strspn(text, digits), pad = len - body, n;

	if (len == 0 || len % 4 != 0 || len / 4 * 3 > sizeof(buf) || pad > 2 ||
	    strcmp(text + body, &"=="[2 - pad]) != 0)
		return -1;
	n = len / 4 * 3 - pad;
	if (n > size ||
	    EVP_DecodeBlock(buf, (const unsigned char *)text, (int)len) == -1)
		return -1;
	memcpy(dst, buf, n);
	return (int)n;
}

static const char *
parse(const char *text, struct keys *keys)
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
	else if (decode64(field[2], keys->stored, KEY_SIZE) != KEY_SIZE ||
	         decode64(field[3], keys->server, KEY_SIZE) != KEY_SIZE ||
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
	struct keys keys;
	const char *fault = parse(text, &keys);

	explicit_bzero(&keys, sizeof(keys));
	return fault;
}

static bool
stored_key(
    const char *password, const struct keys *keys, unsigned char stored[KEY_SIZE])
{
	static const unsigned char label[] = "Client Key";
	unsigned char salted[KEY_SIZE], client[KEY_SIZE];
	bool done;

	done = PKCS5_PBKDF2_HMAC(password, (int)strlen(password), keys->salt,
	           (int)keys->salt_len, (int)keys->iterations, EVP_sha256(),
	           KEY_SIZE, salted) == 1 &&
	       HMAC(EVP_sha256(), salted, KEY_SIZE, label, sizeof(label) - 1,
	           client, NULL) != NULL &&
	       EVP_Digest(client, KEY_SIZE, stored, NULL, EVP_sha256(), NULL) == 1;
	explicit_bzero(salted, sizeof(salted));
	explicit_bzero(client, sizeof(client));
	return done;
}

bool
scram_matches(const char *text, const char *password)
{
	struct keys keys;
	unsigned char stored[KEY_SIZE];
	bool equal = false;

	if (parse(text, &keys) == NULL && stored_key(password, &keys, stored))
		equal = CRYPTO_memcmp(stored, keys.stored, KEY_SIZE) == 0;
	explicit_bzero(&keys, sizeof(keys));
	explicit_bzero(stored, sizeof(stored));
	return equal;
}
