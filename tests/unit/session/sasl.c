/*
 * The exchange of AUTH: what is base64 and what is not, the empty response
 * and the cancelled attempt, how long a line may be, and the end of an attempt.
 */
#include "dialogue.h"

#define GOOD "AG1yb3NlAHNlY3JldA==" /* NUL mrose NUL secret */

/* The line of a response, or behind "AUTH PLAIN ", that is no base64. */
static const struct {
	const char *octets;
	size_t length;
} no_base64[] = {
    {OCTETS("A")},
    {OCTETS("AG1")},
    {OCTETS("AG1yb3NlAHNlY3JldA")},
    {OCTETS("AG1yb3NlAHNlY3JldA=")},
    {OCTETS("AG1yb3NlAHNlY3JldA===")},
    {OCTETS("AG1yb3NlAHNlY3JldA======")},
    {OCTETS("AG1yb3NlAHNlY3JldB==")}, /* bits that encode nothing */
    {OCTETS("AG1yb3Nl====AHNlY3JldA==")},
    {OCTETS("AG1yb3NlAHNlY3J_d-==")},
    {OCTETS("AG1yb3NlAHNlY3J.dA==")},
    {OCTETS("AG1yb3NlAHNlY3J\351dA=")},
    {OCTETS("====")},
    {OCTETS("=A==")},
    {OCTETS("**")},
    {OCTETS("*A==")},
    {OCTETS("QUIT.")},
};

/* ... and what only a response can hold. */
static const struct {
	const char *octets;
	size_t length;
} no_response[] = {
    {OCTETS("=")}, /* an initial response alone may be empty so */
    {OCTETS(" " GOOD)},
    {OCTETS(GOOD " ")},
    {OCTETS("AG1y b3NlAHNlY3JldA==")},
    {OCTETS("AG1yb3Nl\0HNlY3JldA==")},
    {OCTETS("\0\0\0\0")},
    {OCTETS(GOOD "\r")},
    {OCTETS("* ")},
    {OCTETS("*\0")},
};

static void
test_base64(void **state)
{
	struct dialogue *d = dialogue_begin("PLAIN");
	char line[128];

	(void)state;
	for (size_t i = 0; i < COUNT(no_base64); i++) {
		say(d, OCTETS("AUTH PLAIN"));
		assert_string_equal(d->said, "+ \r\n");
		say(d, no_base64[i].octets, no_base64[i].length);
		assert_refused_here(d, "not a response in base64");
		snprintf(line, sizeof(line), "AUTH PLAIN %s", no_base64[i].octets);
		say(d, line, strlen(line));
		assert_refused_here(d, "not a response in base64");
	}
	for (size_t i = 0; i < COUNT(no_response); i++) {
		say(d, OCTETS("AUTH PLAIN"));
		say(d, no_response[i].octets, no_response[i].length);
		assert_refused_here(d, "not a response in base64");
	}
	say(d, OCTETS("AUTH PLAIN AG1yb3Nl\0HNlY3JldA=="));
	assert_refused_here(d, "NUL");
	assert_int_equal(d->client.failures, 0);
	dialogue_end(d);
}

static void
test_cancelled(void **state)
{
	struct dialogue *d = dialogue_begin("SCRAM-SHA-256 PLAIN LOGIN");

	(void)state;
	say(d, OCTETS("AUTH PLAIN"));
	say(d, OCTETS("*"));
	assert_refused_here(d, "authentication cancelled");
	say(d, OCTETS("auth login bXJvc2U="));
	assert_string_equal(d->said, "+ UGFzc3dvcmQ6\r\n");
	say(d, OCTETS("*"));
	assert_refused_here(d, "authentication cancelled");
	say(d, OCTETS("AUTH SCRAM-SHA-256"));
	say(d, OCTETS("*"));
	assert_refused_here(d, "authentication cancelled");
	/* as an initial response it is none */
	say(d, OCTETS("AUTH PLAIN *"));
	assert_refused_here(d, "not a response in base64");
	/* the attempt is over: this is a command */
	say(d, OCTETS("*"));
	assert_refused_here(d, "unknown command");
	dialogue_end(d);
}

/* Nothing, and "=" in its place, are an empty response to each mechanism. */
static void
test_empty(void **state)
{
	static const struct {
		const char *command, *reply;
	} rows[] = {
	    {"AUTH PLAIN",         "not [name] NUL name NUL password"},
	    {"AUTH LOGIN",         "not a name of 1 to 255 octets"   },
	    {"AUTH SCRAM-SHA-256", "not a message of SCRAM"          },
	};
	struct dialogue *d = dialogue_begin("SCRAM-SHA-256 PLAIN LOGIN");
	char line[64];

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		say(d, rows[i].command, strlen(rows[i].command));
		say(d, "", 0);
		assert_refused_here(d, rows[i].reply);
		snprintf(line, sizeof(line), "%s =", rows[i].command);
		say(d, line, strlen(line));
		assert_refused_here(d, rows[i].reply);
	}
	dialogue_end(d);
}

/* RFC 5034 section 4: 12288 octets with the line end, and 512 for any other line. */
static void
test_limits(void **state)
{
	static const char *const commands[] = {"AUTH PLAIN ", "auth\tplain "};
	const size_t most = STREAM_AUTH_MAX - 2;
	struct dialogue *d = dialogue_begin("PLAIN");
	char line[STREAM_AUTH_MAX + 64];

	(void)state;
	memset(line, 'A', sizeof(line));
	for (size_t i = 0; i < COUNT(commands); i++) {
		memcpy(line, commands[i], strlen(commands[i]));
		say(d, line, most);
		assert_refused_here(d, "not ");
		say(d, line, most + 1);
		assert_refused_here(d, "line too long");
	}
	memset(line, 'A', 16);
	for (size_t length = most; length <= most + 1; length++) {
		say(d, OCTETS("AUTH PLAIN"));
		say(d, line, length);
		assert_refused_here(d, length == most ? "not " : "line too long");
		say(d, line, STREAM_LINE_MAX - 2);
		assert_refused_here(d, "unknown command");
		say(d, line, STREAM_LINE_MAX - 1);
		assert_refused_here(d, "line too long");
	}
	dialogue_end(d);
}

/* Whoever holds a maildrop already, before the exchange is over, loses it. */
static void
test_refused_with_a_maildrop(void **state)
{
	struct dialogue *d = dialogue_begin("PLAIN");

	(void)state;
	say(d, OCTETS("AUTH PLAIN"));
	d->client.fds.index = memfd_create("index", MFD_CLOEXEC);
	say(d, OCTETS("*"));
	assert_refused(d, "authentication cancelled");
	assert_int_equal(d->verdict, CLOSE);
	assert_int_equal(d->client.reason, IPC_END_ERROR);
	dialogue_end(d);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_base64),
	    cmocka_unit_test(test_cancelled),
	    cmocka_unit_test(test_empty),
	    cmocka_unit_test(test_limits),
	    cmocka_unit_test(test_refused_with_a_maildrop),
	};

	return cmocka_run_group_tests_name("sasl", tests, NULL, NULL);
}
