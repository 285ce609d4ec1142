/*
 * SCRAM (RFC 5802, RFC 7677) message by message: each fault of the client's
 * two, what the monitor is asked (the AuthMessage to the octet, and whether
 * the nonce is this connection's), and what follows.
 */
#include "scram_dialogue.h"

struct octets {
	const char *octets;
	size_t length;
};

static const struct octets bad_first[] = {
    {OCTETS("\0")},
    {OCTETS("n")},
    {OCTETS("n,")},
    {OCTETS("n,,")},
    {OCTETS("n,,,")},
    {OCTETS("n,,n=mrose")},
    {OCTETS("n,,n=mrose,")},
    {OCTETS("n,,n=mrose,r")},
    {OCTETS("n,,n=mrose,r=")},
    {OCTETS("n,,r=abc")},
    {OCTETS("n,,r=abc,n=mrose")},
    {OCTETS("n=mrose,r=abc")},
    {OCTETS(",,n=mrose,r=abc")},
    {OCTETS("x,,n=mrose,r=abc")},
    {OCTETS("N,,n=mrose,r=abc")},
    {OCTETS("nn,,n=mrose,r=abc")},
    {OCTETS("p,,n=mrose,r=abc")},
    {OCTETS("p=,,n=mrose,r=abc")},
    {OCTETS("p=tls-exporter,,n=mrose,r=abc")},
    {OCTETS("n,a=,n=mrose,r=abc")},
    {OCTETS("n,mrose,n=mrose,r=abc")},
    {OCTETS("n,b=mrose,n=mrose,r=abc")},
    {OCTETS("n,a=mrose=,n=mrose,r=abc")},
    {OCTETS("n,,n=,r=abc")},
    {OCTETS("n,,mrose,r=abc")},
    {OCTETS("n,,u=mrose,r=abc")},
    {OCTETS("n,,n=a=b,r=abc")},
    {OCTETS("n,,n=a=,r=abc")},
    {OCTETS("n,,n=a=2,r=abc")},
    {OCTETS("n,,n=a=2c,r=abc")},
    {OCTETS("n,,n=a=3d,r=abc")},
    {OCTETS("n,,n=a=00,r=abc")},
    {OCTETS("n,, n=mrose,r=abc")},
    {OCTETS("n,,n=mro\0se,r=abc")},
    {OCTETS("n,,n=mrose,r=abc\0")},
    {OCTETS("n,,n=mrose,r=a\0bc")},
    {OCTETS("n,,n=mrose,r=a bc")},
    {OCTETS("n,,n=mrose,r=a\tbc")},
    {OCTETS("n,,n=mrose,r=a\177bc")},
    {OCTETS("n,,n=mrose,r=a\351bc")},
    {OCTETS("n,,m=1,n=mrose,r=abc")}, /* RFC 5802 section 5.1: always refused */
    {OCTETS("n,,n=mrose,m=1,r=abc")},
    {OCTETS("n,,n=mrose,r=abc,m=1")},
    {OCTETS("n,,n=mrose,r=abc,x=1,m=1")},
    {OCTETS("n,,n=mrose,x=1,r=abc")},
    {OCTETS("n,,n=mrose,r=abc,")},
    {OCTETS("n,,n=mrose,r=abc,x")},
    {OCTETS("n,,n=mrose,r=abc,x=")},
    {OCTETS("n,,n=mrose,r=abc,=x")},
    {OCTETS("n,,n=mrose,r=abc,1=x")},
    {OCTETS("n,,n=mrose,r=abc,x=1,")},
    {OCTETS("n,,n=mrose,r=abc,x=1,,y=2")},
};

static void
test_first_malformed(void **state)
{
	struct dialogue *d = dialogue_begin("SCRAM-SHA-256");

	(void)state;
	for (size_t i = 0; i < COUNT(bad_first); i++) {
		say64(d, "AUTH SCRAM-SHA-256 ", bad_first[i].octets,
		    bad_first[i].length);
		assert_refused_here(d, MALFORMED);
		say(d, OCTETS("AUTH SCRAM-SHA-256"));
		assert_string_equal(d->said, "+ \r\n");
		say64(d, "", bad_first[i].octets, bad_first[i].length);
		assert_refused_here(d, MALFORMED);
	}
	say64(d, "AUTH SCRAM-SHA-256 ", OCTETS("n,a=dewey,n=mrose,r=abc"));
	assert_refused_here(d, "[AUTH] nobody");
	say64(d, "AUTH SCRAM-SHA-256 ", OCTETS("n,a=mros,n=mrose,r=abc"));
	assert_refused_here(d, "[AUTH] nobody");
	assert_int_equal(d->client.failures, 0);
	dialogue_end(d);
}

