/*
 * Header lines: names that mail readers rewrite, in any case and nothing like them,
 * the signs of the internal message, empty lines. What is behind the octets given
 * counts for nothing.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <ctype.h>
#include <string.h>

#include "mbox/header.h"

#define SUBJECT "Subject: DON'T DELETE THIS MESSAGE -- FOLDER INTERNAL DATA"

static const char *const rewritten[] = {"Status:", "X-Status:", "X-Keywords:",
    "X-UID:", "X-UIDL:", "X-IMAP:", "X-IMAPbase:", "X-Mozilla-",
    "Content-Length:", "Lines:"};

static const char *const others[] = {"Subject: Status:", "X-Statuses:", "X-UI:",
    "X-IMAPbased:", "X-Mozilla:", "Content-Type:", "Line:", "Status :", " Status:",
    "\nStatus:", "\xd3tatus:", "", "S", "X-", "\xff"};

static void
test_rewritten(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rewritten) / sizeof(rewritten[0]); i++) {
		const size_t len = strlen(rewritten[i]);
		char name[32];

		for (size_t other = 0; other <= len; other++) {
			/* from there on in the other case */
			for (size_t j = 0; j < len; j++) {
				const int c = rewritten[i][j];

				name[j] = (char)(j < other    ? c
				                 : islower(c) ? toupper(c)
				                              : tolower(c));
			}
			assert_true(header_is_rewritten(name, len));
		}
		for (size_t part = 1; part < len; part++)
			assert_false(header_is_rewritten(name, part));
	}
}

/* No other octet in any place, but for the case of a letter. */
static void
test_not_rewritten(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		assert_false(header_is_rewritten(others[i], strlen(others[i]) + 1));
	for (size_t i = 0; i < sizeof(rewritten) / sizeof(rewritten[0]); i++) {
		const size_t len = strlen(rewritten[i]);
		char name[32];

		for (size_t j = 0; j < len; j++) {
			for (int octet = 0; octet < 256; octet++) {
				if (octet == ':')
					continue; /* may end a shorter name */
				memcpy(name, rewritten[i], len);
				name[j] = (char)octet;
				assert_int_equal(header_is_rewritten(name, len),
				    octet < 128 &&
				        tolower(octet) == tolower(rewritten[i][j]));
			}
		}
	}
}

static const struct {
	const char *line;
	unsigned signs;
} lines[] = {
    {"X-IMAP: 1 2\n",     HEADER_IMAP    },
    {"x-imap:",           HEADER_IMAP    },
    {"X-IMAPbase: 1 2\n", 0              },
    {"X-IMAP\n",          0              },
    {SUBJECT "\n",        HEADER_SUBJECT },
    {SUBJECT "\r\n",      HEADER_SUBJECT },
    {SUBJECT "\r",        0              },
    {SUBJECT,             0              },
    {SUBJECT " \n",       0              },
    {"Subject: \n",       0              },
    {"Received: x\n",     HEADER_RECEIVED},
    {"rECEIVED:\n",       HEADER_RECEIVED},
    {"Receive: x\n",      0              },
    {"\n",                0              },
};

static void
test_signs(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		assert_int_equal(header_signs(lines[i].line, strlen(lines[i].line)),
		    lines[i].signs);
	assert_int_equal(header_signs("X-IMAP:", 6), 0);
	assert_int_equal(header_signs(SUBJECT "\n", sizeof(SUBJECT) - 1), 0);
	/* a whole line that matters fits into what is looked at */
	assert_true(sizeof(SUBJECT "\r\n") - 1 <= HEADER_LOOK_AHEAD);
}

static void
test_empty_line(void **state)
{
	(void)state;
	assert_int_equal(header_empty_line("\n", 1), 1);
	assert_int_equal(header_empty_line("\r\n", 2), 2);
	assert_int_equal(header_empty_line("\n\n", 2), 1);
	assert_int_equal(header_empty_line("\n", 0), 0);
	assert_int_equal(header_empty_line("\r\n", 1), 0);
	assert_int_equal(header_empty_line("\r\r\n", 3), 0);
	assert_int_equal(header_empty_line(" \n", 2), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_rewritten),
	    cmocka_unit_test(test_not_rewritten),
	    cmocka_unit_test(test_signs),
	    cmocka_unit_test(test_empty_line),
	};

	return cmocka_run_group_tests_name("header", tests, NULL, NULL);
}
