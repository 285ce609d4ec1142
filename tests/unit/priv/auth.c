/*
 * The auth child and the PAM back end, with a PAM of our own that behaves as
 * the name tells it: hangs, crashes, exits, leaves daemons behind, writes on
 * the verdict's pipe. No root, no /etc/pam.d: geteuid() is pretended too.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "clock.h"
#include "log.h"
#include "priv/auth.h"
#include "priv/pam_library.h"

#define PASSWORD " pass%s\tw\303\266rd "
#define DAEMONS 5

/* What the child tells besides its verdict. */
static struct shared {
	pid_t daemons[DAEMONS];
	char heard[IPC_SECRET_MAX];
	char service[64], user[256], rhost[64], tty[64];
	int authenticated, accounted, ended, flags;
	bool confined, delay_set;
} * shared;

static const struct pam_conv *conversation;
static char read_back[256]; /* PAM_USER after authentication */
static int code, account_code;

uid_t
geteuid(void)
{
	return 0;
}

static int
ask_style(int style, struct pam_response **responsep)
{
	const struct pam_message message = {style, "?"};
	const struct pam_message *messages = &message;

	*responsep = NULL;
	return conversation->conv(1, &messages, responsep,
	    conversation->appdata_ptr);
}

/* Prompts for the password as pam_unix does. */
static int
hear_password(void)
{
	struct pam_response *response;
	int result = ask_style(PAM_PROMPT_ECHO_OFF, &response);

	if (result != PAM_SUCCESS)
		return result;
	strlcpy(shared->heard, response->resp, sizeof(shared->heard));
	free(response->resp);
	free(response);
	return PAM_SUCCESS;
}

static bool
is_null(int fd)
{
	struct stat here, null;

	return fstat(fd, &here) == 0 && stat("/dev/null", &null) == 0 &&
	       here.st_rdev == null.st_rdev && here.st_ino == null.st_ino;
}

static int
verdict_pipe(void)
{
	struct stat st;

	for (int fd = 3; fd < 1024; fd++) {
		if (fstat(fd, &st) == 0 && S_ISFIFO(st.st_mode))
			return fd;
	}
	return -1;
}

static bool
only_descriptors(void)
{
	int extra = 0;

	for (int fd = 3; fd < 1024; fd++)
		extra += fcntl(fd, F_GETFD) != -1;
	return extra == 1 && verdict_pipe() != -1 && is_null(0) && is_null(1) &&
	       is_null(2);
}

static bool
is_confined(void)
{
	struct rlimit core;
	struct sigaction action;
	sigset_t mask;

	return only_descriptors() && getsid(0) == getpid() &&
	       getpgrp() == getpid() && getrlimit(RLIMIT_CORE, &core) == 0 &&
	       core.rlim_max == 0 && prctl(PR_GET_DUMPABLE) == 0 &&
	       sigaction(SIGTERM, NULL, &action) == 0 &&
	       action.sa_handler == SIG_DFL &&
	       sigprocmask(SIG_BLOCK, NULL, &mask) == 0 &&
	       !sigismember(&mask, SIGUSR1) && alarm(0) > AUTH_LIMIT_MS / 1000;
}

static _Noreturn void
hang(void)
{
	for (;;)
		pause();
}

static int
act_hang(void)
{
	hang();
	return PAM_SUCCESS;
}

/* Every signal that can be is blocked. */
static int
act_stubborn(void)
{
	sigset_t all;

	sigfillset(&all);
	(void)sigprocmask(SIG_SETMASK, &all, NULL);
	hang();
	return PAM_SUCCESS;
}

static int
act_crash(void)
{
	(void)raise(SIGSEGV);
	return PAM_SUCCESS;
}

static int
act_exit(void)
{
	exit(0);
}

static int
act_stop(void)
{
	(void)raise(SIGSTOP);
	return PAM_SUCCESS;
}

