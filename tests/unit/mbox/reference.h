/*
 * The reference parser, which sees a whole mbox at once and goes line by line, and
 * what finds messages in it.
 */
#ifndef POPLAR_TEST_REFERENCE_H
#define POPLAR_TEST_REFERENCE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdbool.h>
#include <string.h>

#include "mbox/from.h"
#include "mbox/scan.h"

#define MESSAGES 512

struct found {
	struct scan_message at[MESSAGES];
	size_t count;
};

static inline enum md_error
collect(void *ctx, const struct scan_message *message)
{
	struct found *found = ctx;

	assert_true(found->count < MESSAGES);
	found->at[found->count++] = *message;
	return MD_OK;
}

static inline size_t
line_length(const char *src, size_t len)
{
	const char *lf = memchr(src, '\n', len);

	return lf != NULL ? (size_t)(lf + 1 - src) : len;
}

static inline bool
is_empty(const char *src, size_t len)
{
	return (len == 1 && src[0] == '\n') ||
	       (len == 2 && memcmp(src, "\r\n", 2) == 0);
}

/* The reference parser: where messages start, end, and what separates them. */
static inline int
reference(const char *src, size_t len, struct found *found)
{
	struct scan_message *now = NULL;
	size_t empty = 0, n;

	found->count = 0;
	for (size_t at = 0; at < len; at += n) {
		n = line_length(src + at, len - at);
		if (at == 0 ? len < 5 || memcmp(src, "From ", 5) != 0
		            : empty > 0 &&
		                  from_line(src + at, len - at, true) == FROM_YES) {
			if (at == 0)
				return -1;
			now->end = at - empty;
			now->next = at;
			now = NULL;
		}
		if (now == NULL) {
			now = &found->at[found->count++];
			*now = (struct scan_message){.start = at};
			empty = 0;
			continue;
		}
		empty = is_empty(src + at, n) ? n : 0;
	}
	if (now != NULL) {
		now->end = len - empty;
		now->next = len;
	}
	return 0;
}

#endif
