/*
 * Copies between files, and what is set going to the disk on the way.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "mbox/disk.h"
#include "mbox/range.h"

#define SIZE ((size_t)5 * 1024 * 1024)
#define MEGABYTE ((off_t)1024 * 1024)

/* Two files in memory; the first `started` octets of one are on their way. */
static unsigned char files[2][SIZE];
static off_t written, started;
static unsigned pieces; /* writes that begin within a page */

ssize_t
disk_read(int fd, void *buf, size_t len, off_t at)
{
	size_t left = SIZE - (size_t)at;

	if (len > left)
		len = left;
	memcpy(buf, files[fd] + at, len);
	return (ssize_t)len;
}

int
disk_write(int fd, const void *buf, size_t len, off_t at)
{
	assert_true((size_t)at + len <= SIZE);
	memcpy(files[fd] + at, buf, len);
	pieces += at % 4096 != 0;
	written = at + (off_t)len;
	return 0;
}

/* In order, without a gap, and never what is not yet written. */
void
disk_start_sync(int fd, off_t at, off_t len)
{
	assert_int_equal(fd, 1);
	assert_int_equal(at, started);
	assert_true(at + len <= written);
	assert_int_equal((at + len) % 4096, 0);
	started = at + len;
}

static void
fill(void)
{
	uint32_t state = 1;

	for (size_t i = 0; i < SIZE; i++) {
		state = state * 1664525 + 1013904223;
		files[0][i] = (unsigned char)(state >> 24);
	}
	memset(files[1], 0, SIZE);
	written = started = 0;
	pieces = 0;
}

/* All but the last megabyte is on its way when the copy is made. */
static void
test_on_its_way(void **state)
{
	struct range_way way = {.target = 1, .at = 1024};
	struct ranger ranger;

	(void)state;
	fill();
	assert_int_equal(range_open(&ranger), 0);
	way.from = 7;
	way.to = 3 * MEGABYTE;
	assert_int_equal(range_copy(&ranger, &way), 0);
	assert_memory_equal(files[1] + way.at, files[0] + way.from,
	    (size_t)(way.to - way.from));
	assert_int_equal(started, 3 * MEGABYTE);
	/* only the first one */
	assert_int_equal(pieces, 1);
	range_close(&ranger);
}

/* Pieces that are short each are seen as one. */
static void
test_short_pieces(void **state)
{
	struct range_way way = {.target = 1};
	struct ranger ranger;
	off_t at = 0;

	(void)state;
	fill();
	assert_int_equal(range_open(&ranger), 0);
	while (at < 2 * MEGABYTE) {
		way.from = at * 2;
		way.to = way.from + 5000;
		way.at = at;
		assert_int_equal(range_copy(&ranger, &way), 0);
		assert_memory_equal(files[1] + at, files[0] + way.from, 5000);
		at += 5000;
	}
	assert_int_equal(started, 2 * MEGABYTE);
	range_close(&ranger);
}

/* The hash is of what was copied, wherever that was cut. */
static void
test_hash(void **state)
{
	const struct range_way ways[] = {
	    {0, 5,      300005, 1, 100   },
            {0, 300005, 900000, 1, 300100}
        };
	struct digest whole, copied;
	struct ranger ranger;

	(void)state;
	fill();
	assert_int_equal(range_open(&ranger), 0);
	range_begin(&ranger);
	for (size_t i = 0; i < 2; i++)
		assert_int_equal(range_copy_hash(&ranger, &ways[i]), 0);
	range_digest(&ranger, &copied);
	digest_of(files[0] + 5, 900000 - 5, &whole);
	assert_true(digest_equal(&copied, &whole));
	assert_memory_equal(files[1] + 100, files[0] + 5, 900000 - 5);
	range_close(&ranger);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_on_its_way),
	    cmocka_unit_test(test_short_pieces),
	    cmocka_unit_test(test_hash),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
