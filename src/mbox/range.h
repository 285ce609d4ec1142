/*
 * Ranges of files, hashed and copied through one buffer of a fixed size, so
 * that no operation on a maildrop needs memory in proportion to it.
 */
#ifndef POPLAR_MBOX_RANGE_H
#define POPLAR_MBOX_RANGE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define RANGE_BUFFER (256 * 1024)

/* XXH3-128 in its canonical form. */
struct digest {
	unsigned char octet[16];
};

struct ranger {
	char *buffer; /* RANGE_BUFFER octets; between calls anyone's */
	void *hash;
};

/* 0, or -1 with ENOMEM; then range_close() is allowed, not needed. */
int range_open(struct ranger *ranger);
void range_close(struct ranger *ranger);

/* Starts a hash; the two calls below add to it. */
void range_begin(struct ranger *ranger);
void range_digest(const struct ranger *ranger, struct digest *digestp);

/*
 * Reads [from, to). -1 with errno; ENODATA where the file ends before `to`.
 */
int range_hash(struct ranger *ranger, int fd, off_t from, off_t to);

/* [from, to) of one file, and where it goes in another, or in the same. */
struct range_way {
	int source;
	off_t from, to;
	int target;
	off_t at;
};

/*
 * Copies in ascending order: within one file the ranges may not overlap. The
 * second adds to the hash what it copies. Errors as range_hash(), and those of
 * the write.
 */
int range_copy(struct ranger *ranger, const struct range_way *way);
int range_copy_hash(struct ranger *ranger, const struct range_way *way);

/* One range on its own. */
int range_hash_one(struct ranger *ranger, int fd, off_t from, off_t to,
    struct digest *digestp);

/* XXH3-128 of octets in memory. */
void digest_of(const void *data, size_t len, struct digest *digestp);
bool digest_equal(const struct digest *one, const struct digest *other);

#endif
