/*
 * Header lines: which ones mail readers rewrite, so that they are not of the message,
 * and which ones tell the internal message of c-client.
 */
#ifndef POPLAR_MBOX_HEADER_H
#define POPLAR_MBOX_HEADER_H

#include <stdbool.h>
#include <stddef.h>

/* What a header line is told by; longer than any text that is looked for. */
#define HEADER_LOOK_AHEAD 80

/* Signs of the internal message; it has all but RECEIVED. */
enum header_sign {
	HEADER_FIRST = 1, /* first in the file, from MAILER-DAEMON */
	HEADER_IMAP = 2,
	HEADER_SUBJECT = 4,
	HEADER_RECEIVED = 8
};

#define HEADER_INTERNAL (HEADER_FIRST | HEADER_IMAP | HEADER_SUBJECT)

/* Whether src, one octet or more, begins with a name that mail readers rewrite. */
bool header_is_rewritten(const char *src, size_t len);

/* The signs in the line at the beginning of src: HEADER_IMAP and those behind it. */
unsigned header_signs(const char *src, size_t len);

/* The length of an empty line at the beginning of src; 0: it is not empty. */
size_t header_empty_line(const char *src, size_t len);

#endif
