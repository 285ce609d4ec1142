/*
 * QUIT, which alone enters UPDATE (RFC 1725 section 6). Runs sandboxed.
 */
#include "clock.h"
#include "command.h"
#include "fault.h"

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
