/*
 * A PAM of our own, that behaves as the name tells it: hangs, crashes, exits,
 * leaves daemons behind, writes on the verdict's pipe. No root, no /etc/pam.d:
 * geteuid() is pretended too.
 */
#ifndef POPLAR_TEST_PAM_MODULE_H
#define POPLAR_TEST_PAM_MODULE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "priv/auth_child.h"
#include "priv/pam.h"
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

static inline int
ask_style(int style, struct pam_response **responsep)
{
	const struct pam_message message = {style, "?"};
	const struct pam_message *messages = &message;

	*responsep = NULL;
	return conversation->conv(1, &messages, responsep,
	    conversation->appdata_ptr);
}

/* Prompts for the password as pam_unix does. */
static inline int
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

static inline bool
is_null(int fd)
{
	struct stat here, null;

	return fstat(fd, &here) == 0 && stat("/dev/null", &null) == 0 &&
	       here.st_rdev == null.st_rdev && here.st_ino == null.st_ino;
}

static inline int
verdict_pipe(void)
{
	struct stat st;

	for (int fd = 3; fd < 1024; fd++) {
		if (fstat(fd, &st) == 0 && S_ISFIFO(st.st_mode))
			return fd;
	}
	return -1;
}

static inline bool
only_descriptors(void)
{
	int extra = 0;

	for (int fd = 3; fd < 1024; fd++)
		extra += fcntl(fd, F_GETFD) != -1;
	return extra == 1 && verdict_pipe() != -1 && is_null(0) && is_null(1) &&
	       is_null(2);
}

static inline bool
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

static inline _Noreturn void
hang(void)
{
	for (;;)
		pause();
}

static inline int
act_hang(void)
{
	hang();
	return PAM_SUCCESS;
}

/* Every signal that can be is blocked. */
static inline int
act_stubborn(void)
{
	sigset_t all;

	sigfillset(&all);
	(void)sigprocmask(SIG_SETMASK, &all, NULL);
	hang();
	return PAM_SUCCESS;
}

static inline int
act_crash(void)
{
	(void)raise(SIGSEGV);
	return PAM_SUCCESS;
}

static inline int
act_exit(void)
{
	exit(0);
}

static inline int
act_stop(void)
{
	(void)raise(SIGSTOP);
	return PAM_SUCCESS;
}

/* Processes in sessions of their own, orphans at once. */
static inline void
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

static inline int
act_daemon(void)
{
	start_daemons();
	return PAM_SUCCESS;
}

static inline int
act_daemon_crash(void)
{
	start_daemons();
	return act_crash();
}

static inline int
write_and_exit(size_t size, unsigned char fill)
{
	static unsigned char junk[sizeof(struct auth_verdict) + 8];
	ssize_t written;

	memset(junk, fill, sizeof(junk));
	written = write(verdict_pipe(), junk, size);
	_exit(written == -1);
}

static inline int
act_short(void)
{
	return write_and_exit(sizeof(struct auth_verdict) - 1, 0);
}

/* result 0 is AUTH_OK, but then there is neither name nor uid */
static inline int
act_zeros(void)
{
	return write_and_exit(sizeof(struct auth_verdict), 0);
}

static inline int
act_ones(void)
{
	return write_and_exit(sizeof(struct auth_verdict), 0xff);
}

/* AUTH_PASSWORD in range, strings not terminated */
static inline int
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

static inline int
act_extra(void)
{
	ssize_t written = write(verdict_pipe(), "x", 1);

	return written == 1 ? PAM_SUCCESS : PAM_SYSTEM_ERR;
}

static inline int
act_echo(void)
{
	struct pam_response *response;

	return ask_style(PAM_PROMPT_ECHO_ON, &response);
}

static inline int
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

static inline int
our_start(const char *service, const char *user, const struct pam_conv *conv,
    pam_handle_t **handlep)
{
	strlcpy(shared->service, service, sizeof(shared->service));
	strlcpy(shared->user, user, sizeof(shared->user));
	conversation = conv;
	*handlep = (pam_handle_t *)shared;
	return PAM_SUCCESS;
}

static inline int
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

static inline int
our_get_item(const pam_handle_t *handle, int type, const void **itemp)
{
	(void)handle;
	assert_int_equal(type, PAM_USER);
	*itemp = read_back;
	return PAM_SUCCESS;
}

static inline int
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

static inline int
our_acct_mgmt(pam_handle_t *handle, int flags)
{
	(void)handle;
	(void)flags;
	shared->accounted++;
	return account_code;
}

static inline int
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

#endif
