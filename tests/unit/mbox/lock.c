/*
 * Both locks, in order, with others in the way: faults F 68, 69, 71, 72 as
 * far as they are seen here.
 */
#include "letters.h"

#include <sys/file.h>

#include "clock.h"
#include "mbox/disk.h"

static void
make(struct box *box)
{
	box_make(box);
	box_fill(box, A B);
	box_settle();
}

/* Whether somebody else could have the fcntl lock now. */
static bool
is_free(struct box *box)
{
	int fd = open(box->mbox, O_RDWR);
	bool result = disk_lock(fd, true) == 0;

	assert_int_not_equal(fd, -1);
	close(fd);
	return result;
}

static void
expect_locked(struct box *box)
{
	assert_false(is_free(box));
}

static void
expect_free(struct box *box)
{
	assert_true(is_free(box));
}

/* fcntl first; both given up behind the scan, and behind UPDATE. */
static void
test_access(void **state)
{
	struct box box;
	uint32_t removed;

	(void)state;
	make(&box);
	box.when_locked = expect_locked;
	box_open(&box);
	assert_int_equal(box.dotlocks, 1);
	assert_int_equal(box.undotlocks, 1);
	assert_true(is_free(&box));
	box_sends(&box, 1, SENT_A);
	assert_int_equal(maildrop_update(box.md, &removed), MD_OK);
	assert_int_equal(box.dotlocks, 1); /* nothing to do, nothing to lock */
	assert_int_equal(maildrop_delete(box.md, 1), MD_OK);
	assert_int_equal(maildrop_update(box.md, &removed), MD_OK);
	assert_int_equal(box.dotlocks, 2);
	assert_int_equal(box.undotlocks, 2);
	assert_true(is_free(&box));
	box_remove(&box);
}

/* What the index vouches for is not read: a dotlock keeps no login from it. */
static void
test_settled(void **state)
{
	struct box box;
	int fd;

	(void)state;
	make(&box);
	box_visit(&box);
	box.answer = MD_DOTLOCK_BUSY;
	box_open(&box);
	assert_int_equal(box.pauses, 0);
	assert_true(is_free(&box));
	assert_int_equal(maildrop_count(box.md), 2);
	box_sends(&box, 1, SENT_A);
	box_close(&box);
	box.limits.lock_session = true;
	assert_int_equal(box_try(&box, O_RDWR), MD_BUSY);
	box.limits.lock_session = false;
	box_close(&box);
	box_write(&box, box.journal, O_TRUNC, "?", 1);
	assert_int_equal(box_try(&box, O_RDWR), MD_BUSY);
	box_close(&box);
	box_write(&box, box.journal, O_TRUNC, "", 0);
	box.answer = MD_DOTLOCK_OK;
	fd = open(box.mbox, O_RDWR);
	assert_int_equal(disk_lock(fd, true), 0);
	assert_int_equal(box_try(&box, O_RDWR), MD_BUSY);
	box_close(&box);
	close(fd);
	box_open(&box);
	box_close(&box);
	box.answer = MD_DOTLOCK_BUSY;
	box_append(&box, A);
	assert_int_equal(box_try(&box, O_RDWR), MD_BUSY);
	box_remove(&box);
}

/* A file of any size, which holes make cheap, does not hold up a shutdown. */
static void
test_stopped_while_scanning(void **state)
{
	struct box box;

	(void)state;
	make(&box);
	assert_int_equal(truncate(box.mbox, 64 << 20), 0);
	box.stop = true;
	assert_int_equal(box_try(&box, O_RDWR), MD_STOPPED);
	assert_true(is_free(&box));
	assert_int_equal(box.dotlocks, box.undotlocks);
	box_close(&box);
	box.stop = false;
	box_open(&box);
	assert_int_equal(maildrop_count(box.md), 2);
	box_remove(&box);
}

static void
test_session(void **state)
{
	struct box box;

	(void)state;
	make(&box);
	box.limits.lock_session = true;
	box_open(&box);
	assert_false(is_free(&box));
	box_sends(&box, 1, SENT_A);
	assert_int_equal(box.undotlocks, 0);
	maildrop_close(box.md);
	box.md = NULL;
	assert_int_equal(box.undotlocks, 1);
	assert_true(is_free(&box));
	box_remove(&box);
}

/* 76: the locks of a session are asked for again before it changes anything. */
static void
test_session_lost_them(void **state)
{
	static const enum md_dotlock answers[] = {MD_DOTLOCK_BUSY,
	    MD_DOTLOCK_CHANGED};
	static const enum md_error errors[] = {MD_BUSY, MD_CHANGED};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct box box;
		uint32_t removed;

		make(&box);
		box.limits.lock_session = true;
		box_open(&box);
		assert_int_equal(maildrop_delete(box.md, 1), MD_OK);
		box.answer = answers[i];
		assert_int_equal(maildrop_update(box.md, &removed), errors[i]);
		assert_true(is_free(&box));
		box_check(&box, A B);
		box.answer = MD_DOTLOCK_OK;
		assert_int_equal(maildrop_update(box.md, &removed), MD_OK);
		assert_true(is_free(&box));
		box_check(&box, B);
		box_remove(&box);
	}
}

