/*
 * Strict readers for the few forms of text that come from outside.
 */
#ifndef POPLAR_TEXT_H
#define POPLAR_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Reads a decimal number of 1 to 20 digits and nothing else: no sign, no
 * blank, no leading zero but "0" itself, at most max. Returns false and
 * leaves *valuep alone otherwise.
 */
bool text_number(const char *text, uint64_t max, uint64_t *valuep);

/*
 * Whether a name may be given to a back end and be put in a path: 1 to 255
 * octets, no '/', no control, no blank, not beginning with '-' or '.', not
 * ending in ".lock", no '%' and no ':'.
 */
bool text_name(const char *name);

/* MD5 or another digest as lower-case hexadecimal; dst holds 2 * len + 1. */
void text_hex(char *dst, const unsigned char *src, size_t len);

#endif
