/*
 * The APOP digest (RFC 1725 section 7): MD5 over the timestamp of the
 * greeting, angle brackets included, and the shared secret, as 32 lower-case
 * hexadecimal digits. Runs as root in the auth child, on the one name that
 * asked.
 */
#include "apop.h"

#include <string.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include "log.h"
#include "text.h"

#define MD5_SIZE 16
#define DIGEST_LEN (2 * MD5_SIZE)

static int
apop_digest(const char *stamp, const char *secret, char hex[DIGEST_LEN + 1])
{
	unsigned char md5[EVP_MAX_MD_SIZE];
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	int result = -1;

	if (ctx == NULL || EVP_DigestInit_ex(ctx, EVP_md5(), NULL) != 1 ||
	    EVP_DigestUpdate(ctx, stamp, strlen(stamp)) != 1 ||
	    EVP_DigestUpdate(ctx, secret, strlen(secret)) != 1 ||
	    EVP_DigestFinal_ex(ctx, md5, NULL) != 1)
		goto out;
	text_hex(hex, md5, MD5_SIZE);
	result = 0;
out:
	EVP_MD_CTX_free(ctx);
	explicit_bzero(md5, sizeof(md5));
	return result;
}

bool
apop_matches(const char *stamp, const char *secret, const char *digest)
{
	char expected[DIGEST_LEN + 1];
	bool equal = false;

	if (apop_digest(stamp, secret, expected) == -1)
		log_error("apop: libcrypto has no MD5 here (FIPS mode?)");
	else if (strlen(digest) == DIGEST_LEN)
		equal = CRYPTO_memcmp(expected, digest, DIGEST_LEN) == 0;
	explicit_bzero(expected, sizeof(expected));
	return equal;
}
