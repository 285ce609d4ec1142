/*
 * The journal of a cut: what a crash leaves of it, and what may be believed.
 *
 * Two header slots of one 512-octet sector each, used in turn by sequence
 * number, then the body. The valid header with the highest sequence counts; a
 * header never replaces the one that counts, and appears on the disk whole or
 * not at all. An empty journal has size 0; one whose slots are both zero was
 * never committed; one whose header says DONE is over, whatever became of the
 * maildrop since.
 */
#ifndef POPLAR_MBOX_JOURNAL_H
#define POPLAR_MBOX_JOURNAL_H

#include <stdint.h>

#include "disk.h"
#include "range.h"

#define JOURNAL_SLOT 512
#define JOURNAL_BODY (2 * JOURNAL_SLOT)

/* Room that an empty journal keeps for a day without space: gap.c. */
#define JOURNAL_RESERVE 8192

enum journal_phase {
	JOURNAL_COPY = 1, /* the body is to be written over [from, end) */
	JOURNAL_MOVE,     /* the body is a plan, `moved` octets are in place */
	JOURNAL_CUT,      /* [from, end) is right, the file ends at `end` next */
	JOURNAL_DROP,     /* nothing is kept, the file ends at `from` next */
	JOURNAL_DONE,     /* the file ends at `end`: nothing is left to do */
	JOURNAL_PHASES
};

/* 512-octet sectors of the tail's first block, and what may follow it. */
#define JOURNAL_SECTORS 9

/* What lies behind the new end before it is cut off: edge.c. */
struct journal_tail {
	uint64_t near[JOURNAL_SECTORS]; /* XXH3-64 of each sector */
	unsigned char under[16];        /* the octets below the nonce */
	unsigned char nonce[16];
	struct digest far; /* behind the nonce */
};

/*
 * One slot, in the host's byte order. Offsets are of the maildrop unless they
 * are called body. `from` is the first octet that goes, `end` the new end of
 * the file, `size` its end when the cut was planned; end - from is the length
 * of what is kept behind `from`.
 */
struct journal_head {
	char magic[8];
	uint32_t version, phase;
	uint64_t sequence;
	uint64_t inode;
	int64_t birth_sec, birth_nsec;
	uint64_t from, end, size;
	uint64_t body_at, body_length;
	uint64_t moved;
	struct digest body, kept;
	uint64_t before_at;   /* where the octets before `from` begin that */
	struct digest before; /* this is the hash of, 4096 or more */
	struct journal_tail tail;
	unsigned char zero[JOURNAL_SLOT - 288];
	struct digest checksum; /* of all octets above */
};

enum journal_state {
	JOURNAL_NONE,   /* nothing was committed */
	JOURNAL_OVER,   /* what was committed is done */
	JOURNAL_VALID,  /* `head` counts */
	JOURNAL_DAMAGED /* a header is there, and none that can be believed */
};

struct journal {
	int fd;
	unsigned slot; /* where `head` lies */
	struct journal_head head;
};

/* A journal that holds nothing yet. */
void journal_start(struct journal *journal, int fd);

/*
 * Reads the journal of a maildrop (id: its disk_stat()). 0, or -1 with errno
 * where it cannot be read; then nothing is known.
 */
int journal_load(struct journal *journal, const struct disk_stat *id,
    struct ranger *ranger, enum journal_state *statep);

/*
 * Makes `head` the header that counts: sets magic, version, sequence and
 * checksum, writes the other slot, syncs. The body was synced before. On
 * failure it is not known which of the two counts.
 */
int journal_put(struct journal *journal, const struct journal_head *head);

/*
 * Writes the header that counts over itself, and syncs. The one that was read
 * may be in memory only, if its writer died, or failed, before its sync.
 */
int journal_renew(const struct journal *journal);

/* Puts the header that ends it, not synced; it holds nothing from then on. */
int journal_finish(struct journal *journal);

/*
 * Empties one in which nothing counts. What says so is synced first, for the
 * truncation is not: nothing older may come back with a power cut.
 */
int journal_clear(int fd);

#endif
