/*
 * RFC 6856: LANG chooses the language of human texts, UTF8 says that the
 * client can read UTF-8 in headers. Runs sandboxed.
 */
#include "international.h"

#include "command.h"

/* RFC 6856 section 3: without an argument the languages are listed. */
enum verdict
run_lang(struct client *client, const struct args *args)
{
	const struct language *language;

	if (args->first == NULL) {
		client_say(client, "+OK languages");
		for (size_t i = 0; i < language_count; i++)
			client_say(client, "%s %s", languages[i].tag,
			    languages[i].name);
		stream_put(&client->stream, ".\r\n", 3);
		return GO_ON;
	}
	language = language_find(args->first);
	if (language == NULL)
		return client_refuse(client, "no such language");
	client->language = language;
	client_say(client, "+OK %s language is %s", language->tag, language->name);
	return GO_ON;
}

bool
utf8_offered(const struct client *client)
{
	return client->setup->config->session.utf8 != 0;
}

/* RFC 6856 section 2: before login only. */
enum verdict
run_utf8(struct client *client, const struct args *args)
{
	(void)args;
	if (!utf8_offered(client))
		return client_refuse(client, "unknown command");
	client->utf8 = true;
	client_say(client, "+OK UTF8");
	return GO_ON;
}

/*
 * Whether a message may go out: outside UTF8 mode one whose header holds
 * octets over 127 may not (RFC 6856 section 2), where UTF8 is offered at all.
 * Reads the header alone, into the output's buffer, without sending it.
 */
enum md_error
utf8_permits(struct client *client, uint32_t message, bool *permitsp)
{
	enum md_error error;
	size_t room, length;
	char *piece;

	*permitsp = true;
	if (!utf8_offered(client) || client->utf8)
		return MD_OK;
	error = maildrop_read(client->maildrop, message, 0);
	if (error != MD_OK)
		return error;
	do {
		piece = stream_room(&client->stream, MD_PIECE_MIN, &room);
		error = maildrop_next(client->maildrop, piece, room, &length);
		if (error != MD_OK)
			return error;
		for (size_t i = 0; i < length; i++)
			*permitsp = *permitsp && (signed char)piece[i] >= 0;
	} while (length > 0 && *permitsp);
	return MD_OK;
}
