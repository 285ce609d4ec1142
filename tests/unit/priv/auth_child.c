/*
 * The auth child and the PAM back end, with whatever a module may do to it.
 */
#include "pam_module.h"

#include <poll.h>
#include <sys/mman.h>

#include "log.h"
#include "told.h"

/* One attempt, waited for up to so many milliseconds. */
static enum auth_result
attempt(const char *user, const char *secret, unsigned ms,
    struct auth_verdict *verdict)
{
	/* a service whose file is there wherever PAM is */
	char backends[] = "pam", service[] = "other";
	const struct config config = {
	    .auth = {.backends = backends,
	             .pam_service = service,
	             .first_uid = 1000}
        };
	struct auth_request request = {.mech = IPC_MECH_PASS, .rhost = "192.0.2.7"};
	struct auth_child child;
	struct pollfd pollfd = {.events = POLLIN};

	strlcpy(request.user, user, sizeof(request.user));
	strlcpy(request.secret, secret, sizeof(request.secret));
	assert_int_equal(auth_begin(&config, &request, &child), 0);
	explicit_bzero(&request, sizeof(request));
	pollfd.fd = child.ready;
	(void)poll(&pollfd, 1, (int)ms);
	auth_end(&child, 0, verdict);
	assert_int_equal(child.pid, -1);
	assert_int_equal(child.ready, -1);
	return verdict->result;
}

static enum auth_result
quick(const char *user)
{
	struct auth_verdict verdict;

	return attempt(user, "x", 60000, &verdict);
}

/* Nothing is left of it: no child, no descriptor. */
static void
assert_clean(int descriptors)
{
	int open = 0;

	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	assert_int_equal(errno, ECHILD);
	for (int fd = 0; fd < 1024; fd++)
		open += fcntl(fd, F_GETFD) != -1;
	assert_int_equal(open, descriptors);
}

static int
count_descriptors(void)
{
	int open = 0;

	for (int fd = 0; fd < 1024; fd++)
		open += fcntl(fd, F_GETFD) != -1;
	return open;
}

static void
test_the_right_way(void **state)
{
	struct auth_verdict verdict;
	int before = count_descriptors();

	(void)state;
	assert_int_equal(attempt("alice", PASSWORD, 60000, &verdict), AUTH_OK);
	assert_int_equal(verdict.uid, 65534);
	assert_string_equal(verdict.name, "nobody");
	assert_string_equal(verdict.maildrop, "");
	assert_string_equal(shared->heard, PASSWORD);
	assert_string_equal(shared->service, "other");
	assert_string_equal(shared->user, "alice");
	assert_string_equal(shared->rhost, "192.0.2.7");
	assert_string_equal(shared->tty, "pop3");
	assert_true(shared->delay_set);
	assert_true(shared->confined);
	assert_true((unsigned)shared->flags & PAM_DISALLOW_NULL_AUTHTOK);
	assert_int_equal(shared->accounted, 1);
	assert_int_equal(shared->ended, 1);
	assert_clean(before);
}

static void
test_25_codes(void **state)
{
	static const struct {
		int auth, account;
		enum auth_result result;
	} rows[] = {
	    {PAM_AUTH_ERR,         0,                    AUTH_UNKNOWN}, /* no such account */
	    {PAM_USER_UNKNOWN,     0,                    AUTH_UNKNOWN},
	    {PAM_MAXTRIES,         0,                    AUTH_LOCKED },
	    {PAM_ACCT_EXPIRED,     0,                    AUTH_LOCKED },
	    {PAM_PERM_DENIED,      0,                    AUTH_LOCKED },
	    {0,	            PAM_ACCT_EXPIRED,     AUTH_LOCKED },
	    {0,	            PAM_NEW_AUTHTOK_REQD, AUTH_LOCKED },
	    {0,	            PAM_PERM_DENIED,      AUTH_LOCKED },
	    {0,	            PAM_AUTHTOK_EXPIRED,  AUTH_LOCKED },
	    {0,	            PAM_AUTH_ERR,         AUTH_UNKNOWN},
	    {PAM_SYSTEM_ERR,       0,                    AUTH_TROUBLE},
	    {PAM_AUTHINFO_UNAVAIL, 0,                    AUTH_TROUBLE},
	    {PAM_SERVICE_ERR,      0,                    AUTH_TROUBLE},
	    {PAM_ABORT,            0,                    AUTH_TROUBLE},
	    {PAM_IGNORE,           0,                    AUTH_TROUBLE},
	    {4711,                 0,                    AUTH_TROUBLE},
	    {-1,	           0,	            AUTH_TROUBLE},
	};
	struct auth_verdict verdict;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		code = rows[i].auth;
		account_code = rows[i].account;
		assert_int_equal(attempt("poplar-x", "x", 60000, &verdict),
		    rows[i].result);
		assert_int_equal(verdict.uid, 0);
		assert_string_equal(verdict.name, "");
	}
}

