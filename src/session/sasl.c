/*
 * AUTH (RFC 5034, RFC 1734): one table of mechanisms, and the exchange that
 * is the same for all. Runs sandboxed. A line of the client's is decoded in
 * place, in the buffer that is wiped after each line; a mechanism sees octets.
 * What is offered is what would be accepted now, no more and no less.
 */
#include "sasl.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "command.h"
#include "text.h"

#define NAME_MAX_OCTETS (IPC_NAME_MAX - 1)

static SASL_STEP(take_plain);
static SASL_STEP(take_name);

const char sasl_other_name[] = "[AUTH] nobody logs in as another here";

static bool
always(const struct client *client)
{
	(void)client;
	return true;
}

static const struct mechanism {
	const char *name;
	enum ipc_mech mech;
	bool (*possible)(const struct client *client);
	bool cleartext;     /* what it sends must not be read by others */
	bool scram;         /* offered unasked if users can use it */
	const char *prompt; /* the challenge where no initial response came */
	SASL_STEP((*first));
} mechanisms[] = {
    {"SCRAM-SHA-256-PLUS", IPC_MECH_SCRAM_PLUS, scram_can_bind,    false, true,  "",
     scram_start                                                                                },
    {"SCRAM-SHA-256",      IPC_MECH_SCRAM,      always,            false, true,  "", scram_start},
    {"EXTERNAL",           IPC_MECH_EXTERNAL,   external_possible, false, false, "",
     external_start                                                                             },
    {"PLAIN",              IPC_MECH_PLAIN,      cleartext_allowed, true,  false, "", take_plain },
    {"LOGIN",              IPC_MECH_LOGIN,      cleartext_allowed, true,  false,
     "Username:",                                                                    take_name  },
};

#define MECHANISMS (sizeof(mechanisms) / sizeof(mechanisms[0]))

/* auth.mechanisms: whether a blank-separated list holds a name. */
static bool
is_listed(const char *list, const char *name)
{
	size_t length = strlen(name), word;

	for (; *list != '\0'; list += word) {
		list += strspn(list, " \t");
		word = strcspn(list, " \t");
		if (word == length && memcmp(list, name, length) == 0)
			return true;
	}
	return false;
}

static bool
is_configured(const struct client *client, const struct mechanism *mechanism)
{
	const char *list = client->setup->config->auth.mechanisms;

	if (is_listed(list, "auto"))
		return !mechanism->scram || client->setup->scram;
	return is_listed(list, mechanism->name);
}

static bool
is_offered(const struct client *client, const struct mechanism *mechanism)
{
	return is_configured(client, mechanism) && mechanism->possible(client);
}

bool
sasl_offers(const struct client *client, enum ipc_mech mech)
{
	for (size_t i = 0; i < MECHANISMS; i++) {
		if (mechanisms[i].mech == mech)
			return is_offered(client, &mechanisms[i]);
	}
	return false;
}

bool
sasl_offered(const struct client *client)
{
	for (size_t i = 0; i < MECHANISMS; i++) {
		if (is_offered(client, &mechanisms[i]))
			return true;
	}
	return false;
}

void
sasl_list(struct client *client)
{
	for (size_t i = 0; i < MECHANISMS; i++) {
		if (is_offered(client, &mechanisms[i]))
			stream_format(&client->stream, " %s", mechanisms[i].name);
	}
}

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
	sasl_cancel(client);
	client_refuse(client, text);
	if (client->state != AUTHORIZATION || client->fds.index == -1)
		return GO_ON;
	/* SCRAM's proof was right, its end was not: the maildrop is ours */
	return client_end(client, IPC_END_ERROR, CLOSE);
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

/* Decodes a response in place and gives it to the mechanism. */
static enum verdict
take_response(struct client *client, char *text, size_t length)
{
	if (!text_from_base64(text, length, text, length, &length))
		return sasl_refuse(client, "not a response in base64");
	text[length] = '\0';
	return client->sasl->next(client, text, length);
}

enum verdict
sasl_response(struct client *client, char *line, size_t length)
{
	client->stream.responding = false;
	if (length == 1 && line[0] == '*')
		return sasl_refuse(client, "authentication cancelled");
	return take_response(client, line, length);
}

/* A bare AUTH: what old clients ask instead of CAPA. */
static enum verdict
list_mechanisms(struct client *client)
{
	stream_format(&client->stream, "+OK\r\n");
	for (size_t i = 0; i < MECHANISMS; i++) {
		if (is_offered(client, &mechanisms[i]))
			stream_format(&client->stream, "%s\r\n",
			    mechanisms[i].name);
	}
	stream_format(&client->stream, ".\r\n");
	return GO_ON;
}

static enum verdict
refuse_mechanism(struct client *client, const struct mechanism *mechanism)
{
	if (mechanism == NULL || !mechanism->cleartext ||
	    !is_configured(client, mechanism))
		return client_refuse(client, "mechanism is not offered");
	link_note(&client->link, IPC_NOTE_CLEARTEXT_AUTH, mechanism->name);
	return client_refuse(client,
	    "[AUTH] no passwords over this connection; use TLS");
}

static const struct mechanism *
find_mechanism(const char *name)
{
	for (size_t i = 0; i < MECHANISMS; i++) {
		if (strcasecmp(mechanisms[i].name, name) == 0)
			return &mechanisms[i];
	}
	return NULL;
}

enum verdict
run_auth(struct client *client, const struct args *args)
{
	const struct mechanism *mechanism;

	if (args->first == NULL)
		return list_mechanisms(client);
	client->user[0] = '\0';
	mechanism = find_mechanism(args->first);
	if (mechanism == NULL || !is_offered(client, mechanism))
		return refuse_mechanism(client, mechanism);
	client->sasl = calloc(1, sizeof(*client->sasl));
	if (client->sasl == NULL)
		return client_refuse(client,
		    "[SYS/TEMP] no memory left on the server");
	client->sasl->mech = mechanism->mech;
	client->sasl->next = mechanism->first;
	if (args->second == NULL)
		return sasl_challenge(client, mechanism->prompt, mechanism->first);
	if (strcmp(args->second, "=") == 0)
		args->second[0] = '\0';
	return take_response(client, args->second, strlen(args->second));
}

/* The end of a mechanism that sends the password. */
static enum verdict
log_in(struct client *client, const char *name, const char *password)
{
	enum verdict verdict = login_with_secret(client, client->sasl->mech, name,
	    password);

	sasl_cancel(client);
	return verdict;
}

/* Cuts the next string, ended by a NUL or the end of the data. */
static char *
cut(char **restp, const char *end)
{
	char *text = *restp;

	*restp += strlen(text) + 1;
	return text <= end ? text : NULL;
}

/* RFC 4616: [authzid] NUL authcid NUL passwd. */
static enum verdict
take_plain(struct client *client, char *data, size_t length)
{
	char *rest = data, *end = data + length;
	char *authzid = cut(&rest, end), *name = NULL, *password = NULL;

	if (rest <= end)
		name = cut(&rest, end);
	if (rest <= end)
		password = cut(&rest, end);
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
static enum verdict
take_name(struct client *client, char *data, size_t length)
{
	if (length == 0 || length > NAME_MAX_OCTETS || strlen(data) != length)
		return sasl_refuse(client, "not a name of 1 to 255 octets");
	strlcpy(client->sasl->name, data, sizeof(client->sasl->name));
	return sasl_challenge(client, "Password:", take_password);
}
