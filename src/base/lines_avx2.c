/*
 * Line ends in blocks of text, for x86 machines with AVX2: see lines.h.
 *
 * Searching: each octet is compared together with the one before it, 128
 * octets at a time; LFs are counted per lane, for as long as a lane of eight
 * bits can hold the count.
 *
 * Encoding: a vector is copied whether it holds a line end or not; at an LF
 * the copy goes on behind it, over what was copied too much. A line whose end
 * is not reached is left to be begun anew.
 */
#include "lines_path.h"

#ifdef __x86_64__

#include <immintrin.h>

#define AVX2 __attribute__((target("avx2,bmi,popcnt")))

/* Both masks of find() at an offset: bare LFs, and each F behind an LF. */
AVX2 static inline __m256i
look(const char *at, __m256i *candidatesp)
{
	const __m256i lf = _mm256_set1_epi8('\n');
	__m256i here = _mm256_loadu_si256((const __m256i *)(const void *)at);
	__m256i before = _mm256_loadu_si256(
	    (const __m256i *)(const void *)(at - 1));
	__m256i cr = _mm256_cmpeq_epi8(before, _mm256_set1_epi8('\r'));

	*candidatesp = _mm256_and_si256(_mm256_cmpeq_epi8(here,
	                                    _mm256_set1_epi8('F')),
	    _mm256_cmpeq_epi8(before, lf));
	return _mm256_andnot_si256(cr, _mm256_cmpeq_epi8(here, lf));
}

/* Sums of 32 lanes of eight bits. */
AVX2 static inline uint64_t
sum(__m256i lanes)
{
	__m256i sums = _mm256_sad_epu8(lanes, _mm256_setzero_si256());

	return (uint64_t)_mm256_extract_epi64(sums, 0) +
	       (uint64_t)_mm256_extract_epi64(sums, 1) +
	       (uint64_t)_mm256_extract_epi64(sums, 2) +
	       (uint64_t)_mm256_extract_epi64(sums, 3);
}

#define STEP ((size_t)128)
#define STEPS_MAX 63 /* four LFs each at most in a lane */

/*
 * Steps of 128 octets from an offset on, before one that holds a candidate;
 * as many as the lanes can count.
 */
AVX2 static size_t
stride(const char *src, size_t len, size_t from, uint64_t *barep)
{
	__m256i bare = _mm256_setzero_si256(), f[4], step;
	size_t i = from;

	for (int n = 0; n < STEPS_MAX && i + STEP <= len; n++, i += STEP) {
		step = look(src + i, &f[0]);
		step = _mm256_add_epi8(step, look(src + i + 32, &f[1]));
		step = _mm256_add_epi8(step, look(src + i + 64, &f[2]));
		step = _mm256_add_epi8(step, look(src + i + 96, &f[3]));
		f[0] = _mm256_or_si256(_mm256_or_si256(f[0], f[1]),
		    _mm256_or_si256(f[2], f[3]));
		if (!_mm256_testz_si256(f[0], f[0]))
			break;
		bare = _mm256_sub_epi8(bare, step);
	}
	*barep += sum(bare);
	return i;
}

AVX2 size_t
lines_avx2_find(const char *src, size_t len, uint64_t *barep)
{
	size_t i = 1, from;

	do {
		from = i;
		i = stride(src, len, from, barep);
	} while (i - from == STEPS_MAX * STEP);
	for (; i + 32 <= len; i += 32) {
		__m256i candidates, bare = look(src + i, &candidates);
		unsigned lfs = (unsigned)_mm256_movemask_epi8(bare);
		unsigned fs = (unsigned)_mm256_movemask_epi8(candidates);

		if (fs != 0) {
			lfs &= (fs & -fs) - 1;
			*barep += (uint64_t)__builtin_popcount(lfs);
			return i + (size_t)__builtin_ctz(fs);
		}
		*barep += (uint64_t)__builtin_popcount(lfs);
	}
	return lines_find_slowly(src, len, i, barep);
}

/*
 * Copies from s to d up to the LF, or until a vector would not fit any more.
 * Returns the octets before the LF, or SIZE_MAX.
 */
AVX2 static inline size_t
copy_line(const char *s, const char *s_last, char *d, const char *d_last)
{
	const __m256i lf = _mm256_set1_epi8('\n');

	for (size_t n = 0; s + n <= s_last && d + n <= d_last; n += 32) {
		__m256i text = _mm256_loadu_si256(
		    (const __m256i *)(const void *)(s + n));
		unsigned lfs = (unsigned)_mm256_movemask_epi8(
		    _mm256_cmpeq_epi8(text, lf));

		_mm256_storeu_si256((__m256i *)(void *)(d + n), text);
		if (lfs != 0)
			return n + (size_t)__builtin_ctz(lfs);
	}
	return SIZE_MAX;
}

AVX2 size_t
lines_avx2_encode(const char *src, size_t len, bool line_start, char *dst,
    size_t size, size_t *takenp, size_t *dotsp)
{
	const size_t margin = 32 + 1 + LINES_EXTRA;
	const char *s = src, *const s_last = src + len - 32;
	char *d = dst, *const d_last = dst + size - margin;
	size_t text, taken, more, dots = 0;

	if (len < 32 || size < margin)
		return lines_encode_anywhere(src, len, line_start, dst, size,
		    takenp, dotsp);
	while (s <= s_last && d <= d_last) {
		bool dot = *s == '.' && (s > src || line_start);

		*d = '.';
		text = copy_line(s, s_last, d + dot, d_last);
		if (text == SIZE_MAX)
			break;
		d += dot + text;
		dots += dot;
		s += text;
		d = lines_put_end(d, s == src || s[-1] != '\r');
		s++;
	}
	more = lines_encode_anywhere(s, (size_t)(src + len - s),
	    s > src || line_start, d, (size_t)(dst + size - d), &taken, dotsp);
	*takenp = (size_t)(s - src) + taken;
	*dotsp += dots;
	return (size_t)(d - dst) + more;
}

bool
lines_avx2_usable(void)
{
	return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi") &&
	       __builtin_cpu_supports("popcnt");
}

#endif