static void
test_busy(void **state)
{
	struct box box;
	uint64_t begin;
	int fd;

	(void)state;
	make(&box);
	fd = open(box.mbox, O_RDWR);
	assert_int_equal(disk_lock(fd, true), 0);
	begin = clock_now();
	assert_int_equal(box_try(&box, O_RDWR), MD_BUSY);
	assert_true(clock_now() - begin >= box.limits.lock_wait_ms);
	assert_int_equal(box.dotlocks, 0);
	/* they double up */
	assert_in_range(box.pauses, 1, 8);
	assert_in_range(box.paused, 1, box.limits.lock_wait_ms);
	close(fd);
	box_close(&box);
	box_open(&box);
	box_remove(&box);
}

static int other = -1;

static void
let_go(struct box *box)
{
	if (box->pauses == 3) {
		close(other);
		other = -1;
	}
}

/* 68 */
static void
test_waits(void **state)
{
	struct box box;

	(void)state;
	make(&box);
	other = open(box.mbox, O_RDWR);
	assert_int_equal(disk_lock(other, true), 0);
	box.when_pausing = let_go;
	box.limits.lock_wait_ms = 60000;
	box_open(&box);
	assert_int_equal(box.pauses, 3);
	box_remove(&box);
}

/* 69, 72: the fcntl lock is not held while waiting for the dotlock */
static void
test_dotlock_busy(void **state)
{
	struct box box;

	(void)state;
	make(&box);
	box.busy = 3;
	box.when_pausing = expect_free;
	box.limits.lock_wait_ms = 60000;
	box_open(&box);
	assert_int_equal(box.pauses, 3);
	assert_int_equal(box.dotlocks, 1);
	box_close(&box);
	box_append(&box, A);
	box.limits.lock_wait_ms = 200;
	box.busy = 1000000;
	assert_int_equal(box_try(&box, O_RDWR), MD_BUSY);
	assert_true(is_free(&box));
	box_remove(&box);
}

static void
test_refusals(void **state)
{
	static const struct {
		enum md_dotlock answer;
		enum md_error error;
	} cases[] = {
	    {MD_DOTLOCK_REFUSED,  MD_REFUSED },
	    {MD_DOTLOCK_NO_SPACE, MD_NO_SPACE},
	    {MD_DOTLOCK_CHANGED,  MD_CHANGED },
	    {MD_DOTLOCK_FAILED,   MD_IO      },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct box box;

		make(&box);
		box.answer = cases[i].answer;
		assert_int_equal(box_try(&box, O_RDWR), cases[i].error);
		assert_int_equal(box.pauses, 0);
		assert_int_equal(box.undotlocks, 0);
		assert_true(is_free(&box));
		box_remove(&box);
	}
}

static void
test_stopped(void **state)
{
	struct box box;

	(void)state;
	make(&box);
	box.busy = 5;
	box.stop = true;
	assert_int_equal(box_try(&box, O_RDWR), MD_STOPPED);
	assert_true(is_free(&box));
	box_remove(&box);
}

/* A maildrop that is only read is locked for reading: readers do not exclude. */
static void
test_shared(void **state)
{
	struct box box;
	int fd;

	(void)state;
	make(&box);
	fd = open(box.mbox, O_RDONLY);
	assert_int_equal(disk_lock(fd, false), 0);
	assert_int_equal(box_try(&box, O_RDONLY), MD_OK);
	box_close(&box);
	box_append(&box, A);
	assert_int_equal(box_try(&box, O_RDWR), MD_BUSY);
	close(fd);
	box_remove(&box);
}

/* UPDATE cannot have the locks: nothing is deleted, and later it works. */
static void
test_update_busy(void **state)
{
	struct box box;
	uint32_t removed;
	int fd;

	(void)state;
	make(&box);
	box_open(&box);
	assert_int_equal(maildrop_delete(box.md, 2), MD_OK);
	fd = open(box.mbox, O_RDWR);
	assert_int_equal(disk_lock(fd, true), 0);
	assert_int_equal(maildrop_update(box.md, &removed), MD_BUSY);
	assert_int_equal(removed, 0);
	box_check(&box, A B);
	close(fd);
	assert_int_equal(maildrop_update(box.md, &removed), MD_OK);
	assert_int_equal(removed, 1);
	box_check(&box, A);
	box_remove(&box);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_access),
	    cmocka_unit_test(test_settled),
	    cmocka_unit_test(test_stopped_while_scanning),
	    cmocka_unit_test(test_session),
	    cmocka_unit_test(test_session_lost_them),
	    cmocka_unit_test(test_busy),
	    cmocka_unit_test(test_waits),
	    cmocka_unit_test(test_dotlock_busy),
	    cmocka_unit_test(test_refusals),
	    cmocka_unit_test(test_stopped),
	    cmocka_unit_test(test_shared),
	    cmocka_unit_test(test_update_busy),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
