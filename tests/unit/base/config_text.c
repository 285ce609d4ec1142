/*
 * The texts of the configuration that others take apart: addresses and the
 * maildrop's template.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "config.h"

static void
test_addresses(void **state)
{
	static const struct {
		const char *list, *host, *port;
	} good[] = {
	    {"*:110",                "*",                "110"  },
	    {" \t127.0.0.1:1110 x",  "127.0.0.1",        "1110" },
	    {"[::1]:65535",          "::1",              "65535"},
	    {"[fe80::1%eth0]:1",     "fe80::1%eth0",     "1"    },
	    {"mail.example.org:110", "mail.example.org", "110"  },
	};
	static const char *const bad[] = {":110", "110", "*", "*:", "*:0",
	    "*:65536", "*:0110", "*:110x", "*:pop3", "::1:110", "[::1]", "[::1:110",
	    "[]:110", "[:110", "[1.2.3.4]:110", "[::1%]:110", "[::1%/]:110",
	    "1.2.3:110", "1.2.3.256:110", "a/b:110", "-a:110", "**:110",
	    "*:1234567890", "[::1]x:1", "[::ffff:127.0.0.1]:110", "[fe80::1]:110"};
	char host[CONFIG_HOST_MAX], port[CONFIG_PORT_MAX];
	const char *list;

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		list = good[i].list;
		assert_int_equal(config_next_address(&list, host, port), 1);
		assert_string_equal(host, good[i].host);
		assert_string_equal(port, good[i].port);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		list = bad[i];
		if (config_next_address(&list, host, port) != -1)
			fail_msg("%s", bad[i]);
		assert_ptr_equal(list, bad[i]);
	}
	list = "*:1  [::1]:2 ";
	assert_int_equal(config_next_address(&list, host, port), 1);
	assert_int_equal(config_next_address(&list, host, port), 1);
	assert_string_equal(port, "2");
	assert_int_equal(config_next_address(&list, host, port), 0);
	assert_int_equal(config_next_address(&list, host, port), 0);
}

static void
test_long_address(void **state)
{
	char text[CONFIG_HOST_MAX + 8], host[CONFIG_HOST_MAX],
	    port[CONFIG_PORT_MAX];
	const char *list = text;

	(void)state;
	memset(text, 'a', sizeof(text));
	strcpy(text + CONFIG_HOST_MAX - 1, ":110");
	assert_int_equal(config_next_address(&list, host, port), 1);
	list = text;
	text[CONFIG_HOST_MAX - 1] = 'a';
	strcpy(text + CONFIG_HOST_MAX, ":110");
	assert_int_equal(config_next_address(&list, host, port), -1);
}

static void
test_expand_path(void **state)
{
	static const struct {
		const char *template, *name, *path;
	} cases[] = {
	    {"/var/mail/%u",    "alice",             "/var/mail/alice"            },
	    {"/var/mail/%u",    "alice@example.org", "/var/mail/alice@example.org"},
	    {"/srv/%d/%n/mbox", "alice@example.org", "/srv/example.org/alice/mbox"},
	    {"/srv/%d/%n",      "alice",             "/srv//alice"                },
	    {"/srv/%n",         "a@b@c",             "/srv/a@b"                   },
	    {"%h/mbox",         "alice",             "/home/alice/mbox"           },
	    {"/100%%/%u%u",     "a",                 "/100%/aa"                   },
	    {"/fixed",          "a",                 "/fixed"                     },
 /* what leads elsewhere, or nowhere */
	    {"/srv/%d/%n",      "alice@..",          NULL                         },
	    {"/srv/%d/%n",      "alice@.x",          NULL                         },
	    {"/srv/%d/%n",      "@example.org",      NULL                         },
	    {"/srv/%n",         "@example.org",      NULL                         },
	    {"/srv/%d/%n",      "alice.lock@b.org",  NULL                         },
	    {"/srv/%n@%d",      "alice@b.lock",      NULL                         },
	    {"/srv/%n",         "alice.locks@b",     "/srv/alice.locks"           },
	    {"/srv/%u",         "",                  NULL                         },
	    {"/srv/%u",         "..",                NULL                         },
	    {"/srv/%u",         "a/b",               NULL                         },
	    {"/srv/%u",         "a@/b",              NULL                         },
	    {"/srv/%d",         "a@b/c",             NULL                         },
 /* what is no template */
	    {"/srv/%",          "a",                 NULL                         },
	    {"/srv/%x",         "a",                 NULL                         },
	    {"/srv/%U",         "a",                 NULL                         },
	    {"",                "a",                 NULL                         },
	};
	char dst[64];
	bool good;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		good = config_expand_path(cases[i].template, cases[i].name,
		    "/home/alice", dst, sizeof(dst));
		if (good != (cases[i].path != NULL))
			fail_msg("%s %s", cases[i].template, cases[i].name);
		if (good)
			assert_string_equal(dst, cases[i].path);
	}
	assert_false(config_expand_path("%h/mbox", "a", "", dst, sizeof(dst)));
	assert_false(config_expand_path("%h/mbox", "a", "home", dst, sizeof(dst)));
}

static void
test_expand_path_to_its_size(void **state)
{
	char dst[10];

	(void)state;
	assert_true(config_expand_path("/%u", "12345678", "/", dst, sizeof(dst)));
	assert_string_equal(dst, "/12345678");
	assert_false(config_expand_path("/%u", "123456789", "/", dst, sizeof(dst)));
	assert_false(config_expand_path("/%u%u", "12345", "/", dst, sizeof(dst)));
	assert_false(
	    config_expand_path("/1234567%%%%", "a", "/", dst, sizeof(dst)));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_addresses),
	    cmocka_unit_test(test_long_address),
	    cmocka_unit_test(test_expand_path),
	    cmocka_unit_test(test_expand_path_to_its_size),
	};

	return cmocka_run_group_tests_name("config_text", tests, NULL, NULL);
}
