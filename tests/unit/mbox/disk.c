/*
 * Room on a real disk: what is made sure of before it is written, and what is left
 * alone since it is there.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "mbox/disk.h"

#define BLOCK ((off_t)65536)
#define TICK_US 20000

static char block[BLOCK];

/* A file without a name: three blocks, or a hole in place of the second. */
static int
make_file(bool hole)
{
	char name[] = "/tmp/poplar-disk.XXXXXX";
	int fd = mkstemp(name);

	assert_int_not_equal(fd, -1);
	assert_int_equal(unlink(name), 0);
	for (off_t n = 0; n < 3; n++) {
		if (n == 1 && hole)
			continue;
		assert_int_equal(disk_write(fd, block, sizeof(block), n * BLOCK),
		    0);
	}
	assert_int_equal(disk_sync(fd), 0);
	return fd;
}

static struct disk_stat
stat_of(int fd)
{
	struct disk_stat stat;

	assert_int_equal(disk_stat(fd, &stat), 0);
	return stat;
}

/* -1 where the file system cannot, which is no fault of ours. */
static int
allocated(int fd, off_t at, off_t len)
{
	int result = disk_allocate(fd, at, len);

	if (result == -1 && errno == EOPNOTSUPP) {
		close(fd);
		skip();
	}
	return result;
}

static void
test_hole_is_filled(void **state)
{
	int fd = make_file(true);
	struct disk_stat before = stat_of(fd), after;

	(void)state;
	assert_int_equal(allocated(fd, 0, 3 * BLOCK), 0);
	after = stat_of(fd);
	assert_true(after.room >= before.room + (uint64_t)BLOCK);
	assert_int_equal(after.size, 3 * BLOCK);
	close(fd);
}

static void
test_file_grows(void **state)
{
	int fd = make_file(false);

	(void)state;
	assert_int_equal(allocated(fd, 2 * BLOCK, 2 * BLOCK), 0);
	assert_int_equal(stat_of(fd).size, 4 * BLOCK);
	assert_true(stat_of(fd).room >= (uint64_t)(4 * BLOCK));
	assert_int_equal(allocated(fd, 5 * BLOCK, BLOCK), 0);
	assert_int_equal(stat_of(fd).size, 6 * BLOCK);
	close(fd);
}

/* No change, so the next sync has nothing to do. */
static void
test_what_is_there_stays_as_it_is(void **state)
{
	int fd = make_file(false);
	struct disk_stat before = stat_of(fd), after;

	(void)state;
	usleep(TICK_US);
	assert_int_equal(disk_allocate(fd, BLOCK, 2 * BLOCK), 0);
	after = stat_of(fd);
	assert_int_equal(after.ctime_sec, before.ctime_sec);
	assert_int_equal(after.ctime_nsec, before.ctime_nsec);
	close(fd);
}

/* The same of what is to be written over. */
static void
test_claim(void **state)
{
	int hollow = make_file(true), whole = make_file(false);
	struct disk_stat before = stat_of(hollow), after;

	(void)state;
	assert_int_equal(disk_claim(hollow, 0, 3 * BLOCK), 0);
	after = stat_of(hollow);
	if (after.room < before.room + (uint64_t)BLOCK)
		assert_int_equal(fallocate(hollow, 0, 0, BLOCK), -1);
	assert_int_equal(after.size, 3 * BLOCK);
	before = stat_of(whole);
	usleep(TICK_US);
	assert_int_equal(disk_claim(whole, 0, 3 * BLOCK), 0);
	after = stat_of(whole);
	assert_int_equal(after.ctime_sec, before.ctime_sec);
	assert_int_equal(after.ctime_nsec, before.ctime_nsec);
	close(hollow);
	close(whole);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_hole_is_filled),
	    cmocka_unit_test(test_file_grows),
	    cmocka_unit_test(test_what_is_there_stays_as_it_is),
	    cmocka_unit_test(test_claim),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