static void
test_first_long(void **state)
{
	static const struct {
		const char *text;
		size_t most; /* which may stand for '*'; one more is refused */
	} rows[] = {
	    {"n,,n=*,r=abc",       255 },
	    {"n,a=*,n=mrose,r=x",  255 }, /* another's, but well-formed */
	    {"n,,n=mrose,r=*",     4086}, /* with "n=mrose,r=" 4096 */
	    {"n,,n=mrose,r=a,x=*", 4082},
	};
	struct dialogue *d = dialogue_begin("SCRAM-SHA-256");
	union ipc_message message;
	const char *text;

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		text = stretched(rows[i].text, rows[i].most);
		answers_challenge(d, 4096);
		say64(d, "AUTH SCRAM-SHA-256 ", text, strlen(text));
		if (asked(d, &message) == 0)
			assert_refused(d, "[AUTH] nobody");
		else if (d->client.sasl == NULL)
			assert_refused(d, MALFORMED); /* both do not fit */
		else
			say(d, OCTETS("*"));
		/* an answer that nobody waited for */
		(void)recv(d->client.link.fd, &message, sizeof(message),
		    MSG_DONTWAIT);
		text = stretched(rows[i].text, rows[i].most + 1);
		say64(d, "AUTH SCRAM-SHA-256 ", text, strlen(text));
		assert_refused_here(d, MALFORMED);
	}
	for (size_t length = 1000; length < 9000; length += 16) {
		text = stretched("n,a=*,n=mrose,r=abc", length);
		say64(d, "AUTH SCRAM-SHA-256 ", text, strlen(text));
		assert_refused_here(d, MALFORMED);
	}
	dialogue_end(d);
}

static void
test_first_asks(void **state)
{
	static const struct {
		const char *first, *name;
	} rows[] = {
	    {FIRST,	                     "mrose"},
	    {"y,,n=mrose,r=abc",                "mrose"}, /* -PLUS is not offered */
	    {"n,a=mrose,n=mrose,r=abc",         "mrose"},
	    {"n,,n=a=2Cb=3Dc,r=abc",            "a,b=c"},
	    {"n,a=a=2Cb=3Dc,n=a=2Cb=3Dc,r=abc", "a,b=c"},
	    {"n,,n=x=3D2C,r=abc",               "x=2C" },
	    {"n,,n=../x,r=abc",                 "../x" },
	    {"n,,n=mrose,r=abc,x=1,Y=2=3",      "mrose"},
	};
	struct dialogue *d = dialogue_begin("SCRAM-SHA-256");
	union ipc_message message;
	char text[256];

	(void)state;
	d->config.auth.max_attempts = 100;
	for (size_t i = 0; i < COUNT(rows); i++) {
		answers_challenge(d, 4096);
		say64(d, "AUTH SCRAM-SHA-256 ", rows[i].first,
		    strlen(rows[i].first));
		assert_challenged(d, text, sizeof(text));
		assert_string_equal(text, "r=abc" SERVER ",s=" SALT ",i=4096");
		assert_int_equal(asked(d, &message), IPC_SCRAM);
		assert_int_equal(message.login.mech, IPC_MECH_SCRAM);
		assert_string_equal(message.login.user, rows[i].name);
		assert_string_equal(message.login.secret, "");
		say(d, OCTETS("*"));
		assert_refused_here(d, "authentication cancelled");
		assert_int_equal(d->client.failures, i + 1);
	}
	/* the monitor has none to give */
	answers_challenge(d, 0);
	say64(d, "AUTH SCRAM-SHA-256 ", OCTETS(FIRST));
	assert_refused(d, "[SYS/TEMP]");
	assert_int_equal(d->client.failures, COUNT(rows) + 1);
	answers_login(d, IPC_RESULT_DENIED);
	say64(d, "AUTH SCRAM-SHA-256 ", OCTETS(FIRST));
	assert_int_equal(d->verdict, DROP);
	dialogue_end(d);
}

