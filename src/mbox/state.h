/*
 * A maildrop from inside: the struct behind maildrop.h, and what its parts
 * (survey, verify, read, marks, update) do for each other.
 */
#ifndef POPLAR_MBOX_STATE_H
#define POPLAR_MBOX_STATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "disk.h"
#include "index.h"
#include "lock.h"
#include "maildrop.h"
#include "scan.h"
#include "table.h"
#include "wire.h"

/* Octets of the maildrop that are read at once. */
#define BLOCK_SIZE (256U * 1024)

/* The message that is being sent. */
struct reading {
	bool open;
	bool in_from_line; /* which is not sent */
	bool trailing;     /* no more looks, only the comparison at the end */
	unsigned hashed;   /* how often it was hashed since it was begun */
	bool comparing;    /* the scanner is fed along */
	bool finished;     /* all is out; result is what the end is to be */
	enum md_error result;
	uint32_t index;
	uint64_t at, end,
	    next; /* next octet to read; behind the message; behind its separator */
	size_t pos, len; /* what is left in the block */
	struct wire wire;
};

struct maildrop {
	struct md_fds fds;
	struct md_limits limits;
	struct md_host host;
	struct md_stats stats;
	struct lock lock;
	struct table table;
	struct index_facts facts; /* as they lie in the index */
	struct disk_stat stat;    /* the maildrop at the last look */
	int64_t looked;           /* disk_clock() just before */
	uint32_t epoch;     /* looks that found it changed; a message holds the one
	                     in which its octets were last known to be right */
	uint32_t sure_from; /* from this one on a settled exact match of the
	                       file vouches for the messages seen at login */
	uint32_t live;      /* not marked as deleted: messages, octets */
	uint64_t octets;
	uint32_t last;
	bool untidy; /* the journal is over, and not yet empty */
	struct scan *scan;
	char *block; /* BLOCK_SIZE, NULL until it is needed */
	struct reading reading;
};

/* survey.c: what is in the maildrop. */

/* Looks what the index knows, which the session lock alone guards. First of all. */
enum md_error survey_peek(struct maildrop *md);

/* Reads of it what survey() needs, if that was not done; before survey(). */
enum md_error survey_index(struct maildrop *md);

/*
 * Whether the index vouches for all of the maildrop as it is now; then all is
 * done that survey() does, but for the reading of the index. The fcntl lock is
 * held: whoever writes now is waited for. The dotlock need not be: one look at
 * the file's state decides, nothing of its content is read, and a change that
 * comes later is found by the looks before each reading.
 */
enum md_error survey_settled(struct maildrop *md, bool *settledp);

/* The same in every case. Both locks are held. */
enum md_error survey(struct maildrop *md);

/* Gives copies that wait for it their numbers. All messages are in memory. */
enum md_error survey_number(struct maildrop *md);

/* verify.c */

/* Gets block and scanner. MD_NO_MEMORY. */
enum md_error verify_prepare(struct maildrop *md);

/* Scans [from, to). MD_CHANGED: the file ends before. */
enum md_error verify_scan(struct maildrop *md, uint64_t from, uint64_t to,
    const struct scan_sink *sink);

/* Feeds [from, to) to the scanner. MD_CHANGED: the file ends before. */
enum md_error verify_feed(struct maildrop *md, uint64_t from, uint64_t to);

/*
 * Looks whether the maildrop has changed, or may have; then nothing is known
 * of any message. MD_CHANGED: another file has taken its place.
 */
enum md_error verify_look(struct maildrop *md);

/* MD_CHANGED: the file is not as the last look found it. */
enum md_error verify_still(struct maildrop *md);

/* Hashes the messages from first to last. MD_CHANGED: not what they were. */
enum md_error verify_messages(struct maildrop *md, uint32_t first, uint32_t last);

/* Whether a message's octets are known to be right. */
bool verify_is_known(const struct maildrop *md, uint32_t index);

/* A mismatch was found: the next login scans everything. Returns MD_CHANGED. */
enum md_error verify_distrust(struct maildrop *md);

/* update.c */

/* Finishes an interrupted UPDATE; both locks are held. */
enum md_error update_recover(struct md_fds *fds, const struct md_host *host,
    enum md_recovery *recoveryp);

/* Empties the journal of one that is finished, if that is left to be done. */
void update_tidy(struct maildrop *md);

#endif
