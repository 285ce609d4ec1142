/*
 * The hashes of a message. Runs inside the session.
 *
 * A last line without a line end gets one with the next delivery, and that
 * must change neither hash: the headers are hashed as if they were ended, the
 * body without the line end that is its last.
 */
#include "hash.h"

#include <md5.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "xxh.h"

struct hash {
	MD5_CTX header;
	XXH3_state_t *body;
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
	hash->body = XXH3_createState();
	if (hash->body == NULL) {
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
	XXH3_freeState(hash->body);
	free(hash);
}

/* Hashes octets in every way that this folder does. */
static void
try(struct hash *hash, const char *octets, size_t len)
{
	unsigned char header[HASH_SIZE], body[HASH_SIZE];

	hash_start(hash);
	hash_header(hash, octets, len);
	hash_body(hash, octets, len);
	hash_finish(hash, header, body);
	XXH3_64bits_reset(hash->body);
	XXH3_64bits_update(hash->body, octets, len);
	(void)XXH3_64bits_digest(hash->body);
	(void)XXH3_64bits(octets, len);
	(void)XXH3_64bits_withSeed(octets, len, len);
	(void)XXH3_128bits(octets, len);
}

/*
 * libxxhash chooses the widest vectors at its first use, and what it calls is
 * looked up at the first call. That leaves the processor's registers on the
 * stack: better not with what a client sent in them.
 */
void
hash_prepare(void)
{
	static const char octets[1030]; /* blocks, and a few octets */
	struct hash *hash = hash_new();

	if (hash == NULL)
		return;
	try(hash, octets, sizeof(octets));
	try(hash, octets, 30);
	hash_free(hash);
}

void
hash_start(struct hash *hash)
{
	MD5Init(&hash->header);
	hash->unended = false;
	hash->line_end_len = 0;
	XXH3_128bits_reset(hash->body);
}

void
hash_header(struct hash *hash, const char *src, size_t len)
{
	if (len == 0)
		return;
	MD5Update(&hash->header, (const uint8_t *)src, len);
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

	if (len == 0)
		return;
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

void
hash_finish(struct hash *hash, unsigned char header[HASH_SIZE],
    unsigned char body[HASH_SIZE])
{
	XXH128_canonical_t canonical;

	if (hash->unended)
		hash_header(hash, "\n", 1);
	MD5Final(header, &hash->header);
	if (is_half(hash))
		XXH3_128bits_update(hash->body, hash->line_end, 1);
	XXH128_canonicalFromHash(&canonical, XXH3_128bits_digest(hash->body));
	memcpy(body, canonical.digest, HASH_SIZE);
}
