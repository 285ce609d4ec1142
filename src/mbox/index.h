/*
 * The index: the message table on disk, and of which state of the maildrop it
 * speaks. A cache: it may be deleted or damaged at any time.
 */
#ifndef POPLAR_MBOX_INDEX_H
#define POPLAR_MBOX_INDEX_H

#include <stdbool.h>
#include <stdint.h>

#include "disk.h"
#include "maildrop.h"
#include "table.h"

/* What the index knows besides its messages. */
struct index_facts {
	struct disk_stat stat; /* of the maildrop, before it was read */
	int64_t taken;         /* disk_clock() at that moment */
	uint32_t last;         /* for LAST */
	uint32_t unsure;       /* messages not hashed since the file last grew
	                          or was sealed: so many, the first ones */
	uint32_t unnumbered;   /* messages that were not compared with the others
	                          to number copies: so many, the last ones */
	bool trusted;          /* false: good for unique-ids only */
	bool announced;        /* the same: messages are marked MESSAGE_GOING */
	bool sealed;           /* no later change can bear the times of stat:
	                          settled, whenever it was taken */
};

/* What the index can vouch for in the maildrop as it is now. */
enum index_match {
	INDEX_NOTHING, /* only unique-ids */
	INDEX_PREFIX,  /* the maildrop may just have grown */
	INDEX_EXACT    /* it is the same, and the record had settled */
};

/*
 * Reads the index. Whatever is wrong with it, the outcome is MD_OK with an
 * empty table and facts that are not trusted; MD_NO_MEMORY is the only error.
 */
enum md_error index_load(int fd, struct table *table, struct index_facts *factsp);

/*
 * The same, or only what is in the header, if the index has not been touched since
 * that was written: then the table has no messages in memory.
 */
enum md_error index_peek(int fd, struct table *table, struct index_facts *factsp);

/*
 * After that: reads, of many messages, only the last ones, INDEX_LAST at least. They
 * may be wrong: only the checksum of all tells.
 */
enum md_error index_load_last(int fd, struct table *table,
    struct index_facts *factsp);

#define INDEX_LAST 8

/* What the record says of a maildrop in this state. */
enum index_match index_compare(const struct index_facts *facts,
    const struct disk_stat *now);

/*
 * Writes the index; the messages before from are known to lie there as they
 * are, and are as they were read. A failure leaves of the old one what is good
 * for unique-ids, or no index at all. So does what cannot be done with the last
 * messages alone: to change one that lies there.
 */
void index_save(int fd, const struct table *table, const struct index_facts *facts,
    uint32_t from);

/*
 * Writes the facts alone: the messages are those that lie there. Where these are not
 * to be trusted, because index_save() failed for instance, nothing is written.
 */
void index_save_facts(int fd, const struct index_facts *facts);

#endif
