/*
 * What the back ends share: each says of a request who it is, or that it
 * knows no such name. All run as root in the auth child and may block.
 */
#ifndef POPLAR_PRIV_BACKEND_H
#define POPLAR_PRIV_BACKEND_H

#include "auth.h"

/*
 * One look at one back end. The request is well-formed: terminated, a name of
 * text_name(), a secret that is not empty where the mechanism has one, a
 * mechanism of ipc.h. Fills the account's part of the verdict with AUTH_OK;
 * what it leaves there otherwise is thrown away.
 */
enum auth_result users_check(const struct config *config,
    const struct auth_request *request, struct auth_verdict *verdict);

/*
 * SCRAM's first step: salt and iterations of a name, AUTH_CHALLENGE, or
 * AUTH_TROUBLE. Every name has them: who has no keys gets a salt that is made
 * of the name and a secret.
 */
enum auth_result users_challenge(const struct config *config,
    const struct auth_request *request, struct auth_verdict *verdict);

/* As users_check(). */
enum auth_result pam_check(const struct config *config,
    const struct auth_request *request, struct auth_verdict *verdict);

/* A system account, copied. */
struct system_account {
	uid_t uid;
	gid_t gid;
	char name[IPC_NAME_MAX];
	char home[PATH_MAX];
};

enum system_lookup { SYSTEM_FOUND = 0, SYSTEM_NONE, SYSTEM_FAILED };

/*
 * getpwnam(3) and getpwuid(3). A name or a home that does not fit is
 * SYSTEM_FAILED, which is logged.
 */
enum system_lookup system_by_name(const char *name, struct system_account *account);
enum system_lookup system_by_uid(uid_t uid, struct system_account *account);

/*
 * Whether an account of this uid may log in: never 0, not below first_uid,
 * and without root nobody but the caller.
 */
bool system_uid_permitted(const struct config *config, uid_t uid);

#endif
