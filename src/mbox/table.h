/*
 * The message table: all that is kept in memory of a maildrop, and what the
 * index keeps of it on disk.
 */
#ifndef POPLAR_MBOX_TABLE_H
#define POPLAR_MBOX_TABLE_H

#include <stdbool.h>
#include <stdint.h>

#include "maildrop.h"
#include "scan.h"

/* Bits of struct message. */
#define MESSAGE_SEPARATOR 3U /* octets of the empty line behind it: 0, 1, 2 */
#define MESSAGE_GOING 4U     /* about to be removed by an UPDATE */
#define MESSAGE_STORED 7U    /* these go to the index, the rest is the session's */
#define MESSAGE_DELETED 8U   /* marked */
#define MESSAGE_HASHED 16U   /* its octets were seen in this session */

/* Also the record of the index, as it lies in memory: no padding. */
struct message {
	uint64_t start;  /* offset of the From_ line */
	uint64_t octets; /* in wire form */
	unsigned char header[HASH_SIZE];
	unsigned char body[HASH_SIZE];
	uint32_t copy; /* which one of its kind: 0, 1, ... */
	uint32_t used; /* the highest copy of its kind ever, as far as known */
	uint32_t flags;
	uint32_t epoch; /* the session's: see struct maildrop; 0 on disk */
};

_Static_assert(sizeof(struct message) == 64, "the record of the index");

/*
 * Messages in the order of the file, each to the start of the next, the last
 * to end. Those before first are not in memory: they lie in the index, and
 * maildrop_load() fetches them. gone: kinds that had copies and have no message
 * any more, the oldest first; only header, body, copy and used mean anything
 * there.
 */
struct table {
	struct message *messages; /* from first on */
	uint32_t first, count;
	uint32_t room; /* in memory */
	uint64_t end;
	uint64_t octets; /* of all messages, in wire form */
	struct message *gone;
	uint32_t gone_count;
	/* of so many records, the first ones, this is the sum in the index as
	 * it was loaded: index.c */
	uint32_t summed;
	uint64_t sum;
};

/* So many kinds without a message are remembered. */
#define TABLE_GONE_MAX 1024

/* A message that is in memory. */
static inline struct message *
table_at(const struct table *table, uint32_t index)
{
	return &table->messages[index - table->first];
}

/* Behind the separator of a message: where the next one starts, or the end. */
uint64_t table_next(const struct table *table, uint32_t index);

/* Behind the last octet of a message. */
uint64_t table_end(const struct table *table, uint32_t index);

/* Appends a message, and moves the end behind it. */
enum md_error table_add(struct table *table, const struct scan_message *found);

/* Whether the message is what the scanner found, octet for octet. */
bool table_is(const struct table *table, uint32_t index,
    const struct scan_message *found);

/* Whether there are, or were, several of the kind of one from an index on. */
bool table_has_copies(const struct table *table, uint32_t from);

/* Whether two messages have the same octets, as far as the hashes tell. */
bool table_same_kind(const struct message *a, const struct message *b);

/*
 * Makes room for so many messages in an empty table. Much of what a login to
 * a large maildrop costs is memory that is touched for the first time.
 */
enum md_error table_reserve(struct table *table, uint32_t room);

/* Frees what the table points to and makes it empty. */
void table_clear(struct table *table);

#endif
