/*
 * Credentials of the users file. Runs as root in the auth child. All
 * comparisons take a time that does not depend on where the first difference
 * is; all copies are wiped.
 */
#include "credential.h"

#include <crypt.h>
#include <errno.h>
#include <string.h>

#include <openssl/crypto.h>

#include "apop.h"
#include "exchange.h"
#include "log.h"
#include "pages.h"
#include "scram.h"
#include "text.h"

/* yescrypt as crypt_gensalt(3) makes it by default; nobody's salt. */
#define PRETENDED_HASH "$y$j9T$jgDEzXWTAkNmXpJWXBz3h/$"

#define DES_LEN 13
#define EXTENDED_DES_LEN 20 /* with '_' in front */

struct scheme {
	const char *prefix;
	uint32_t mech;
	const char *(*fault)(const char *text);
	enum auth_result (*compare)(const char *text, const struct auth_request *);
	/* NULL: not for SCRAM */
	bool (*keys)(const char *text, const struct auth_request *request,
	    struct scram_keys *keys);
};

/* Equal as strings. Both are put into fields of the same size first. */
static bool
equal_strings(const char *a, const char *b)
{
	char left[IPC_SECRET_MAX] = {0}, right[IPC_SECRET_MAX] = {0};
	bool fit, equal;

	fit = strlcpy(left, a, sizeof(left)) < sizeof(left);
	fit = strlcpy(right, b, sizeof(right)) < sizeof(right) && fit;
	equal = CRYPTO_memcmp(left, right, sizeof(left)) == 0;
	explicit_bzero(left, sizeof(left));
	explicit_bzero(right, sizeof(right));
	return fit && equal;
}

static const char *
secret_fault(const char *text)
{
	if (text[0] == '\0')
		return "the secret is empty";
	if (strlen(text) >= IPC_SECRET_MAX)
		return "the secret is too long";
	return NULL;
}

/*
 * The failure tokens of crypt(3), "*0" and "*1", are no valid setting. Almost
 * any text is a valid one of the oldest kind, DES, whose hashes have 13
 * characters: a password put there by mistake is told from those.
 */
static const char *
hash_fault(const char *text)
{
	int verdict = text[0] == '\0' ? CRYPT_SALT_INVALID : crypt_checksalt(text);

	if (verdict != CRYPT_SALT_OK && verdict != CRYPT_SALT_METHOD_LEGACY)
		return "no hash that crypt(3) knows";
	if (text[0] != '$' &&
	    strlen(text) != (text[0] == '_' ? EXTENDED_DES_LEN : DES_LEN))
		return "no hash that crypt(3) knows; a password is written {PLAIN}";
	return NULL;
}

static enum auth_result
result_of(bool right)
{
	return right ? AUTH_OK : AUTH_PASSWORD;
}

static enum auth_result
compare_apop(const char *text, const struct auth_request *request)
{
	return result_of(request->stamp != NULL &&
	                 apop_matches(request->stamp, text, request->secret));
}

/* Without a hash nobody knows whether the password is right. */
static enum auth_result
compare_hash(const char *text, const struct auth_request *request)
{
	struct crypt_data *data = pages_filled(sizeof(*data));
	enum auth_result result = AUTH_TROUBLE;
	const char *hash;

	if (data == NULL) {
		log_error("auth: cannot hash a password: %s", strerror(errno));
		return result;
	}
	hash = crypt_r(request->secret, text, data);
	if (hash != NULL && hash[0] != '*')
		result = result_of(equal_strings(text, hash));
	else
		log_error("auth: crypt(3) cannot hash a password: the memory is "
		          "too small, or the stored hash is damaged");
	pages_wipe(data, sizeof(*data), sizeof(*data));
	return result;
}

/* A refusal takes as long as a hash would; who is let in need not wait. */
static enum auth_result
compare_plain(const char *text, const struct auth_request *request)
{
	if (equal_strings(text, request->secret))
		return AUTH_OK;
	return credential_pretend(request, AUTH_PASSWORD);
}

static enum auth_result
compare_scram(const char *text, const struct auth_request *request)
{
	return result_of(scram_matches(text, request->secret));
}

/* The keys of a password, by the salt that the client was given. */
static bool
plain_keys(const char *text, const struct auth_request *request,
    struct scram_keys *keys)
{
	const struct ipc_challenge *challenge = request->proof->challenge;

	return scram_derive(text, challenge->salt, challenge->iterations, keys);
}

