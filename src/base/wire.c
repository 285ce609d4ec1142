/*
 * The wire form of a message: see wire.h. Used everywhere, no privilege.
 *
 * next_piece() is the machine: it looks at stored octets up to the end of a
 * line, moves the state and says what goes out for them. wire_encode() copies
 * what it says, wire_count() only lets it count. Once all lines are wanted
 * and the headers are over, nothing depends on anything but the line ends,
 * and they are taken by blocks: see lines.h.
 */
#include "wire.h"

#include <string.h>

#include "lines.h"

/* What goes out besides the text of a piece: a dot or a CR, and a CRLF. */
#define PIECE_EXTRA 3

struct piece {
	size_t taken; /* octets of the source */
	size_t text;  /* of which so many go out as they are */
	bool cr;      /* a CR held back before goes out first */
	bool dot;     /* byte-stuffing */
	bool ended;   /* a CRLF goes out last */
};

void
wire_start(struct wire *wire, uint64_t body_lines)
{
	*wire = (struct wire){
	    .lines_left = body_lines,
	    .in_header = true,
	    .line_start = true,
	};
}

static void
end_line(struct wire *wire)
{
	if (wire->in_header) {
		wire->in_header = !wire->line_start;
		wire->stopped = !wire->in_header && wire->lines_left == 0;
	} else if (wire->lines_left != WIRE_WHOLE) {
		wire->stopped = --wire->lines_left == 0;
	}
	wire->line_start = true;
	wire->octets += 2;
}

/* Takes at most len octets, at least one, and not beyond the end of a line. */
static inline struct piece
next_piece(struct wire *wire, const char *src, size_t len)
{
	const char *lf = memchr(src, '\n', len);
	size_t text = lf != NULL ? (size_t)(lf - src) : len;
	struct piece piece = {
	    .taken = lf != NULL ? text + 1 : len,
	    .cr = wire->held_cr && lf != src,
	    .ended = lf != NULL,
	};
	bool cr = text > 0 && src[text - 1] == '\r';

	piece.text = text - (cr ? 1 : 0);
	if (piece.cr)
		wire->line_start = false;
	piece.dot = wire->line_start && piece.text > 0 && src[0] == '.';
	if (piece.text > 0)
		wire->line_start = false;
	wire->held_cr = cr && lf == NULL;
	wire->octets += piece.text + (piece.cr ? 1 : 0);
	if (piece.ended)
		end_line(wire);
	return piece;
}

/* Whether whole lines may be taken by blocks. */
static bool
is_plain(const struct wire *wire)
{
	return !wire->in_header && wire->lines_left == WIRE_WHOLE && !wire->held_cr;
}

/* Whole lines, as many as there are and fit. Returns the octets put. */
static size_t
encode_plain(struct wire *wire, const char *src, size_t len, char *dst, size_t room,
    size_t *takenp)
{
	size_t dots, put;

	put = lines_path()->encode(src, len, wire->line_start, dst, room, takenp,
	    &dots);
	wire->octets += put - dots;
	wire->line_start |= *takenp > 0;
	return put;
}

/* One piece; up to PIECE_EXTRA octets more than len. Returns the octets put. */
static size_t
encode_piece(struct wire *wire, const char *src, size_t len, char *dst,
    size_t *takenp)
{
	const struct piece piece = next_piece(wire, src, len);
	char *d = dst;

	if (piece.cr)
		*d++ = '\r';
	if (piece.dot)
		*d++ = '.';
	memcpy(d, src, piece.text);
	d += piece.text;
	if (piece.ended) {
		*d++ = '\r';
		*d++ = '\n';
	}
	*takenp = piece.taken;
	return (size_t)(d - dst);
}

size_t
wire_encode(struct wire *wire, const char *src, size_t srclen, char *dst,
    size_t dstlen, size_t *takenp)
{
	const char *s = src, *const src_end = src + srclen;
	char *d = dst, *const limit = dst + dstlen - PIECE_EXTRA;

	while (s < src_end && d < limit && !wire->stopped) {
		size_t left = (size_t)(src_end - s), room = (size_t)(limit - d);
		size_t taken = 0;

		if (is_plain(wire))
			d += encode_plain(wire, s, left, d, room, &taken);
		if (taken == 0)
			d += encode_piece(wire, s, left < room ? left : room, d,
			    &taken);
		s += taken;
	}
	*takenp = wire->stopped ? srclen : (size_t)(s - src);
	return (size_t)(d - dst);
}

size_t
wire_finish(struct wire *wire, char *dst)
{
	char *d = dst;

	if (wire->stopped)
		return 0;
	if (wire->held_cr) {
		*d++ = '\r';
		wire->octets++;
		wire->line_start = false;
		wire->held_cr = false;
	}
	if (!wire->line_start) {
		memcpy(d, "\r\n", 2);
		d += 2;
		end_line(wire);
	}
	if (wire->in_header) {
		memcpy(d, "\r\n", 2);
		d += 2;
		end_line(wire);
	}
	wire->stopped = true;
	return (size_t)(d - dst);
}

/*
 * An octet for each octet, and one more for each LF without its CR. A CR at
 * the end is held back, as next_piece() does.
 */
void
wire_count_lines(struct wire *wire, const char *src, size_t srclen, uint64_t bare)
{
	bool after_cr = wire->held_cr;

	if (srclen == 0)
		return;
	wire->held_cr = src[srclen - 1] == '\r';
	wire->octets += srclen + (after_cr ? 1 : 0) - (wire->held_cr ? 1 : 0);
	wire->octets += bare + (src[0] == '\n' && !after_cr);
	if (!wire->held_cr)
		wire->line_start = src[srclen - 1] == '\n';
	else if (srclen > 1)
		wire->line_start = src[srclen - 2] == '\n';
	else if (after_cr)
		wire->line_start = false;
}

/* LFs in src[1..len) behind no CR. */
static uint64_t
bare_line_ends(const char *src, size_t len)
{
	const struct lines_path *path = lines_path();
	uint64_t bare = 0;

	for (size_t at = 0; at < len;)
		at += path->find(src + at, len - at, &bare);
	return bare;
}

void
wire_count(struct wire *wire, const char *src, size_t srclen)
{
	while (srclen > 0 && !wire->stopped) {
		size_t taken;

		if (!wire->in_header && wire->lines_left == WIRE_WHOLE) {
			wire_count_lines(wire, src, srclen,
			    bare_line_ends(src, srclen));
			return;
		}
		taken = next_piece(wire, src, srclen).taken;
		src += taken;
		srclen -= taken;
	}
}

void
wire_count_finish(struct wire *wire)
{
	char ignored[5];

	wire_finish(wire, ignored);
}
