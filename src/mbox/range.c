/*
 * Hashing and copying of file ranges: see range.h. Runs inside the session.
 */
#include "range.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "disk.h"
#include "xxh.h"

int
range_open(struct ranger *ranger)
{
	ranger->buffer = malloc(RANGE_BUFFER);
	ranger->hash = XXH3_createState();
	if (ranger->buffer != NULL && ranger->hash != NULL)
		return 0;
	range_close(ranger);
	errno = ENOMEM;
	return -1;
}

void
range_close(struct ranger *ranger)
{
	free(ranger->buffer);
	XXH3_freeState(ranger->hash);
	*ranger = (struct ranger){0};
}

void
range_begin(struct ranger *ranger)
{
	XXH3_128bits_reset(ranger->hash);
}

static void
store(XXH128_hash_t hash, struct digest *digestp)
{
	XXH128_canonical_t canonical;

	XXH128_canonicalFromHash(&canonical, hash);
	memcpy(digestp->octet, canonical.digest, sizeof(digestp->octet));
}

void
range_digest(const struct ranger *ranger, struct digest *digestp)
{
	store(XXH3_128bits_digest(ranger->hash), digestp);
}

/* Fills the buffer from `from`, adds it to the hash; returns the octets. */
static ssize_t
take(struct ranger *ranger, int fd, off_t from, off_t to)
{
	off_t left = to - from;
	size_t want = left < RANGE_BUFFER ? (size_t)left : RANGE_BUFFER;
	ssize_t got = disk_read(fd, ranger->buffer, want, from);

	if (got == -1)
		return -1;
	if ((size_t)got < want) {
		errno = ENODATA;
		return -1;
	}
	XXH3_128bits_update(ranger->hash, ranger->buffer, want);
	return got;
}

int
range_hash(struct ranger *ranger, int fd, off_t from, off_t to)
{
	ssize_t got;

	for (; from < to; from += got) {
		got = take(ranger, fd, from, to);
		if (got == -1)
			return -1;
	}
	return 0;
}

int
range_copy(struct ranger *ranger, int fd, off_t from, off_t to, int dst, off_t at)
{
	ssize_t got;

	for (; from < to; from += got, at += got) {
		got = take(ranger, fd, from, to);
		if (got == -1)
			return -1;
		if (disk_write(dst, ranger->buffer, (size_t)got, at) == -1)
			return -1;
	}
	return 0;
}

int
range_hash_one(struct ranger *ranger, int fd, off_t from, off_t to,
    struct digest *digestp)
{
	range_begin(ranger);
	if (range_hash(ranger, fd, from, to) == -1)
		return -1;
	range_digest(ranger, digestp);
	return 0;
}

void
digest_of(const void *data, size_t len, struct digest *digestp)
{
	store(XXH3_128bits(data, len), digestp);
}

bool
digest_equal(const struct digest *one, const struct digest *other)
{
	return memcmp(one->octet, other->octet, sizeof(one->octet)) == 0;
}
