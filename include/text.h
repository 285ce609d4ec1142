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
 * octets, no '/', no ':', no control, no blank, not beginning with '-', '.' or
 * '%', not ending in ".lock". Inside, '%' stays: "user%example.org" is common.
 */
bool text_name(const char *name);

/*
 * The next word of a list that blanks and tabs separate, of *lengthp octets,
 * not terminated; *listp moves on behind it. NULL at the end.
 */
const char *text_word(const char **listp, size_t *lengthp);

/* Whether such a list holds a word, octet for octet. */
bool text_list_holds(const char *list, const char *word);

/* MD5 or another digest as lower-case hexadecimal; dst holds 2 * len + 1. */
void text_hex(char *dst, const unsigned char *src, size_t len);

/*
 * Strict base64 (RFC 4648 section 4): length octets of text to at most size
 * octets. dst may be the text itself. False: no base64, or too long; what is
 * in dst then means nothing.
 */
bool text_from_base64(const char *text, size_t length, void *dst, size_t size,
    size_t *lengthp);

/* The octets that length octets take in base64, with the terminator. */
#define TEXT_BASE64_SIZE(length) (((length) + 2) / 3 * 4 + 1)
void text_to_base64(char *dst, const void *src, size_t length);

#endif