static const struct octets bad_final[] = {
    {OCTETS("")},
    {OCTETS("c=biws")},
    {OCTETS(FINAL)},
    {OCTETS(FINAL ",p=")},
    {OCTETS(FINAL ",p")},
    {OCTETS("p=" PROOF)},
    {OCTETS(",p=" PROOF)},
    {OCTETS(",,p=" PROOF)},
    {OCTETS("c=biws,p=" PROOF)},
    {OCTETS("c=biws,,p=" PROOF)},
    {OCTETS("c=biws,r=,p=" PROOF)},
    {OCTETS("c=,r=abc" SERVER ",p=" PROOF)},
    {OCTETS("r=abc" SERVER ",p=" PROOF)},
    {OCTETS("r=abc" SERVER ",c=biws,p=" PROOF)},
    {OCTETS("c=biws,p=" PROOF ",r=abc" SERVER)},
    {OCTETS("p=" PROOF "," FINAL)},
    {OCTETS("x=1," FINAL ",p=" PROOF)},
    {OCTETS("c=biws,x=1,r=abc" SERVER ",p=" PROOF)},
    {OCTETS("C=biws,r=abc" SERVER ",p=" PROOF)},
    {OCTETS(FINAL ",P=" PROOF)},
    {OCTETS(FINAL ",p=" PROOF ",x=1")},
    {OCTETS(FINAL ",p=" PROOF ",")},
    {OCTETS(FINAL ",p=" PROOF "\0")},
    {OCTETS("c=biws\0,r=abc" SERVER ",p=" PROOF)},
    {OCTETS(FINAL "\0,p=" PROOF)},
    {OCTETS(FINAL ",p=QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQQ==")},
    {OCTETS(FINAL ",p=QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFB")},
    {OCTETS(FINAL ",p=QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUF=")},
    {OCTETS(FINAL ",p=QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE")},
    {OCTETS(FINAL ",p= " PROOF)},
    {OCTETS(FINAL ",m=1,p=" PROOF)},
    {OCTETS(FINAL ",x=1,m=1,p=" PROOF)},
    {OCTETS(FINAL ",,p=" PROOF)},
    {OCTETS(FINAL ",x,p=" PROOF)},
    {OCTETS(FINAL ",x=,p=" PROOF)},
};

static void
test_final_malformed(void **state)
{
	struct dialogue *d = dialogue_begin("SCRAM-SHA-256");
	const char *text;

	(void)state;
	d->config.auth.max_attempts = 100;
	for (size_t i = 0; i < COUNT(bad_final); i++) {
		begin(d, "SCRAM-SHA-256", FIRST);
		say64(d, "", bad_final[i].octets, bad_final[i].length);
		assert_refused_here(d, MALFORMED);
		assert_int_equal(d->client.failures, i + 1);
	}
	/* a final message out of its turn */
	say64(d, "AUTH SCRAM-SHA-256 ", OCTETS(FINAL ",p=" PROOF));
	assert_refused_here(d, MALFORMED);
	/* the AuthMessage has 4096 octets at most */
	begin(d, "SCRAM-SHA-256", FIRST);
	text = stretched(FINAL ",x=*,p=" PROOF, 4000);
	say64(d, "", text, strlen(text));
	assert_refused_here(d, MALFORMED);
	dialogue_end(d);
}

/* What is well-formed and of another connection looks like a wrong proof. */
static void
test_final_foreign(void **state)
{
	static const char *const finals[] = {
	    "c=biws,r=abc,p=" PROOF,
	    "c=biws,r=" SERVER ",p=" PROOF,
	    "c=biws,r=abc" SERVER "x,p=" PROOF,
	    "c=biws,r=Abc" SERVER ",p=" PROOF,
	    "c=biws,r=xabc" SERVER ",p=" PROOF,
	    "c=eSws,r=abc" SERVER ",p=" PROOF,         /* y,, */
	    "c=biwsZGF0YQ==,r=abc" SERVER ",p=" PROOF, /* n,,data */
	    "c=biw,r=abc" SERVER ",p=" PROOF,
	    "c=biwt,r=abc" SERVER ",p=" PROOF,
	    "c=n,r=abc" SERVER ",p=" PROOF,
	};
	struct dialogue *d = dialogue_begin("SCRAM-SHA-256");

	(void)state;
	d->config.auth.max_attempts = 100;
	for (size_t i = 0; i < COUNT(finals); i++) {
		begin(d, "SCRAM-SHA-256", FIRST);
		answers_login(d, IPC_RESULT_DENIED);
		say64(d, "", finals[i], strlen(finals[i]));
		assert_refused(d, "[AUTH] login failed");
		assert_proof(d, true, NULL);
		assert_int_equal(d->client.failures, i + 1);
	}
	dialogue_end(d);
}

