/*
 * The back end `pam`: system users. Runs as root in the auth child and
 * nowhere else, since a module may do anything there: hang, crash, exit,
 * start processes.
 *
 * PAM is asked for names that do not exist too: its answer takes as long.
 * What the name is worth after a refusal (unknown, locked) is for the log
 * only. Neither credentials nor a PAM session are opened: both belong to the
 * process that calls for them, this child, which is gone before the mail is
 * opened, and nothing is ever run as the user.
 *
 * For EXTERNAL the certificate takes the place of PAM's first phase, the
 * password's; the second, the account's, is asked all the same. That one looks
 * at no password field, so it is looked at here: `!` in front locks the
 * account (passwd -l, usermod -L), `*` only says that no password is right.
 */
#include "pam.h"

#include <shadow.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "backend.h"
#include "log.h"
#include "pam_library.h"
#include "text.h"

#define SHADOW_MAX 4096

/* A code that is not here is trouble: the stack failed, not the user. */
static const struct {
	int code;
	enum auth_result result;
} results[] = {
    {PAM_SUCCESS,          AUTH_OK      },
    {PAM_AUTH_ERR,         AUTH_PASSWORD},
    {PAM_USER_UNKNOWN,     AUTH_UNKNOWN },
    {PAM_MAXTRIES,         AUTH_LOCKED  },
    {PAM_PERM_DENIED,      AUTH_LOCKED  },
    {PAM_ACCT_EXPIRED,     AUTH_LOCKED  },
    {PAM_CRED_EXPIRED,     AUTH_LOCKED  },
    {PAM_NEW_AUTHTOK_REQD, AUTH_LOCKED  },
    {PAM_AUTHTOK_EXPIRED,  AUTH_LOCKED  },
};

/* Where a service's file may be; a name that has none gets "other"'s rules. */
static const char *const service_folders[] = {"/etc/pam.d", "/usr/lib/pam.d"};

bool
pam_is_used(const struct config *config)
{
	return text_list_holds(config->auth.backends, "pam");
}

bool
pam_service_present(const char *service)
{
	char path[PATH_MAX];

	if (!text_name(service))
		return false;
	for (size_t i = 0; i < sizeof(service_folders) / sizeof(*service_folders);
	     i++) {
		snprintf(path, sizeof(path), "%s/%s", service_folders[i], service);
		if (access(path, R_OK) == 0)
			return true;
	}
	return false;
}

void
pam_verify(const struct config *config)
{
	if (pam_is_used(config) && !pam_service_present(config->auth.pam_service))
		log_warning("auth.pam_service: no PAM service \"%s\"; system users "
		            "cannot log in",
		    config->auth.pam_service);
}

static void
drop_replies(struct pam_response *replies, int count)
{
	for (int i = 0; replies != NULL && i < count; i++) {
		if (replies[i].resp != NULL)
			freezero(replies[i].resp, strlen(replies[i].resp));
	}
	free(replies);
}

/*
 * The password, byte for byte, to every prompt without echo; no answer to
 * what is only shown; whoever asks for anything else asks in vain.
 */
static int
answer(const struct pam_message *message, const char *secret, char **replyp)
{
	switch (message->msg_style) {
	case PAM_PROMPT_ECHO_OFF:
		*replyp = strdup(secret);
		return *replyp == NULL ? PAM_BUF_ERR : PAM_SUCCESS;
	case PAM_TEXT_INFO:
	case PAM_ERROR_MSG:
		return PAM_SUCCESS;
	default:
		return PAM_CONV_ERR;
	}
}

static int
converse(int count, const struct pam_message **messages,
    struct pam_response **repliesp, void *ctx)
{
	const struct auth_request *request = ctx;
	struct pam_response *replies;
	int code = PAM_SUCCESS;

	if (count <= 0 || count > PAM_MAX_NUM_MSG)
		return PAM_CONV_ERR;
	replies = calloc((size_t)count, sizeof(*replies));
	if (replies == NULL)
		return PAM_BUF_ERR;
	for (int i = 0; i < count && code == PAM_SUCCESS; i++)
		code = answer(messages[i], request->secret, &replies[i].resp);
	if (code != PAM_SUCCESS) {
		drop_replies(replies, count);
		return code;
	}
	*repliesp = replies;
	return PAM_SUCCESS;
}

/* The monitor delays every failure alike; PAM's own delay would tell them apart. */
static void
no_delay(int code, unsigned usec, void *ctx)
{
	(void)code;
	(void)usec;
	(void)ctx;
}

static int
set_items(const struct pam_library *pam, pam_handle_t *handle,
    const struct auth_request *request)
{
	void (*const delay)(int, unsigned, void *) = no_delay;
	int code;

	code = pam->set_item(handle, PAM_FAIL_DELAY, (const void *)delay);
	if (code == PAM_SUCCESS)
		code = pam->set_item(handle, PAM_TTY, "pop3");
	if (code == PAM_SUCCESS && request->rhost != NULL &&
	    request->rhost[0] != '\0')
		code = pam->set_item(handle, PAM_RHOST, request->rhost);
	return code;
}

