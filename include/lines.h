/*
 * Line ends in blocks of text, with the widest vectors that the machine has.
 * Each function is there for every machine and, where it pays, once more for
 * some; all give the same, octet for octet.
 */
#ifndef POPLAR_LINES_H
#define POPLAR_LINES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A way to do the work. */
struct lines_path {
	const char *name;
	bool (*usable)(void); /* on this machine */

	/*
	 * Looks for an "F" behind an LF in src[1..len), src[0] being looked
	 * back at. Returns its offset, or len; *barep grows by the LFs in
	 * src[1..offset) that stand behind no CR.
	 */
	size_t (*find)(const char *src, size_t len, uint64_t *barep);

	/*
	 * Puts whole lines into wire form, as many as there are and fit: a CR
	 * before each LF that has none, a dot before each dot that begins a
	 * line. No CR stands before src; it begins a line if line_start, else
	 * its first line is the rest of one. Sets *takenp to the octets taken,
	 * *dotsp to the dots added; returns the octets put into dst.
	 */
	size_t (*encode)(const char *src, size_t len, bool line_start, char *dst,
	    size_t size, size_t *takenp, size_t *dotsp);
};

/* The best first; the last is usable everywhere. */
extern const struct lines_path lines_paths[];
extern const size_t lines_path_count;

/* The best one that is usable. */
const struct lines_path *lines_path(void);

#endif
