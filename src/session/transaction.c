/*
 * The TRANSACTION state (RFC 1725 sections 5 and 7): every answer comes from
 * the maildrop. Runs sandboxed.
 */
#include <string.h>

#include "command.h"
#include "fault.h"
#include "international.h"
#include "wire.h"

/* "n value" lines are written by hand: LIST of a large maildrop is a hot path. */
#define NUMBER_MAX 20
#define LINE_ROOM (NUMBER_MAX + MD_UID_MAX + 8)

static const char pairs[] = /* 00 to 99 */
    "0001020304050607080910111213141516171819"
    "2021222324252627282930313233343536373839"
    "4041424344454647484950515253545556575859"
    "6061626364656667686970717273747576777879"
    "8081828384858687888990919293949596979899";

static size_t
digits_of(uint64_t value)
{
	size_t digits = 1;

	for (; value >= 10000; value /= 10000)
		digits += 4;
	return digits + (value >= 10) + (value >= 100) + (value >= 1000);
}

/* From its end, two digits at once. Returns the end. */
static char *
put_number(char *dst, uint64_t value)
{
	char *end = dst + digits_of(value), *at = end;

	for (; value >= 100; value /= 100) {
		at -= 2;
		memcpy(at, pairs + 2 * (value % 100), 2);
	}
	if (value >= 10)
		memcpy(at - 2, pairs + 2 * value, 2);
	else
		at[-1] = (char)('0' + value);
	return end;
}

enum verdict
run_stat(struct client *client, const struct args *args)
{
	(void)args;
	client_say(client, "+OK %u %llu", maildrop_live(client->maildrop),
	    (unsigned long long)maildrop_octets(client->maildrop));
	return GO_ON;
}

/* A scan listing: "n octets". Returns the end of it. */
static char *
list_value(const struct maildrop *maildrop, uint32_t message, char *dst)
{
	return put_number(dst, maildrop_size(maildrop, message));
}

/* A unique-id listing: "n unique-id". */
static char *
uidl_value(const struct maildrop *maildrop, uint32_t message, char *dst)
{
	return dst + maildrop_uid(maildrop, message, dst);
}

/* The line of a live message. Returns the end of it. */
static char *
put_line(const struct maildrop *maildrop, uint32_t message,
    char *(*value)(const struct maildrop *, uint32_t, char *), char *dst)
{
	if (maildrop_is_deleted(maildrop, message))
		return dst;
	dst = put_number(dst, message);
	*dst++ = ' ';
	dst = value(maildrop, message, dst);
	*dst++ = '\r';
	*dst++ = '\n';
	return dst;
}

/* One line for each live message, or "+OK" and the line of one. */
static enum verdict
listing(struct client *client, uint32_t message,
    char *(*value)(const struct maildrop *, uint32_t, char *))
{
	const struct maildrop *maildrop = client->maildrop;
	uint32_t next = message != 0 ? message : 1;
	uint32_t last = message != 0 ? message : maildrop_count(maildrop);
	char *lines, *end;
	size_t room;

	if (message != 0)
		stream_put(&client->stream, "+OK ", 4);
	while (next <= last) {
		lines = end = stream_room(&client->stream, LINE_ROOM, &room);
		for (; next <= last && (size_t)(end - lines) + LINE_ROOM <= room;
		     next++)
			end = put_line(maildrop, next, value, end);
		stream_filled(&client->stream, (size_t)(end - lines));
	}
	if (message == 0)
		stream_put(&client->stream, ".\r\n", 3);
	return GO_ON;
}

enum verdict
run_list(struct client *client, const struct args *args)
{
	if (args->message == 0)
		client_say(client, "+OK %u messages (%llu octets)",
		    maildrop_live(client->maildrop),
		    (unsigned long long)maildrop_octets(client->maildrop));
	return listing(client, args->message, list_value);
}

enum verdict
run_uidl(struct client *client, const struct args *args)
{
	if (args->message == 0)
		stream_put(&client->stream, "+OK\r\n", 5);
	return listing(client, args->message, uidl_value);
}

/*
 * Sends a message in pieces. What cannot be sent whole ends the session
 * before the final dot, so that no client takes it for complete.
 */
static enum verdict
send_message(struct client *client)
{
	enum md_error error;
	size_t room, length;
	char *piece;

	do {
		piece = stream_room(&client->stream, MD_PIECE_MIN, &room);
		if (!stream_can_send(&client->stream))
			return GO_ON;
		error = maildrop_next(client->maildrop, piece, room, &length);
		if (error != MD_OK) {
			client->tally.error = error;
			return client_end(client, IPC_END_ERROR, DROP);
		}
		stream_filled(&client->stream, length);
	} while (length > 0);
	stream_put(&client->stream, ".\r\n", 3);
	return GO_ON;
}

/* Verifies a message before its first octet; false: it was refused. */
static bool
begin_message(struct client *client, uint32_t message, uint64_t lines,
    enum verdict *verdictp)
{
	bool permitted = true;
	enum md_error error = utf8_permits(client, message, &permitted);

	*verdictp = GO_ON;
	if (error == MD_OK && !permitted) {
		client_refuse(client, "[UTF8] this message needs UTF8 mode; send "
		                      "UTF8 before you log in");
		return false;
	}
	if (error == MD_OK)
		error = maildrop_read(client->maildrop, message, lines);
	if (error == MD_OK)
		return true;
	*verdictp = fault_refuse(client, error);
	return false;
}

enum verdict
run_retr(struct client *client, const struct args *args)
{
	enum verdict verdict;

	if (!begin_message(client, args->message, WIRE_WHOLE, &verdict))
		return verdict;
	client_say(client, "+OK %llu octets",
	    (unsigned long long)maildrop_size(client->maildrop, args->message));
	verdict = send_message(client);
	client->tally.retr++;
	client->tally.retr_octets += maildrop_sent(client->maildrop);
	if (args->message > client->last)
		client->last = args->message;
	return verdict;
}

enum verdict
run_top(struct client *client, const struct args *args)
{
	enum verdict verdict;

	if (!begin_message(client, args->message, args->lines, &verdict))
		return verdict;
	client_say(client, "+OK top of message follows");
	verdict = send_message(client);
	client->tally.top++;
	client->tally.top_octets += maildrop_sent(client->maildrop);
	return verdict;
}

enum verdict
run_dele(struct client *client, const struct args *args)
{
	if (maildrop_delete(client->maildrop, args->message) != MD_OK)
		return client_refuse(client, "[SYS/PERM] maildrop is read-only");
	client_say(client, "+OK message %u deleted", args->message);
	return GO_ON;
}

enum verdict
run_rset(struct client *client, const struct args *args)
{
	(void)args;
	maildrop_undelete_all(client->maildrop);
	client->last = client->last_at_login;
	client_say(client, "+OK maildrop has %u messages (%llu octets)",
	    maildrop_live(client->maildrop),
	    (unsigned long long)maildrop_octets(client->maildrop));
	return GO_ON;
}

enum verdict
run_noop(struct client *client, const struct args *args)
{
	(void)args;
	stream_put(&client->stream, "+OK\r\n", 5);
	return GO_ON;
}

/* RFC 1081: the highest message-number that was sent. */
enum verdict
run_last(struct client *client, const struct args *args)
{
	(void)args;
	client_say(client, "+OK %u", client->last);
	return GO_ON;
}
