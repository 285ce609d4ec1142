/*
 * Commands of both states: QUIT, which alone enters UPDATE (RFC 1725 section
 * 6), CAPA (RFC 2449) and RPOP. Runs sandboxed.
 */
#include <string.h>

#include "clock.h"
#include "command.h"
#include "sasl.h"

static const char *const fault_texts[MD_ERRORS] = {
    [MD_BUSY] = "maildrop is locked by another program",
    [MD_CHANGED] = "maildrop was changed by another program",
    [MD_READ_ONLY] = "maildrop is read-only",
    [MD_NO_SPACE] = "no space left on the server",
    [MD_NO_MEMORY] = "no memory left on the server",
    [MD_REFUSED] = "maildrop folder does not permit what the server needs",
};

const char *
fault_text(enum md_error error)
{
	return fault_texts[error];
}

/* RFC 2449 section 6.5: where it holds for every user alike, in seconds. */
static void
put_login_delay(struct client *client)
{
	stream_format(&client->stream, " %u", login_delay_seconds(client));
}

static bool
has_login_delay(const struct client *client)
{
	return client->setup->config->session.login_delay_ms > 0;
}

/* RFC 2449 section 6.7: announced only; something else removes old mail. */
static void
put_expire(struct client *client)
{
	const char *days = client->setup->config->session.expire;

	stream_format(&client->stream, " %s",
	    strcmp(days, "never") == 0 ? "NEVER" : days);
}

/* The capabilities, in the order they are listed: and what adds arguments. */
static const struct capability {
	const char *line;
	bool (*holds)(const struct client *client); /* NULL: always */
	void (*more)(struct client *client);        /* adds arguments; NULL: none */
} capabilities[] = {
    {"TOP",                                   NULL,              NULL           },
    {"USER",                                  cleartext_allowed, NULL           },
    {"SASL",                                  sasl_offered,      sasl_list      },
    {"STLS",                                  stls_allowed,      NULL           },
    {"UIDL",                                  NULL,              NULL           },
    {"RESP-CODES",                            NULL,              NULL           },
    {"AUTH-RESP-CODE",                        NULL,              NULL           },
    {"PIPELINING",                            NULL,              NULL           },
    {"LANG",                                  NULL,              NULL           },
    {"UTF8",                                  utf8_offered,      NULL           },
    {"LOGIN-DELAY",                           has_login_delay,   put_login_delay},
    {"EXPIRE",                                NULL,              put_expire     },
    {"IMPLEMENTATION Poplar-" POPLAR_VERSION, NULL,              NULL           },
};

enum verdict
run_capa(struct client *client, const struct args *args)
{
	const struct capability *row = capabilities;

	(void)args;
	stream_put(&client->stream, "+OK\r\n", 5);
	for (; row < capabilities + sizeof(capabilities) / sizeof(*row); row++) {
		if (row->holds != NULL && !row->holds(client))
			continue;
		stream_put(&client->stream, row->line, strlen(row->line));
		if (row->more != NULL)
			row->more(client);
		stream_put(&client->stream, "\r\n", 2);
	}
	stream_put(&client->stream, ".\r\n", 3);
	return GO_ON;
}

enum verdict
run_rpop(struct client *client, const struct args *args)
{
	(void)args;
	return client_refuse(client, "RPOP is not safe and not offered");
}

/*
 * After a failure of the disk a deletion may be committed all the same, and
 * recovery is finishing it: only other failures leave nothing deleted for sure.
 */
static void
say_updated(struct client *client, enum md_error error)
{
	const uint32_t left = client->tally.left;
	const char *text = fault_text(error);

	if (error != MD_OK && text == NULL)
		client_refuse(client, "[SYS/TEMP] the server's disk failed; log in "
		                      "again to see what was deleted");
	else if (error != MD_OK)
		client_say(client, "-ERR [SYS/TEMP] %s, nothing deleted",
		    language_text(client->language, text));
	else if (left == 0)
		client_say(client, "+OK Poplar signing off (maildrop empty)");
	else
		client_say(client, "+OK Poplar signing off (%u messages left)",
		    left);
}

/*
 * The maildrop is free before the client hears of it; but the journal of a large
 * one is emptied behind the reply, and the session lock held until then. A client
 * that does not read does not stop that.
 */
static void
say_goodbye(struct client *client, enum md_error error)
{
	const bool later = maildrop_is_untidy(client->maildrop);

	if (!later)
		client_release(client);
	link_end(&client->link, &client->tally);
	say_updated(client, error);
	if (later) {
		stream_flush_soon(&client->stream);
		client_release(client);
	}
}

/* The UPDATE state: commits, lets go of every lock, then tells how it went. */
static enum verdict
update(struct client *client)
{
	struct ipc_end *tally = &client->tally;
	const uint64_t began = clock_now_us();
	enum md_error error;

	client_enter(client, UPDATE);
	client->link.updating = true;
	client_tally_left(client);
	maildrop_set_last(client->maildrop, client->last);
	error = maildrop_update(client->maildrop, &tally->dele);
	tally->error = error;
	tally->update_us = (uint32_t)(clock_now_us() - began);
	tally->reason = IPC_END_QUIT;
	if (error != MD_OK) {
		maildrop_undelete_all(client->maildrop);
		client_tally_left(client);
	}
	say_goodbye(client, error);
	return CLOSE;
}

/*
 * Every answer before QUIT must have gone out; after a write error nothing is
 * committed. Only QUIT's own answer may fail to arrive.
 */
enum verdict
run_quit(struct client *client, const struct args *args)
{
	(void)args;
	stream_flush(&client->stream);
	if (!stream_can_send(&client->stream))
		return GO_ON;
	if (client->state == TRANSACTION)
		return update(client);
	client_say(client, "+OK Poplar signing off");
	return client_end(client, IPC_END_QUIT, CLOSE);
}
