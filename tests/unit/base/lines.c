/*
 * All ways to look for line ends against code that takes an octet at a time,
 * on random text that is all line ends, dots and candidates, with memory that
 * must not be touched right before and behind it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "lines.h"

#define MAX ((size_t)16384)
#define PAGE ((size_t)4096)
#define ROUNDS 40000

/* Text that ends where no memory is, and one that begins there. */
struct fence {
	char *start;
	size_t size;
};

static struct fence
fence_make(size_t size)
{
	char *at = mmap(NULL, size + 2 * PAGE, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	assert_ptr_not_equal(at, MAP_FAILED);
	assert_int_equal(mprotect(at, PAGE, PROT_NONE), 0);
	assert_int_equal(mprotect(at + PAGE + size, PAGE, PROT_NONE), 0);
	return (struct fence){at + PAGE, size};
}

/* len octets at one end of it or the other. */
static char *
fence_place(const struct fence *fence, size_t len, bool at_end)
{
	return at_end ? fence->start + fence->size - len : fence->start;
}

static uint64_t seed = 1;

static size_t
draw(size_t below)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return (size_t)(seed >> 33) % below;
}

/* Mostly short texts; rare: how seldom an octet is one of those that count. */
static size_t
draw_length(void)
{
	return draw(8) == 0 ? draw(MAX) + 1 : draw(300) + 1;
}

static void
fill(char *text, size_t len)
{
	static const char octets[] = "\n\n\r.FF\0\x8a";
	size_t rare = (size_t)1 << draw(8);

	for (size_t i = 0; i < len; i++)
		text[i] = draw(rare) == 0 ? octets[draw(sizeof(octets) - 1)] : 'x';
}

static size_t
reference_find(const char *src, size_t len, uint64_t *barep)
{
	for (size_t i = 1; i < len; i++) {
		if (src[i - 1] == '\n' && src[i] == 'F')
			return i;
		if (src[i - 1] != '\r' && src[i] == '\n')
			++*barep;
	}
	return len;
}

static void
check_find(const struct lines_path *path, const char *src, size_t len)
{
	uint64_t bare = 7, expected = 7;
	size_t at = 0, found;

	while (at < len) {
		found = reference_find(src + at, len - at, &expected);
		assert_int_equal(path->find(src + at, len - at, &bare), found);
		assert_int_equal(bare, expected);
		at += found;
	}
}

/* As many whole lines as fit, at least: of one more neither text nor end. */
static void
check_encode(const struct lines_path *path, const char *src, size_t len, char *dst,
    size_t size)
{
	static char expected[3 * MAX];
	const bool line_start = draw(2) == 0;
	size_t taken, dots, put, n = 0, counted = 0, next = 0;

	put = path->encode(src, len, line_start, dst, size, &taken, &dots);
	assert_in_range(put, 0, size);
	assert_in_range(taken, 0, len);
	for (size_t i = 0; i < taken; i++) {
		if (src[i] == '.' && (i == 0 ? line_start : src[i - 1] == '\n')) {
			expected[n++] = '.';
			counted++;
		}
		if (src[i] == '\n' && (i == 0 || src[i - 1] != '\r'))
			expected[n++] = '\r';
		expected[n++] = src[i];
	}
	assert_int_equal(put, n);
	assert_int_equal(dots, counted);
	assert_memory_equal(dst, expected, n);
	assert_true(taken == 0 || src[taken - 1] == '\n');
	while (taken + next < len && src[taken + next] != '\n')
		next++;
	if (taken + next < len)
		assert_true(put + next + 3 > size);
}

static void
test_paths(void **state)
{
	const struct fence from = fence_make(MAX), to = fence_make(3 * MAX + PAGE);
	size_t used = 0;

	(void)state;
	for (size_t i = 0; i < lines_path_count; i++) {
		const struct lines_path *path = &lines_paths[i];

		if (!path->usable())
			continue;
		used++;
		for (int round = 0; round < ROUNDS; round++) {
			size_t len = draw_length();
			size_t size = draw(4) == 0 ? draw(3 * len) : 3 * len;
			char *src = fence_place(&from, len, draw(2) == 0);

			fill(src, len);
			check_find(path, src, len);
			check_encode(path, src, len, fence_place(&to, size, true),
			    size);
		}
	}
	assert_true(used > 0);
	assert_ptr_not_equal(lines_path(), NULL);
}

/* Lanes of eight bits must not run over. */
static void
test_many(void **state)
{
	static char text[1 << 18];

	(void)state;
	memset(text, '\n', sizeof(text));
	for (size_t i = 0; i < lines_path_count; i++) {
		uint64_t bare = 0;

		if (!lines_paths[i].usable())
			continue;
		assert_int_equal(lines_paths[i].find(text, sizeof(text), &bare),
		    sizeof(text));
		assert_int_equal(bare, sizeof(text) - 1);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_paths),
	    cmocka_unit_test(test_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
