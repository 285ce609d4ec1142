/*
 * The process that checks a certificate, with a check of our own in its place:
 * what it holds, and which of its ends are a proof.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "log.h"
#include "priv/certificate_proof.h"
#include "session.h"

#define NAME "mrose"

/* How the check goes: it may end with a status, or by a signal. */
static int status, sent;

/* What it saw. */
static struct seen {
	unsigned open, null;
	bool claim;
	pid_t parent;
} * seen;

static bool
is_null(int fd)
{
	struct stat here, null;

	return fstat(fd, &here) == 0 && stat("/dev/null", &null) == 0 &&
	       here.st_rdev == null.st_rdev;
}

_Noreturn void
session_prove(const struct session_claim *claim)
{
	for (int fd = 0; fd < 256; fd++) {
		seen->open += fcntl(fd, F_GETFD) != -1;
		seen->null += is_null(fd);
	}
	seen->parent = claim->parent;
	seen->claim = strcmp(claim->user, NAME) == 0 && claim->length == 3 &&
	              memcmp(claim->handshake, "abc", 3) == 0;
	if (sent != 0) {
		/* past the handlers of the test */
		(void)signal(sent, SIG_DFL);
		(void)raise(sent);
	}
	_exit(status);
}

static bool
is_proven(int how, int signal_number)
{
	const struct session_claim claim = {
	    .handshake = (const unsigned char *)"abc",
	    .length = 3,
	    .user = "somebody else"};
	const struct auth_request request = {.mech = IPC_MECH_EXTERNAL,
	    .user = NAME,
	    .claim = &claim};

	status = how;
	sent = signal_number;
	memset(seen, 0, sizeof(*seen));
	return certificate_proven(&request);
}

/* The verdict's pipe is the auth child's, and whoever has it can say yes. */
static void
test_holds_nothing(void **state)
{
	int pipe_ends[2];

	(void)state;
	assert_int_equal(pipe(pipe_ends), 0);
	assert_true(is_proven(PROVED, 0));
	assert_int_equal(seen->open, 3);
#ifndef POPLAR_SANITIZED
	assert_int_equal(seen->null, 3);
#endif
	assert_int_equal(seen->parent, getpid());
	close(pipe_ends[0]);
	close(pipe_ends[1]);
}

/* The name that is proved is the one that logs in, whatever the claim says. */
static void
test_name_of_the_request(void **state)
{
	(void)state;
	assert_true(is_proven(PROVED, 0));
	assert_true(seen->claim);
}

static void
test_only_one_status_is_a_proof(void **state)
{
	(void)state;
	for (int how = 0; how < 256; how++)
		assert_int_equal(is_proven(how, 0), how == PROVED);
}

static void
test_death_is_no_proof(void **state)
{
	static const int signals[] = {SIGKILL, SIGSYS, SIGSEGV, SIGINT, SIGTERM};

	(void)state;
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		assert_false(is_proven(PROVED, signals[i]));
}

static void
test_no_claim(void **state)
{
	const struct auth_request request = {.mech = IPC_MECH_EXTERNAL,
	    .user = NAME};

	(void)state;
	status = PROVED;
	assert_false(certificate_proven(&request));
}

static int
set_up(void **state)
{
	int null = open("/dev/null", O_RDWR);

	(void)state;
	seen = mmap(NULL, sizeof(*seen), PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (seen == MAP_FAILED || dup2(null, STDIN_FILENO) == -1)
		return -1;
	return close(null);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_holds_nothing),
	    cmocka_unit_test(test_name_of_the_request),
	    cmocka_unit_test(test_only_one_status_is_a_proof),
	    cmocka_unit_test(test_death_is_no_proof),
	    cmocka_unit_test(test_no_claim),
	};

	log_open(LOG_TO_NOTHING, LOG_ERROR_LEVEL);
	return cmocka_run_group_tests(tests, set_up, NULL);
}