static void
test_25_uids(void **state)
{
	(void)state;
	strlcpy(read_back, "root", sizeof(read_back));
	assert_int_equal(quick("alice"), AUTH_UID);
	strlcpy(read_back, "daemon", sizeof(read_back));
	assert_int_equal(quick("alice"), AUTH_UID);
	code = PAM_AUTH_ERR;
	assert_int_not_equal(quick("root"), AUTH_UID);
}

static void
test_37_account_gone(void **state)
{
	struct told told;
	char text[1024];

	(void)state;
	strlcpy(read_back, "poplar-x", sizeof(read_back));
	assert_int_equal(quick("alice"), AUTH_UNKNOWN);
	strlcpy(read_back, "../x", sizeof(read_back));
	told_begin(&told, LOG_ERROR_LEVEL);
	assert_int_equal(quick("alice"), AUTH_TROUBLE);
	told_end(&told, text, sizeof(text));
	assert_non_null(strstr(text, "named \"../x\" cannot log in"));
}

static void
test_26_29_pam_is_not_asked(void **state)
{
	static const char *const names[] = {"", "../x", "a/b", ".", "-x", "x.lock",
	    "%u", "a:b", "a b"};
	struct auth_verdict verdict;

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		assert_int_equal(quick(names[i]), AUTH_UNKNOWN);
	assert_int_equal(attempt("alice", "", 60000, &verdict), AUTH_PASSWORD);
	assert_int_equal(shared->authenticated, 0);
	assert_string_equal(shared->user, "");
}

/* What PAM alone decides by this service, without a child. */
static enum auth_result
decided(char *service, const struct auth_request *request)
{
	char backends[] = "pam";
	const struct config config = {
	    .auth = {.backends = backends, .pam_service = service}
        };
	struct auth_verdict verdict;

	auth_decide(&config, request, &verdict);
	return verdict.result;
}

static void
test_31_no_apop(void **state)
{
	char service[] = "other";
	struct auth_request request = {.mech = IPC_MECH_APOP,
	    .user = "nobody",
	    .secret = "c4c9334bac560ecc979e58001b3e22fb",
	    .stamp = "<1@x>"};

	(void)state;
	assert_int_equal(decided(service, &request), AUTH_MECHANISM);
	strlcpy(request.user, "poplar-x", sizeof(request.user));
	assert_int_equal(decided(service, &request), AUTH_UNKNOWN);
	assert_int_equal(shared->authenticated, 0);
}

static void
test_111_no_service(void **state)
{
	char service[] = "poplar-test-absent";
	const struct auth_request request = {.mech = IPC_MECH_PASS,
	    .user = "nobody",
	    .secret = "x"};

	(void)state;
	assert_int_equal(decided(service, &request), AUTH_UNKNOWN);
	assert_int_equal(shared->authenticated, 0);
	assert_false(pam_service_present("../passwd"));
	assert_true(pam_service_present("other"));
}

static void
test_conversation(void **state)
{
	(void)state;
	assert_int_equal(quick("text"), AUTH_OK);
	assert_int_equal(quick("echo"), AUTH_TROUBLE);
}

