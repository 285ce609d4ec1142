/*
 * Process titles: how much of the room is used, and what is left in it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "title.h"

/* As the kernel lays it out: the strings of both, one behind the other. */
struct layout {
	char octets[64];
	char *argv[4], *envp[4];
};

/* Fills a layout; argv and envp are ended by NULL. */
static void
lay_out(struct layout *layout, const char *const *argv, const char *const *envp)
{
	char *at = layout->octets;

	memset(layout, 0, sizeof(*layout));
	memset(layout->octets, '#', sizeof(layout->octets));
	for (int i = 0; argv[i] != NULL; i++)
		at = stpcpy(layout->argv[i] = at, argv[i]) + 1;
	for (int i = 0; envp[i] != NULL; i++)
		at = stpcpy(layout->envp[i] = at, envp[i]) + 1;
}

static void
let_go(struct layout *layout)
{
	for (int i = 0; layout->argv[i] != NULL; i++)
		free(layout->argv[i]);
}

static void
test_long_command_line(void **state)
{
	static const char *const argv[] = {"/usr/local/sbin/poplard", "-F", NULL};
	static const char *const envp[] = {"TZ=", NULL};
	static const char nothing[14];
	struct layout layout;

	(void)state;
	lay_out(&layout, argv, envp);
	assert_int_equal(title_init(layout.argv, layout.envp), 0);
	assert_string_equal(layout.argv[0], argv[0]);
	assert_string_equal(layout.argv[1], argv[1]);
	title_set("listener");
	assert_memory_equal(layout.octets, "poplard: listener", 17);
	assert_memory_equal(layout.octets + 17, nothing, 14);
	assert_int_equal(layout.octets[31], '#');
	assert_string_equal(layout.argv[1], argv[1]);
	title_set("auth");
	assert_memory_equal(layout.octets, "poplard: auth\0\0\0\0\0", 18);
	let_go(&layout);
}

static void
test_short_command_line(void **state)
{
	static const char *const argv[] = {"poplard", NULL};
	static const char *const envp[] = {"A=1", "B=2", NULL};
	struct layout layout;

	(void)state;
	lay_out(&layout, argv, envp);
	assert_int_equal(title_init(layout.argv, layout.envp), 0);
	title_set("listener");
	assert_memory_equal(layout.octets, "poplard: listen\0#", 17);
	title_set("auth");
	assert_memory_equal(layout.octets, "poplard: auth\0\0\0#", 17);
	let_go(&layout);
}

/* Strings that stand elsewhere are nobody's room. */
static void
test_strings_elsewhere(void **state)
{
	static const char *const argv[] = {"poplard", "-F", NULL};
	static const char *const envp[] = {NULL};
	char elsewhere[] = "-i";
	struct layout layout;

	(void)state;
	lay_out(&layout, argv, envp);
	layout.argv[1] = elsewhere;
	assert_int_equal(title_init(layout.argv, layout.envp), 0);
	title_set("monitor");
	assert_memory_equal(layout.octets, "poplard\0-F", 11);
	let_go(&layout);
}

static void
test_no_command_line(void **state)
{
	char *none[] = {NULL};

	(void)state;
	assert_int_equal(title_init(none, none), 0);
	title_set("monitor");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_no_command_line),
	    cmocka_unit_test(test_long_command_line),
	    cmocka_unit_test(test_short_command_line),
	    cmocka_unit_test(test_strings_elsewhere),
	};

	return cmocka_run_group_tests_name("title", tests, NULL, NULL);
}