/* Processes in sessions of their own, orphans at once. */
static void
start_daemons(void)
{
	int status;

	for (int i = 0; i < DAEMONS; i++) {
		pid_t pid = fork();

		if (pid == 0) {
			(void)setsid();
			pid = fork();
			if (pid != 0)
				_exit(0);
			shared->daemons[i] = getpid();
			hang();
		}
		(void)waitpid(pid, &status, 0);
		while (*(volatile pid_t *)&shared->daemons[i] == 0)
			clock_sleep(1);
	}
}

static int
act_daemon(void)
{
	start_daemons();
	return PAM_SUCCESS;
}

static int
act_daemon_crash(void)
{
	start_daemons();
	return act_crash();
}

static int
write_and_exit(size_t size, unsigned char fill)
{
	static unsigned char junk[sizeof(struct auth_verdict) + 8];
	ssize_t written;

	memset(junk, fill, sizeof(junk));
	written = write(verdict_pipe(), junk, size);
	_exit(written == -1);
}

static int
act_short(void)
{
	return write_and_exit(sizeof(struct auth_verdict) - 1, 0);
}

/* result 0 is AUTH_OK, but then there is neither name nor uid */
static int
act_zeros(void)
{
	return write_and_exit(sizeof(struct auth_verdict), 0);
}

static int
act_ones(void)
{
	return write_and_exit(sizeof(struct auth_verdict), 0xff);
}

/* AUTH_PASSWORD in range, strings not terminated */
static int
act_unterminated(void)
{
	static struct auth_verdict verdict;
	ssize_t written;

	memset(&verdict, 'x', sizeof(verdict));
	verdict.result = AUTH_OK;
	verdict.uid = verdict.gid = 1234;
	written = write(verdict_pipe(), &verdict, sizeof(verdict));
	_exit(written == -1);
}

static int
act_extra(void)
{
	ssize_t written = write(verdict_pipe(), "x", 1);

	return written == 1 ? PAM_SUCCESS : PAM_SYSTEM_ERR;
}

static int
act_echo(void)
{
	struct pam_response *response;

	return ask_style(PAM_PROMPT_ECHO_ON, &response);
}

static int
act_text(void)
{
	struct pam_response *response;
	int result = ask_style(PAM_TEXT_INFO, &response);

	if (result == PAM_SUCCESS && response->resp == NULL)
		free(response);
	else
		result = PAM_SYSTEM_ERR;
	return result;
}

static const struct {
	const char *user;
	int (*act)(void);
} acts[] = {
    {"hang",         act_hang        },
    {"stubborn",     act_stubborn    },
    {"crash",        act_crash       },
    {"exit",         act_exit        },
    {"stop",         act_stop        },
    {"daemon",       act_daemon      },
    {"daemon-crash", act_daemon_crash},
    {"short",        act_short       },
    {"zeros",        act_zeros       },
    {"ones",         act_ones        },
    {"unterminated", act_unterminated},
    {"extra",        act_extra       },
    {"echo",         act_echo        },
    {"text",         act_text        },
};

static int
our_start(const char *service, const char *user, const struct pam_conv *conv,
    pam_handle_t **handlep)
{
	strlcpy(shared->service, service, sizeof(shared->service));
	strlcpy(shared->user, user, sizeof(shared->user));
	conversation = conv;
	*handlep = (pam_handle_t *)shared;
	return PAM_SUCCESS;
}

static int
our_set_item(pam_handle_t *handle, int type, const void *item)
{
	(void)handle;
	if (type == PAM_TTY)
		strlcpy(shared->tty, item, sizeof(shared->tty));
	else if (type == PAM_RHOST)
		strlcpy(shared->rhost, item, sizeof(shared->rhost));
	else if (type == PAM_FAIL_DELAY)
		shared->delay_set = item != NULL;
	return PAM_SUCCESS;
}

static int
our_get_item(const pam_handle_t *handle, int type, const void **itemp)
{
	(void)handle;
	assert_int_equal(type, PAM_USER);
	*itemp = read_back;
	return PAM_SUCCESS;
}

