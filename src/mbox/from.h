/*
 * The From_ line, with which a message begins.
 */
#ifndef POPLAR_MBOX_FROM_H
#define POPLAR_MBOX_FROM_H

#include <stdbool.h>
#include <stddef.h>

/* Only so many octets of the line count. */
#define FROM_LINE_MAX 4096

/*
 * FROM_UNDECIDED: these octets are not enough to tell. Never the answer when
 * len is FROM_LINE_MAX or more.
 */
enum from_verdict { FROM_NO = 0, FROM_YES, FROM_UNDECIDED };

/*
 * Whether a From_ line stands at the beginning of line: "From ", a sender
 * (empty, or with blanks), a date, perhaps "remote from host". It is matched
 * from its end. last: nothing follows these octets in the file.
 */
enum from_verdict from_line(const char *line, size_t len, bool last);

/* The same for the first line of a file, which need only begin with "From ". */
enum from_verdict from_first_line(const char *line, size_t len, bool last);

#endif
