/*
 * The command table, and the one parser of command lines. Runs sandboxed. A
 * handler is called only where its command is legal, and gets the number of a
 * live message, never a string to make a number of.
 */
#include "command.h"

#include <string.h>
#include <strings.h>

#include "fault.h"
#include "text.h"

#define BOTH (AUTHORIZATION | TRANSACTION)
#define WORD_MAX 255

/* RFC 1725 sections 4 to 7; CAPA of RFC 2449; LAST and RPOP of RFC 1081. */
/* clang-format off */
static const struct command commands[] = {
    {"USER", AUTHORIZATION, FORM_NAME,          "USER name",                   run_user, NULL},
    {"PASS", AUTHORIZATION, FORM_REST,          "PASS password, after USER",   run_pass, NULL},
    {"APOP", AUTHORIZATION, FORM_TWO_WORDS,     "APOP name digest",            run_apop, NULL},
    {"AUTH", AUTHORIZATION, FORM_MAYBE_WORDS,   "AUTH [mechanism [response]]", run_auth, NULL},
    {"STLS", AUTHORIZATION, FORM_NONE,          "STLS",                        run_stls, NULL},
    {"UTF8", AUTHORIZATION, FORM_NONE,          "UTF8",                        run_utf8, NULL},
    {"CAPA", BOTH,          FORM_NONE,          "CAPA",                        run_capa, NULL},
    {"QUIT", BOTH,          FORM_NONE,          "QUIT",                        run_quit, NULL},
    {"RPOP", BOTH,          FORM_REST,          "RPOP name",                   run_rpop, NULL},
    {"LANG", BOTH,          FORM_MAYBE_NAME,    "LANG [language]",             run_lang, NULL},
    {"STAT", TRANSACTION,   FORM_NONE,          "STAT",                        run_stat, NULL},
    {"LIST", TRANSACTION,   FORM_MAYBE_MESSAGE, "LIST [message-number]",       run_list, fault_refuse},
    {"UIDL", TRANSACTION,   FORM_MAYBE_MESSAGE, "UIDL [message-number]",       run_uidl, fault_end},
    {"RETR", TRANSACTION,   FORM_MESSAGE,       "RETR message-number",         run_retr, fault_refuse},
    {"TOP",  TRANSACTION,   FORM_MESSAGE_LINES, "TOP message-number lines",    run_top,  fault_refuse},
    {"DELE", TRANSACTION,   FORM_MESSAGE,       "DELE message-number",         run_dele, fault_refuse},
    {"NOOP", TRANSACTION,   FORM_NONE,          "NOOP",                        run_noop, NULL},
    {"RSET", TRANSACTION,   FORM_NONE,          "RSET",                        run_rset, NULL},
    {"LAST", TRANSACTION,   FORM_NONE,          "LAST",                        run_last, NULL},
};
/* clang-format on */

/* How many words each form wants. */
static const struct {
	int least, most;
} words_of[FORMS] = {
    [FORM_NONE] = {0, 0},
    [FORM_NAME] = {1, 1},
    [FORM_MAYBE_NAME] = {0, 1},
    [FORM_TWO_WORDS] = {2, 2},
    [FORM_MAYBE_WORDS] = {0, 2},
    [FORM_MESSAGE] = {1, 1},
    [FORM_MAYBE_MESSAGE] = {0, 1},
    [FORM_MESSAGE_LINES] = {2, 2},
};

static const struct command *
find(const char *line, size_t length)
{
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		if (strlen(commands[i].verb) == length &&
		    strncasecmp(commands[i].verb, line, length) == 0)
			return &commands[i];
	}
	return NULL;
}

static enum verdict
refuse_usage(struct client *client, const struct command *command)
{
	client_say(client, "-ERR usage: %s", command->usage);
	return GO_ON;
}

/* Cuts text at blanks into at most two words; returns how many there are. */
static int
split(char *text, char *words[2])
{
	int count = 0;

	for (;;) {
		text += strspn(text, " \t");
		if (*text == '\0')
			return count;
		if (count < 2)
			words[count] = text;
		count++;
		text += strcspn(text, " \t");
		if (*text != '\0')
			*text++ = '\0';
	}
}

/* A live message of the maildrop, or one -ERR and false. */
static bool
take_message(struct client *client, const char *word, uint32_t *messagep)
{
	uint32_t count = maildrop_count(client->maildrop);
	uint64_t number;

	if (!text_number(word, UINT32_MAX, &number) || number == 0 ||
	    number > count) {
		client_say(client,
		    "-ERR no such message, only %u messages in maildrop", count);
		return false;
	}
	if (maildrop_is_deleted(client->maildrop, (uint32_t)number)) {
		client_say(client, "-ERR message %u already deleted",
		    (uint32_t)number);
		return false;
	}
	*messagep = (uint32_t)number;
	return true;
}

/* Before a handler that asks of messages: they are there, and so is its own. */
static enum verdict
run_on_messages(struct client *client, const struct command *command,
    struct args *args)
{
	const enum md_error error = maildrop_load(client->maildrop);

	if (error != MD_OK)
		return command->unread(client, error);
	if (args->first != NULL &&
	    !take_message(client, args->first, &args->message))
		return GO_ON;
	if (args->second != NULL &&
	    !text_number(args->second, UINT64_MAX, &args->lines))
		return refuse_usage(client, command);
	return command->run(client, args);
}

static enum verdict
run_with_words(struct client *client, const struct command *command, char *rest)
{
	char *words[2] = {NULL, NULL};
	int count = split(rest, words);
	struct args args = {.first = words[0], .second = words[1]};

	if (count < words_of[command->form].least ||
	    count > words_of[command->form].most)
		return refuse_usage(client, command);
	if (count > 0 && strlen(words[0]) > WORD_MAX)
		return refuse_usage(client, command);
	if (command->unread != NULL)
		return run_on_messages(client, command, &args);
	return command->run(client, &args);
}

/* What is no command here may be a password that is out of place. */
static enum verdict
refuse_line(struct client *client, const char *text)
{
	stream_wipe(&client->stream);
	return client_refuse(client, text);
}

enum verdict
command_run(struct client *client, char *line, size_t length)
{
	size_t verb = strcspn(line, " \t");
	const struct command *command = find(line, verb);
	struct args args = {.first = line + verb};

	if (memchr(line, '\0', length) != NULL ||
	    memchr(line, '\r', length) != NULL)
		return refuse_line(client, "NUL or CR inside a command");
	if (command == NULL)
		return refuse_line(client, "unknown command");
	if ((command->states & client->state) == 0)
		return refuse_line(client, client->state == AUTHORIZATION
		                               ? "log in first"
		                               : "you are logged in already");
	if (command->form != FORM_REST)
		return run_with_words(client, command, line + verb);
	args.first += *args.first != '\0';
	if (strlen(args.first) < 1 || strlen(args.first) > WORD_MAX)
		return refuse_usage(client, command);
	return command->run(client, &args);
}
