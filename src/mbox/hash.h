/*
 * The hashes of a message, from which its unique-id is made and by which it
 * is known again.
 */
#ifndef POPLAR_MBOX_HASH_H
#define POPLAR_MBOX_HASH_H

#include <stddef.h>

#include "md5_lanes.h"

#define HASH_SIZE MD5_SIZE
/* So many messages' headers may be owed: they are hashed together. */
#define HASH_OWED_MAX MD5_LANES

struct hash;

/*
 * Once, before any fork: makes what the libraries would make at their first use,
 * also of the index's checksums.
 */
void hash_prepare(void);

/* NULL: no memory. To be given to hash_free(), which takes NULL. */
struct hash *hash_new(void);
void hash_free(struct hash *hash);

/* Begins a message. The headers and the body may then be fed in any split. */
void hash_start(struct hash *hash);
void hash_header(struct hash *hash, const char *src, size_t len);
void hash_body(struct hash *hash, const char *src, size_t len);

/*
 * Ends a message: MD5 of the headers, XXH3-128 of the body in its canonical form.
 * The first may be owed until hash_settle(): header must stay where it is till then.
 * Once HASH_OWED_MAX are owed all are put.
 */
void hash_finish(struct hash *hash, unsigned char header[HASH_SIZE],
    unsigned char body[HASH_SIZE]);

/* Puts all that is owed. Not in a message: its headers would be lost. */
void hash_settle(struct hash *hash);

/* What is owed is not wanted any more, nor is a message that was begun. */
void hash_forget(struct hash *hash);

/* The length of the line end behind octets; a CR may be half of one. */
size_t hash_line_end(const char *src, size_t len);

#endif
