/*
 * CAPA (RFC 2449): what this server can do for this client now. Runs sandboxed.
 */
#include <string.h>

#include "authorization.h"
#include "command.h"
#include "international.h"
#include "login.h"
#include "sasl.h"

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
