/*
 * Numbers, names and hexadecimal: what is taken, and what is not.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "text.h"

static void
test_number(void **state)
{
	static const struct {
		const char *text;
		uint64_t max, value;
	} good[] = {
	    {"0",	            0,          0         },
	    {"1",	            1,          1         },
	    {"10",	           10,         10        },
	    {"4294967295",           UINT32_MAX, UINT32_MAX},
	    {"18446744073709551615", UINT64_MAX, UINT64_MAX},
	};
	uint64_t value;

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		assert_true(text_number(good[i].text, good[i].max, &value));
		assert_true(value == good[i].value);
	}
}

static void
test_no_number(void **state)
{
	static const char *const bad[] = {"", " ", "-1", "+1", "-0", "00", "01",
	    "1 ", " 1", "0x1", "1x", "1.0", "1,2", "1:2", "\xd9\xa1",
	    "18446744073709551616", "99999999999999999999", "184467440737095516150",
	    "11111111111111111111111111111111111111111111111111"};
	uint64_t value = 77;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (text_number(bad[i], UINT64_MAX, &value))
			fail_msg("%s", bad[i]);
	}
	assert_false(text_number("4294967296", UINT32_MAX, &value));
	assert_false(text_number("1", 0, &value));
	assert_true(value == 77);
}

static void
test_name(void **state)
{
	static const char *const good[] = {"a", "alice", "alice@example.org", "a+b",
	    "0", "a.lockx", "lock", "\xc3\xbc", "#", "~", "a\\b", "a..b", "!", "a%",
	    "user%example.org", "a%u"};
	static const char *const bad[] = {"", ".", "..", "../x", "a/b", ".x", "-x",
	    "-", "x.lock", ".lock", "a b", " a", "a ", "a\tb", "a\nb", "a\177",
	    "\001", "%u", "%", "a:b", ":"};
	char name[300];

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		if (!text_name(good[i]))
			fail_msg("%s", good[i]);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (text_name(bad[i]))
			fail_msg("%s", bad[i]);
	}
	memset(name, 'a', sizeof(name));
	name[255] = '\0';
	assert_true(text_name(name));
	name[255] = 'a';
	name[256] = '\0';
	assert_false(text_name(name));
}

static void
test_words(void **state)
{
	static const char *const words[] = {"one", "two", "t,h.ree"};
	const char *list = "\t one two\t \tt,h.ree ", *none = " \t", *word;
	size_t length;

	(void)state;
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		word = text_word(&list, &length);
		assert_non_null(word);
		assert_int_equal(length, strlen(words[i]));
		assert_memory_equal(word, words[i], length);
		assert_ptr_equal(list, word + length);
	}
	assert_null(text_word(&list, &length));
	assert_null(text_word(&list, &length));
	assert_null(text_word(&none, &length));
}

static void
test_list_holds(void **state)
{
	static const char list[] = "\t one two\t \tt,h.ree ";

	(void)state;
	assert_true(text_list_holds(list, "one"));
	assert_true(text_list_holds(list, "two"));
	assert_true(text_list_holds(list, "t,h.ree"));
	assert_false(text_list_holds(list, "on"));
	assert_false(text_list_holds(list, "ones"));
	assert_false(text_list_holds(list, "ONE"));
	assert_false(text_list_holds(list, "h.ree"));
	assert_false(text_list_holds(list, ""));
	assert_false(text_list_holds("", "one"));
	assert_false(text_list_holds(" ", ""));
}

static void
test_hex(void **state)
{
	static const unsigned char octets[] = {0x00, 0x0f, 0xf0, 0xc4, 0xff};
	char hex[2 * sizeof(octets) + 1];

	(void)state;
	text_hex(hex, octets, sizeof(octets));
	assert_string_equal(hex, "000ff0c4ff");
	text_hex(hex, octets, 0);
	assert_string_equal(hex, "");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_number),
	    cmocka_unit_test(test_no_number),
	    cmocka_unit_test(test_name),
	    cmocka_unit_test(test_words),
	    cmocka_unit_test(test_list_holds),
	    cmocka_unit_test(test_hex),
	};

	return cmocka_run_group_tests_name("text", tests, NULL, NULL);
}
