/*
 * The hashes of a message. Runs inside the session.
 *
 * Headers are kept until those of some messages are there, to be hashed side by
 * side (md5_lanes.h); the XXH3 of a body is fast enough as it comes.
 *
 * A last line without a line end gets one with the next delivery, and that
 * must change neither hash: the headers are hashed as if they were ended, the
 * body without the line end that is its last.
 */
#include "hash.h"

#include <md5.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>

#include "md5_lanes.h"
#include "pages.h"
#include "xxh.h"

/* Longer headers are hashed as they come. */
#define HEADER_MAX ((size_t)16 * 1024)
/* Fewer are hashed faster one after the other. */
#define LANES_WORTH 3

/* Headers that wait to be hashed together with others. */
struct header {
	unsigned char text[HEADER_MAX + MD5_PADDING];
	size_t len;
	unsigned char *digest; /* the caller's: where it is to go */
};

struct hash {
	struct header headers[MD5_LANES]; /* those owed, then those under way */
	size_t owed;
	MD5_CTX long_header;
	bool is_long; /* the headers under way */
	bool unended; /* their last octet is no LF */
	XXH3_state_t *body;
	char line_end[2]; /* of the body: not hashed before more follows */
	size_t line_end_len;
};

struct hash *
hash_new(void)
{
	struct hash *hash = pages_new(sizeof(*hash));

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
	(void)munmap(hash, sizeof(*hash));
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
	hash_settle(hash);
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
hash_forget(struct hash *hash)
{
	hash->owed = 0;
}

void
hash_start(struct hash *hash)
{
	hash->headers[hash->owed].len = 0;
	hash->is_long = false;
	hash->unended = false;
	hash->line_end_len = 0;
	XXH3_128bits_reset(hash->body);
}

void
hash_header(struct hash *hash, const char *src, size_t len)
{
	struct header *header = &hash->headers[hash->owed];

	if (len == 0)
		return;
	hash->unended = src[len - 1] != '\n';
	if (!hash->is_long && len <= HEADER_MAX - header->len) {
		memcpy(header->text + header->len, src, len);
		header->len += len;
		return;
	}
	if (!hash->is_long) {
		MD5Init(&hash->long_header);
		MD5Update(&hash->long_header, header->text, header->len);
		hash->is_long = true;
	}
	MD5Update(&hash->long_header, (const uint8_t *)src, len);
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

/* The headers are over: hashed if they are long, else owed. */
static void
finish_header(struct hash *hash, unsigned char *digest)
{
	if (hash->unended)
		hash_header(hash, "\n", 1);
	if (hash->is_long) {
		MD5Final(digest, &hash->long_header);
		return;
	}
	hash->headers[hash->owed++].digest = digest;
	if (hash->owed == MD5_LANES)
		hash_settle(hash);
}

void
hash_finish(struct hash *hash, unsigned char header[HASH_SIZE],
    unsigned char body[HASH_SIZE])
{
	XXH128_canonical_t canonical;

	finish_header(hash, header);
	if (is_half(hash))
		XXH3_128bits_update(hash->body, hash->line_end, 1);
	XXH128_canonicalFromHash(&canonical, XXH3_128bits_digest(hash->body));
	memcpy(body, canonical.digest, HASH_SIZE);
}

static void
settle_one(const struct header *header)
{
	MD5_CTX context;

	MD5Init(&context);
	MD5Update(&context, header->text, header->len);
	MD5Final(header->digest, &context);
}

static void
settle_together(struct hash *hash)
{
	unsigned char digests[MD5_LANES][MD5_SIZE];
	struct md5_text texts[MD5_LANES];

	for (size_t i = 0; i < MD5_LANES; i++) {
		texts[i].octets = hash->headers[i].text;
		texts[i].len = i < hash->owed ? hash->headers[i].len : 0;
	}
	md5_lanes(texts, digests);
	for (size_t i = 0; i < hash->owed; i++)
		memcpy(hash->headers[i].digest, digests[i], MD5_SIZE);
}

void
hash_settle(struct hash *hash)
{
	if (hash->owed >= LANES_WORTH)
		settle_together(hash);
	else
		for (size_t i = 0; i < hash->owed; i++)
			settle_one(&hash->headers[i]);
	hash->owed = 0;
}
