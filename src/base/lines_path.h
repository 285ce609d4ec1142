/*
 * What the ways to do the work of lines.h share, and those that are not for
 * every machine.
 */
#ifndef POPLAR_BASE_LINES_PATH_H
#define POPLAR_BASE_LINES_PATH_H

#include "lines.h"

/* Octets that a line may get besides its own: a dot and a CR. */
#define LINES_EXTRA 2

/* An LF with the CR that it may lack. Returns the end. */
static inline char *
lines_put_end(char *dst, bool bare)
{
	*dst = '\r';
	dst += bare;
	*dst = '\n';
	return dst + 1;
}

/* What find() does, an octet at a time, from an offset on. */
size_t lines_find_slowly(const char *src, size_t len, size_t from, uint64_t *barep);

/* encode() for every machine. */
size_t lines_encode_anywhere(const char *src, size_t len, bool line_start,
    char *dst, size_t size, size_t *takenp, size_t *dotsp);

#ifdef __x86_64__
bool lines_avx2_usable(void);
size_t lines_avx2_find(const char *src, size_t len, uint64_t *barep);
size_t lines_avx2_encode(const char *src, size_t len, bool line_start, char *dst,
    size_t size, size_t *takenp, size_t *dotsp);
#endif

#endif
