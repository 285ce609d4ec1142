/*
 * The queue of recoveries where no process can be forked. The fork is pretended.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "log.h"
#include "priv/recoveries.h"
#include "told.h"

#define FIRST_PID 1000

static int forks_left;
static pid_t forked;

pid_t
_Fork(void)
{
	if (forks_left == 0) {
		errno = EAGAIN;
		return -1;
	}
	forks_left--;
	return FIRST_PID + forked++;
}

static void
become(const char *state_name, void *ctx)
{
	(void)state_name;
	(void)ctx;
	fail();
}

/* What a start logs, with so many forks that succeed. */
static void
start(struct recoveries *recoveries, int forks, char *text, size_t size)
{
	struct told told;

	forks_left = forks;
	told_begin(&told, LOG_ERROR_LEVEL);
	recoveries_start(recoveries, become, NULL);
	told_end(&told, text, size);
}

static void
test_no_process_left(void **state)
{
	struct recoveries recoveries;
	char text[256];

	(void)state;
	forked = 0;
	recoveries_init(&recoveries);
	for (int i = 0; i < 3; i++)
		recoveries_add(&recoveries, "name");
	start(&recoveries, 0, text, sizeof(text));
	assert_non_null(strstr(text, "; 3 maildrops wait for one\n"));
	/* told once, tried again, and nothing forgotten */
	start(&recoveries, 0, text, sizeof(text));
	assert_string_equal(text, "");
	assert_int_equal(recoveries.waiting, 3);
	start(&recoveries, 1, text, sizeof(text));
	assert_non_null(strstr(text, "; 2 maildrops wait for one\n"));
	assert_true(recoveries_reaped(&recoveries, FIRST_PID, 0));
	start(&recoveries, 3, text, sizeof(text));
	assert_string_equal(text, "");
	assert_int_equal(recoveries.waiting, 0);
	assert_int_equal(recoveries.failed, 0);
	assert_true(recoveries_reaped(&recoveries, FIRST_PID + 1, 0));
	assert_true(recoveries_reaped(&recoveries, FIRST_PID + 2, 0));
}

/* Two at a time; one that ends badly is counted. */
static void
test_places(void **state)
{
	struct recoveries recoveries;
	char text[256];

	(void)state;
	forked = 0;
	recoveries_init(&recoveries);
	for (int i = 0; i < RECOVERIES_AT_ONCE + 1; i++)
		recoveries_add(&recoveries, "name");
	start(&recoveries, 9, text, sizeof(text));
	assert_int_equal(forked, RECOVERIES_AT_ONCE);
	assert_int_equal(recoveries.waiting, 1);
	assert_false(recoveries_reaped(&recoveries, FIRST_PID - 1, 0));
	assert_true(recoveries_reaped(&recoveries, FIRST_PID + 1, 1 << 8));
	assert_int_equal(recoveries.failed, 1);
	start(&recoveries, 9, text, sizeof(text));
	assert_int_equal(recoveries.waiting, 0);
	assert_true(recoveries_reaped(&recoveries, FIRST_PID, 0));
	assert_true(recoveries_reaped(&recoveries, FIRST_PID + 2, 0));
	assert_int_equal(recoveries.failed, 1);
}

/* What could not be looked at may need one. */
static void
test_folder_that_cannot_be_read(void **state)
{
	char nowhere[] = "/nonexistent/poplar";
	const struct config config = {.server = {.state_dir = nowhere}};
	struct recoveries recoveries;
	struct told told;
	char text[256];

	(void)state;
	recoveries_init(&recoveries);
	told_begin(&told, LOG_ERROR_LEVEL);
	assert_int_equal(recoveries_add_all(&recoveries, &config), -1);
	told_end(&told, text, sizeof(text));
	assert_non_null(strstr(text, "cannot look for interrupted updates in "
	                             "/nonexistent/poplar: No such file"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_no_process_left),
	    cmocka_unit_test(test_places),
	    cmocka_unit_test(test_folder_that_cannot_be_read),
	};

	log_open(LOG_TO_NOTHING, LOG_ERROR_LEVEL);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
