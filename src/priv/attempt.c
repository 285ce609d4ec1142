/*
 * From a message of the session to a request of the auth child. Runs as root
 * in the monitor, which makes its part of SCRAM's nonce here: a proof is
 * believed only over a message that holds it.
 */
#include "attempt.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "auth_child.h"
#include "certificates.h"
#include "clock.h"
#include "log.h"
#include "text.h"

/* Octets of chance in a nonce; in base64 they fill IPC_NONCE_SIZE but for some. */
#define NONCE_OCTETS 18

_Static_assert(TEXT_BASE64_SIZE(NONCE_OCTETS) <= IPC_NONCE_SIZE, "a nonce fits");

/* To the back ends a password is one, whichever way it came. */
static uint32_t
kind_of(uint32_t mech)
{
	static const uint32_t kinds[IPC_MECHS] = {
	    [IPC_MECH_PASS] = IPC_MECH_PASS,
	    [IPC_MECH_APOP] = IPC_MECH_APOP,
	    [IPC_MECH_PLAIN] = IPC_MECH_PASS,
	    [IPC_MECH_LOGIN] = IPC_MECH_PASS,
	    [IPC_MECH_SCRAM] = IPC_MECH_SCRAM,
	    [IPC_MECH_SCRAM_PLUS] = IPC_MECH_SCRAM,
	    [IPC_MECH_EXTERNAL] = IPC_MECH_EXTERNAL,
	};

	return mech < IPC_MECHS ? kinds[mech] : 0;
}

/* Asks the child; the request is wiped. */
static enum auth_result
ask(struct monitor *monitor, struct auth_request *request,
    struct auth_verdict *verdict)
{
	struct auth_child child;
	int begun;

	request->stamp = monitor->stamp;
	request->rhost = monitor->address;
	begun = auth_begin(monitor->setup->config, request, &child);
	explicit_bzero(request, sizeof(*request));
	if (begun == -1) {
		log_error("sid=%s cannot start the authentication process: %s",
		    monitor->sid, strerror(errno));
		return AUTH_TROUBLE;
	}
	child.cut = monitor_await(monitor, child.ready,
	                clock_now() + AUTH_LIMIT_MS) == WAKE_STOP;
	auth_end(&child, monitor->child, verdict);
	return (enum auth_result)verdict->result;
}

void
attempt_take_handshake(struct monitor *monitor, const struct ipc_handshake *piece)
{
	size_t room = IPC_HANDSHAKE_MAX - monitor->handshake_length;
	unsigned char *longer = NULL;

	if (piece->length <= room)
		longer = realloc(monitor->handshake,
		    monitor->handshake_length + piece->length);
	if (longer == NULL)
		return;
	memcpy(longer + monitor->handshake_length, piece->octets, piece->length);
	monitor->handshake = longer;
	monitor->handshake_length += piece->length;
}

/* A claim is of what the session has handed over, and worth what that proves. */
static bool
is_permitted(const struct monitor *monitor, uint32_t kind,
    struct session_claim *claim)
{
	*claim = (struct session_claim){
	    .sandbox = monitor->setup->sandbox,
	    .handshake = monitor->handshake,
	    .length = monitor->handshake_length,
	};
	if (kind == IPC_MECH_EXTERNAL)
		return certificates_terms(monitor->setup->tls, claim);
	return kind == IPC_MECH_PASS || kind == IPC_MECH_APOP;
}

enum auth_result
attempt_login(struct monitor *monitor, const struct ipc_login *login,
    struct auth_verdict *verdict)
{
	struct session_claim claim;
	struct auth_request request = {.mech = kind_of(login->mech),
	    .claim = &claim};

	if (!is_permitted(monitor, request.mech, &claim))
		return AUTH_MECHANISM;
	strlcpy(request.user, login->user, sizeof(request.user));
	strlcpy(request.secret, login->secret, sizeof(request.secret));
	return ask(monitor, &request, verdict);
}

bool
attempt_challenge(struct monitor *monitor, struct ipc_challenge *challenge)
{
	struct auth_request request = {.mech = kind_of(monitor->mech)};
	struct auth_verdict verdict;
	unsigned char chance[NONCE_OCTETS];

	if (request.mech != IPC_MECH_SCRAM)
		return false;
	strlcpy(request.user, monitor->user, sizeof(request.user));
	if (ask(monitor, &request, &verdict) != AUTH_CHALLENGE)
		return false;
	arc4random_buf(chance, sizeof(chance));
	text_to_base64(challenge->nonce, chance, sizeof(chance));
	strlcpy(challenge->salt, verdict.salt, sizeof(challenge->salt));
	challenge->iterations = verdict.iterations;
	return true;
}

enum auth_result
attempt_proof(struct monitor *monitor, const struct ipc_proof *proof,
    struct auth_verdict *verdict)
{
	const struct auth_proof given = {&monitor->challenge, proof};
	struct auth_request request = {.mech = kind_of(monitor->mech),
	    .proof = &given};

	strlcpy(request.user, monitor->user, sizeof(request.user));
	return ask(monitor, &request, verdict);
}
