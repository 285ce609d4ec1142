/*
 * PLAIN and LOGIN: what is a name and a password, what the monitor is asked
 * then, and what becomes of each of its answers.
 */
#include "dialogue.h"

#define X255                                                                       \
	"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx" \
	"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx" \
	"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx" \
	"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"

static void
test_plain_malformed(void **state)
{
	static const struct {
		const char *octets;
		size_t length;
		const char *reply;
	} bad[] = {
	    {OCTETS("mrose"),                     "not [name]"      },
	    {OCTETS("\0"),                        "not [name]"      },
	    {OCTETS("mrose\0secret"),             "not [name]"      },
	    {OCTETS("\0mrose"),                   "not [name]"      },
	    {OCTETS("\0mrose\0secret\0"),         "not [name]"      },
	    {OCTETS("\0mrose\0sec\0ret"),         "not [name]"      },
	    {OCTETS("\0\0\0\0"),                  "not [name]"      },
	    {OCTETS("\0\0"),                      "name or password"},
	    {OCTETS("\0mrose\0"),                 "name or password"},
	    {OCTETS("\0\0secret"),                "name or password"},
	    {OCTETS("\0x" X255 "\0secret"),       "name or password"},
	    {OCTETS("\0mrose\0x" X255),           "name or password"},
	    {OCTETS("dewey\0mrose\0secret"),      "[AUTH] nobody"   },
	    {OCTETS("mros\0mrose\0secret"),       "[AUTH] nobody"   },
	    {OCTETS("mrosee\0mrose\0secret"),     "[AUTH] nobody"   },
	    {OCTETS("MROSE\0mrose\0secret"),      "[AUTH] nobody"   },
	    {OCTETS("x" X255 X255 "\0mrose\0se"), "[AUTH] nobody"   },
	    {OCTETS("mrose\0\0secret"),           "[AUTH] nobody"   },
	};
	struct dialogue *d = dialogue_begin("PLAIN");

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++) {
		for (int two = 0; two <= 1; two++) {
			if (two)
				say(d, OCTETS("AUTH PLAIN"));
			say64(d, two ? "" : "AUTH PLAIN ", bad[i].octets,
			    bad[i].length);
			assert_refused_here(d, bad[i].reply);
		}
	}
	assert_int_equal(d->client.failures, 0);
	dialogue_end(d);
}

/* The monitor was asked for exactly this, and what followed. */
static void
assert_asked(struct dialogue *d, enum ipc_mech mech, const char *name,
    const char *secret)
{
	union ipc_message message;

	assert_int_equal(asked(d, &message), IPC_LOGIN);
	assert_int_equal(message.login.mech, mech);
	assert_int_equal(message.login.tls, 0);
	assert_string_equal(message.login.user, name);
	assert_string_equal(message.login.secret, secret);
	assert_null(d->client.sasl);
}

static void
test_plain_asks(void **state)
{
	static const struct {
		const char *octets;
		size_t length;
		const char *name, *secret;
	} good[] = {
	    {OCTETS("\0mrose\0secret"),        "mrose", "secret"         },
	    {OCTETS("mrose\0mrose\0secret"),   "mrose", "secret"         },
	    {OCTETS("\0a b\0 \t = * \r\n%s "), "a b",   " \t = * \r\n%s "},
	    {OCTETS("\0\351\0\377\1\177"),     "\351",  "\377\1\177"     },
	    {OCTETS("\0../x\0y"),              "../x",  "y"              },
	    {OCTETS("\0" X255 "\0" X255),      X255,    X255             },
	};
	struct dialogue *d = dialogue_begin("PLAIN");

	(void)state;
	d->config.auth.max_attempts = 100;
	for (size_t i = 0; i < COUNT(good); i++) {
		for (int two = 0; two <= 1; two++) {
			/* the answer belongs to the line that asks */
			if (two)
				say(d, OCTETS("AUTH PLAIN"));
			answers_login(d, IPC_RESULT_DENIED);
			say64(d, two ? "" : "AUTH PLAIN ", good[i].octets,
			    good[i].length);
			assert_refused(d, "[AUTH] login failed");
			assert_asked(d, IPC_MECH_PLAIN, good[i].name,
			    good[i].secret);
		}
	}
	assert_int_equal(d->client.failures, 2 * COUNT(good));
	dialogue_end(d);
}

static void
test_login(void **state)
{
	static const struct {
		const char *octets;
		size_t length;
	} bad[] = {
	    {OCTETS("")},
	    {OCTETS("\0")},
	    {OCTETS("mrose\0")},
	    {OCTETS("mro\0se")},
	    {OCTETS("x" X255)},
	};
	struct dialogue *d = dialogue_begin("LOGIN");

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++) {
		say(d, OCTETS("AUTH LOGIN"));
		assert_string_equal(d->said, "+ VXNlcm5hbWU6\r\n");
		say64(d, "", bad[i].octets, bad[i].length);
		assert_refused_here(d, "not a name of 1 to 255 octets");
		say64(d, "AUTH LOGIN ", OCTETS(X255));
		assert_string_equal(d->said, "+ UGFzc3dvcmQ6\r\n");
		say64(d, "", bad[i].octets, bad[i].length);
		assert_refused_here(d, "not a password of 1 to 255 octets");
	}
	say64(d, "AUTH LOGIN ", OCTETS(X255));
	answers_login(d, IPC_RESULT_DENIED);
	say64(d, "", OCTETS(X255));
	assert_refused(d, "[AUTH] login failed");
	assert_asked(d, IPC_MECH_LOGIN, X255, X255);
	dialogue_end(d);
}

