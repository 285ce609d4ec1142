/*
 * A session, taken over perhaps, says that its client has a certificate. Runs
 * as root in the auth child, and leaves every octet of the client's to a
 * sandboxed process of its own (src/session/prove.c): certificates are parsed
 * without privilege here too. That process has met no client, holds no
 * descriptor but those of /dev/null, and says one of a few numbers by its exit
 * status.
 */
#include "certificate_proof.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "descriptors.h"
#include "log.h"
#include "session.h"
#include "title.h"

static const char *const faults[PROVED_RESULTS] = {
    [PROVED_NO_HANDSHAKE] = "no handshake of TLS 1.3 with a certificate",
    [PROVED_NOT_FRESH] = "a handshake of another connection",
    [PROVED_NOT_OURS] = "a handshake with another server",
    [PROVED_NO_CHAIN] = "tls.client_ca does not vouch for it",
    [PROVED_NO_SIGNATURE] = "the client has not signed with its key",
    [PROVED_NO_NAME] = "it names another user",
};

/* In the new process. 0 is /dev/null in an auth child. */
static _Noreturn void
become_proof(const struct session_claim *claim)
{
	if (descriptors_null(STDIN_FILENO) == -1)
		_exit(EXIT_FAILURE);
	closefrom(STDERR_FILENO + 1);
	title_set("proof");
	session_prove(claim);
}

static bool
is_proof(int status)
{
	const char *fault = "the process that looks at it died";

	if (WIFEXITED(status) && WEXITSTATUS(status) == PROVED)
		return true;
	if (WIFEXITED(status) && WEXITSTATUS(status) < PROVED_RESULTS &&
	    faults[WEXITSTATUS(status)] != NULL)
		fault = faults[WEXITSTATUS(status)];
	log_error("auth: a session claims a client certificate in vain: %s", fault);
	return false;
}

bool
certificate_proven(const struct auth_request *request)
{
	struct session_claim claim;
	int status;
	pid_t pid;

	if (request->claim == NULL)
		return false;
	claim = *request->claim;
	claim.user = request->user;
	claim.parent = getpid();
	pid = fork();
	if (pid == 0)
		become_proof(&claim);
	while (pid != -1 && waitpid(pid, &status, 0) == -1) {
		if (errno != EINTR)
			pid = -1;
	}
	if (pid != -1)
		return is_proof(status);
	log_error("auth: cannot look at a client certificate: %s", strerror(errno));
	return false;
}
