/*
 * Line ends in blocks of text, for every machine: see lines.h. Used
 * everywhere, no privilege.
 */
#include "lines_path.h"

#include <string.h>

static bool
is_bare_lf(const char *at)
{
	return at[0] == '\n' && at[-1] != '\r';
}

size_t
lines_find_slowly(const char *src, size_t len, size_t from, uint64_t *barep)
{
	uint64_t bare = 0;
	size_t i = from;

	while (i < len && (src[i] != 'F' || src[i - 1] != '\n'))
		bare += is_bare_lf(src + i++);
	*barep += bare;
	return i;
}

/* Sixteen octets, and what comparing them gives: all bits of a lane, or none. */
#define LANES __attribute__((vector_size(16)))

/* Both masks of find() for 16 octets: bare LFs, and each F behind an LF. */
static inline void
look(const char *at, unsigned char LANES *barep, unsigned char LANES *candidatesp)
{
	unsigned char LANES here, before;

	memcpy(&here, at, sizeof(here));
	memcpy(&before, at - 1, sizeof(before));
	*barep = (unsigned char LANES)((here == '\n') & (before != '\r'));
	*candidatesp = (unsigned char LANES)((here == 'F') & (before == '\n'));
}

static inline bool
is_zero(unsigned char LANES lanes)
{
	uint64_t halves[2];

	memcpy(halves, &lanes, sizeof(halves));
	return (halves[0] | halves[1]) == 0;
}

static uint64_t
sum(unsigned char LANES lanes)
{
	uint64_t total = 0;

	for (size_t i = 0; i < sizeof(lanes); i++)
		total += lanes[i];
	return total;
}

#define STEP ((size_t)64)
#define STEPS_MAX 63 /* four LFs each at most in a lane */

static size_t
find_anywhere(const char *src, size_t len, uint64_t *barep)
{
	unsigned char LANES bare[4], candidates[4], total = {0};
	size_t i = 1;

	for (unsigned steps = 1; i + STEP <= len; i += STEP, steps++) {
		for (size_t j = 0; j < 4; j++)
			look(src + i + 16 * j, &bare[j], &candidates[j]);
		if (!is_zero(candidates[0] | candidates[1] | candidates[2] |
		             candidates[3]))
			break;
		total -= bare[0] + bare[1] + bare[2] + bare[3];
		if (steps % STEPS_MAX == 0) {
			*barep += sum(total);
			total = total ^ total;
		}
	}
	*barep += sum(total);
	return lines_find_slowly(src, len, i, barep);
}

size_t
lines_encode_anywhere(const char *src, size_t len, bool line_start, char *dst,
    size_t size, size_t *takenp, size_t *dotsp)
{
	const char *s = src, *const end = src + len, *lf;
	char *d = dst, *const limit = dst + size;
	size_t text, dots = 0;
	bool dot;

	while (s < end && (lf = memchr(s, '\n', (size_t)(end - s))) != NULL) {
		text = (size_t)(lf - s);
		if ((size_t)(limit - d) < text + 1 + LINES_EXTRA)
			break;
		dot = *s == '.' && (s > src || line_start);
		*d = '.';
		d += dot;
		dots += dot;
		memcpy(d, s, text);
		d = lines_put_end(d + text, lf == src || lf[-1] != '\r');
		s = lf + 1;
	}
	*takenp = (size_t)(s - src);
	*dotsp = dots;
	return (size_t)(d - dst);
}

static bool
usable_anywhere(void)
{
	return true;
}

const struct lines_path lines_paths[] = {
#ifdef __x86_64__
    {"avx2",     lines_avx2_usable, lines_avx2_find, lines_avx2_encode    },
#endif
    {"anywhere", usable_anywhere,   find_anywhere,   lines_encode_anywhere},
};

const size_t lines_path_count = sizeof(lines_paths) / sizeof(lines_paths[0]);

const struct lines_path *
lines_path(void)
{
	const struct lines_path *path = lines_paths;

	while (!path->usable())
		path++;
	return path;
}
