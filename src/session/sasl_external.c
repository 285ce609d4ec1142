/*
 * EXTERNAL (RFC 4422 appendix A): the name is in the client's certificate. Runs
 * sandboxed. What TLS has verified here decides what is offered and which name
 * is asked for; whether it is true is found out on the monitor's side, from the
 * handshake that was handed over.
 */
#include <string.h>

#include "login.h"
#include "sasl.h"
#include "tls.h"

bool
external_possible(const struct client *client)
{
	char name[IPC_NAME_MAX];

	return client->certified &&
	       tls_client_name(client->stream.channel.tls, 0, name, sizeof(name));
}

/* Without an authzid the first name, else the one that is asked for. */
SASL_STEP(external_start)
{
	const struct tls *tls = client->stream.channel.tls;
	char *name = client->sasl->name;
	enum verdict verdict;
	unsigned number = 0;

	if (strlen(data) != length || length >= IPC_NAME_MAX)
		return sasl_refuse(client, "not a name of 1 to 255 octets");
	do {
		if (!tls_client_name(tls, number++, name, IPC_NAME_MAX))
			return sasl_refuse(client, sasl_other_name);
	} while (length > 0 && strcmp(name, data) != 0);
	verdict = login_with_secret(client, client->sasl->mech, name, "");
	sasl_cancel(client);
	return verdict;
}
