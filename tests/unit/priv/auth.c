/*
 * The order of the back ends, and what a request must be before one is asked.
 */
#include "users_place.h"

/* A name or a secret without an end never reaches a back end. */
static void
test_malformed_requests(void **state)
{
	char backends[] = "users";
	const struct config config = {
	    .auth = {.backends = backends, .users_file = path, .first_uid = 1000},
	    .maildrop = {.path = maildrops  }
        };
	struct auth_request request = {.mech = IPC_MECH_PASS};
	struct auth_verdict verdict;

	(void)state;
	users("alice:{PLAIN}x:1234:1234:::\n");
	memset(request.user, 'a', sizeof(request.user));
	auth_decide(&config, &request, &verdict);
	assert_int_equal(verdict.result, AUTH_TROUBLE);
	strlcpy(request.user, "alice", sizeof(request.user));
	memset(request.secret, 'x', sizeof(request.secret));
	auth_decide(&config, &request, &verdict);
	assert_int_equal(verdict.result, AUTH_TROUBLE);
	strlcpy(request.secret, "x", sizeof(request.secret));
	request.mech = IPC_MECHS;
	auth_decide(&config, &request, &verdict);
	assert_int_equal(verdict.result, AUTH_TROUBLE);
	request.mech = 0;
	auth_decide(&config, &request, &verdict);
	assert_int_equal(verdict.result, AUTH_TROUBLE);
	request.mech = IPC_MECH_PASS;
	auth_decide(&config, &request, &verdict);
	assert_int_equal(verdict.result, AUTH_OK);
}

static void
test_unknown_backend(void **state)
{
	char backends[] = "ldap users";
	const struct config config = {
	    .auth = {.backends = backends, .users_file = path, .first_uid = 1000},
	    .maildrop = {.path = maildrops  }
        };
	struct auth_request request = {.mech = IPC_MECH_PASS,
	    .user = "alice",
	    .secret = "x"};
	struct auth_verdict verdict;

	(void)state;
	users("alice:{PLAIN}x:1234:1234:::\n");
	auth_decide(&config, &request, &verdict);
	assert_int_equal(verdict.result, AUTH_TROUBLE);
}

static void
test_back_ends(void **state)
{
	static const struct {
		char backends[16];
		bool alone, pam;
	} cases[] = {
	    {"users",     true,  false},
	    {"\tusers ",  true,  false},
	    {"pam",       false, true },
	    {"users pam", false, true },
	    {"pam users", false, true },
	    {"user",      false, false},
	    {"userss",    false, false},
	    {"",          false, false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char backends[16];
		const struct config config = {.auth = {.backends = backends}};

		strlcpy(backends, cases[i].backends, sizeof(backends));
		assert_int_equal(auth_users_alone(&config), cases[i].alone);
		assert_int_equal(pam_is_used(&config), cases[i].pam);
	}
}

static void
test_result_names(void **state)
{
	(void)state;
	assert_string_equal(auth_result_name(AUTH_PASSWORD), "password");
	assert_string_equal(auth_result_name(AUTH_UNKNOWN), "unknown");
	assert_string_equal(auth_result_name(AUTH_LOCKED), "locked");
	for (int i = 0; i < AUTH_RESULTS + 3; i++)
		assert_non_null(auth_result_name((enum auth_result)i));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_malformed_requests),
	    cmocka_unit_test(test_unknown_backend),
	    cmocka_unit_test(test_back_ends),
	    cmocka_unit_test(test_result_names),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
