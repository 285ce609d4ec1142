/*
 * A PAM module that behaves as its arguments say, NAME=ACTION for each user,
 * and tells what it was given: tests/system/test_auth_pam.py compiles it and
 * names it, by path, in a service file of its own. Never install it. Who is
 * not named is unknown to the first phase and welcome to the second.
 *
 *   auth     required  /PATH/pam_poplar_test.so note=/FILE alice=ok bob=hang
 *   account  required  /PATH/pam_poplar_test.so note=/FILE alice=refuse
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <security/pam_ext.h>
#include <security/pam_modules.h>

static int
act_ok(pam_handle_t *pam)
{
	(void)pam;
	return PAM_SUCCESS;
}

static int
act_refuse(pam_handle_t *pam)
{
	(void)pam;
	return PAM_AUTH_ERR;
}

static int
act_expire(pam_handle_t *pam)
{
	(void)pam;
	return PAM_ACCT_EXPIRED;
}

static int
act_hang(pam_handle_t *pam)
{
	(void)pam;
	signal(SIGALRM, SIG_IGN);
	signal(SIGTERM, SIG_IGN);
	while (pause() == -1)
		continue;
	return PAM_SUCCESS;
}

static int
act_crash(pam_handle_t *pam)
{
	(void)pam;
	(void)raise(SIGSEGV);
	return PAM_SUCCESS;
}

static int
act_abort(pam_handle_t *pam)
{
	(void)pam;
	abort();
}

static int
act_exit(pam_handle_t *pam)
{
	(void)pam;
	exit(0);
}

/* A daemon in a session of its own that keeps all descriptors open. */
static int
act_daemon(pam_handle_t *pam)
{
	pid_t pid = fork();

	(void)pam;
	if (pid == 0) {
		(void)setsid();
		if (fork() != 0)
			_exit(0);
		(void)act_hang(pam);
	}
	return pid == -1 ? PAM_SYSTEM_ERR : PAM_SUCCESS;
}

static int
act_daemon_crash(pam_handle_t *pam)
{
	(void)act_daemon(pam);
	return act_crash(pam);
}

static int
act_become_root(pam_handle_t *pam)
{
	return pam_set_item(pam, PAM_USER, "root");
}

/* Asks for more than a password. */
static int
act_question(pam_handle_t *pam)
{
	char *reply = NULL;
	int code = pam_prompt(pam, PAM_PROMPT_ECHO_ON, &reply, "Your quest? ");

	free(reply);
	return code;
}

static const struct {
	const char *name;
	int (*act)(pam_handle_t *pam);
} actions[] = {
    {"ok",           act_ok          },
    {"refuse",       act_refuse      },
    {"expire",       act_expire      },
    {"hang",         act_hang        },
    {"crash",        act_crash       },
    {"abort",        act_abort       },
    {"exit",         act_exit        },
    {"daemon",       act_daemon      },
    {"daemon-crash", act_daemon_crash},
    {"become-root",  act_become_root },
    {"question",     act_question    },
};

static const char *
text_of(pam_handle_t *pam, int type)
{
	const void *item = NULL;

	if (pam_get_item(pam, type, &item) != PAM_SUCCESS || item == NULL)
		return "-";
	return item;
}

/* One line a request: user, address, terminal, remote user, password in hex; or "-". */
static void
note(pam_handle_t *pam, const char *path, const char *password)
{
	FILE *file = fopen(path, "a");

	if (file == NULL)
		return;
	fprintf(file, "%s %s %s %s ", text_of(pam, PAM_USER),
	    text_of(pam, PAM_RHOST), text_of(pam, PAM_TTY),
	    text_of(pam, PAM_RUSER));
	if (password == NULL)
		fputc('-', file);
	for (; password != NULL && *password != '\0'; password++)
		fprintf(file, "%02x", (unsigned)(unsigned char)*password);
	fputc('\n', file);
	(void)fclose(file);
}

/* What stands behind NAME= among the arguments; NULL: nothing. */
static const char *
argument(int argc, const char **argv, const char *name)
{
	size_t len = strlen(name);

	for (int i = 0; i < argc; i++) {
		if (strncmp(argv[i], name, len) == 0 && argv[i][len] == '=')
			return argv[i] + len + 1;
	}
	return NULL;
}

/* Tells, and does what the arguments say; otherwise: for who is not named. */
static int
behave(pam_handle_t *pam, int argc, const char **argv, const char *password,
    int otherwise)
{
	const char *path = argument(argc, argv, "note"), *action;

	if (path != NULL)
		note(pam, path, password);
	action = argument(argc, argv, text_of(pam, PAM_USER));
	for (size_t i = 0;
	     action != NULL && i < sizeof(actions) / sizeof(actions[0]); i++) {
		if (strcmp(action, actions[i].name) == 0)
			return actions[i].act(pam);
	}
	return otherwise;
}

int
pam_sm_authenticate(pam_handle_t *pam, int flags, int argc, const char **argv)
{
	const char *user, *password;

	(void)flags;
	if (pam_get_user(pam, &user, NULL) != PAM_SUCCESS ||
	    pam_get_authtok(pam, PAM_AUTHTOK, &password, NULL) != PAM_SUCCESS)
		return PAM_SYSTEM_ERR;
	return behave(pam, argc, argv, password, PAM_USER_UNKNOWN);
}

int
pam_sm_setcred(pam_handle_t *pam, int flags, int argc, const char **argv)
{
	(void)pam;
	(void)flags;
	(void)argc;
	(void)argv;
	return PAM_SUCCESS;
}

int
pam_sm_acct_mgmt(pam_handle_t *pam, int flags, int argc, const char **argv)
{
	(void)flags;
	return behave(pam, argc, argv, NULL, PAM_SUCCESS);
}
