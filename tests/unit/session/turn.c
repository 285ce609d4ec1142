/*
 * Turns of a dialogue: what a line leaves behind that may have held a password,
 * and how many may be too long.
 */
#include "dialogue.h"

#include "session/turn.h"

#define SECRET "hunter2"

static const char *
turn(struct dialogue *d)
{
	d->verdict = turn_take(&d->client);
	stream_flush(&d->client.stream);
	get(d);
	return d->said;
}

static bool
is_wiped(const struct dialogue *d)
{
	return memmem(d->client.stream.inbuf, sizeof(d->client.stream.inbuf),
	           SECRET, strlen(SECRET)) == NULL;
}

/* "PASS hunter2hunter2...", of so many octets without its line end. */
static void
put_long(struct dialogue *d, size_t length)
{
	char *line = malloc(length);

	assert_non_null(line);
	for (size_t i = 0; i < length; i++)
		line[i] = i < 5 ? "PASS "[i] : SECRET[(i - 5) % strlen(SECRET)];
	put(d, line, length);
	put(d, "\r\nNOOP\r\n", 8);
	free(line);
}

static void
test_wiped(void **state)
{
	/* within the limit, over it, over what the buffer holds */
	static const size_t lengths[] = {20, 511, STREAM_IN_SIZE - 2,
	    STREAM_IN_SIZE + 100, 3 * STREAM_IN_SIZE};

	(void)state;
	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		struct dialogue *d = dialogue_begin("PLAIN");

		put_long(d, lengths[i]);
		assert_memory_equal(turn(d), "-ERR ", 5);
		assert_int_equal(d->verdict, GO_ON);
		assert_true(is_wiped(d));
		assert_string_equal(turn(d), "-ERR log in first\r\n");
		dialogue_end(d);
	}
}

/* A client that logs in once more: refused, and forgotten as at its login. */
static void
test_wiped_after_login(void **state)
{
	static const char *const lines[] = {"PASS " SECRET "\r\n",
	    "AUTH PLAIN " SECRET "\r\n", SECRET "\r\n", "\r" SECRET "\r\n"};

	(void)state;
	for (size_t i = 0; i < COUNT(lines); i++) {
		struct dialogue *d = dialogue_begin("PLAIN");

		client_enter(&d->client, TRANSACTION);
		put(d, lines[i], strlen(lines[i]));
		put(d, OCTETS("NOOP\r\n"));
		assert_memory_equal(turn(d), "-ERR ", 5);
		assert_true(is_wiped(d));
		assert_string_equal(turn(d), "+OK\r\n");
		dialogue_end(d);
	}
}

static void
test_third_is_too_much(void **state)
{
	struct dialogue *d = dialogue_begin("PLAIN");

	(void)state;
	for (int i = 1; i <= 3; i++) {
		put_long(d, STREAM_LINE_MAX);
		assert_string_equal(turn(d), "-ERR line too long\r\n");
		assert_int_equal(d->verdict, i < 3 ? GO_ON : CLOSE);
		(void)turn(d);
	}
	assert_int_equal(d->client.reason, IPC_END_ERROR);
	dialogue_end(d);
}

/* Whatever comes between USER and PASS, refused or not: the name is gone. */
static void
test_pass_behind_user(void **state)
{
	static const char *const between[] = {"NOOP\r\n", "\r\n", "CAPA\r\n",
	    "LANG en\r\n", "AUTH\r\n", "AUTH PLAIN =\r\n", "USER\r\n",
	    "USER a b\r\n", "PASS\r\n", "STLS\r\n", "APOP mrose 0\r\n"};

	(void)state;
	for (size_t i = 0; i < COUNT(between); i++) {
		struct dialogue *d = dialogue_begin("PLAIN");

		put(d, OCTETS("USER mrose\r\n"));
		assert_string_equal(turn(d), "+OK send PASS\r\n");
		assert_string_equal(d->client.user, "mrose");
		put(d, between[i], strlen(between[i]));
		(void)turn(d);
		put(d, OCTETS("PASS " SECRET "\r\n"));
		assert_string_equal(turn(d), "-ERR send USER first\r\n");
		dialogue_end(d);
	}
}

static void
test_long_user(void **state)
{
	struct dialogue *d = dialogue_begin("PLAIN");

	(void)state;
	put(d, OCTETS("USER mrose\r\n"));
	(void)turn(d);
	put_long(d, STREAM_LINE_MAX);
	assert_string_equal(turn(d), "-ERR line too long\r\n");
	assert_string_equal(d->client.user, "");
	dialogue_end(d);
}

static void
test_foreign(void **state)
{
	struct dialogue *d = dialogue_begin("PLAIN");
	union ipc_message message;

	(void)state;
	put(d, "GET / HTTP/1.0\r\n", 16);
	assert_string_equal(turn(d), "-ERR this is a POP3 server\r\n");
	assert_int_equal(d->verdict, CLOSE);
	assert_int_equal(asked(d, &message), IPC_NOTE);
	assert_int_equal(message.plain.value, IPC_NOTE_FOREIGN);
	assert_string_equal(message.plain.text, "HTTP");
	dialogue_end(d);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_wiped),
	    cmocka_unit_test(test_wiped_after_login),
	    cmocka_unit_test(test_third_is_too_much),
	    cmocka_unit_test(test_pass_behind_user),
	    cmocka_unit_test(test_long_user),
	    cmocka_unit_test(test_foreign),
	};

	return cmocka_run_group_tests_name("turn", tests, NULL, NULL);
}
