/*
 * Who may connect when there are many: in all, and from one address or network.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "log.h"
#include "priv/limits.h"

#define ROWS 16
#define PER_ADDRESS 2

static struct table *table;
static struct config config;

static int
set_up(void **state)
{
	(void)state;
	config.session.max = ROWS;
	config.session.max_per_address = PER_ADDRESS;
	table = table_make(ROWS);
	return table == NULL ? -1 : 0;
}

static int
tear_down(void **state)
{
	(void)state;
	return munmap(table, sizeof(*table));
}

static void
describe(const char *address, struct peer *peer)
{
	struct sockaddr_storage from = {.ss_family = AF_UNSPEC};
	struct sockaddr_in *v4 = (struct sockaddr_in *)&from;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&from;

	if (inet_pton(AF_INET, address, &v4->sin_addr) == 1)
		from.ss_family = AF_INET;
	else if (inet_pton(AF_INET6, address, &v6->sin6_addr) == 1)
		from.ss_family = AF_INET6;
	peer_describe(&from, peer);
}

/* A connection from there; its row, or NULL with what its client is told. */
static struct row *
connect_from(const char *address, char told[128])
{
	struct row *row = NULL;
	struct peer peer;
	ssize_t got;
	int pair[2];

	describe(address, &peer);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	peer.fd = pair[1];
	if (limits_admit(&config, table, &peer)) {
		row = table_take(table);
		assert_non_null(row);
		row->pid = getpid();
		row->exempt = peer.local;
		row->accepted = (uint64_t)(row - table->rows) + 1;
		peer_source(peer.ip, row->source);
		close(pair[1]);
	}
	got = read(pair[0], told, 127);
	told[got > 0 ? got : 0] = '\0';
	close(pair[0]);
	return row;
}

static void
test_per_address(void **state)
{
	/* the last of each row is one too many, from another address perhaps */
	static const char *const of_one[][PER_ADDRESS + 1] = {
	    {"192.0.2.1",        "192.0.2.1",            "192.0.2.1"           },
	    {"::ffff:192.0.2.2", "192.0.2.2",            "::ffff:192.0.2.2"    },
	    {"2001:db8:0:1::1",  "2001:db8:0:1::2",      "2001:db8:0:1:ffff::3"},
	    {"2001:db8:0:2::1",  "2001:db8:0:2:8000::1", "2001:db8:0:2::1"     },
	};
	char told[128];

	(void)state;
	for (size_t i = 0; i < sizeof(of_one) / sizeof(of_one[0]); i++) {
		for (size_t j = 0; j < PER_ADDRESS; j++)
			assert_non_null(connect_from(of_one[i][j], told));
		assert_null(connect_from(of_one[i][PER_ADDRESS], told));
		assert_string_equal(told,
		    "-ERR [SYS/TEMP] too many connections from your address "
		    "(session.max_per_address = 2)\r\n");
	}
	table->rows[0].kicked = 1;
	assert_non_null(connect_from(of_one[0][0], told));
}

static void
test_exempt(void **state)
{
	static const char *const local[] = {"127.0.0.1", "::1", "::ffff:127.9.9.9",
	    "no network"};
	char told[128];

	(void)state;
	for (size_t i = 0; i < sizeof(local) / sizeof(local[0]); i++) {
		for (size_t j = 0; j <= PER_ADDRESS; j++)
			assert_non_null(connect_from(local[i], told));
	}
}

/* The oldest makes room that has not logged in; then nobody does. */
static void
test_in_all(void **state)
{
	struct row *first, *second, *third;
	char told[128];

	(void)state;
	config.session.max = 2;
	signal(SIGUSR1, SIG_IGN);
	first = connect_from("192.0.2.1", told);
	second = connect_from("192.0.2.2", told);
	third = connect_from("192.0.2.3", told);
	assert_non_null(third);
	assert_int_not_equal(first->kicked, 0);
	assert_int_equal(second->kicked, 0);
	second->phase = third->phase = ROW_TRANSACTION;
	assert_null(connect_from("192.0.2.4", told));
	assert_string_equal(told, "-ERR [SYS/TEMP] too many connections "
	                          "(session.max = 2)\r\n");
	assert_int_equal(second->kicked, 0);
}

static void
test_addresses(void **state)
{
	static const struct {
		const char *from, *address;
		bool local;
	} rows[] = {
	    {"192.0.2.1",        "192.0.2.1",   false},
	    {"::ffff:192.0.2.1", "192.0.2.1",   false},
	    {"127.0.0.1",        "127.0.0.1",   true },
	    {"2001:db8::7",      "2001:db8::7", false},
	    {"::1",              "::1",         true },
	    {"no network",       "local",       true },
	};
	struct peer peer;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		describe(rows[i].from, &peer);
		assert_string_equal(peer.address, rows[i].address);
		assert_int_equal(peer.local, rows[i].local);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_per_address, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(test_exempt, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(test_in_all, set_up, tear_down),
	    cmocka_unit_test(test_addresses),
	};

	log_open(LOG_TO_NOTHING, LOG_ERROR_LEVEL);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
