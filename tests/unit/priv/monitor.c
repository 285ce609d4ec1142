/*
 * A monitor that can start no session: fork_alone() is ours, and fails.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sysexits.h>
#include <unistd.h>

#include <cmocka.h>

#include "log.h"
#include "priv/fork.h"
#include "priv/monitor.h"

pid_t
fork_alone(void)
{
	errno = EAGAIN;
	return -1;
}

/* What the client hears, terminated. */
static void
hear(bool tls_now, char *text, size_t size)
{
	struct monitor_setup setup = {.tls_now = tls_now, .life = -1};
	struct config config = {0};
	int client[2];
	ssize_t n;

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, client), 0);
	setup.config = &config;
	setup.client_in = setup.client_out = client[0];
	assert_int_equal(monitor_run(&setup), EX_OSERR);
	close(client[0]);
	n = read(client[1], text, size - 1);
	assert_true(n >= 0);
	text[n] = '\0';
	close(client[1]);
}

/* Before TLS a line in clear would be no reply, but a broken handshake. */
static void
test_no_session(void **state)
{
	char text[128];

	(void)state;
	log_open(LOG_TO_NOTHING, LOG_ERROR_LEVEL);
	hear(false, text, sizeof(text));
	assert_string_equal(text,
	    "-ERR [SYS/TEMP] no process left on the server\r\n");
	hear(true, text, sizeof(text));
	assert_string_equal(text, "");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_no_session),
	};

	return cmocka_run_group_tests_name("monitor", tests, NULL, NULL);
}
