/*
 * The mechanisms of AUTH (RFC 5034, RFC 1734) in one table, and the command
 * that begins an attempt. Runs sandboxed. What is offered is what would be
 * accepted now, no more and no less.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "authorization.h"
#include "command.h"
#include "sasl.h"
#include "text.h"

static bool
always(const struct client *client)
{
	(void)client;
	return true;
}

/* clang-format off */
static const struct mechanism {
	const char *name;
	enum ipc_mech mech;
	bool (*possible)(const struct client *client);
	bool cleartext;     /* what it sends must not be read by others */
	bool scram;         /* offered unasked if users can use it */
	const char *prompt; /* the challenge where no initial response came */
	SASL_STEP((*first));
} mechanisms[] = {
    {"SCRAM-SHA-256-PLUS", IPC_MECH_SCRAM_PLUS, scram_can_bind,    false, true,  "",          scram_start},
    {"SCRAM-SHA-256",      IPC_MECH_SCRAM,      always,            false, true,  "",          scram_start},
    {"EXTERNAL",           IPC_MECH_EXTERNAL,   external_possible, false, false, "",          external_start},
    {"PLAIN",              IPC_MECH_PLAIN,      cleartext_allowed, true,  false, "",          plain_start},
    {"LOGIN",              IPC_MECH_LOGIN,      cleartext_allowed, true,  false, "Username:", login_start},
};
/* clang-format on */

#define MECHANISMS (sizeof(mechanisms) / sizeof(mechanisms[0]))

static bool
is_configured(const struct client *client, const struct mechanism *mechanism)
{
	const char *list = client->setup->config->auth.mechanisms;

	if (text_list_holds(list, "auto"))
		return !mechanism->scram || client->setup->scram;
	return text_list_holds(list, mechanism->name);
}

static bool
is_offered(const struct client *client, const struct mechanism *mechanism)
{
	return is_configured(client, mechanism) && mechanism->possible(client);
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
	client_refuse(client, "[AUTH] no passwords over this connection; use TLS");
	return client_failed(client);
}

enum verdict
run_auth(struct client *client, const struct args *args)
{
	const struct mechanism *mechanism;

	if (args->first == NULL)
		return list_mechanisms(client);
	mechanism = find_mechanism(args->first);
	if (mechanism == NULL || !is_offered(client, mechanism))
		return refuse_mechanism(client, mechanism);
	client->sasl = calloc(1, sizeof(*client->sasl));
	if (client->sasl == NULL)
		return client_refuse(client,
		    "[SYS/TEMP] no memory left on the server");
	client->sasl->mech = mechanism->mech;
	client->sasl->next = mechanism->first;
	client->sasl->binding_offered = is_offered(client,
	    find_mechanism("SCRAM-SHA-256-PLUS"));
	if (args->second == NULL)
		return sasl_challenge(client, mechanism->prompt, mechanism->first);
	if (strcmp(args->second, "=") == 0)
		args->second[0] = '\0';
	return sasl_take(client, args->second, strlen(args->second));
}
