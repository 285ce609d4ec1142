/*
 * The hashes of a message. Runs inside the session.
 *
 * A last line without a line end gets one with the next delivery, and that
 * must change neither hash: the headers are hashed as if they were ended, the
 * body without the line end that is its last.
 */
#include "hash.h"

#include <openssl/evp.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "xxh.h"

struct hash {
	EVP_MD_CTX *header;
	XXH3_state_t *body;
	bool failed;
	bool unended;     /* the last octet of the headers is no LF */
	char line_end[2]; /* of the body: not hashed before more follows */
	size_t line_end_len;
};

struct hash *
hash_new(void)
{
	struct hash *hash = calloc(1, sizeof(*hash));

	if (hash == NULL)
		return NULL;
	hash->header = EVP_MD_CTX_new();
	hash->body = XXH3_createState();
	if (hash->header == NULL || hash->body == NULL ||
	    EVP_DigestInit_ex(hash->header, EVP_md5(), NULL) != 1) {
		hash_free(hash);
		return NULL;
	}
	return hash;
}

void
hash_free(struct hash *hash)
{
	if (hash == NULL)
		return;
	EVP_MD_CTX_free(hash->header);
	XXH3_freeState(hash->body);
	free(hash);
}

void
hash_start(struct hash *hash)
{
	hash->failed = EVP_DigestInit_ex(hash->header, NULL, NULL) != 1;
	hash->unended = false;
	hash->line_end_len = 0;
	XXH3_128bits_reset(hash->body);
}

void
hash_header(struct hash *hash, const char *src, size_t len)
{
	if (len == 0 || hash->failed)
		return;
	hash->failed = EVP_DigestUpdate(hash->header, src, len) != 1;
	hash->unended = src[len - 1] != '\n';
}

size_t
hash_line_end(const char *src, size_t len)
{
	if (len > 1 && src[len - 2] == '\r' && src[len - 1] == '\n')
		return 2;
	return len > 0 && (src[len - 1] == '\n' || src[len - 1] == '\r') ? 1 : 0;
}

/* Whether a CR is held back that may be half of a line end. */
static bool
is_half(const struct hash *hash)
{
	return hash->line_end_len == 1 && hash->line_end[0] == '\r';
}

void
hash_body(struct hash *hash, const char *src, size_t len)
{
	size_t tail;

	if (len == 1 && src[0] == '\n' && is_half(hash)) {
		hash->line_end[hash->line_end_len++] = '\n';
		return;
	}
	tail = hash_line_end(src, len);
	XXH3_128bits_update(hash->body, hash->line_end, hash->line_end_len);
	XXH3_128bits_update(hash->body, src, len - tail);
	memcpy(hash->line_end, src + len - tail, tail);
	hash->line_end_len = tail;
}

int
hash_finish(struct hash *hash, unsigned char header[HASH_SIZE],
    unsigned char body[HASH_SIZE])
{
	XXH128_canonical_t canonical;

	if (hash->unended)
		hash_header(hash, "\n", 1);
	if (!hash->failed)
		hash->failed = EVP_DigestFinal_ex(hash->header, header, NULL) != 1;
	if (is_half(hash))
		XXH3_128bits_update(hash->body, hash->line_end, 1);
	XXH128_canonicalFromHash(&canonical, XXH3_128bits_digest(hash->body));
	memcpy(body, canonical.digest, HASH_SIZE);
	return hash->failed ? -1 : 0;
}
