/*
 * The wire form of a stored message (RFC 1725 sections 3 and 10).
 *
 * Every stored line, ended by LF or CRLF, goes out ended by one CRLF, the
 * last one too; a lone CR and every other octet go out as stored; a line that
 * begins with "." gets one more in front (byte-stuffing, not counted in any
 * size). Headers end at the first empty line; a message without one gets it.
 *
 * One machine counts (STAT, LIST) and sends (RETR, TOP), so that the two can
 * never disagree. It may be fed any split of the message.
 */
#ifndef POPLAR_WIRE_H
#define POPLAR_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Body lines: all of them. */
#define WIRE_WHOLE UINT64_MAX

struct wire {
	uint64_t octets;     /* sent or counted so far, without stuffing */
	uint64_t lines_left; /* body lines still wanted */
	bool in_header;      /* before the first empty line */
	bool line_start;     /* the next octet begins a line */
	bool held_cr;        /* a CR was read, what follows is not known yet */
	bool stopped;        /* all lines that were wanted are out */
};

/* Starts a message of which body_lines lines of the body are wanted. */
void wire_start(struct wire *wire, uint64_t body_lines);

/*
 * Turns stored octets into wire octets. Takes from src what fits into dst,
 * which holds at least 4 octets; sets *takenp to the octets taken (fewer than
 * srclen when dst is full; all of them once `stopped`). Returns the octets
 * put into dst.
 */
size_t wire_encode(struct wire *wire, const char *src, size_t srclen, char *dst,
    size_t dstlen, size_t *takenp);

/*
 * After the last stored octet: ends an unended line and adds a missing empty
 * line after the headers. dst holds at least 5 octets. Returns the octets put
 * there. The final "." line is not the wire's but the reply's.
 */
size_t wire_finish(struct wire *wire, char *dst);

/* The same without output: only `octets` moves. */
void wire_count(struct wire *wire, const char *src, size_t srclen);

/*
 * The same where all lines are wanted, and no empty line is among them while
 * the headers last. bare: LFs in src[1..srclen) that stand behind no CR.
 */
void wire_count_lines(struct wire *wire, const char *src, size_t srclen,
    uint64_t bare);
void wire_count_finish(struct wire *wire);

#endif
