/*
 * A child made without fork handlers is told apart by the generators of random
 * numbers all the same: none draws what its parent or its sibling draws. Nor does
 * one that has the pid of a process that was there before.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <openssl/rand.h>

#include "priv/fork.h"

/* What getpid(2) tells; 0: the truth. */
static pid_t shown;

pid_t
getpid(void)
{
	return shown != 0 ? shown : (pid_t)syscall(SYS_getpid);
}

#define CHILDREN 3
#define DRAWN 16

/* Twice DRAWN octets: libbsd's, as it is linked, and libcrypto's. */
static void
draw(unsigned char octets[2 * DRAWN])
{
	arc4random_buf(octets, DRAWN);
	if (RAND_bytes(octets + DRAWN, DRAWN) != 1)
		memset(octets, 0, 2 * DRAWN);
}

/* In a child of which getpid(2) tells this. */
static void
draw_in_child(unsigned char octets[2 * DRAWN], pid_t pid_shown)
{
	int ends[2], status;
	pid_t pid;

	assert_int_equal(pipe(ends), 0);
	pid = fork_alone();
	assert_int_not_equal(pid, -1);
	if (pid == 0) {
		shown = pid_shown;
		draw(octets);
		_exit(write(ends[1], octets, 2 * DRAWN) != 2 * DRAWN);
	}
	assert_int_equal(read(ends[0], octets, 2 * DRAWN), 2 * DRAWN);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	close(ends[0]);
	close(ends[1]);
}

static void
test_random(void **state)
{
	unsigned char drawn[CHILDREN + 2][2 * DRAWN];

	(void)state;
	draw(drawn[0]);
	for (size_t i = 1; i <= CHILDREN; i++)
		draw_in_child(drawn[i], 0);
	draw(drawn[CHILDREN + 1]);
	for (size_t i = 0; i < CHILDREN + 2; i++) {
		for (size_t j = 0; j < i; j++) {
			assert_memory_not_equal(drawn[i], drawn[j], DRAWN);
			assert_memory_not_equal(drawn[i] + DRAWN, drawn[j] + DRAWN,
			    DRAWN);
		}
	}
}

/* The pid of a process that drew, went to the background and ended comes again. */
static void
test_pid_again(void **state)
{
	const pid_t ended = getpid();
	unsigned char drawn[2][2 * DRAWN];

	(void)state;
	draw(drawn[0]);
	shown = ended + 1;
	assert_int_equal(fork_renew_random(), 0);
	for (size_t i = 0; i < 2; i++)
		draw_in_child(drawn[i], ended);
	shown = 0;
	assert_memory_not_equal(drawn[0] + DRAWN, drawn[1] + DRAWN, DRAWN);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_random),
	    cmocka_unit_test(test_pid_again),
	};

	return cmocka_run_group_tests_name("fork", tests, NULL, NULL);
}
