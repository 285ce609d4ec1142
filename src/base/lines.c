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

/* For a compiler to make vectors of. */
static size_t
find_anywhere(const char *src, size_t len, uint64_t *barep)
{
	size_t i = 1;

	for (; i + 64 <= len; i += 64) {
		unsigned char any = 0, bare = 0;

		for (size_t j = i; j < i + 64; j++) {
			unsigned lf = src[j] == '\n', cr = src[j - 1] == '\r';
			unsigned f = src[j] == 'F', after = src[j - 1] == '\n';

			any = (unsigned char)(any | (f & after));
			bare = (unsigned char)(bare + (lf & (cr ^ 1)));
		}
		if (any != 0)
			break;
		*barep += bare;
	}
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