#define CHALLENGE "r=abc" SERVER ",s=" SALT ",i=4096"

/* clang-format off */
static const struct {
	const char *first, *final, *message;
} good[] = {
    {FIRST, FINAL,
        "n=mrose,r=abc," CHALLENGE "," FINAL},
    {"n,,n=a=2Cb,r=abc,x=1", FINAL ",y=2=,Z=3",
        "n=a=2Cb,r=abc,x=1," CHALLENGE "," FINAL ",y=2=,Z=3"},
    {"y,,n=mrose,r=abc", "c=eSws,r=abc" SERVER,
        "n=mrose,r=abc," CHALLENGE ",c=eSws,r=abc" SERVER},
    {"n,a=mrose,n=mrose,r=abc", "c=bixhPW1yb3NlLA==,r=abc" SERVER,
        "n=mrose,r=abc," CHALLENGE ",c=bixhPW1yb3NlLA==,r=abc" SERVER},
};
/* clang-format on */

/* The AuthMessage is the three messages, each as it came. */
static void
test_final_asks(void **state)
{
	struct dialogue *d = dialogue_begin("SCRAM-SHA-256");
	char text[512];

	(void)state;
	d->config.auth.max_attempts = 100;
	for (size_t i = 0; i < COUNT(good); i++) {
		begin(d, "SCRAM-SHA-256", good[i].first);
		answers_login(d, IPC_RESULT_DENIED);
		snprintf(text, sizeof(text), "%s,p=" PROOF, good[i].final);
		say64(d, "", text, strlen(text));
		assert_refused(d, "[AUTH] login failed");
		assert_proof(d, false, good[i].message);
	}
	dialogue_end(d);
}

/* Up to the server's signature; the maildrop is ours then, and not open yet. */
static void
prove(struct dialogue *d)
{
	char text[64];

	begin(d, "SCRAM-SHA-256", FIRST);
	answers_login(d, IPC_RESULT_OK);
	say64(d, "", OCTETS(FINAL ",p=" PROOF));
	assert_challenged(d, text, sizeof(text));
	assert_string_equal(text, "v=YSBzaWduYXR1cmUgb2YgdGhpcnR5LXR3byBvY3RldHM=");
	assert_proof(d, false, NULL);
	assert_int_equal(d->client.state, AUTHORIZATION);
	assert_int_not_equal(d->client.fds.index, -1);
}

static void
test_end(void **state)
{
	static const struct octets bad[] = {
	    {OCTETS("*")},
	    {OCTETS("eA==")},
	    {OCTETS("=")},
	    {OCTETS("STAT")},
	    {OCTETS("\0")},
	};
	struct dialogue *d = dialogue_begin("SCRAM-SHA-256");
	const char *text;

	(void)state;
	prove(d);
	say(d, "", 0);
	assert_string_equal(d->said, "+OK 0 messages (0 octets), session \r\n");
	assert_int_equal(d->client.state, TRANSACTION);
	assert_null(d->client.sasl);
	dialogue_end(d);
	for (size_t i = 0; i <= COUNT(bad); i++) {
		d = dialogue_begin("SCRAM-SHA-256");
		prove(d);
		text = stretched("*", STREAM_AUTH_MAX);
		if (i < COUNT(bad))
			say(d, bad[i].octets, bad[i].length);
		else
			say(d, text, strlen(text));
		assert_refused(d, "");
		assert_int_equal(d->verdict, CLOSE);
		assert_int_equal(d->client.reason, IPC_END_ERROR);
		dialogue_end(d);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_first_malformed),
	    cmocka_unit_test(test_first_long),
	    cmocka_unit_test(test_first_asks),
	    cmocka_unit_test(test_final_malformed),
	    cmocka_unit_test(test_final_foreign),
	    cmocka_unit_test(test_final_asks),
	    cmocka_unit_test(test_end),
	};

	return cmocka_run_group_tests_name("sasl_scram", tests, NULL, NULL);
}
