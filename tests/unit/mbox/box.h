/*
 * A maildrop on a temporary folder, and a host that makes and counts what is
 * asked of it. For unit tests; each includes it once.
 */
#ifndef POPLAR_TEST_BOX_H
#define POPLAR_TEST_BOX_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "maildrop.h"
#include "wire.h"
#include "mbox/stamp.h"

/* What a message begins with. */
#define F1 "From a@b Tue Nov 17 21:28:37 2009\n"

struct box {
	char dir[32], mbox[64], index[64], journal[64];
	struct md_fds fds;
	struct md_limits limits;
	struct md_host host;
	struct maildrop *md;
	enum md_dotlock answer; /* of the host, when asked for the dotlock */
	int busy;               /* times it says busy before */
	int dotlocks, undotlocks, pauses, set_asides;
	unsigned paused; /* milliseconds */
	bool stop;       /* pause() gives up */
	bool hasty;      /* pause() does not wait */
	bool foreign;    /* backdate() cannot */
	void (*when_locked)(struct box *box);
	void (*when_pausing)(struct box *box);
};

static inline enum md_dotlock
box_dotlock(void *ctx)
{
	struct box *box = ctx;

	if (box->busy > 0) {
		box->busy--;
		return MD_DOTLOCK_BUSY;
	}
	if (box->answer == MD_DOTLOCK_OK)
		box->dotlocks++;
	if (box->when_locked != NULL)
		box->when_locked(box);
	return box->answer;
}

static inline void
box_undotlock(void *ctx)
{
	struct box *box = ctx;

	box->undotlocks++;
}

static inline bool
box_backdate(void *ctx)
{
	struct box *box = ctx;
	struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}};
	struct stat st;

	assert_int_equal(fstat(box->fds.mbox, &st), 0);
	times[1] = st.st_mtim;
	times[1].tv_nsec -= times[1].tv_nsec > 0;
	return !box->foreign && futimens(box->fds.mbox, times) == 0;
}

static inline bool
box_pause(void *ctx, unsigned ms)
{
	struct box *box = ctx;

	if (box->stop)
		return false;
	box->pauses++;
	box->paused += ms;
	if (box->when_pausing != NULL)
		box->when_pausing(box);
	if (!box->hasty)
		usleep(ms * 1000);
	return true;
}

static inline int
box_set_aside(void *ctx)
{
	struct box *box = ctx;
	char aside[80];

	box->set_asides++;
	snprintf(aside, sizeof(aside), "%s/conflict", box->dir);
	assert_int_equal(rename(box->journal, aside), 0);
	close(box->fds.journal);
	box->fds.journal = open(box->journal, O_RDWR | O_CREAT, 0600);
	return box->fds.journal;
}

static inline void
box_make(struct box *box)
{
	*box = (struct box){.limits = {.lock_wait_ms = 200}};
	strcpy(box->dir, "/tmp/poplar-unit-XXXXXX");
	assert_non_null(mkdtemp(box->dir));
	snprintf(box->mbox, sizeof(box->mbox), "%s/mbox", box->dir);
	snprintf(box->index, sizeof(box->index), "%s/index", box->dir);
	snprintf(box->journal, sizeof(box->journal), "%s/journal", box->dir);
	box->host = (struct md_host){box, box_dotlock, box_undotlock, box_backdate,
	    box_pause, box_set_aside};
	box->fds = (struct md_fds){-1, -1, -1, true};
}

static inline void
box_close(struct box *box)
{
	maildrop_close(box->md);
	box->md = NULL;
	close(box->fds.mbox);
	close(box->fds.index);
	close(box->fds.journal);
	box->fds = (struct md_fds){-1, -1, -1, true};
}

static inline void
box_remove(struct box *box)
{
	char command[64];

	box_close(box);
	snprintf(command, sizeof(command), "rm -rf %s", box->dir);
	assert_int_equal(system(command), 0);
}

/* Opens descriptors as a monitor would, and the maildrop. */
static inline enum md_error
box_enter(struct box *box, int flags)
{
	box->fds.mbox = open(box->mbox, flags);
	box->fds.index = open(box->index, O_RDWR | O_CREAT, 0600);
	box->fds.journal = open(box->journal, O_RDWR | O_CREAT, 0600);
	box->fds.writable = flags == O_RDWR;
	return maildrop_open(&box->fds, &box->limits, &box->host, &box->md);
}

/* The same, and all that is known of its messages. */
static inline enum md_error
box_try(struct box *box, int flags)
{
	enum md_error error = box_enter(box, flags);

	return error == MD_OK ? maildrop_load(box->md) : error;
}

