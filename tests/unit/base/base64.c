/*
 * Base64: the examples of RFC 4648 section 10, every octet, and what is not
 * in its one form.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "text.h"

static void
test_examples(void **state)
{
	static const struct {
		const char *octets, *text;
	} cases[] = {
	    {"",       ""        },
	    {"f",      "Zg=="    },
	    {"fo",     "Zm8="    },
	    {"foo",    "Zm9v"    },
	    {"foob",   "Zm9vYg=="},
	    {"fooba",  "Zm9vYmE="},
	    {"foobar", "Zm9vYmFy"},
	};
	char text[TEXT_BASE64_SIZE(6)], octets[6];
	size_t length;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		text_to_base64(text, cases[i].octets, strlen(cases[i].octets));
		assert_string_equal(text, cases[i].text);
		assert_true(text_from_base64(text, strlen(text), octets,
		    sizeof(octets), &length));
		assert_int_equal(length, strlen(cases[i].octets));
		assert_memory_equal(octets, cases[i].octets, length);
	}
}

static void
test_every_octet_in_place(void **state)
{
	unsigned char octets[256];
	char text[TEXT_BASE64_SIZE(sizeof(octets))];
	size_t length;

	(void)state;
	for (size_t i = 0; i < sizeof(octets); i++)
		octets[i] = (unsigned char)i;
	for (size_t n = 0; n <= sizeof(octets); n++) {
		text_to_base64(text, octets, n);
		assert_true(text_from_base64(text, strlen(text), text, n, &length));
		assert_int_equal(length, n);
		assert_memory_equal(text, octets, n);
	}
}

static void
test_not_base64(void **state)
{
	static const char *const bad[] = {"Z", "Zg", "Zg=", "Zg===", "=",
	    "==", "===", "====", "Z===", "Zm8=Zm8=", "Zg==Zg==", "Z=8=", "=m8=",
	    " Zg==", "Zg== ", "Zm 9", "Zm9v\n", "Zm-_", "Zm9\xe4",
	    "Zh==", "Zm9=", "Zm8=\n", "Zm9v=", "Zm9v====", "Zm9vZ==="};
	char octets[64];
	size_t length;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(text_from_base64(bad[i], strlen(bad[i]), octets,
		    sizeof(octets), &length));
	assert_false(text_from_base64("Zm\0v", 4, octets, sizeof(octets), &length));
}

static void
test_size(void **state)
{
	char octets[8] = "-------";
	size_t length;

	(void)state;
	assert_false(text_from_base64("Zm9vYmFy", 8, octets, 5, &length));
	assert_true(text_from_base64("Zm9vYmE=", 8, octets, 5, &length));
	assert_memory_equal(octets, "fooba--", 8);
	assert_true(text_from_base64("", 0, octets, 0, &length));
	assert_int_equal(length, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_examples),
	    cmocka_unit_test(test_every_octet_in_place),
	    cmocka_unit_test(test_not_base64),
	    cmocka_unit_test(test_size),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
