/*
 * The languages of human texts in replies (RFC 6856 section 3). A text is
 * named by its English form; status words, response codes, numbers and
 * unique-ids are in it and stay.
 */
#ifndef POPLAR_SESSION_LANGUAGE_H
#define POPLAR_SESSION_LANGUAGE_H

#include <stddef.h>

struct translation {
	const char *english, *text;
};

struct language {
	const char *tag;  /* RFC 5646 */
	const char *name; /* in itself, UTF-8 */
	const struct translation *texts;
	size_t count;
};

/* English first, the default. */
extern const struct language languages[];
extern const size_t language_count;

/* The language of a tag, "*" or "de-AT" included; NULL: there is none. */
const struct language *language_find(const char *tag);

/* A text in a language; the English one where there is no other. */
const char *language_text(const struct language *language, const char *english)
    __attribute__((format_arg(2)));

#endif
