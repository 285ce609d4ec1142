/*
 * A disk of two files, a maildrop and its journal, that stands in for
 * src/mbox/disk.c. It keeps what the kernel shows apart from what would be
 * there after a power cut.
 *
 * Since a file's last sync, each of its 512-octet sectors may be on the disk
 * in any of the versions it had. Changes of size get there in order, as on a
 * file system with a journal of its own: up to any one of them. A truncation
 * fills the rest of its last block with NULs, and that sector may be written
 * before the new size is; blocks behind are not written again before it.
 *
 * A weakness leaves out one sync or one write of the code under test; a test
 * that does not notice proves nothing.
 */
#ifndef POPLAR_MODEL_SIM_H
#define POPLAR_MODEL_SIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define SIM_MAX (96 * 1024) /* octets of a file */
#define SIM_OPS 256         /* changes since a sync */

enum { SIM_MBOX = 0, SIM_JOURNAL = 1, SIM_FILES = 2 }; /* descriptors */

/* What the code under test syncs or writes, told apart from outside. */
enum sim_site {
	SITE_NONE,
	SITE_PLAN,       /* maildrop, before a head speaks of it */
	SITE_COPY,       /* maildrop, body and mark in place */
	SITE_CHUNK,      /* maildrop, a chunk in place */
	SITE_MARK,       /* maildrop, the mark behind the last chunk */
	SITE_DROP,       /* maildrop, the mark where nothing is kept */
	SITE_SHORTEN,    /* maildrop, shortened */
	SITE_CLOSE,      /* maildrop, found shortened by recovery */
	SITE_FIRST,      /* journal, before a head that comes without body */
	SITE_CLEAR,      /* journal, what says that nothing counts */
	SITE_BODY,       /* journal, the body or plan */
	SITE_HEAD_COPY,  /* journal, the head that commits */
	SITE_HEAD_MOVE,  /* journal, the same for a plan, or progress */
	SITE_HEAD_DROP,  /* journal, the head where nothing is kept */
	SITE_HEAD_CUT,   /* journal, the head before the file is shortened */
	SITE_HEAD_AGAIN, /* journal, the head that recovery acts upon */
	SITE_HEAD_DONE,  /* journal, the head that ends it */
	SITE_SYNCS,
	WEAK_ONE_SLOT = SITE_SYNCS, /* both slots are one */
	WEAK_NO_MARK,               /* the mark is not written */
	WEAK_NO_HEAD_CUT,           /* that head is not written */
	WEAKNESSES
};

const char *sim_name(enum sim_site site);

enum sim_fault { FAULT_NEVER, FAULT_ONCE, FAULT_FOR_GOOD };

struct sim_op {
	off_t at;     /* a write: where; a truncation: the new size */
	size_t len;   /* a write's octets */
	size_t data;  /* their place in `arena` */
	off_t before; /* the size of the file until then */
	off_t size;   /* and since */
	bool truncates;
};

struct sim_file {
	unsigned char now[SIM_MAX], disk[SIM_MAX];
	off_t size, disk_size;
	off_t allocated; /* octets that writes find room in */
	struct sim_op ops[SIM_OPS];
	size_t count, used; /* of ops, of arena */
	unsigned char arena[4 * SIM_MAX];
	unsigned syncs;   /* that went well */
	unsigned own_ops; /* by this process since its last sync */
	bool own_writes;  /* by this process at all */
	uint64_t inode;
};

struct sim {
	struct sim_file file[SIM_FILES];
	off_t block; /* of the file system: 512 to 4096 */
	bool full;   /* no free block is left */
	enum sim_site weak;
	unsigned calls;    /* of this process */
	unsigned crash_at; /* the call that is not made; 0: none */
	bool crash_chosen; /* or choose() says so, at each call */
	bool dead;         /* the process is no more */
	bool bare;         /* a truncation without space for a head */
	bool recovering;
	bool again; /* the first head of a recovery was synced */
	enum sim_fault fault;
	unsigned fault_at; /* the call that fails */
	int fault_errno;
	unsigned faults; /* that happened */
	int64_t clock;
	uint64_t written;               /* octets, to both files, by all */
	unsigned (*choose)(unsigned n); /* a number below n */
};

extern struct sim sim;

/* Both files empty and durable; choose, block, full are the caller's. */
void sim_reset(void);

/* A process begins; it dies before its call number crash_at. */
void sim_boot(bool recovering, unsigned crash_at);

/* The power fails and comes back. */
void sim_power_cut(void);

/* Pages that a failed sync gave up may be read again from the disk. */
void sim_evict(void);

/* The kernel writes back what it has of the maildrop. */
void sim_write_back(void);

/* An empty journal in the place of this one. */
void sim_set_aside(void);

/* Other programs, which do not crash. */
void sim_append(const void *data, size_t len, bool synced);
void sim_rewrite(const void *data, size_t len);

/* Between the files of the model. */

struct journal_head;

/* The head that counts, of sequence 0 where there is none. */
const struct journal_head *sim_head(void);

/* Which sync this is; called before it happens. */
enum sim_site sim_site(int fd);

/* Whether a write is one that the weakness leaves out. */
bool sim_leaves_out(int fd, const void *data, off_t at);

/* Brings one change to the disk. */
void sim_apply(struct sim_file *file, const struct sim_op *op);

/* A sync that fails: sizes get to the disk, of the octets only some. */
void sim_lose(struct sim_file *file);

#endif
