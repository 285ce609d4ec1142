/*
 * A maildrop: an mbox file, seen as numbered messages.
 *
 * This is all that the session knows of src/mbox. It works on descriptors
 * that it was handed; it has no path, no log, no configuration, and never
 * exits. What it needs of its surroundings it asks through struct md_host.
 * Message-numbers count from 1 (RFC 1725 section 4); a caller passes only
 * numbers from 1 to maildrop_count(), and calls maildrop_load() before.
 */
#ifndef POPLAR_MAILDROP_H
#define POPLAR_MAILDROP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A unique-id is 1 to 70 octets of 0x21 to 0x7E (RFC 1939 section 7). */
#define MD_UID_MAX 70

enum md_error {
	MD_OK = 0,
	MD_BUSY,      /* another program held a lock for all of lock_wait */
	MD_CHANGED,   /* not the file that was opened, or not its content */
	MD_FORMAT,    /* the first line is not a From_ line */
	MD_TOO_BIG,   /* over max_size or max_messages */
	MD_READ_ONLY, /* the maildrop was opened for reading */
	MD_NO_SPACE,  /* the disk or the quota is full; nothing was changed */
	MD_NO_MEMORY,
	MD_IO,      /* the disk failed */
	MD_REFUSED, /* the dotlock is required and cannot be made */
	MD_PENDING, /* a journal that can be neither applied nor set aside */
	MD_STOPPED, /* the host wants no more waiting (shutdown, kick) */
	MD_ERRORS
};

/*
 * The descriptors of one maildrop, all owned by the caller, who keeps them
 * open until maildrop_close(). mbox is -1 where no file exists. index carries
 * the session lock, taken by whoever opened it.
 */
struct md_fds {
	int mbox;    /* read-write, or read-only if !writable */
	int index;   /* read-write */
	int journal; /* read-write */
	bool writable;
};

struct md_limits {
	uint64_t max_size;     /* octets of the file; 0: none */
	uint32_t max_messages; /* 0: none */
	uint32_t lock_wait_ms; /* patience for each lock */
	bool lock_session;     /* keep the locks from open to close */
};

enum md_dotlock {
	MD_DOTLOCK_OK,       /* made, or switched off; the path names our file */
	MD_DOTLOCK_BUSY,     /* another's; ask again later */
	MD_DOTLOCK_REFUSED,  /* required, and cannot be made */
	MD_DOTLOCK_NO_SPACE, /* the same, for want of space */
	MD_DOTLOCK_CHANGED,  /* the path no longer names our file */
	MD_DOTLOCK_FAILED    /* the host failed or is gone */
};

/* What a maildrop asks of its surroundings. All get ctx. */
struct md_host {
	void *ctx;
	/* Makes the dotlock, once, without waiting, and checks the path. */
	enum md_dotlock (*dotlock)(void *ctx);
	/* Removes it, if it was made. */
	void (*undotlock)(void *ctx);
	/*
	 * Sets the maildrop's mtime back by a nanosecond; false: it cannot.
	 * Asked under both locks.
	 */
	bool (*backdate)(void *ctx);
	/* Waits so many milliseconds; false: give up (MD_STOPPED). */
	bool (*pause)(void *ctx, unsigned ms);
	/*
	 * Sets the journal aside as conflict/ (renamed, never deleted) and
	 * puts a new empty one in its place. Returns its descriptor, which
	 * the host owns, or -1: then MD_PENDING.
	 */
	int (*set_aside)(void *ctx);
};

enum md_scan { MD_SCAN_NONE, MD_SCAN_TAIL, MD_SCAN_FULL };

struct md_stats {
	uint32_t fresh;    /* messages that the index did not know */
	enum md_scan scan; /* how much was read at login */
	uint32_t scan_us;  /* microseconds that took */
	uint32_t last;     /* what LAST starts from; 0 without memory of it */
	bool recovered;    /* an interrupted UPDATE was finished at login */
};

struct maildrop;

/* For a process that is to fork many sessions: what each would prepare anew. */
void maildrop_prepare(void);

/*
 * Takes the locks (fcntl, then the dotlock), finishes an interrupted UPDATE,
 * reads what the index does not vouch for, gives up the locks (unless
 * lock_session). An absent or empty file is an empty maildrop. fds, limits
 * and host are copied. On success *mdp is the caller's, to be given to
 * maildrop_close(); on failure it is NULL.
 */
enum md_error maildrop_open(const struct md_fds *fds,
    const struct md_limits *limits, const struct md_host *host,
    struct maildrop **mdp);

