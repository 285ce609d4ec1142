/*
 * The exchange of AUTH (RFC 5034), which is the same for all mechanisms. Runs
 * sandboxed. A line of the client's is decoded in place, in the buffer that is
 * wiped after each line; a mechanism sees octets.
 */
#include "sasl.h"

#include <stdlib.h>
#include <string.h>

#include "text.h"

const char sasl_other_name[] = "[AUTH] nobody logs in as another here";

void
sasl_cancel(struct client *client)
{
	freezero(client->sasl, sizeof(*client->sasl));
	client->sasl = NULL;
	client->stream.responding = false;
}

enum verdict
sasl_refuse(struct client *client, const char *text)
{
	bool challenged = client->sasl != NULL && client->sasl->challenged;

	sasl_cancel(client);
	client_refuse(client, text);
	/* SCRAM's proof was right, its end was not: the maildrop is ours */
	if (client->state == AUTHORIZATION && client->fds.index != -1)
		return client_end(client, IPC_END_ERROR, CLOSE);
	return challenged ? client_failed(client) : GO_ON;
}

/* The longest is SCRAM's first: a nonce as long as a message may be. */
enum verdict
sasl_challenge(struct client *client, const char *text, SASL_STEP((*next)))
{
	char encoded[TEXT_BASE64_SIZE(IPC_AUTH_SIZE)];

	text_to_base64(encoded, text, strlen(text));
	stream_put(&client->stream, "+ ", 2);
	stream_put(&client->stream, encoded, strlen(encoded));
	stream_put(&client->stream, "\r\n", 2);
	client->sasl->next = next;
	client->stream.responding = true;
	return GO_ON;
}

enum verdict
sasl_take(struct client *client, char *text, size_t length)
{
	if (!text_from_base64(text, length, text, length, &length))
		return sasl_refuse(client, "not a response in base64");
	text[length] = '\0';
	return client->sasl->next(client, text, length);
}

enum verdict
sasl_response(struct client *client, char *line, size_t length)
{
	if (length == 1 && line[0] == '*')
		return sasl_refuse(client, "authentication cancelled");
	return sasl_take(client, line, length);
}
