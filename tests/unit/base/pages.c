/*
 * Pages: zeroed, not there until they are touched, or all at once; and the
 * stack that deeper calls have used, given back without a word of a caller's.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "pages.h"

#define SIZE ((size_t)1024 * 1024)
#define DEEP ((size_t)128 * 1024)

/* Pages of [memory, memory + size) that the process has. */
static size_t
present(uintptr_t memory, size_t size)
{
	const size_t page = (size_t)sysconf(_SC_PAGESIZE);
	const uintptr_t first = memory / page * page;
	const size_t count = (memory + size - first) / page;
	unsigned char *map = calloc(count, 1);
	size_t total = 0;

	assert_non_null(map);
	/* the stack may not have come so far */
	for (size_t i = 0; i < count; i++) {
		if (mincore((void *)(first + i * page), page, map + i) == 0)
			total += map[i] & 1;
	}
	free(map);
	return total;
}

static void
test_new(void **state)
{
	unsigned char *memory = pages_new(SIZE);

	(void)state;
	assert_non_null(memory);
	assert_int_equal(present((uintptr_t)memory, SIZE), 0);
	for (size_t i = 0; i < SIZE; i += 512)
		assert_int_equal(memory[i], 0);
	memory[SIZE - 1] = 1;
	assert_int_equal(munmap(memory, SIZE), 0);
	assert_null(pages_new(SIZE_MAX / 2));
}

static void
test_filled(void **state)
{
	unsigned char *memory = pages_filled(SIZE);

	(void)state;
	assert_non_null(memory);
	assert_int_equal(present((uintptr_t)memory, SIZE),
	    SIZE / (size_t)sysconf(_SC_PAGESIZE));
	for (size_t i = 0; i < SIZE; i += 512)
		assert_int_equal(memory[i], 0);
	assert_int_equal(munmap(memory, SIZE), 0);
	assert_null(pages_filled(SIZE_MAX / 2));
}

/* The secret is wiped, nothing behind it, and all is given back. */
static void
test_wipe(void **state)
{
	int fd = memfd_create("pages", MFD_CLOEXEC);
	char *memory, *other;

	(void)state;
	assert_int_equal(ftruncate(fd, (off_t)SIZE), 0);
	memory = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	other = mmap(NULL, SIZE, PROT_READ, MAP_SHARED, fd, 0);
	assert_true(memory != MAP_FAILED && other != MAP_FAILED);
	memcpy(memory, "secret, and more", 16);
	pages_wipe(memory, SIZE, 6);
	assert_memory_equal(other, "\0\0\0\0\0\0, and more", 16);
	assert_int_equal(present((uintptr_t)memory, SIZE), 0);
	munmap(other, SIZE);
	close(fd);
}

/* Fills a frame of some size and tells where it was. */
static __attribute__((noinline)) uintptr_t
go_deep(void)
{
	volatile char deep[DEEP];
	uintptr_t place = (uintptr_t)deep;

	for (size_t i = 0; i < sizeof(deep); i++)
		deep[i] = 1;
	return place;
}

static void
test_rest(void **state)
{
	unsigned char kept[3000];
	const uintptr_t deep = go_deep();

	(void)state;
	memset(kept, 0x5a, sizeof(kept));
	assert_true(
	    present(deep, DEEP) >= DEEP / (size_t)sysconf(_SC_PAGESIZE) - 2);
	pages_rest();
	/* what the frames of this test and of what it calls take */
	assert_true(present(deep, DEEP) <= 5);
	for (size_t i = 0; i < sizeof(kept); i++)
		assert_int_equal(kept[i], 0x5a);
	pages_rest();
	go_deep();
	pages_rest();
	assert_int_equal(kept[sizeof(kept) - 1], 0x5a);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_new),
	    cmocka_unit_test(test_filled),
	    cmocka_unit_test(test_wipe),
	    cmocka_unit_test(test_rest),
	};

	return cmocka_run_group_tests_name("pages", tests, NULL, NULL);
}
