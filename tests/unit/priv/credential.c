/*
 * Every form of a credential: what matches it, what never does, and how long a
 * refusal takes.
 */
#include "users_place.h"

#include <limits.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>

static void
test_credentials(void **state)
{
	(void)state;
	assert_int_equal(with_credential("{PLAIN}sesame", "sesame"), AUTH_OK);
	assert_int_equal(with_credential("{PLAIN}sesame", "sesam"), AUTH_PASSWORD);
	assert_int_equal(with_credential("{PLAIN}sesame", "sesamee"),
	    AUTH_PASSWORD);
	assert_int_equal(with_credential(SHA512, "sesame"), AUTH_OK);
	assert_int_equal(with_credential(SHA512, "Sesame"), AUTH_PASSWORD);
	assert_int_equal(with_credential("{CRYPT}" SHA512, "sesame"), AUTH_OK);
	assert_int_equal(with_credential(YESCRYPT, "sesame"), AUTH_OK);
	assert_int_equal(with_credential(YESCRYPT, "sesamf"), AUTH_PASSWORD);
	assert_int_equal(with_credential("{SCRAM-SHA-256}" SCRAM, "pencil"),
	    AUTH_OK);
	assert_int_equal(with_credential("{SCRAM-SHA-256}" SCRAM, "pencils"),
	    AUTH_PASSWORD);
}

static void
test_credentials_that_never_match(void **state)
{
	static const char *const wrong[] = {"", "x", "secret", "se", "_",
	    "sesamesesames", "sesame", "{", "{}", "{PLAIN}", "{APOP}", "{CRYPT}",
	    "{MD5}sesame", "{plain}sesame", "*0", "*1", "$", "$6$",
	    "{SCRAM-SHA-256}", "{SCRAM-SHA-256}4096,,,",
	    "{SCRAM-SHA-256}0,W22ZaJ0SNY7soEsUEjb6gQ==,"
	    "WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=,"
	    "wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=",
	    "{SCRAM-SHA-256}99999999999,W22ZaJ0SNY7soEsUEjb6gQ==,"
	    "WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=,"
	    "wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=",
	    "{SCRAM-SHA-256}" SCRAM ",", "{SCRAM-SHA-256}" SCRAM "A",
	    "{SCRAM-SHA-256}4096,W22ZaJ0SNY7soEsUEjb6gQ=,"
	    "WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=,"
	    "wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=",
	    "{SCRAM-SHA-256}4096,W22ZaJ0SNY7soEsUEjb6gQ==,"
	    "WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4q==,"
	    "wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="};

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		assert_int_not_equal(with_credential(wrong[i], "sesame"), AUTH_OK);
		assert_int_not_equal(with_credential(wrong[i], "pencil"), AUTH_OK);
		assert_int_not_equal(with_credential(wrong[i], "x"), AUTH_OK);
		assert_int_not_equal(with_credential(wrong[i], wrong[i]), AUTH_OK);
	}
}

static void
test_26_empty(void **state)
{
	(void)state;
	users("alice:{PLAIN}:1234:1234:::\nbob:{PLAIN}x:1234:1234:::\n"
	      "::1234:1234:::\n:{PLAIN}x:1234:1234:::\n");
	assert_int_equal(ask("alice", ""), AUTH_PASSWORD);
	assert_int_equal(ask("bob", ""), AUTH_PASSWORD);
	assert_int_equal(ask("", "x"), AUTH_UNKNOWN);
	assert_int_equal(ask("", ""), AUTH_UNKNOWN);
}

static void
test_28_passwords_are_byte_exact(void **state)
{
	char longest[256], text[600];
	static const char *const odd[] = {" blank before", "blank after ", "  ",
	    " ", "in side", "\ttab\t", "50%", "%s%n%u", "#hash", "!bang",
	    "p\303\244ss", "\377\376", "{PLAIN}", "back\\slash", "\r"};

	(void)state;
	for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
		snprintf(text, sizeof(text), "{PLAIN}%s", odd[i]);
		assert_int_equal(with_credential(text, odd[i]), AUTH_OK);
		snprintf(text, sizeof(text), "%s ", odd[i]);
		assert_int_equal(ask("alice", text), AUTH_PASSWORD);
		assert_int_equal(ask("alice", odd[i] + 1), AUTH_PASSWORD);
	}
	memset(longest, 'a', sizeof(longest) - 1);
	longest[255] = '\0';
	snprintf(text, sizeof(text), "{PLAIN}%s", longest);
	assert_int_equal(with_credential(text, longest), AUTH_OK);
	longest[254] = 'b';
	assert_int_equal(ask("alice", longest), AUTH_PASSWORD);
	longest[254] = '\0';
	assert_int_equal(ask("alice", longest), AUTH_PASSWORD);
}

