/*
 * Hashing and copying of file ranges: see range.h. Runs inside the session.
 *
 * What is written goes on its way to the disk after each STRIDE octets, so that
 * the disk works while the next ones are copied, and little is left for the
 * sync that follows. Writes begin and end at a page where they can: no page
 * is written twice.
 */
#include "range.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "disk.h"
#include "xxh.h"

#define PAGE 4096
#define STRIDE ((off_t)1024 * 1024)

/* The kernel copies to a page's start twice as fast as elsewhere. */
int
range_open(struct ranger *ranger)
{
	ranger->buffer = aligned_alloc(PAGE, RANGE_BUFFER);
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

/* Fills the buffer, up to a limit, from `from` on; returns the octets. */
static ssize_t
take(struct ranger *ranger, int fd, off_t from, off_t to, size_t limit)
{
	off_t left = to - from;
	size_t want = left < (off_t)limit ? (size_t)left : limit;
	ssize_t got = disk_read(fd, ranger->buffer, want, from);

	if (got == -1)
		return -1;
	if ((size_t)got < want) {
		errno = ENODATA;
		return -1;
	}
	return got;
}

/* Writes the buffer, and has the strides that it completes written back. */
static int
put(const struct ranger *ranger, int fd, size_t len, off_t at)
{
	const off_t end = at + (off_t)len, begun = at - at % STRIDE,
	            whole = end - end % STRIDE;

	if (disk_write(fd, ranger->buffer, len, at) == -1)
		return -1;
	if (whole > begun)
		disk_start_sync(fd, begun, whole - begun);
	return 0;
}

static void
digest_buffer(struct ranger *ranger, size_t len)
{
	XXH3_128bits_update(ranger->hash, ranger->buffer, len);
}

int
range_hash(struct ranger *ranger, int fd, off_t from, off_t to)
{
	ssize_t got;

	for (; from < to; from += got) {
		got = take(ranger, fd, from, to, RANGE_BUFFER);
		if (got == -1)
			return -1;
		digest_buffer(ranger, (size_t)got);
	}
	return 0;
}

static int
copy(struct ranger *ranger, const struct range_way *way, bool hash)
{
	off_t from = way->from, at = way->at;
	ssize_t got;

	for (; from < way->to; from += got, at += got) {
		got = take(ranger, way->source, from, way->to,
		    RANGE_BUFFER - (size_t)(at % PAGE));
		if (got == -1)
			return -1;
		if (hash)
			digest_buffer(ranger, (size_t)got);
		if (put(ranger, way->target, (size_t)got, at) == -1)
			return -1;
	}
	return 0;
}

int
range_copy(struct ranger *ranger, const struct range_way *way)
{
	return copy(ranger, way, false);
}

int
range_copy_hash(struct ranger *ranger, const struct range_way *way)
{
	return copy(ranger, way, true);
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