static bool
stored_keys(const char *text, const struct auth_request *request,
    struct scram_keys *keys)
{
	(void)request;
	return scram_parse(text, keys) == NULL;
}

/* The bare hash is last: its empty prefix fits everything. */
/* clang-format off */
static const struct scheme schemes[] = {
    {"{PLAIN}",         IPC_MECH_PASS, secret_fault, compare_plain, plain_keys},
    {"{CRYPT}",         IPC_MECH_PASS, hash_fault,   compare_hash,  NULL},
    {"{APOP}",          IPC_MECH_APOP, secret_fault, compare_apop,  NULL},
    {"{SCRAM-SHA-256}", IPC_MECH_PASS, scram_fault,  compare_scram, stored_keys},
    {"",                IPC_MECH_PASS, hash_fault,   compare_hash,  NULL},
};
/* clang-format on */

static const struct scheme *
find_scheme(const char *text)
{
	const struct scheme *scheme = schemes;

	while (strncmp(text, scheme->prefix, strlen(scheme->prefix)) != 0)
		scheme++;
	return scheme;
}

const char *
credential_parse(const char *text, struct credential *credential)
{
	const struct scheme *scheme;
	const char *fault;

	*credential = (struct credential){.text = ""};
	if (strcmp(text, "*") == 0 || text[0] == '!') {
		credential->locked = true;
		text++;
		if (text[0] == '\0')
			return NULL;
	}
	scheme = find_scheme(text);
	text += strlen(scheme->prefix);
	if (scheme->prefix[0] == '\0' && text[0] == '{')
		return "an unknown scheme of credential";
	fault = scheme->fault(text);
	if (fault != NULL)
		return fault;
	credential->scheme = scheme;
	credential->text = text;
	return NULL;
}

uint32_t
credential_mech(const struct credential *credential)
{
	return credential->scheme == NULL ? 0 : credential->scheme->mech;
}

bool
credential_serves(const struct credential *credential, uint32_t mech)
{
	switch (mech) {
	case IPC_MECH_SCRAM:
		return credential->scheme != NULL &&
		       credential->scheme->keys != NULL;
	case IPC_MECH_EXTERNAL:
		return credential_mech(credential) == IPC_MECH_PASS;
	default:
		return credential_mech(credential) == mech;
	}
}

/* RFC 5802 section 3: the proof, over a message that holds what we gave. */
static bool
proof_matches(const struct scheme *scheme, const char *text,
    const struct auth_request *request, unsigned char signature[IPC_KEY_SIZE])
{
	struct scram_keys keys;
	bool equal = false;

	if (scheme->keys(text, request, &keys))
		equal = exchange_proves(&keys, request->proof, signature);
	explicit_bzero(&keys, sizeof(keys));
	return equal;
}

enum auth_result
credential_compare(const struct credential *credential,
    const struct auth_request *request, unsigned char signature[IPC_KEY_SIZE])
{
	if (!credential_serves(credential, request->mech))
		return credential_pretend(request, AUTH_MECHANISM);
	if (request->mech == IPC_MECH_EXTERNAL)
		return AUTH_OK;
	if (request->mech == IPC_MECH_SCRAM)
		return result_of(proof_matches(credential->scheme, credential->text,
		    request, signature));
	return credential->scheme->compare(credential->text, request);
}

bool
credential_salt(const struct credential *credential, char salt[IPC_SALT_SIZE],
    uint32_t *iterationsp)
{
	struct scram_keys keys;
	bool own = credential->scheme != NULL &&
	           credential->scheme->keys == stored_keys &&
	           scram_parse(credential->text, &keys) == NULL;

	if (own) {
		text_to_base64(salt, keys.salt, keys.salt_len);
		*iterationsp = (uint32_t)keys.iterations;
	}
	explicit_bzero(&keys, sizeof(keys));
	return own;
}

enum auth_result
credential_pretend(const struct auth_request *request, enum auth_result result)
{
	unsigned char signature[IPC_KEY_SIZE];
	struct scram_keys keys;

	if (request->mech == IPC_MECH_PASS &&
	    compare_hash(PRETENDED_HASH, request) == AUTH_TROUBLE)
		result = AUTH_TROUBLE;
	else if (request->mech == IPC_MECH_SCRAM && request->proof != NULL &&
	         plain_keys(PRETENDED_HASH, request, &keys))
		(void)exchange_proves(&keys, request->proof, signature);
	else if (request->mech == IPC_MECH_APOP && request->stamp != NULL)
		(void)apop_matches(request->stamp, PRETENDED_HASH, request->secret);
	return result;
}