static void
test_30_31_apop_or_pass(void **state)
{
	(void)state;
	users("a:{APOP}tanstaaf:1234:1234:::\np:{PLAIN}tanstaaf:1234:1234:::\n");
	assert_int_equal(ask_apop("a", DIGEST), AUTH_OK);
	assert_int_equal(ask_apop("a", "c4c9334bac560ecc979e58001b3e22fB"),
	    AUTH_PASSWORD);
	assert_int_equal(ask_apop("a", "c4c9334b"), AUTH_PASSWORD);
	assert_int_equal(ask("a", "tanstaaf"), AUTH_MECHANISM);
	assert_int_equal(ask("a", DIGEST), AUTH_MECHANISM);
	assert_int_equal(ask_apop("p", DIGEST), AUTH_MECHANISM);
	assert_int_equal(ask("p", "tanstaaf"), AUTH_OK);
}

/* The shortest of some tries, in microseconds of this process's own time. */
static long
shortest(const char *name)
{
	long best = LONG_MAX, took;

	for (int i = 0; i < 5; i++) {
		clock_t start = clock();

		assert_int_not_equal(ask(name, "wrong"), AUTH_OK);
		took = (clock() - start) * 1000000 / CLOCKS_PER_SEC;
		best = took < best ? took : best;
	}
	return best;
}

/* A name that has no hash takes about as long as one that has the default's. */
static void
test_40_time_of_a_refusal(void **state)
{
	static const char *const names[] = {"plain", "apop", "locked", "broken",
	    "twice", "unknown", "zero"};
	long hashed;

	(void)state;
	users("hashed:" DEFAULT_COST ":1234:1234:::\nplain:{PLAIN}x:1234:1234:::\n"
	      "apop:{APOP}x:1234:1234:::\nlocked:!:1234:1234:::\nbroken:{PLAIN}x\n"
	      "twice:!:1234:1234:::\ntwice:!:1234:1234:::\n"
	      "zero:" DEFAULT_COST ":0:0:::\n");
	hashed = shortest("hashed");
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		assert_in_range(shortest(names[i]), hashed / 2, hashed * 2);
	}
}

/* Of a process of its own; tight: with little more memory than it has. */
static int
result_apart(const char *name, bool tight)
{
	struct rlimit limit;
	unsigned long pages = 0;
	FILE *statm;
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		statm = fopen("/proc/self/statm", "r");
		if (statm == NULL ||
		    fscanf(statm, "%*u %*u %*u %*u %*u %lu", &pages) != 1)
			_exit(AUTH_RESULTS);
		limit.rlim_cur = limit.rlim_max = pages * 4096 + (4 << 20);
		if (tight && setrlimit(RLIMIT_DATA, &limit) == -1)
			_exit(AUTH_RESULTS);
		_exit((int)ask(name, "sesame"));
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

/* Nobody is told of a wrong password, nor which of the names there is. */
static void
test_hash_that_cannot_be_made(void **state)
{
	static const char *const names[] = {"hashed", "locked", "unknown"};

	(void)state;
	users("hashed:" DEFAULT_COST ":1234:1234:::\ndamaged:$7$x:1234:1234:::\n"
	      "locked:!" DEFAULT_COST ":1234:1234:::\n");
	assert_int_equal(result_apart("hashed", false), AUTH_OK);
	assert_int_equal(result_apart("locked", false), AUTH_LOCKED);
	assert_int_equal(result_apart("unknown", false), AUTH_UNKNOWN);
	assert_int_equal(result_apart("damaged", false), AUTH_TROUBLE);
#ifdef POPLAR_SANITIZED
	skip();
#endif
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		assert_int_equal(result_apart(names[i], true), AUTH_TROUBLE);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_credentials),
	    cmocka_unit_test(test_credentials_that_never_match),
	    cmocka_unit_test(test_26_empty),
	    cmocka_unit_test(test_28_passwords_are_byte_exact),
	    cmocka_unit_test(test_30_31_apop_or_pass),
	    cmocka_unit_test(test_40_time_of_a_refusal),
	    cmocka_unit_test(test_hash_that_cannot_be_made),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
