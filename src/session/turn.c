/*
 * One turn of a dialogue. Runs sandboxed. A line goes to the command table, or to
 * the SASL exchange that is going on; what is no line ends the session, at once or
 * when it has come too often.
 */
#include "turn.h"

#include "command.h"
#include "sasl.h"

/* The line over the limit at which a session ends. */
#define LONG_LINES_END 3

static enum verdict
foreign(struct client *client)
{
	link_note(&client->link, IPC_NOTE_FOREIGN, client->stream.foreign);
	client_refuse(client, "this is a POP3 server");
	return client_end(client, IPC_END_DROP, CLOSE);
}

static enum verdict
too_long(struct client *client)
{
	enum verdict verdict = sasl_refuse(client, "line too long");

	if (++client->long_lines < LONG_LINES_END)
		return verdict;
	return client_end(client, IPC_END_ERROR, CLOSE);
}

/* Why a session ends by a fault of the stream. */
static enum ipc_end_reason
reason_of(struct client *client)
{
	static const enum ipc_end_reason reasons[] = {
	    [STREAM_FINE] = IPC_END_ERROR,
	    [STREAM_CLOSED] = IPC_END_DROP,
	    [STREAM_IDLE] = IPC_END_TIMEOUT,
	    [STREAM_STALLED] = IPC_END_TIMEOUT,
	    [STREAM_BROKEN] = IPC_END_DROP,
	};

	if (client->stream.fault != STREAM_STOPPED)
		return reasons[client->stream.fault];
	link_take_stop(&client->link);
	return client->link.stop;
}

static enum verdict
fault(struct client *client)
{
	return client_end(client, reason_of(client),
	    stream_can_send(&client->stream) ? CLOSE : DROP);
}

/* PASS comes immediately behind a USER that was taken (RFC 1939 section 7). */
static void
forget_user(struct client *client)
{
	if (!client->named)
		client->user[0] = '\0';
	client->named = false;
}

enum verdict
turn_take(struct client *client)
{
	const bool secret = client->state == AUTHORIZATION;
	enum verdict verdict;
	size_t length;
	char *line;

	switch (stream_line(&client->stream, &line, &length)) {
	case STREAM_LINE:
		verdict = client->sasl != NULL ? sasl_response(client, line, length)
		                               : command_run(client, line, length);
		break;
	case STREAM_LONG:
		verdict = too_long(client);
		break;
	case STREAM_FOREIGN:
		verdict = foreign(client);
		break;
	default:
		verdict = fault(client);
	}
	forget_user(client);
	/* also of a line that was too long: it may have been a password */
	if (secret)
		stream_wipe(&client->stream);
	return verdict;
}
