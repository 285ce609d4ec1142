/*
 * A login, for the commands and mechanisms that end in one.
 */
#ifndef POPLAR_SESSION_LOGIN_H
#define POPLAR_SESSION_LOGIN_H

#include "client.h"

/*
 * A login by a name and a secret, decided by the monitor; opens the maildrop
 * and answers, with success or not.
 */
enum verdict login_with_secret(struct client *client, enum ipc_mech mech,
    const char *name, const char *secret);

/*
 * The same in two steps. What the monitor answered to a login, if it did:
 * true if the maildrop is to be opened, else the client was answered and
 * *verdictp is what the handler returns.
 */
bool login_permitted(struct client *client, bool answered,
    const struct ipc_login_reply *reply, enum verdict *verdictp);
enum verdict login_open(struct client *client);

/* session.login_delay in seconds, as clients are told it: rounded up. */
unsigned login_delay_seconds(const struct client *client);

#endif
