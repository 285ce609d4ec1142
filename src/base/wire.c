/*
 * The wire form of a message: see wire.h. Used everywhere, no privilege.
 *
 * next_piece() is the machine: it looks at stored octets up to the end of a
 * line, moves the state and says what goes out for them. wire_encode() copies
 * what it says, wire_count() only lets it count. Once all lines are wanted
 * and the headers are over, the count depends on the line ends alone, and
 * count_whole() takes them by blocks.
 */
#include "wire.h"

#include <string.h>

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

size_t
wire_encode(struct wire *wire, const char *src, size_t srclen, char *dst,
    size_t dstlen, size_t *takenp)
{
	const char *s = src, *const src_end = src + srclen;
	char *d = dst, *const limit = dst + dstlen - PIECE_EXTRA;
	struct piece piece;

	while (s < src_end && d < limit && !wire->stopped) {
		size_t left = (size_t)(src_end - s), room = (size_t)(limit - d);

		piece = next_piece(wire, s, left < room ? left : room);
		if (piece.cr)
			*d++ = '\r';
		if (piece.dot)
			*d++ = '.';
		memcpy(d, s, piece.text);
		d += piece.text;
		if (piece.ended) {
			*d++ = '\r';
			*d++ = '\n';
		}
		s += piece.taken;
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

/* LFs, less those behind a CR, in src[1..len); src[0] is only looked back at. */
static uint64_t
bare_line_ends(const char *src, size_t len)
{
	uint64_t total = 0;
	size_t i = 1;

	for (; i + 64 <= len; i += 64) {
		unsigned char sum = 0;

		for (size_t j = 0; j < 64; j++) {
			unsigned lf = src[i + j] == '\n',
			         cr = src[i + j - 1] == '\r';

			sum = (unsigned char)(sum + (lf & (cr ^ 1)));
		}
		total += sum;
	}
	for (; i < len; i++)
		total += src[i] == '\n' && src[i - 1] != '\r';
	return total;
}

/*
 * Whole lines of a body: an octet for each octet, and one more for each LF
 * without its CR. A CR at the end is held back, as next_piece() does.
 */
static void
count_whole(struct wire *wire, const char *src, size_t len)
{
	bool after_cr = wire->held_cr;

	wire->held_cr = src[len - 1] == '\r';
	wire->octets += len + (after_cr ? 1 : 0) - (wire->held_cr ? 1 : 0);
	wire->octets += src[0] == '\n' && !after_cr;
	wire->octets += bare_line_ends(src, len);
	if (!wire->held_cr)
		wire->line_start = src[len - 1] == '\n';
	else if (len > 1)
		wire->line_start = src[len - 2] == '\n';
	else if (after_cr)
		wire->line_start = false;
}

void
wire_count(struct wire *wire, const char *src, size_t srclen)
{
	while (srclen > 0 && !wire->stopped) {
		size_t taken;

		if (!wire->in_header && wire->lines_left == WIRE_WHOLE) {
			count_whole(wire, src, srclen);
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
