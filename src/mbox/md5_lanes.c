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

/* What a round makes of b, c and d. */
static inline void
mix_f(const struct state *s, uint32_t LANES *mixed)
{
	*mixed = s->d ^ (s->b & (s->c ^ s->d));
}

static inline void
mix_g(const struct state *s, uint32_t LANES *mixed)
{
	*mixed = s->c ^ (s->d & (s->b ^ s->c));
}

static inline void
mix_h(const struct state *s, uint32_t LANES *mixed)
{
	*mixed = s->b ^ s->c ^ s->d;
}

static inline void
mix_i(const struct state *s, uint32_t LANES *mixed)
{
	*mixed = s->c ^ (s->b | ~s->d);
}

struct round {
	void (*mix)(const struct state *s, uint32_t LANES *mixed);
	unsigned first, stride; /* step i takes the word first + i * stride */
	int shifts[4];          /* and rotates by shifts[i % 4] */
};

/* Inlined and unrolled, so that all of a row's facts are constants of the code. */
__attribute__((always_inline)) static inline void
go_round(struct state *s, uint32_t words[WORDS][MD5_LANES],
    const uint32_t sine[WORDS], const struct round *round)
{
	uint32_t LANES sum, mixed;

#pragma GCC unroll 16
	for (unsigned i = 0; i < WORDS; i++) {
		const int shift = round->shifts[i % 4];

		memcpy(&sum, words[(round->first + i * round->stride) % WORDS],
		    sizeof(sum));
		round->mix(s, &mixed);
		sum += s->a + mixed + sine[i];
		s->a = s->d;
		s->d = s->c;
		s->c = s->b;
		s->b += (sum << shift) | (sum >> (32 - shift));
	}
}

/* One block of each text. */
static void
transform(struct state *state, uint32_t words[WORDS][MD5_LANES])
{
	static const struct round rounds[] = {
	    {mix_f, 0, 1, {7, 12, 17, 22}},
	    {mix_g, 1, 5, {5, 9, 14, 20} },
	    {mix_h, 5, 3, {4, 11, 16, 23}},
	    {mix_i, 0, 7, {6, 10, 15, 21}},
	};
	struct state s = *state;

	go_round(&s, words, sines, &rounds[0]);
	go_round(&s, words, sines + WORDS, &rounds[1]);
	go_round(&s, words, sines + 2 * WORDS, &rounds[2]);
	go_round(&s, words, sines + 3 * WORDS, &rounds[3]);
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