static void
test_35_module_ends_the_child(void **state)
{
	static const char *const users[] = {"crash", "exit", "short", "zeros",
	    "ones", "unterminated", "extra"};
	int before = count_descriptors();

	(void)state;
	for (size_t i = 0; i < sizeof(users) / sizeof(users[0]); i++) {
		assert_int_equal(quick(users[i]), AUTH_TROUBLE);
		assert_clean(before);
	}
}

static void
test_35_module_hangs(void **state)
{
	static const char *const users[] = {"hang", "stubborn", "stop"};
	struct auth_verdict verdict;
	int before = count_descriptors();
	uint64_t start;

	(void)state;
	for (size_t i = 0; i < sizeof(users) / sizeof(users[0]); i++) {
		start = clock_now();
		assert_int_equal(attempt(users[i], "x", 50, &verdict),
		    AUTH_TROUBLE);
		assert_true(clock_now() - start < 10000);
		assert_clean(before);
	}
}

/* What a module started is ended; the caller's own session is not. */
static void
test_35_module_leaves_daemons(void **state)
{
	static const struct {
		const char *user;
		enum auth_result result;
	} rows[] = {
	    {"daemon",       AUTH_OK     },
            {"daemon-crash", AUTH_TROUBLE}
        };
	char backends[] = "pam", service[] = "other";
	const struct config config = {
	    .auth = {.backends = backends,
	             .pam_service = service,
	             .first_uid = 1000}
        };
	struct auth_request request = {.mech = IPC_MECH_PASS, .secret = "x"};
	struct auth_verdict verdict;
	struct auth_child child;
	struct pollfd pollfd;
	pid_t session = fork();

	(void)state;
	if (session == 0)
		hang();
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		memset(shared, 0, sizeof(*shared));
		strlcpy(request.user, rows[i].user, sizeof(request.user));
		assert_int_equal(auth_begin(&config, &request, &child), 0);
		/* a daemon that holds the pipe does not hold the caller up */
		pollfd = (struct pollfd){.fd = child.ready, .events = POLLIN};
		assert_int_equal(poll(&pollfd, 1, 60000), 1);
		auth_end(&child, session, &verdict);
		assert_int_equal(verdict.result, rows[i].result);
		for (int d = 0; d < DAEMONS; d++) {
			assert_int_not_equal(shared->daemons[d], 0);
			assert_int_equal(kill(shared->daemons[d], 0), -1);
		}
		assert_int_equal(waitpid(session, NULL, WNOHANG), 0);
	}
	assert_int_equal(kill(session, SIGKILL), 0);
	assert_int_equal(waitpid(session, NULL, 0), session);
	assert_clean(count_descriptors());
}

static int
set_up(void **state)
{
	(void)state;
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	log_open(LOG_TO_NOTHING, LOG_ERROR_LEVEL);
	return shared == MAP_FAILED ? -1 : prctl(PR_SET_CHILD_SUBREAPER, 1);
}

static int
reset(void **state)
{
	(void)state;
	memset(shared, 0, sizeof(*shared));
	code = account_code = PAM_SUCCESS;
	strlcpy(read_back, "nobody", sizeof(read_back));
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup(test_the_right_way, reset),
	    cmocka_unit_test_setup(test_25_codes, reset),
	    cmocka_unit_test_setup(test_25_uids, reset),
	    cmocka_unit_test_setup(test_26_29_pam_is_not_asked, reset),
	    cmocka_unit_test_setup(test_31_no_apop, reset),
	    cmocka_unit_test_setup(test_35_module_ends_the_child, reset),
	    cmocka_unit_test_setup(test_35_module_hangs, reset),
	    cmocka_unit_test_setup(test_35_module_leaves_daemons, reset),
	    cmocka_unit_test_setup(test_37_account_gone, reset),
	    cmocka_unit_test_setup(test_111_no_service, reset),
	    cmocka_unit_test_setup(test_conversation, reset),
	};

	return cmocka_run_group_tests(tests, set_up, NULL);
}