/* Whether the password field of shadow(5) begins with one of these marks. */
static bool
shadow_marked(const char *name, const char *marks)
{
	struct spwd entry, *found = NULL;
	char buf[SHADOW_MAX];
	bool marked;

	marked = getspnam_r(name, &entry, buf, sizeof(buf), &found) == 0 &&
	         found != NULL && found->sp_pwdp != NULL &&
	         found->sp_pwdp[0] != '\0' &&
	         strchr(marks, found->sp_pwdp[0]) != NULL;
	explicit_bzero(buf, sizeof(buf));
	return marked;
}

/*
 * Stacks end in pam_deny and the like, so most refusals come as one code,
 * whatever the cause.
 */
static enum auth_result
refine(enum auth_result result, const char *name)
{
	struct system_account account;

	if (result != AUTH_PASSWORD)
		return result;
	if (system_by_name(name, &account) == SYSTEM_NONE)
		return AUTH_UNKNOWN;
	return shadow_marked(name, "!*") ? AUTH_LOCKED : AUTH_PASSWORD;
}

static enum auth_result
translate(const struct pam_library *pam, int code, const char *service,
    const char *name)
{
	for (size_t i = 0; i < sizeof(results) / sizeof(results[0]); i++) {
		if (results[i].code == code)
			return refine(results[i].result, name);
	}
	log_error("pam: service %s failed: %s", service, pam->strerror(NULL, code));
	return AUTH_TROUBLE;
}

/* Whether a name, or NULL, of PAM's or the system's can log in; else it is told. */
static bool
is_login_name(const char *name)
{
	char safe[LOG_SAFE_SIZE(IPC_NAME_MAX)];

	if (name != NULL && text_name(name))
		return true;
	log_error("pam: an account named \"%s\" cannot log in",
	    log_safe(safe, sizeof(safe), name != NULL ? name : ""));
	return false;
}

static enum auth_result
fill_account(const struct config *config, const char *name,
    struct auth_verdict *verdict)
{
	struct system_account account;
	enum system_lookup lookup;

	if (!is_login_name(name))
		return AUTH_TROUBLE;
	lookup = system_by_name(name, &account);
	if (lookup != SYSTEM_FOUND)
		return lookup == SYSTEM_NONE ? AUTH_UNKNOWN : AUTH_TROUBLE;
	if (!is_login_name(account.name))
		return AUTH_TROUBLE;
	if (!system_uid_permitted(config, account.uid))
		return AUTH_UID;
	verdict->uid = account.uid;
	verdict->gid = account.gid;
	strlcpy(verdict->name, account.name, sizeof(verdict->name));
	strlcpy(verdict->home, account.home, sizeof(verdict->home));
	return AUTH_OK;
}

/* A module may have given the user another name. NULL: none. */
static const char *
name_given(const struct pam_library *pam, const pam_handle_t *handle)
{
	const void *item = NULL;

	return pam->get_item(handle, PAM_USER, &item) == PAM_SUCCESS ? item : NULL;
}

static enum auth_result
ask_pam(const struct pam_library *pam, const struct config *config,
    const struct auth_request *request, struct auth_verdict *verdict)
{
	struct auth_request copy = *request;
	const struct pam_conv conversation = {converse, &copy};
	const char *service = config->auth.pam_service;
	const int flags = PAM_SILENT | PAM_DISALLOW_NULL_AUTHTOK;
	pam_handle_t *handle = NULL;
	enum auth_result result;
	bool account = false;
	int code;

	code = pam->start(service, request->user, &conversation, &handle);
	if (code == PAM_SUCCESS)
		code = set_items(pam, handle, request);
	if (code == PAM_SUCCESS && request->mech != IPC_MECH_EXTERNAL)
		code = pam->authenticate(handle, flags);
	if (code == PAM_SUCCESS) {
		account = true;
		code = pam->acct_mgmt(handle, flags);
	}
	explicit_bzero(copy.secret, sizeof(copy.secret));
	result = translate(pam, code, service, request->user);
	/* pam_deny(8) says of an account what it says of a password */
	if (account && result == AUTH_PASSWORD)
		result = AUTH_LOCKED;
	if (result == AUTH_OK)
		result = fill_account(config, name_given(pam, handle), verdict);
	if (result == AUTH_OK && request->mech == IPC_MECH_EXTERNAL &&
	    shadow_marked(verdict->name, "!"))
		result = AUTH_LOCKED;
	if (handle != NULL)
		(void)pam->end(handle, code);
	return result;
}

enum auth_result
pam_check(const struct config *config, const struct auth_request *request,
    struct auth_verdict *verdict)
{
	struct system_account account;
	struct pam_library pam;

	/* PAM wants the password itself, which APOP and SCRAM never send. */
	if (request->mech != IPC_MECH_PASS && request->mech != IPC_MECH_EXTERNAL)
		return system_by_name(request->user, &account) == SYSTEM_NONE
		           ? AUTH_UNKNOWN
		           : AUTH_MECHANISM;
	/* as unknown: another reply would tell who is in the users file */
	if (!pam_service_present(config->auth.pam_service)) {
		log_error("pam: no file for service %s in /etc/pam.d",
		    config->auth.pam_service);
		return AUTH_UNKNOWN;
	}
	if (pam_library_load(&pam) == -1)
		return AUTH_TROUBLE;
	return ask_pam(&pam, config, request, verdict);
}
