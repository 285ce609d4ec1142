/*
 * Which lines are From_ lines.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "mbox/from.h"

static const char *const good[] = {
    "From a@b Tue Nov 17 21:28:37 2009",
    "From a@b  Tue Nov 17 21:28:37 2009",
    "From a b c Tue Nov 17 21:28:37 2009",
    "From Tue Nov 17 21:28:37 2009",
    "From  Tue Nov 17 21:28:37 2009",
    "From a Tue, Nov 17 21:28:37 2009",
    "From a Tue Nov  7 21:28:37 2009",
    "From a Tue Nov 7 21:28:37 2009",
    "From a Tue Nov 07 21:28:37 2009",
    "From a Tue Nov 17 21:28 2009",
    "From a Tue Nov 17 1:28:37 2009",
    "From a Tue Nov 17 1:28 2009",
    "From a Tue Nov 17 21:28:37 +0100 2009",
    "From a Tue Nov 17 21:28:37 2009 -0100",
    "From a Tue Nov 17 21:28:37 CET 2009",
    "From a Tue Nov 17 21:28:37 MET DST 2009",
    "From a Tue Nov 17 21:28:37 2009 MET DST",
    "From a Tue Nov 17 21:28:37 EST 2009 +0500",
    "From a Tue, 17 Nov 2009 21:28:37",
    "From a Tue, 17 Nov 2009 21:28:37 +0100",
    "From a Tue 7 Nov 2009 1:28 +0000 GMT",
    "From a Tue Nov 17 21:28:37 2009 remote from host",
    "From a Tue Nov 17 21:28:37 CET 2009 remote from host",
    "From a Tue Nov 17 21:28:37 2009 ",
    "From a Tue Nov 17 21:28:37 2009\r",
    "From a\tTue Nov 17 21:28:37 2009",
    "From \"a b\"@c Tue Nov 17 21:28:60 2009",
};

static const char *const bad[] = {
    "From",
    "From ",
    "From x",
    "from a Tue Nov 17 21:28:37 2009",
    "From: a Tue Nov 17 21:28:37 2009",
    ">From a Tue Nov 17 21:28:37 2009",
    "From a Tue Nov 17 21:28:37 2009 said",
    "From a Tue Nov 17 21:28:37 09",
    "From a Tue Nov 17 21:28:37 20090",
    "From a Tue Nov 32 21:28:37 2009",
    "From a Tue Nov 0 21:28:37 2009",
    "From a Tue Nov 117 21:28:37 2009",
    "From a Tue Nov 17 24:28:37 2009",
    "From a Tue Nov 17 21:60:37 2009",
    "From a Tue Nov 17 21:28:62 2009",
    "From a Tue Nov 17 21-28 2009",
    "From a Tue Nov 17 2128 2009",
    "From a Tue Nov 17 :28:37 2009",
    "From a Tue Nov 17 21:28: 2009",
    "From a Tui Nov 17 21:28:37 2009",
    "From a Tue Nox 17 21:28:37 2009",
    "From a Tue Nov 21:28:37 2009",
    "From a Nov 17 21:28:37 2009",
    "From a Tue Nov 17 2009",
    "From a Tue Nov 17 21:28:37 A B C 2009",
    "From a Tue Nov 17 21:28:37 +010 2009",
    "From a Tue Nov 17 21:28:37 cet 2009",
    "From the start, I said on Tue Nov 17",
    "From a Tue Nov 17 21:28:37 2009 remote from",
    "From remote from host",
    "From a Tue Nov 17 21:28:37 2009.",
};

static enum from_verdict
judge(const char *line)
{
	return from_line(line, strlen(line), true);
}

static void
test_good(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		if (judge(good[i]) != FROM_YES)
			fail_msg("%s", good[i]);
	}
}

static void
test_bad(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (judge(bad[i]) != FROM_NO)
			fail_msg("%s", bad[i]);
	}
}

/* Fewer octets never give another verdict, only none. */
static void
test_prefixes(void **state)
{
	char line[200];

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		size_t len = strlen(good[i]);

		memcpy(line, good[i], len);
		line[len] = '\n';
		for (size_t n = 0; n <= len; n++)
			assert_int_equal(from_line(line, n, false), FROM_UNDECIDED);
		assert_int_equal(from_line(line, len + 1, false), FROM_YES);
	}
	assert_int_equal(from_line("Fx", 2, false), FROM_NO);
	assert_int_equal(from_line("F", 1, true), FROM_NO);
	assert_int_equal(from_first_line("From x", 6, false), FROM_YES);
	assert_int_equal(from_first_line("Fro", 3, false), FROM_UNDECIDED);
	assert_int_equal(from_first_line("Fro", 3, true), FROM_NO);
}

/* Only the first octets count, and there are enough of them. */
static void
test_long_line(void **state)
{
	static const char date[] = " Tue Nov 17 21:28:37 2009";
	const size_t n = sizeof(date) - 1;
	char *line = malloc(3 * FROM_LINE_MAX);

	(void)state;
	assert_non_null(line);
	memset(line, 'x', 3 * FROM_LINE_MAX);
	memcpy(line, "From ", 5);
	assert_int_equal(from_line(line, FROM_LINE_MAX - 1, false), FROM_UNDECIDED);
	assert_int_equal(from_line(line, FROM_LINE_MAX, false), FROM_NO);
	memcpy(line + FROM_LINE_MAX - n, date, n);
	assert_int_equal(from_line(line, FROM_LINE_MAX, false), FROM_YES);
	memset(line + 5, 'x', 3 * FROM_LINE_MAX - 5);
	memcpy(line + FROM_LINE_MAX - n + 1, date, n);
	line[FROM_LINE_MAX + 1] = '\n';
	assert_int_equal(from_line(line, FROM_LINE_MAX + 2, false), FROM_NO);
	free(line);
}

/* Whatever one octet is changed to: as with a blank behind, which changes nothing. */
static void
test_changed_octets(void **state)
{
	static const char *const lines[] = {
	    "From a Tue Nov 17 21:28:37 2009 ",
	    "From Tue Nov  7 21:28:37 2009 ",
	};

	(void)state;
	for (size_t n = 0; n < sizeof(lines) / sizeof(lines[0]); n++) {
		const size_t len = strlen(lines[n]) - 1;
		char line[40];

		for (size_t i = 5; i < len; i++) {
			for (int octet = 0; octet < 256; octet++) {
				memcpy(line, lines[n], len + 1);
				line[i] = (char)octet;
				if (octet == '\n' ||
				    (octet == '\r' && i == len - 1))
					continue;
				if (from_line(line, len, true) !=
				    from_line(line, len + 1, true))
					fail_msg("octet %d at %zu", octet, i);
			}
		}
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_good),
	    cmocka_unit_test(test_bad),
	    cmocka_unit_test(test_prefixes),
	    cmocka_unit_test(test_long_line),
	    cmocka_unit_test(test_changed_octets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
