/*
 * Addresses and networks: what is taken, what holds what.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "network.h"

static void
test_lists(void **state)
{
	static const struct {
		const char *list, *address;
		bool holds;
	} rows[] = {
	    {"127.0.0.0/8",                "127.1.2.3",     true },
	    {"127.0.0.0/8",                "128.0.0.1",     false},
	    {"192.0.2.7",                  "192.0.2.7",     true },
	    {"192.0.2.7",                  "192.0.2.6",     false},
	    {"10.0.0.0/8 2001:db8::/32",   "2001:db8:1::5", true },
	    {"10.0.0.0/8\t2001:db8::/32 ", "2001:db9::5",   false},
	    {"0.0.0.0/0",                  "8.8.8.8",       true },
	    {"0.0.0.0/0",                  "2001:db8::1",   false},
	    {"::/0",	               "8.8.8.8",       true },
	    {"::1",	                "::1",           true },
	    {"",	                   "127.0.0.1",     false},
	    {"192.0.2.128/25",             "192.0.2.127",   false},
	    {"192.0.2.128/25",             "192.0.2.200",   true },
	};
	struct network network;
	const char *text;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		text = rows[i].address;
		assert_int_equal(network_next(&text, &network), 1);
		assert_int_equal(network_list_holds(rows[i].list, network.address),
		    rows[i].holds);
	}
}

static void
test_no_network(void **state)
{
	static const char too_long[] = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	                               "aaaaaaaaaaaaaaaaaaaaaaaaaaa";
	static const char *const bad[] = {"192.0.2.1/24", "192.0.2.0/33",
	    "192.0.2.0/", "192.0.2.0/-1", "192.0.2.0/08", "192.0.2", "localhost",
	    "2001:db8::1/64", "::/129", "[::1]", "127.0.0.1:110", "/8",
	    "1.2.3.4/8/8", too_long};
	struct network network;
	const char *list;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		list = bad[i];
		assert_int_equal(network_next(&list, &network), -1);
		assert_ptr_equal(list, bad[i]);
	}
}

static void
test_print(void **state)
{
	static const unsigned char v4[4] = {192, 0, 2, 7};
	unsigned char address[NETWORK_OCTETS],
	    six[NETWORK_OCTETS] = {0x20, 1, 0xd, 0xb8};
	char text[64];

	(void)state;
	network_map_v4(address, v4);
	network_print(address, text, sizeof(text));
	assert_string_equal(text, "192.0.2.7");
	assert_false(network_is_loopback(address));
	six[15] = 7;
	network_print(six, text, sizeof(text));
	assert_string_equal(text, "2001:db8::7");
	assert_false(network_is_loopback(six));
	address[12] = 127;
	assert_true(network_is_loopback(address));
	memset(six, 0, sizeof(six));
	assert_false(network_is_loopback(six));
	six[15] = 1;
	assert_true(network_is_loopback(six));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_lists),
	    cmocka_unit_test(test_no_network),
	    cmocka_unit_test(test_print),
	};

	return cmocka_run_group_tests_name("network", tests, NULL, NULL);
}
