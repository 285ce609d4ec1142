/*
 * The AUTHORIZATION state (RFC 1725 sections 4 and 7): USER, PASS, APOP, STLS
 * (RFC 2595), and RPOP of RFC 1081. Runs sandboxed.
 */
#include "authorization.h"

#include <string.h>

#include "command.h"
#include "login.h"

bool
cleartext_allowed(const struct client *client)
{
	unsigned rule = client->setup->config->auth.cleartext;

	if (client->stream.channel.tls != NULL)
		return true;
	if (rule == CLEARTEXT_AUTO)
		rule = client->setup->tls != NULL ? CLEARTEXT_LOCAL
		                                  : CLEARTEXT_ALWAYS;
	return rule == CLEARTEXT_ALWAYS ||
	       (rule == CLEARTEXT_LOCAL && client->local);
}

bool
stls_allowed(const struct client *client)
{
	return client->setup->tls != NULL && client->stream.channel.tls == NULL &&
	       client->state == AUTHORIZATION;
}

/*
 * RFC 2595 section 4. Input that came with the command in the clear is an
 * attack or a broken client; what was learnt before TLS is forgotten.
 */
enum verdict
run_stls(struct client *client, const struct args *args)
{
	(void)args;
	if (!stls_allowed(client))
		return client_refuse(client, client->setup->tls == NULL
		                                 ? "no TLS on this server"
		                                 : "TLS is active already");
	if (stream_has_input(&client->stream)) {
		client_refuse(client,
		    "nothing may follow STLS before TLS is there");
		return client_end(client, IPC_END_ERROR, CLOSE);
	}
	client->utf8 = false;
	client->language = &languages[0];
	client_say(client, "+OK begin TLS");
	(void)client_start_tls(client);
	return GO_ON;
}

/* USER tells nobody which names exist (RFC 1725 section 12). */
enum verdict
run_user(struct client *client, const struct args *args)
{
	if (!cleartext_allowed(client)) {
		link_note(&client->link, IPC_NOTE_CLEARTEXT, args->first);
		client_refuse(client,
		    "[AUTH] no passwords over this connection; use TLS or APOP");
		return client_failed(client);
	}
	strlcpy(client->user, args->first, sizeof(client->user));
	client->named = true;
	client_say(client, "+OK send PASS");
	return GO_ON;
}

enum verdict
run_pass(struct client *client, const struct args *args)
{
	enum verdict verdict;

	if (client->user[0] == '\0')
		return client_refuse(client, "send USER first");
	verdict = login_with_secret(client, IPC_MECH_PASS, client->user,
	    args->first);
	explicit_bzero(args->first, strlen(args->first));
	return verdict;
}

enum verdict
run_apop(struct client *client, const struct args *args)
{
	if (client->setup->stamp[0] == '\0')
		return client_refuse(client, "APOP is not offered here");
	return login_with_secret(client, IPC_MECH_APOP, args->first, args->second);
}

enum verdict
run_rpop(struct client *client, const struct args *args)
{
	(void)args;
	return client_refuse(client, "RPOP is not safe and not offered");
}
