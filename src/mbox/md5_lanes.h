/*
 * MD5 (RFC 1321) of several texts at once. One text goes step by step, each waiting
 * for the last; eight of them side by side take less than twice as long as one.
 */
#ifndef POPLAR_MBOX_MD5_LANES_H
#define POPLAR_MBOX_MD5_LANES_H

#include <stddef.h>

#define MD5_LANES 8
#define MD5_SIZE 16
#define MD5_PADDING 72 /* octets behind a text that md5_lanes() may write to */

struct md5_text {
	unsigned char *octets; /* the caller's, with room for the padding */
	size_t len;            /* any; the longest says how long all take */
};

/* Writes the digest of each text, and the padding behind it. */
void md5_lanes(const struct md5_text texts[MD5_LANES],
    unsigned char digests[MD5_LANES][MD5_SIZE]);

#endif