static int
our_authenticate(pam_handle_t *handle, int flags)
{
	(void)handle;
	shared->authenticated++;
	shared->flags = flags;
	shared->confined = is_confined();
	for (size_t i = 0; i < sizeof(acts) / sizeof(acts[0]); i++) {
		if (strcmp(shared->user, acts[i].user) == 0)
			return acts[i].act();
	}
	return hear_password() == PAM_SUCCESS ? code : PAM_SYSTEM_ERR;
}

static int
our_acct_mgmt(pam_handle_t *handle, int flags)
{
	(void)handle;
	(void)flags;
	shared->accounted++;
	return account_code;
}

static int
our_end(pam_handle_t *handle, int status)
{
	(void)handle;
	(void)status;
	shared->ended++;
	return PAM_SUCCESS;
}

static const char *
our_strerror(pam_handle_t *handle, int number)
{
	(void)handle;
	(void)number;
	return "as the test wants";
}

int
pam_library_load(struct pam_library *pam)
{
	*pam = (struct pam_library){our_start, our_set_item, our_get_item,
	    our_authenticate, our_acct_mgmt, our_strerror, our_end};
	return 0;
}

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

	return attempt(user, "x", 5000, &verdict);
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
	assert_int_equal(attempt("alice", PASSWORD, 5000, &verdict), AUTH_OK);
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
		assert_int_equal(attempt("poplar-x", "x", 5000, &verdict),
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
	(void)state;
	strlcpy(read_back, "poplar-x", sizeof(read_back));
	assert_int_equal(quick("alice"), AUTH_UNKNOWN);
	strlcpy(read_back, "../x", sizeof(read_back));
	assert_int_equal(quick("alice"), AUTH_TROUBLE);
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
	assert_int_equal(attempt("alice", "", 5000, &verdict), AUTH_PASSWORD);
	assert_int_equal(shared->authenticated, 0);
	assert_string_equal(shared->user, "");
}

static void
test_31_no_apop(void **state)
{
	char backends[] = "pam", service[] = "other";
	const struct config config = {
	    .auth = {.backends = backends, .pam_service = service}
        };
	struct auth_request request = {.mech = IPC_MECH_APOP,
	    .user = "nobody",
	    .secret = "c4c9334bac560ecc979e58001b3e22fb",
	    .stamp = "<1@x>"};
	struct auth_verdict verdict;

	(void)state;
	auth_decide(&config, &request, &verdict);
	assert_int_equal(verdict.result, AUTH_MECHANISM);
	strlcpy(request.user, "poplar-x", sizeof(request.user));
	auth_decide(&config, &request, &verdict);
	assert_int_equal(verdict.result, AUTH_UNKNOWN);
	assert_int_equal(shared->authenticated, 0);
}

static void
test_111_no_service(void **state)
{
	char backends[] = "pam", service[] = "poplar-test-absent";
	const struct config config = {
	    .auth = {.backends = backends, .pam_service = service}
        };
	struct auth_request request = {.mech = IPC_MECH_PASS,
	    .user = "nobody",
	    .secret = "x"};
	struct auth_verdict verdict;

	(void)state;
	auth_decide(&config, &request, &verdict);
	assert_int_equal(verdict.result, AUTH_UNKNOWN);
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
		assert_true(clock_now() - start < 1500);
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
	uint64_t start = clock_now();
	pid_t session = fork();

	(void)state;
	if (session == 0)
		hang();
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		memset(shared, 0, sizeof(*shared));
		strlcpy(request.user, rows[i].user, sizeof(request.user));
		assert_int_equal(auth_begin(&config, &request, &child), 0);
		(void)poll(&(struct pollfd){.fd = child.ready, .events = POLLIN}, 1,
		    10000);
		/* a daemon that holds the pipe does not hold the caller up */
		assert_true(clock_now() - start < 5000);
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
