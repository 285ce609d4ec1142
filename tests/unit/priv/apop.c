/*
 * The APOP digest: the example of RFC 1725 section 7, and what is no digest.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "priv/apop.h"

#define STAMP "<1896.697170952@dbc.mtview.ca.us>"
#define SECRET "tanstaaf"
#define DIGEST "c4c9334bac560ecc979e58001b3e22fb"

static void
test_rfc1725_example(void **state)
{
	(void)state;
	assert_true(apop_matches(STAMP, SECRET, DIGEST));
}

static void
test_30_no_digest(void **state)
{
	static const char *const wrong[] = {
	    "C4C9334BAC560ECC979E58001B3E22FB",
	    "c4c9334bac560ecc979e58001b3e22fB",
	    "c4c9334bac560ecc979e58001b3e22f",
	    "c4c9334bac560ecc979e58001b3e22fb0",
	    "c4c9334bac560ecc979e58001b3e22fb ",
	    " c4c9334bac560ecc979e58001b3e22fb",
	    "c4c9334bac560ecc979e58001b3e22fa",
	    "d4c9334bac560ecc979e58001b3e22fb",
	    "",
	    SECRET,
	};

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_false(apop_matches(STAMP, SECRET, wrong[i]));
}

static void
test_30_other_timestamp(void **state)
{
	(void)state;
	assert_false(
	    apop_matches("<1896.697170953@dbc.mtview.ca.us>", SECRET, DIGEST));
	assert_false(
	    apop_matches("1896.697170952@dbc.mtview.ca.us", SECRET, DIGEST));
	assert_false(apop_matches("", SECRET, DIGEST));
	assert_false(apop_matches(STAMP, "tanstaag", DIGEST));
	assert_false(apop_matches(STAMP, "", DIGEST));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_rfc1725_example),
	    cmocka_unit_test(test_30_no_digest),
	    cmocka_unit_test(test_30_other_timestamp),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
