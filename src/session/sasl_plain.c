/*
 * PLAIN (RFC 4616) and LOGIN: the mechanisms that send the password. Runs
 * sandboxed; what is cut out of a response lies in the buffer that is wiped.
 */
#include <string.h>

#include "login.h"
#include "sasl.h"

#define NAME_MAX_OCTETS (IPC_NAME_MAX - 1)

/* The end of a mechanism that sends the password. */
static enum verdict
log_in(struct client *client, const char *name, const char *password)
{
	enum verdict verdict = login_with_secret(client, client->sasl->mech, name,
	    password);

	sasl_cancel(client);
	return verdict;
}

/* Cuts the next string off, ended by a NUL or the end of the data. NULL: none. */
static char *
cut(char **restp, const char *end)
{
	char *text = *restp;

	if (text > end)
		return NULL;
	*restp += strlen(text) + 1;
	return text;
}

/* RFC 4616: [authzid] NUL authcid NUL passwd. */
SASL_STEP(plain_start)
{
	char *rest = data, *end = data + length;
	char *authzid = cut(&rest, end), *name = cut(&rest, end);
	char *password = cut(&rest, end);

	if (password == NULL || rest <= end)
		return sasl_refuse(client, "not [name] NUL name NUL password");
	if (authzid[0] != '\0' && strcmp(authzid, name) != 0)
		return sasl_refuse(client, sasl_other_name);
	if (name[0] == '\0' || strlen(name) > NAME_MAX_OCTETS ||
	    password[0] == '\0' || strlen(password) > NAME_MAX_OCTETS)
		return sasl_refuse(client,
		    "name or password is empty or over 255 octets");
	return log_in(client, name, password);
}

static enum verdict
take_password(struct client *client, char *data, size_t length)
{
	if (length == 0 || length > NAME_MAX_OCTETS || strlen(data) != length)
		return sasl_refuse(client, "not a password of 1 to 255 octets");
	return log_in(client, client->sasl->name, data);
}

/* LOGIN, never standardised: the name, then the password. */
SASL_STEP(login_start)
{
	if (length == 0 || length > NAME_MAX_OCTETS || strlen(data) != length)
		return sasl_refuse(client, "not a name of 1 to 255 octets");
	strlcpy(client->sasl->name, data, sizeof(client->sasl->name));
	return sasl_challenge(client, "Password:", take_password);
}
