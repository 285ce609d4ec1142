/*
 * Who somebody is: the back ends, and the short-lived child that runs them.
 * Only here are secrets compared.
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

/*
 * The caller of auth_begin() calls auth_end() no later than this after it: so
 * that a client hears of a hanging module within 30 s, its delay included.
 */
#define AUTH_LIMIT_MS 25000

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

/* auth_child.c: the child of one attempt. */
struct auth_child {
	pid_t pid;
	int ready;   /* poll this: readable when there is a verdict, or no child */
	int pipe;    /* the verdict's */
	int process; /* a pidfd: a daemon of the child's may hold the pipe open */
};

/*
 * Forks the child for one attempt, with nothing open but the verdict's pipe,
 * the log and /dev/null. The request is the caller's, who wipes it at once.
 * 0, or -1 with errno.
 */
int auth_begin(const struct config *config, const struct auth_request *request,
    struct auth_child *child);

/*
 * Reads the verdict (AUTH_TROUBLE unless exactly one valid struct is there),
 * then kills and reaps the child and all that was reparented to the caller,
 * except keep, which is the caller's session.
 */
void auth_end(struct auth_child *child, pid_t keep, struct auth_verdict *verdict);

/*
 * Whether any user of the users file has an APOP secret: then, and only then,
 * the greeting holds a timestamp. No secret stays in memory. An absent file
 * has none.
 */
bool users_offer_apop(const char *path);

/*
 * Whether SCRAM may be offered unasked: some user of the users file can use
 * it, and nobody who logs in with a password cannot: a client that prefers a
 * mechanism it then fails with seldom tries another.
 */
bool users_offer_scram(const char *path);

/* Whether `users` is the only back end: no other can serve SCRAM. */
bool auth_users_alone(const struct config *config);

/*
 * Reads the whole users file and logs each fault with its line, and with a
 * warning how many users have a uid that cannot log in. Returns the number of
 * faults; an absent file has none.
 */
unsigned users_verify(const struct config *config);

/* Whether `pam` is one of the back ends. */
bool pam_is_used(const struct config *config);

/* Whether PAM has a service of this name; without, PAM would take "other". */
bool pam_service_present(const char *service);

/* Warns where pam is a back end without its service, for -t and at start. */
void pam_verify(const struct config *config);

/*
 * Whether digest is the MD5 of stamp and secret (RFC 1725 section 7). Takes as
 * long for any two digests.
 */
bool apop_matches(const char *stamp, const char *secret, const char *digest);

#endif
