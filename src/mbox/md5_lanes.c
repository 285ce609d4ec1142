/*
 * MD5 in lanes: see md5_lanes.h. Runs inside the session.
 *
 * A vector holds the same word of all texts, so a step is written as for one
 * text, and the compiler makes of it what the machine has. Where a text is over
 * its lane goes on with the last block, for nothing. Names are those of RFC 1321
 * section 3.4.
 */
#include "md5_lanes.h"

#include <endian.h>
#include <stdint.h>
#include <string.h>

#define BLOCK 64
#define WORDS 16
#define STEPS 64

#define LANES __attribute__((vector_size(4 * MD5_LANES)))

/* The integer part of 2^32 times the sine of 1, 2, 3 ... */
static const uint32_t sines[STEPS] = {0xd76aa478, 0xe8c7b756, 0x242070db,
    0xc1bdceee, 0xf57c0faf, 0x4787c62a, 0xa8304613, 0xfd469501, 0x698098d8,
    0x8b44f7af, 0xffff5bb1, 0x895cd7be, 0x6b901122, 0xfd987193, 0xa679438e,
    0x49b40821, 0xf61e2562, 0xc040b340, 0x265e5a51, 0xe9b6c7aa, 0xd62f105d,
    0x02441453, 0xd8a1e681, 0xe7d3fbc8, 0x21e1cde6, 0xc33707d6, 0xf4d50d87,
    0x455a14ed, 0xa9e3e905, 0xfcefa3f8, 0x676f02d9, 0x8d2a4c8a, 0xfffa3942,
    0x8771f681, 0x6d9d6122, 0xfde5380c, 0xa4beea44, 0x4bdecfa9, 0xf6bb4b60,
    0xbebfbc70, 0x289b7ec6, 0xeaa127fa, 0xd4ef3085, 0x04881d05, 0xd9d4d039,
    0xe6db99e5, 0x1fa27cf8, 0xc4ac5665, 0xf4292244, 0x432aff97, 0xab9423a7,
    0xfc93a039, 0x655b59c3, 0x8f0ccc92, 0xffeff47d, 0x85845dd1, 0x6fa87e4f,
    0xfe2ce6e0, 0xa3014314, 0x4e0811a1, 0xf7537e82, 0xbd3af235, 0x2ad7d2bb,
    0xeb86d391};

struct state {
	uint32_t LANES a, b, c, d;
};

/*
 * One step of a round: f is what the round makes of b, c and d, and is rotated with
 * the rest on top of b.
 */
static inline void
step(struct state *s, const uint32_t LANES *f, const uint32_t word[MD5_LANES],
    uint32_t sine, int shift)
{
	uint32_t LANES sum;

	memcpy(&sum, word, sizeof(sum));
	sum += s->a + *f + sine;
	s->a = s->d;
	s->d = s->c;
	s->c = s->b;
	s->b += (sum << shift) | (sum >> (32 - shift));
}

static inline void
round_f(struct state *s, uint32_t words[WORDS][MD5_LANES],
    const uint32_t sine[WORDS])
{
	static const int shifts[] = {7, 12, 17, 22};

#pragma GCC unroll 16
	for (unsigned i = 0; i < WORDS; i++) {
		const uint32_t LANES f = s->d ^ (s->b & (s->c ^ s->d));

		step(s, &f, words[i], sine[i], shifts[i % 4]);
	}
}

static inline void
round_g(struct state *s, uint32_t words[WORDS][MD5_LANES],
    const uint32_t sine[WORDS])
{
	static const int shifts[] = {5, 9, 14, 20};

#pragma GCC unroll 16
	for (unsigned i = 0; i < WORDS; i++) {
		const uint32_t LANES f = s->c ^ (s->d & (s->b ^ s->c));

		step(s, &f, words[(5 * i + 1) % WORDS], sine[i], shifts[i % 4]);
	}
}

static inline void
round_h(struct state *s, uint32_t words[WORDS][MD5_LANES],
    const uint32_t sine[WORDS])
{
	static const int shifts[] = {4, 11, 16, 23};

#pragma GCC unroll 16
	for (unsigned i = 0; i < WORDS; i++) {
		const uint32_t LANES f = s->b ^ s->c ^ s->d;

		step(s, &f, words[(3 * i + 5) % WORDS], sine[i], shifts[i % 4]);
	}
}

static inline void
round_i(struct state *s, uint32_t words[WORDS][MD5_LANES],
    const uint32_t sine[WORDS])
{
	static const int shifts[] = {6, 10, 15, 21};

#pragma GCC unroll 16
	for (unsigned i = 0; i < WORDS; i++) {
		const uint32_t LANES f = s->c ^ (s->b | ~s->d);

		step(s, &f, words[7 * i % WORDS], sine[i], shifts[i % 4]);
	}
}

/* One block of each text. */
static void
transform(struct state *state, uint32_t words[WORDS][MD5_LANES])
{
	struct state s = *state;

	round_f(&s, words, sines);
	round_g(&s, words, sines + WORDS);
	round_h(&s, words, sines + 2 * WORDS);
	round_i(&s, words, sines + 3 * WORDS);
	state->a += s.a;
	state->b += s.b;
	state->c += s.c;
	state->d += s.d;
}

/* Puts a one, zeroes and the length in bits behind a text; returns its blocks. */
static size_t
pad(const struct md5_text *text)
{
	const size_t blocks = (text->len + 8) / BLOCK + 1;
	const uint64_t bits = htole64((uint64_t)text->len * 8);
	unsigned char *end = text->octets + blocks * BLOCK - sizeof(bits);

	memset(text->octets + text->len, 0,
	    (size_t)(end - text->octets) - text->len);
	text->octets[text->len] = 0x80;
	memcpy(end, &bits, sizeof(bits));
	return blocks;
}

/* The words of one block into their lane. */
static void
gather(uint32_t words[WORDS][MD5_LANES], size_t lane, const unsigned char *block)
{
	for (size_t i = 0; i < WORDS; i++) {
		uint32_t word;

		memcpy(&word, block + i * sizeof(word), sizeof(word));
		words[i][lane] = le32toh(word);
	}
}

static void
put_digest(const struct state *state, size_t lane, unsigned char *digest)
{
	const uint32_t words[] = {htole32(state->a[lane]), htole32(state->b[lane]),
	    htole32(state->c[lane]), htole32(state->d[lane])};

	memcpy(digest, words, sizeof(words));
}

void
md5_lanes(const struct md5_text texts[MD5_LANES],
    unsigned char digests[MD5_LANES][MD5_SIZE])
{
	struct state state = {.a = (uint32_t LANES){0} + 0x67452301,
	    .b = (uint32_t LANES){0} + 0xefcdab89,
	    .c = (uint32_t LANES){0} + 0x98badcfe,
	    .d = (uint32_t LANES){0} + 0x10325476};
	uint32_t words[WORDS][MD5_LANES];
	size_t blocks[MD5_LANES], most = 0;

	for (size_t lane = 0; lane < MD5_LANES; lane++) {
		blocks[lane] = pad(&texts[lane]);
		if (blocks[lane] > most)
			most = blocks[lane];
	}
	for (size_t n = 0; n < most; n++) {
		for (size_t lane = 0; lane < MD5_LANES; lane++) {
			if (n < blocks[lane])
				gather(words, lane, texts[lane].octets + n * BLOCK);
		}
		transform(&state, words);
		for (size_t lane = 0; lane < MD5_LANES; lane++) {
			if (n + 1 == blocks[lane])
				put_digest(&state, lane, digests[lane]);
		}
	}
}
