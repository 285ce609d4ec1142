/*
 * What AUTH offers: under each configuration a bare AUTH and CAPA list what
 * would be accepted, no more and no less, and a password that may not come
 * over this connection is refused before it leaves the client.
 */
#include "dialogue.h"

/* Whether "AUTH name" begins an attempt, which is cancelled then. */
static bool
is_accepted(struct dialogue *d, const char *name)
{
	char line[64];
	bool accepted;

	snprintf(line, sizeof(line), "AUTH %s", name);
	say(d, line, strlen(line));
	accepted = d->client.sasl != NULL;
	assert_memory_equal(d->said, accepted ? "+ " : "-ERR ", accepted ? 2 : 5);
	if (accepted)
		say(d, OCTETS("*"));
	return accepted;
}

/* Both lists are this one, words with a blank in front, and tell the truth. */
static void
assert_offered(struct dialogue *d, const char *list)
{
	static const char *const names[] = {"SCRAM-SHA-256-PLUS", "SCRAM-SHA-256",
	    "EXTERNAL", "PLAIN", "LOGIN"};
	union ipc_message message;
	char line[128], bare[128] = "+OK", word[32];

	snprintf(line, sizeof(line), "\r\nSASL%s\r\n", list);
	say(d, OCTETS("CAPA"));
	assert_ptr_equal(strstr(d->said, "\r\nSASL"),
	    list[0] != '\0' ? strstr(d->said, line) : NULL);
	for (const char *c = list; *c != '\0'; c++)
		strlcat(bare, *c == ' ' ? "\r\n" : (char[]){*c, '\0'},
		    sizeof(bare));
	strlcat(bare, "\r\n.\r\n", sizeof(bare));
	say(d, OCTETS("AUTH"));
	assert_string_equal(d->said, bare);
	for (size_t i = 0; i < COUNT(names); i++) {
		snprintf(word, sizeof(word), "\r\n%s\r\n", names[i]);
		assert_int_equal(is_accepted(d, names[i]),
		    strstr(bare, word) != NULL);
		while (asked(d, &message) != 0)
			assert_int_equal(message.type, IPC_NOTE);
	}
}

/* clang-format off */
static const struct {
	const char *mechanisms;
	bool scram; /* users can use it */
	enum config_cleartext cleartext;
	const char *list;
} configured[] = {
    {"auto",                     false, CLEARTEXT_ALWAYS, " PLAIN LOGIN"},
    {"auto",                     true,  CLEARTEXT_ALWAYS, " SCRAM-SHA-256 PLAIN LOGIN"},
    {"auto",                     true,  CLEARTEXT_NEVER,  " SCRAM-SHA-256"},
    {"auto",                     false, CLEARTEXT_NEVER,  ""},
    {"auto",                     false, CLEARTEXT_AUTO,   " PLAIN LOGIN"},
    {"auto",                     false, CLEARTEXT_LOCAL,  ""},
    {"",                         true,  CLEARTEXT_ALWAYS, ""},
    {"LOGIN  \tSCRAM-SHA-256",   false, CLEARTEXT_ALWAYS, " SCRAM-SHA-256 LOGIN"},
    {"SCRAM-SHA-256-PLUS PLAIN", true,  CLEARTEXT_ALWAYS, " PLAIN"},
    {"EXTERNAL LOGIN",           true,  CLEARTEXT_ALWAYS, " LOGIN"},
};
/* clang-format on */

static void
test_offered(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(configured); i++) {
		struct dialogue *d = dialogue_begin(configured[i].mechanisms);

		d->config.auth.max_attempts = 100;
		d->config.auth.cleartext = configured[i].cleartext;
		d->setup.scram = configured[i].scram;
		assert_offered(d, configured[i].list);
		dialogue_end(d);
	}
}

static void
test_names(void **state)
{
	struct dialogue *d = dialogue_begin("PLAIN LOGIN");

	(void)state;
	assert_true(is_accepted(d, "PLAIN"));
	assert_true(is_accepted(d, "plain"));
	assert_true(is_accepted(d, "  Login  "));
	assert_false(is_accepted(d, "PLAI"));
	assert_false(is_accepted(d, "PLAIN2"));
	assert_false(is_accepted(d, "PLAIN = ="));
	assert_false(is_accepted(d, "="));
	assert_false(is_accepted(d, "*"));
	assert_int_equal(d->client.failures, 0);
	dialogue_end(d);
}

static void
test_cleartext_refused(void **state)
{
	struct dialogue *d = dialogue_begin("PLAIN LOGIN");
	union ipc_message message;

	(void)state;
	d->config.auth.cleartext = CLEARTEXT_NEVER;
	say64(d, "AUTH LOGIN ", OCTETS("mrose"));
	assert_refused(d, "[AUTH] no passwords over this connection");
	assert_int_equal(asked(d, &message), IPC_NOTE);
	assert_int_equal(message.plain.value, IPC_NOTE_CLEARTEXT_AUTH);
	assert_string_equal(message.plain.text, "LOGIN");
	say64(d, "AUTH plain ", OCTETS("\0mrose\0secret"));
	assert_refused(d, "[AUTH] no passwords over this connection");
	assert_int_equal(asked(d, &message), IPC_NOTE);
	assert_string_equal(message.plain.text, "PLAIN");
	assert_int_equal(d->verdict, GO_ON);
	/* RFC 5034 names no limit; ours counts these too */
	say(d, OCTETS("AUTH PLAIN"));
	assert_int_equal(d->client.failures, 3);
	assert_int_equal(d->verdict, CLOSE);
	dialogue_end(d);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_offered),
	    cmocka_unit_test(test_names),
	    cmocka_unit_test(test_cleartext_refused),
	};

	return cmocka_run_group_tests_name("mechanisms", tests, NULL, NULL);
}
