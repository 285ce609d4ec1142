/*
 * Who somebody is: the order of the back ends, and what a request must be
 * before one is asked. Runs as root in the auth child, where alone secrets are
 * compared.
 */
#include "auth.h"

#include <string.h>

#include "backend.h"
#include "certificate_proof.h"
#include "log.h"
#include "text.h"

/* In the words of the log: few reasons, and what tells those of one word apart. */
static const struct {
	const char *reason, *detail;
} words[AUTH_RESULTS] = {
    [AUTH_OK] = {"ok",       ""           },
    [AUTH_PASSWORD] = {"password", ""           },
    [AUTH_UNKNOWN] = {"unknown",  ""           },
    [AUTH_LOCKED] = {"locked",   ""           },
    [AUTH_MECHANISM] = {"password", "mechanism"  },
    [AUTH_UNANSWERED] = {"password", "unanswered" },
    [AUTH_BINDING] = {"password", "binding"    },
    [AUTH_CERTIFICATE] = {"password", "certificate"},
    [AUTH_UID] = {"locked",   "uid"        },
    [AUTH_TROUBLE] = {"trouble",  ""           },
    [AUTH_CHALLENGE] = {"trouble",  "challenge"  },
};

static const struct backend {
	const char *name;
	enum auth_result (*check)(const struct config *config,
	    const struct auth_request *request, struct auth_verdict *verdict);
} backends[] = {
    {"users", users_check},
    {"pam",   pam_check  },
};

const char *
auth_result_name(enum auth_result result)
{
	return (unsigned)result < AUTH_RESULTS ? words[result].reason : "trouble";
}

const char *
auth_result_detail(enum auth_result result)
{
	return (unsigned)result < AUTH_RESULTS ? words[result].detail : "";
}

static const struct backend *
find_backend(const char *name, size_t len)
{
	for (size_t i = 0; i < sizeof(backends) / sizeof(backends[0]); i++) {
		if (strlen(backends[i].name) == len &&
		    memcmp(backends[i].name, name, len) == 0)
			return &backends[i];
	}
	return NULL;
}

bool
auth_users_alone(const struct config *config)
{
	const char *list = config->auth.backends, *rest = list;
	size_t len;

	(void)text_word(&rest, &len);
	return text_list_holds(list, "users") && text_word(&rest, &len) == NULL;
}

/* The first that knows the name decides. */
static enum auth_result
ask_in_order(const struct config *config, const struct auth_request *request,
    struct auth_verdict *verdict)
{
	const char *list = config->auth.backends, *name;
	const struct backend *backend;
	enum auth_result result = AUTH_UNKNOWN;
	size_t len;

	while (result == AUTH_UNKNOWN && (name = text_word(&list, &len)) != NULL) {
		backend = find_backend(name, len);
		if (backend == NULL) {
			log_error("auth.backends: no back end \"%.*s\"", (int)len,
			    name);
			return AUTH_TROUBLE;
		}
		result = backend->check(config, request, verdict);
	}
	return result;
}

/* The caller has looked at this too; nothing malformed reaches a back end. */
static enum auth_result
request_fault(const struct auth_request *request)
{
	if (memchr(request->user, '\0', sizeof(request->user)) == NULL ||
	    memchr(request->secret, '\0', sizeof(request->secret)) == NULL ||
	    request->mech < IPC_MECH_PASS || request->mech >= IPC_MECHS)
		return AUTH_TROUBLE;
	if (!text_name(request->user))
		return AUTH_UNKNOWN;
	if (request->mech == IPC_MECH_PASS || request->mech == IPC_MECH_APOP)
		return request->secret[0] == '\0' ? AUTH_PASSWORD : AUTH_OK;
	return AUTH_OK;
}

/* The first step of SCRAM says nothing of a name, not even that it is none. */
static enum auth_result
decide(const struct config *config, const struct auth_request *request,
    struct auth_verdict *verdict)
{
	enum auth_result result = request_fault(request);

	if (request->mech == IPC_MECH_SCRAM && request->proof == NULL &&
	    result != AUTH_TROUBLE)
		return users_challenge(config, request, verdict);
	if (result == AUTH_OK && request->proof != NULL &&
	    request->proof->given->foreign)
		return AUTH_BINDING;
	if (result == AUTH_OK && request->mech == IPC_MECH_EXTERNAL &&
	    !certificate_proven(request))
		return AUTH_CERTIFICATE;
	return result == AUTH_OK ? ask_in_order(config, request, verdict) : result;
}

void
auth_conclude(struct auth_verdict *verdict, enum auth_result result)
{
	if (result != AUTH_OK && result != AUTH_CHALLENGE)
		memset(verdict, 0, sizeof(*verdict));
	verdict->result = result;
}

void
auth_decide(const struct config *config, const struct auth_request *request,
    struct auth_verdict *verdict)
{
	memset(verdict, 0, sizeof(*verdict));
	auth_conclude(verdict, decide(config, request, verdict));
}
