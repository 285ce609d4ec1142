/*
 * A monitor and a session that has been taken over: it sends what no session
 * sends. Whatever it does, the monitor ends it, and ends itself.
 */
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "clock.h"
#include "config.h"
#include "ipc.h"
#include "log.h"
#include "priv/monitor.h"

#define LIMIT_MS 60000

/* What the session does; it never comes back from it of its own will. */
static void (*deed)(int pair);

_Noreturn void
session_serve(const struct session_setup *setup)
{
	deed(setup->pair);
	for (;;)
		pause();
}

_Noreturn void
session_recover(const struct session_setup *setup, const struct md_fds *fds)
{
	(void)setup;
	(void)fds;
	_exit(EXIT_FAILURE);
}

static int
send_plain(int pair, enum ipc_type type, uint32_t value)
{
	const struct ipc_plain plain = {.type = type, .value = value};

	return ipc_send(pair, &plain, sizeof(plain), NULL, 0);
}

/* Asks without end, and never reads an answer. */
static void
ask_and_not_read(int pair)
{
	const struct ipc_proxy proxy = {.type = IPC_PROXY};

	while (ipc_send(pair, &proxy, sizeof(proxy), NULL, 0) == 0)
		;
}

/* Each note is a line in the log. */
static void
fill_the_log(int pair)
{
	while (send_plain(pair, IPC_NOTE, IPC_NOTE_CLEARTEXT) == 0)
		;
}

static void
end_and_stay(int pair)
{
	const struct ipc_end end = {.type = IPC_END, .reason = UINT32_MAX};

	(void)ipc_send(pair, &end, sizeof(end), NULL, 0);
	close(pair);
}

/* What is legal only with a maildrop. */
static void
ask_too_early(int pair)
{
	(void)send_plain(pair, IPC_SET_ASIDE, 0);
}

static void
send_descriptors(int pair)
{
	const struct ipc_plain plain = {.type = IPC_NOTE, .value = UINT32_MAX};
	const int fds[] = {pair, pair, pair};

	while (ipc_send(pair, &plain, sizeof(plain), fds, 3) == 0)
		;
}

static void
leave_a_string_open(int pair)
{
	struct ipc_plain plain = {.type = IPC_NOTE, .value = IPC_NOTE_CLEARTEXT};

	memset(plain.text, 'x', sizeof(plain.text));
	(void)ipc_send(pair, &plain, sizeof(plain), NULL, 0);
}

/* More of a handshake than any client can have. */
static void
hand_over_without_end(int pair)
{
	const struct ipc_handshake piece = {.type = IPC_HANDSHAKE,
	    .length = IPC_PIECE_SIZE};

	while (ipc_send(pair, &piece, sizeof(piece), NULL, 0) == 0)
		;
}

static void
lie_about_a_length(int pair)
{
	const struct ipc_handshake piece = {.type = IPC_HANDSHAKE,
	    .length = IPC_PIECE_SIZE + 1};

	(void)ipc_send(pair, &piece, sizeof(piece), NULL, 0);
}

/* Whether a monitor with this session is gone in time. */
static bool
ends(const struct monitor_setup *setup)
{
	uint64_t deadline = clock_now() + LIMIT_MS;
	pid_t monitor = fork();
	int status;

	if (monitor == 0)
		_exit(monitor_run(setup));
	while (clock_now() < deadline) {
		if (waitpid(monitor, &status, WNOHANG) == monitor)
			return WIFEXITED(status) && WEXITSTATUS(status) == 0;
		clock_sleep(10);
	}
	kill(monitor, SIGKILL);
	(void)waitpid(monitor, &status, 0);
	return false;
}

static void
test_monitor_ends(void **statep)
{
	static void (*const deeds[])(int pair) = {ask_and_not_read, fill_the_log,
	    end_and_stay, ask_too_early, send_descriptors, leave_a_string_open,
	    hand_over_without_end, lie_about_a_length};
	struct monitor_setup setup = {.life = -1, .address = "192.0.2.1"};
	struct config *config;
	int client[2];

	(void)statep;
	log_open(LOG_TO_NOTHING, LOG_ERROR_LEVEL);
	assert_int_equal(config_load("/nonexistent/poplar.conf", false, NULL,
	                     stderr, &config),
	    0);
	setup.config = config;
	for (size_t i = 0; i < sizeof(deeds) / sizeof(deeds[0]); i++) {
		deed = deeds[i];
		assert_int_equal(
		    socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, client), 0);
		setup.client_in = setup.client_out = client[1];
		if (!ends(&setup))
			fail_msg("deed %zu: the monitor stays", i);
		close(client[0]);
		close(client[1]);
	}
	config_free(config);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_monitor_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
