/*
 * Who somebody is: what the back ends are asked, and what they answer.
 */
#ifndef POPLAR_PRIV_AUTH_H
#define POPLAR_PRIV_AUTH_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "config.h"
#include "ipc.h"

struct session_claim;

enum auth_result {
	AUTH_OK = 0,
	AUTH_PASSWORD,   /* wrong password or digest */
	AUTH_UNKNOWN,    /* no such user */
	AUTH_LOCKED,     /* locked, or expired */
	AUTH_MECHANISM,  /* one that this user cannot log in by */
	AUTH_UNANSWERED, /* SCRAM: another attempt came instead of a proof */
	AUTH_BINDING,    /* SCRAM: nonce or channel binding of another connection */
	AUTH_CERTIFICATE, /* EXTERNAL: the session could not prove its claim */
	AUTH_UID,         /* uid 0, below first_uid, or not ours without root */
	AUTH_TROUBLE,     /* a back end failed: [SYS/TEMP] */
	AUTH_CHALLENGE,   /* SCRAM: not decided yet, here is the challenge */
	AUTH_RESULTS
};

/* The word behind reason= in the log: password, unknown, locked ... */
const char *auth_result_name(enum auth_result result);

/* The word behind detail=, where one reason has several causes; else empty. */
const char *auth_result_detail(enum auth_result result);

/* SCRAM's last step (RFC 5802 section 3); all borrowed. */
struct auth_proof {
	const struct ipc_challenge *challenge; /* as it was given */
	const struct ipc_proof *given;
};

/*
 * mech is PASS for any password, SCRAM for its both forms, APOP, or EXTERNAL.
 * SCRAM asks twice, without a proof first.
 */
struct auth_request {
	uint32_t mech; /* enum ipc_mech */
	char user[IPC_NAME_MAX];
	char secret[IPC_SECRET_MAX];
	const char *stamp; /* APOP: the timestamp of this connection; borrowed */
	const char *rhost; /* the client's address, for PAM_RHOST; borrowed */
	const struct auth_proof *proof;    /* NULL: none */
	const struct session_claim *claim; /* EXTERNAL, but for the user; or NULL */
};

/* What the child writes, whole, on its pipe; never its exit status. */
struct auth_verdict {
	uint32_t result; /* enum auth_result */
	uint32_t uid, gid;
	char name[IPC_NAME_MAX]; /* the account's, for groups and paths */
	char home[PATH_MAX];
	char maildrop[PATH_MAX]; /* empty: maildrop.path */
	/* SCRAM: of AUTH_CHALLENGE */
	uint32_t iterations;
	char salt[IPC_SALT_SIZE];
	/* SCRAM: of AUTH_OK */
	unsigned char signature[IPC_KEY_SIZE];
};

/*
 * Asks the back ends in the order of auth.backends; the first that knows the
 * name decides. Runs in the auth child, or in a unit test. Fills the verdict.
 */
void auth_decide(const struct config *config, const struct auth_request *request,
    struct auth_verdict *verdict);

/* Sets the result; but for AUTH_OK and AUTH_CHALLENGE all else is forgotten. */
void auth_conclude(struct auth_verdict *verdict, enum auth_result result);

/* Whether `users` is the only back end: no other can serve SCRAM. */
bool auth_users_alone(const struct config *config);

#endif
