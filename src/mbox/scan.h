/*
 * The mbox parser: a push machine that is fed any split of a file and tells
 * the messages in it.
 */
#ifndef POPLAR_MBOX_SCAN_H
#define POPLAR_MBOX_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "hash.h"
#include "maildrop.h"

/* Offsets are those of the file. */
struct scan_message {
	uint64_t start;  /* of the From_ line */
	uint64_t end;    /* behind the last octet of the message */
	uint64_t next;   /* behind the empty line that separates, if there is one */
	uint64_t octets; /* in wire form */
	unsigned char header[HASH_SIZE]; /* MD5 of what no mail reader rewrites */
	unsigned char body[HASH_SIZE];   /* XXH3-128, without the last line end */
	bool internal; /* not a message: what c-client keeps in a file */
};

/*
 * Told the messages in their order, each once it and perhaps some behind it are
 * complete; message is the scanner's, lent for the call. Anything but MD_OK ends
 * the scan: none is told any more.
 */
struct scan_sink {
	void *ctx;
	enum md_error (*found)(void *ctx, const struct scan_message *message);
};

struct scan;

/* NULL: no memory. To be given to scan_free(), which takes NULL. */
struct scan *scan_new(void);
void scan_free(struct scan *scan);

/*
 * Begins at an offset of a file, where a message starts. Only at offset 0 the
 * rule for the first line and for the internal message holds; elsewhere a
 * From_ line must stand there.
 */
void scan_start(struct scan *scan, uint64_t at, const struct scan_sink *sink);

/*
 * Takes all of the octets. MD_FORMAT: the first line is no From_ line;
 * MD_NO_MEMORY; what the sink returned. After an error scan_start() is next.
 */
enum md_error scan_feed(struct scan *scan, const char *src, size_t len);

/* After the last octet: tells what is not told yet. No octets at all: MD_OK. */
enum md_error scan_finish(struct scan *scan);

#endif