/*
 * Before anything is asked of a message, at no cost when done already. Where the
 * index vouches for the maildrop a login only looks at the sums in it; this
 * reads it, and reads the maildrop instead if it has been damaged. MD_BUSY: it may
 * be tried again; MD_CHANGED and whatever opening can fail with: the session must
 * end.
 */
enum md_error maildrop_load(struct maildrop *md);

/*
 * Releases locks and memory; the descriptors stay open. Gives back the room of
 * a large journal, see maildrop_is_untidy(). NULL is allowed.
 */
void maildrop_close(struct maildrop *md);

/* What opening it took, and what the index remembers; as of the login. */
void maildrop_stats(const struct maildrop *md, struct md_stats *statsp);

/* Messages seen at login, deleted or not. */
uint32_t maildrop_count(const struct maildrop *md);

/* Messages not marked as deleted, and the sum of their sizes in octets. */
uint32_t maildrop_live(const struct maildrop *md);
uint64_t maildrop_octets(const struct maildrop *md);

/* Octets on the wire, before byte-stuffing, final "." not counted. O(1). */
uint64_t maildrop_size(const struct maildrop *md, uint32_t number);

/* The unique-id, terminated; returns its length. O(1). */
size_t maildrop_uid(const struct maildrop *md, uint32_t number,
    char uid[MD_UID_MAX + 1]);

/* Whether it is marked as deleted. */
bool maildrop_is_deleted(const struct maildrop *md, uint32_t number);

/* DELE: marks; MD_READ_ONLY where the file cannot be written. */
enum md_error maildrop_delete(struct maildrop *md, uint32_t number);

/* RSET: unmarks all. */
void maildrop_undelete_all(struct maildrop *md);

/* What maildrop_update() is to remember for LAST of later sessions. */
void maildrop_set_last(struct maildrop *md, uint32_t number);

/*
 * Starts sending a message: headers, empty line, body_lines lines of the body
 * (WIRE_WHOLE of wire.h: all). Verifies first that the file still is what was
 * scanned; if not, MD_CHANGED, and nothing may be sent (poplar(7),
 * Change detection). One message at a time is open; starting another drops it.
 */
enum md_error maildrop_read(struct maildrop *md, uint32_t number,
    uint64_t body_lines);

/* The least room for the next octets of a message. */
#define MD_PIECE_MIN 4096

/*
 * The next octets of it in wire form (CRLF, byte-stuffed, without the final
 * "." line). size is at least MD_PIECE_MIN. *lengthp is set to the octets put into
 * buf; 0 at the end of the message. MD_CHANGED or MD_IO: the message must not
 * be completed, the caller closes the connection before the final dot.
 */
enum md_error maildrop_next(struct maildrop *md, char *buf, size_t size,
    size_t *lengthp);

/* The octets of it that were put out so far, without byte-stuffing. */
uint64_t maildrop_sent(const struct maildrop *md);

/* Gives back the memory that sending took, until more is sent. */
void maildrop_rest(struct maildrop *md);

/*
 * UPDATE (RFC 1725 section 6): removes the marked messages under both locks,
 * keeps everything else, mail that arrived meanwhile included, and leaves the
 * maildrop as it was on every failure. Writes nothing to the maildrop when
 * nothing is marked. *removedp is set to the number removed. The locks are
 * released, also where they were to be kept, for the session is over.
 */
enum md_error maildrop_update(struct maildrop *md, uint32_t *removedp);

/*
 * Whether UPDATE left a large journal to be emptied by maildrop_close(), which
 * takes a while that no client need wait for: the maildrop is done with, its
 * locks are released. Until then the session lock must be held.
 */
bool maildrop_is_untidy(const struct maildrop *md);

/* Octets of a journal before the mail it keeps. */
#define MD_JOURNAL_BODY 1024

enum md_recovery {
	MD_RECOVERY_NONE,    /* no UPDATE was under way */
	MD_RECOVERY_DONE,    /* it was finished, or had been */
	MD_RECOVERY_CONFLICT /* its journal was set aside, the maildrop left alone */
};

/*
 * Finishes an interrupted UPDATE under both locks, without reading anything
 * else. Called on its own after a death in UPDATE and at start;
 * maildrop_open() does the same by itself.
 */
enum md_error maildrop_recover(const struct md_fds *fds,
    const struct md_limits *limits, const struct md_host *host,
    enum md_recovery *recoveryp);

#endif