static inline void
box_open(struct box *box)
{
	assert_int_equal(box_try(box, O_RDWR), MD_OK);
}

/* A session that does nothing, so that the index knows all. */
static inline void
box_visit(struct box *box)
{
	box_open(box);
	box_close(box);
}

static inline void
box_write(struct box *box, const char *path, int flags, const void *src, size_t len)
{
	int fd = open(path, O_WRONLY | O_CREAT | flags, 0600);

	(void)box;
	assert_int_not_equal(fd, -1);
	assert_int_equal(write(fd, src, len), len);
	close(fd);
}

static inline void
box_fill(struct box *box, const char *text)
{
	box_write(box, box->mbox, O_TRUNC, text, strlen(text));
}

static inline void
box_append(struct box *box, const char *text)
{
	box_write(box, box->mbox, O_APPEND, text, strlen(text));
}

/* Past the time within which a coarse clock may stamp two changes alike. */
static inline void
box_settle(void)
{
	const int64_t begin = disk_clock();

	/* on a machine that stands still its clock does too */
	do
		usleep(30000);
	while (disk_clock() - begin <= STAMP_COARSE_NS);
}

/* Overwrites octets in the middle, as a reader that changes a flag does. */
static inline void
box_poke(struct box *box, off_t at, const char *text)
{
	int fd = open(box->mbox, O_WRONLY);

	assert_int_not_equal(fd, -1);
	assert_int_equal(pwrite(fd, text, strlen(text), at), strlen(text));
	close(fd);
}

/* The file's content is exactly this. */
static inline void
box_check(struct box *box, const char *text)
{
	const size_t len = strlen(text);
	char *got = malloc(len + 2);
	int fd = open(box->mbox, O_RDONLY);

	assert_non_null(got);
	assert_int_not_equal(fd, -1);
	assert_int_equal(read(fd, got, len + 2), len);
	assert_memory_equal(got, text, len);
	close(fd);
	free(got);
}

/* Sends a message, in parts of size octets; text holds max. */
static inline enum md_error
box_fetch(struct box *box, uint32_t number, uint64_t lines, size_t size, char *text,
    size_t max, size_t *lenp)
{
	enum md_error error = maildrop_read(box->md, number, lines);
	size_t n = 0;

	*lenp = 0;
	while (error == MD_OK) {
		assert_true(*lenp + size <= max);
		error = maildrop_next(box->md, text + *lenp, size, &n);
		if (error != MD_OK || n == 0)
			break;
		*lenp += n;
	}
	text[*lenp] = '\0';
	return error;
}

/* The message as it is sent is exactly this, and has the size told. */
static inline void
box_sends(struct box *box, uint32_t number, const char *text)
{
	static char got[1 << 16];
	size_t len;

	assert_int_equal(box_fetch(box, number, WIRE_WHOLE, 4096, got, sizeof(got),
	                     &len),
	    MD_OK);
	assert_string_equal(got, text);
	assert_int_equal(maildrop_size(box->md, number), strlen(text));
}

static inline enum md_scan
box_scan(struct box *box)
{
	struct md_stats stats;

	maildrop_stats(box->md, &stats);
	return stats.scan;
}

static inline uint32_t
box_fresh(struct box *box)
{
	struct md_stats stats;

	maildrop_stats(box->md, &stats);
	return stats.fresh;
}

struct uid {
	char text[MD_UID_MAX + 1];
};

static inline struct uid
box_uid(struct box *box, uint32_t number)
{
	struct uid uid;

	maildrop_uid(box->md, number, uid.text);
	for (const char *c = uid.text; *c != '\0'; c++)
		assert_in_range(*c, 0x21, 0x7e);
	assert_in_range(strlen(uid.text), 1, MD_UID_MAX);
	return uid;
}

/* Deletes messages, the numbers ending with 0, and ends the session. */
static inline void
box_delete(struct box *box, const uint32_t *numbers)
{
	uint32_t removed, count = 0;

	for (; numbers[count] != 0; count++)
		assert_int_equal(maildrop_delete(box->md, numbers[count]), MD_OK);
	assert_int_equal(maildrop_update(box->md, &removed), MD_OK);
	assert_int_equal(removed, count);
	box_close(box);
}

/* A message cannot be deleted, for a reason. */
static inline void
box_refuses(struct box *box, uint32_t number, enum md_error reason)
{
	uint32_t removed = 7;

	assert_int_equal(maildrop_delete(box->md, number), MD_OK);
	assert_int_equal(maildrop_update(box->md, &removed), reason);
	assert_int_equal(removed, 0);
}

#endif
