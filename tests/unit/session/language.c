/*
 * Languages: every text says in each what it says in English, as far as a
 * program can tell: the same directives, status word and response code, UTF-8,
 * and no letters that a client could take for a busy maildrop.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include <cmocka.h>

#include "session/language.h"

/* The directives of a format, in order, as one string. */
static void
directives(const char *text, char *dst, size_t size)
{
	size_t n = 0;

	for (; *text != '\0'; text++) {
		if (*text != '%')
			continue;
		while (
		    n + 2 < size && strchr("%lu", *text) != NULL && *text != '\0')
			dst[n++] = *text++;
		dst[n++] = *text;
	}
	dst[n] = '\0';
}

/* Status word and response code: what stands before the human text. */
static size_t
prefix(const char *text)
{
	size_t length = 0;

	if (strncmp(text, "+OK ", 4) == 0)
		length = 4;
	if (strncmp(text, "-ERR ", 5) == 0)
		length = 5;
	if (text[length] == '[')
		length += strcspn(text + length, "]") + 1;
	return length;
}

static void
assert_utf8(const char *text)
{
	const unsigned char *p = (const unsigned char *)text;
	int more = 0;

	for (; *p != '\0'; p++) {
		assert_true(*p >= ' ');
		assert_int_equal(more > 0, (*p & 0xc0) == 0x80);
		more = more > 0     ? more - 1
		       : *p >= 0xf0 ? 3
		       : *p >= 0xe0 ? 2
		                    : *p >= 0xc0;
	}
	assert_int_equal(more, 0);
}

static void
test_texts(void **state)
{
	char english[32], other[32];

	(void)state;
	for (size_t i = 0; i < language_count; i++) {
		assert_utf8(languages[i].name);
		for (size_t j = 0; j < languages[i].count; j++) {
			const struct translation *row = &languages[i].texts[j];

			directives(row->english, english, sizeof(english));
			directives(row->text, other, sizeof(other));
			assert_string_equal(english, other);
			assert_int_equal(prefix(row->english), prefix(row->text));
			assert_memory_equal(row->english, row->text,
			    prefix(row->english));
			assert_utf8(row->text);
			assert_string_equal(
			    language_text(&languages[i], row->english), row->text);
		}
	}
}

static void
test_busy(void **state)
{
	static const char *const words[] = {"lock", "wait"};

	(void)state;
	for (size_t i = 0; i < language_count; i++) {
		for (size_t j = 0; j < languages[i].count; j++) {
			const struct translation *row = &languages[i].texts[j];
			int busy = strstr(row->english, "locked") != NULL;

			for (size_t k = 0; !busy && k < 2; k++)
				assert_null(strcasestr(row->text, words[k]));
			if (busy)
				assert_non_null(strstr(row->text, "locked"));
		}
	}
}

static void
test_find(void **state)
{
	(void)state;
	assert_ptr_equal(language_find("*"), &languages[0]);
	assert_ptr_equal(language_find("i-default"), &languages[0]);
	assert_string_equal(language_find("en")->tag, "en");
	assert_string_equal(language_find("DE")->tag, "de");
	assert_string_equal(language_find("de-AT")->tag, "de");
	assert_null(language_find("d"));
	assert_null(language_find("deu"));
	assert_null(language_find(""));
	assert_string_equal(language_text(&languages[0], "anything"), "anything");
	assert_string_equal(language_text(language_find("de"), "anything"),
	    "anything");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_texts),
	    cmocka_unit_test(test_busy),
	    cmocka_unit_test(test_find),
	};

	return cmocka_run_group_tests_name("language", tests, NULL, NULL);
}
