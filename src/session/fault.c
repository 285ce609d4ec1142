/*
 * Why a maildrop cannot be read or changed, in words, and what becomes of the
 * session then. Runs sandboxed.
 */
#include "fault.h"

static const char *const texts[MD_ERRORS] = {
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
	return texts[error];
}

enum verdict
fault_end(struct client *client, enum md_error error)
{
	client->tally.error = error;
	return client_end(client, IPC_END_ERROR, CLOSE);
}

enum verdict
fault_refuse(struct client *client, enum md_error error)
{
	const char *text = fault_text(error);

	if (text == NULL)
		text = "the server's disk failed";
	text = language_text(client->language, text);
	if (error == MD_BUSY) {
		client_say(client, "-ERR [SYS/TEMP] %s", text);
		return GO_ON;
	}
	client_say(client, "-ERR [SYS/TEMP] %s, log in again", text);
	return fault_end(client, error);
}