static void
test_answers(void **state)
{
	static const struct {
		enum ipc_result result;
		const char *reply;
	} rows[] = {
	    {IPC_RESULT_IN_USE,      "[IN-USE] maildrop is locked by another session "
	                        "from 192.0.2.7\r\n"},
	    {IPC_RESULT_BUSY,        "[IN-USE] "                                   },
	    {IPC_RESULT_DELAYED,     "[LOGIN-DELAY] "                              },
	    {IPC_RESULT_UNSUITABLE,  "[SYS/PERM] "                                 },
	    {IPC_RESULT_UNAVAILABLE, "[SYS/TEMP] "                                 },
	};
	struct dialogue *d = dialogue_begin("PLAIN");

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		answers_login(d, rows[i].result);
		say64(d, "AUTH PLAIN ", OCTETS("\0mrose\0secret"));
		assert_refused(d, rows[i].reply);
		assert_int_equal(d->verdict, GO_ON);
		assert_asked(d, IPC_MECH_PLAIN, "mrose", "secret");
	}
	/* only a denial is a failure, and the last that is permitted is the end */
	for (unsigned i = 1; i <= 3; i++) {
		answers_login(d, IPC_RESULT_DENIED);
		say64(d, "AUTH PLAIN ", OCTETS("\0mrose\0secret"));
		assert_refused(d, "[AUTH] ");
		assert_int_equal(d->client.failures, i);
		assert_int_equal(d->verdict, i < 3 ? GO_ON : CLOSE);
		assert_asked(d, IPC_MECH_PLAIN, "mrose", "secret");
	}
	dialogue_end(d);
}

static void
test_logs_in(void **state)
{
	struct dialogue *d = dialogue_begin("PLAIN");
	union ipc_message message;

	(void)state;
	answers_login(d, IPC_RESULT_OK);
	say64(d, "AUTH PLAIN ", OCTETS("\0mrose\0secret"));
	assert_string_equal(d->said, "+OK 0 messages (0 octets), session \r\n");
	assert_int_equal(d->client.state, TRANSACTION);
	assert_asked(d, IPC_MECH_PLAIN, "mrose", "secret");
	assert_int_equal(asked(d, &message), IPC_OPENED);
	say64(d, "AUTH PLAIN ", OCTETS("\0mrose\0secret"));
	assert_memory_equal(d->said, "-ERR you are logged in", 22);
	assert_int_equal(asked(d, &message), 0);
	dialogue_end(d);
}

/* What no monitor of ours says ends the session without a word. */
static void
test_broken_monitor(void **state)
{
	const struct ipc_login_reply reply = {.type = IPC_LOGIN_REPLY};
	const struct ipc_login_reply odd = {.type = IPC_LOGIN_REPLY,
	    .result = IPC_RESULTS};
	const struct ipc_challenge challenge = {.type = IPC_CHALLENGE};
	const struct ipc_plain stop = {.type = IPC_STOP, .value = IPC_END_SHUTDOWN};
	const struct {
		const void *message;
		size_t size, fds;
		enum ipc_end_reason reason;
	} rows[] = {
	    {&reply,     0,                 0, IPC_END_ERROR   },
	    {&reply,     sizeof(reply) - 1, 2, IPC_END_ERROR   },
	    {&reply,     sizeof(reply),     0, IPC_END_ERROR   },
	    {&reply,     sizeof(reply),     1, IPC_END_ERROR   },
	    {&reply,     sizeof(reply),     3, IPC_END_ERROR   },
	    {&odd,       sizeof(odd),       0, IPC_END_ERROR   },
	    {&challenge, sizeof(challenge), 0, IPC_END_ERROR   },
	    {&stop,      sizeof(stop),      0, IPC_END_SHUTDOWN},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct dialogue *d = dialogue_begin("PLAIN");

		answers(d, rows[i].message, rows[i].size, rows[i].fds);
		if (rows[i].reason == IPC_END_SHUTDOWN)
			answers_login(d, IPC_RESULT_DENIED);
		say64(d, "AUTH PLAIN ", OCTETS("\0mrose\0secret"));
		assert_int_equal(d->verdict, DROP);
		assert_int_equal(d->client.reason, rows[i].reason);
		assert_string_equal(d->said, "");
		assert_int_equal(d->client.state, AUTHORIZATION);
		assert_int_equal(d->client.fds.index, -1);
		dialogue_end(d);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_plain_malformed),
	    cmocka_unit_test(test_plain_asks),
	    cmocka_unit_test(test_login),
	    cmocka_unit_test(test_answers),
	    cmocka_unit_test(test_logs_in),
	    cmocka_unit_test(test_broken_monitor),
	};

	return cmocka_run_group_tests_name("sasl_plain", tests, NULL, NULL);
}
