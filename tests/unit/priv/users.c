/*
 * The users file: who may log in by it, the uid rules, and lines that are wrong.
 */
#include "users_place.h"

#include <errno.h>
#include <limits.h>

#include "told.h"

static void
test_25_locked(void **state)
{
	static const char *const locked[] = {"!", "*", "!{PLAIN}sesame", "!" SHA512,
	    "!{CRYPT}" SHA512, "!{APOP}sesame"};

	(void)state;
	for (size_t i = 0; i < sizeof(locked) / sizeof(locked[0]); i++) {
		assert_int_equal(with_credential(locked[i], "sesame"), AUTH_LOCKED);
		assert_int_equal(with_credential(locked[i], "wrong"), AUTH_LOCKED);
	}
	assert_int_equal(ask_apop("alice", DIGEST), AUTH_LOCKED);
}

static void
test_25_unknown(void **state)
{
	(void)state;
	users("alice:{PLAIN}sesame:1234:1234:::\n");
	assert_int_equal(ask("bob", "sesame"), AUTH_UNKNOWN);
	assert_int_equal(ask("alic", "sesame"), AUTH_UNKNOWN);
	assert_int_equal(ask("alice2", "sesame"), AUTH_UNKNOWN);
	assert_int_equal(ask("Alice", "sesame"), AUTH_UNKNOWN);
	assert_int_equal(ask_apop("bob", DIGEST), AUTH_UNKNOWN);
	users("");
	assert_int_equal(ask("alice", "sesame"), AUTH_UNKNOWN);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(ask("alice", "sesame"), AUTH_UNKNOWN);
}

static void
test_29_names(void **state)
{
	static const char *const names[] = {"../x", "a/b", ".", "..", "-x",
	    "x.lock", "%u", "/", ".x", "a:b", "a b", "a\tb", "a\nb", "#",
	    "alice:{PLAIN}x"};
	char text[2048], longest[IPC_NAME_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(text, sizeof(text), "%s:{PLAIN}x:1234:1234:::\n",
		    names[i]);
		users(text);
		assert_int_equal(ask(names[i], "x"), AUTH_UNKNOWN);
	}
	memset(longest, 'n', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	snprintf(text, sizeof(text), "%s:{PLAIN}x:1234:1234:::\n", longest);
	users(text);
	assert_int_equal(ask(longest, "x"), AUTH_OK);
}

static void
test_25_uids(void **state)
{
	(void)state;
	users("zero:{PLAIN}x:0:1234:::\nlow:{PLAIN}x:999:1234:::\n"
	      "first:{PLAIN}x:1000:1234:::\nroot:{PLAIN}x:::::\n"
	      "poplar-nobody:{PLAIN}x:::::\n");
	assert_int_equal(ask("zero", "x"), AUTH_UID);
	assert_int_equal(ask("low", "x"), AUTH_UID);
	assert_int_equal(ask("first", "x"), AUTH_OK);
	assert_int_equal(ask("root", "x"), AUTH_UID);
	assert_int_equal(ask("poplar-nobody", "x"), AUTH_UID);
	/* only once the password was right */
	assert_int_equal(ask("zero", "y"), AUTH_PASSWORD);
	assert_int_equal(ask("root", "y"), AUTH_PASSWORD);
}

static void
test_account_fields(void **state)
{
	struct auth_verdict v;
	const struct passwd *nobody = getpwnam("nobody");

	(void)state;
	assert_non_null(nobody);
	users("full:{PLAIN}x:1234:5678:Full Name:/home/full:/srv/%u\n"
	      "nobody:{PLAIN}x:::::\n"
	      "half:{PLAIN}x:65534:::/h:\n");
	assert_int_equal(ask_full(IPC_MECH_PASS, "full", "x", &v), AUTH_OK);
	assert_int_equal(v.uid, 1234);
	assert_int_equal(v.gid, 5678);
	assert_string_equal(v.name, "full");
	assert_string_equal(v.home, "/home/full");
	assert_string_equal(v.maildrop, "/srv/%u");
	assert_int_equal(ask_full(IPC_MECH_PASS, "nobody", "x", &v), AUTH_OK);
	assert_int_equal(v.uid, nobody->pw_uid);
	assert_int_equal(v.gid, nobody->pw_gid);
	assert_string_equal(v.home, nobody->pw_dir);
	assert_string_equal(v.maildrop, "");
	assert_int_equal(ask_full(IPC_MECH_PASS, "half", "x", &v), AUTH_OK);
	assert_int_equal(v.gid, nobody->pw_gid);
	assert_string_equal(v.home, "/h");
	/* a refusal says nothing about the account */
	assert_int_equal(ask_full(IPC_MECH_PASS, "full", "y", &v), AUTH_PASSWORD);
	assert_int_equal(v.uid, 0);
	assert_string_equal(v.name, "");
	assert_string_equal(v.home, "");
}

/* A name service that is down keeps nobody out whom it need not be asked for. */
static void
test_home_only_where_it_counts(void **state)
{
	struct auth_verdict v;

	(void)state;
	users("free:{PLAIN}x:1234:5678:::/srv/%u\n"
	      "own:{PLAIN}x:1234:5678:::%h/mail\n"
	      "usual:{PLAIN}x:65534:5678:::\n"
	      "given:{PLAIN}x:1234:5678::/h:\n");
	lookups = 0;
	assert_int_equal(ask_full(IPC_MECH_PASS, "free", "x", &v), AUTH_OK);
	assert_int_equal(ask_full(IPC_MECH_PASS, "given", "x", &v), AUTH_OK);
	assert_int_equal(lookups, 0);
	assert_int_equal(ask_full(IPC_MECH_PASS, "own", "x", &v), AUTH_OK);
	assert_int_equal(ask_full(IPC_MECH_PASS, "usual", "x", &v), AUTH_OK);
	assert_string_not_equal(v.home, "");
	assert_int_equal(lookups, 2);
}

/* Whom it must be asked for has trouble, and the log says what it is. */
static void
test_name_service_that_fails(void **state)
{
	struct told told;
	char text[1024];

	(void)state;
	users("usual:{PLAIN}x:65534:5678:::\n");
	lookup_error = ETIMEDOUT;
	told_begin(&told, LOG_ERROR_LEVEL);
	assert_int_equal(ask("usual", "x"), AUTH_TROUBLE);
	told_end(&told, text, sizeof(text));
	lookup_error = 0;
	assert_non_null(strstr(text, "a system account cannot be looked up: "
	                             "Connection timed out\n"));
	assert_int_equal(ask("usual", "x"), AUTH_OK);
}

static void
test_without_root(void **state)
{
	struct auth_verdict v;

	(void)state;
	users("mine:{PLAIN}x:4242:77:::\nempty:{PLAIN}x::::/h:\n"
	      "other:{PLAIN}x:4243:::/h:\n");
	runner = owner = 4242;
	assert_int_equal(ask_full(IPC_MECH_PASS, "mine", "x", &v), AUTH_OK);
	assert_int_equal(v.uid, 4242);
	assert_int_equal(v.gid, getegid());
	assert_int_equal(ask_full(IPC_MECH_PASS, "empty", "x", &v), AUTH_OK);
	assert_int_equal(v.uid, 4242);
	assert_string_equal(v.home, "/h");
	assert_int_equal(ask("other", "x"), AUTH_UID);
	assert_int_equal(ask("other", "y"), AUTH_PASSWORD);
	runner = owner = 999;
	assert_int_equal(ask("empty", "x"), AUTH_UID);
	runner = owner = 0;
}

static void
test_hostile_lines_deny_their_user_only(void **state)
{
	static const char *const lines[] = {
	    "alice",
	    "alice:",
	    "alice:{PLAIN}x",
	    "alice:{PLAIN}x:1234:1234::",
	    "alice:{PLAIN}x:1234:1234::::",
	    "alice:{PLAIN}x:-1:1234:::",
	    "alice:{PLAIN}x:+1234:1234:::",
	    "alice:{PLAIN}x:0x4d2:1234:::",
	    "alice:{PLAIN}x: 1234:1234:::",
	    "alice:{PLAIN}x:4294967295:1234:::",
	    "alice:{PLAIN}x:4294968530:1234:::",
	    "alice:{PLAIN}x:1234:99999999999999999999:::",
	    "alice:{PLAIN}x:1234:4294967295:::",
	    "alice:{PLAIN}x:1234:1234::home:",
	    "alice:{PLAIN}x:1234:1234::/h:mail",
	    "alice:{PLAIN}x:1234:1234::/h:/m\r",
	    "alice:{PLAIN}x:1234:1234::/h\033:",
	    "alice:{PLAIN}x:01234:1234:::",
	};
	char text[512];

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		snprintf(text, sizeof(text),
		    "# first\n\n%s\nbob:{PLAIN}x:1234:1234:::", lines[i]);
		users(text);
		assert_int_equal(ask("alice", "x"), AUTH_LOCKED);
		assert_int_equal(ask("bob", "x"), AUTH_OK);
		assert_int_equal(verify(), 1);
	}
}

static void
test_nul_in_a_line(void **state)
{
	static const char text[] = "alice:{PLAIN}x\0:1234:1234:::\n"
	                           "carol\0:{PLAIN}x:1234:1234:::\n"
	                           "bob:{PLAIN}x:1234:1234:::\n";

	(void)state;
	write_file(text, sizeof(text) - 1, 0600);
	assert_int_equal(ask("alice", "x"), AUTH_LOCKED);
	assert_int_equal(ask("carol", "x"), AUTH_UNKNOWN);
	assert_int_equal(ask("bob", "x"), AUTH_OK);
	assert_int_equal(verify(), 2);
}

static void
test_duplicates(void **state)
{
	(void)state;
	users("alice:{PLAIN}x:1234:1234:::\nalice:{PLAIN}y:1234:1234:::\n");
	assert_int_equal(ask("alice", "x"), AUTH_LOCKED);
	assert_int_equal(ask("alice", "y"), AUTH_LOCKED);
	assert_int_equal(verify(), 1);
	users("alice:!:1234:1234:::\nalice-b:!:1234:1234:::\nb:!:1234:1234:::\n"
	      "alice2:!:1234:1234:::\nAlice:!:1234:1234:::\nalic:!:1234:1234:::\n");
	assert_int_equal(verify(), 0);
	users("b:!:::::\nalice:!:::::\nalice-b:!:::::\nb:!:::::\nalice:!:::::\nb:!:"
	      "::::\n");
	assert_int_equal(verify(), 3);
}

/* Lines of every length around the buffer's, before and as the user's own. */
static void
test_long_lines(void **state)
{
	static const char tail[] = "\nbob:{PLAIN}x:1234:1234:::\n";
	static const char head[] = "alice:{PLAIN}x:1234:1234:";
	static char text[200000];
	static const size_t sizes[] = {100, 16000, 16355, 16356, 16357, 16358,
	    16359, 16384, 32768, 32769, 150000};

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		size_t len = sizes[i];

		memset(text, 'g', sizeof(text));
		memcpy(text, head, sizeof(head) - 1);
		memcpy(text + len, "::", 2);
		memcpy(text + len + 2, tail, sizeof(tail) - 1);
		write_file(text, len + 2 + sizeof(tail) - 1, 0600);
		assert_int_equal(ask("bob", "x"), AUTH_OK);
		assert_int_equal(ask("alice", "x"),
		    len < 16382 ? AUTH_OK : AUTH_LOCKED);
		assert_int_equal(verify(), len < 16382 ? 0 : 1);
	}
}

static void
test_modes_and_owner(void **state)
{
	static const char text[] = "alice:{PLAIN}x:1234:1234:::\n";
	static const char lockout[] = "alice:!:1234:1234:::\n#x\nbob:*:::::\n";
	static const mode_t refused[] = {0604, 0644, 0606, 0602, 0620, 0660, 0666};

	(void)state;
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		write_file(text, sizeof(text) - 1, refused[i]);
		assert_int_equal(ask("alice", "x"), AUTH_TROUBLE);
		assert_int_equal(ask("nobody", "x"), AUTH_TROUBLE);
		assert_int_equal(verify(), 1);
	}
	write_file(text, sizeof(text) - 1, 0640);
	assert_int_equal(ask("alice", "x"), AUTH_OK);
	write_file(lockout, sizeof(lockout) - 1, 0644);
	assert_int_equal(ask("alice", "x"), AUTH_LOCKED);
	write_file(text, sizeof(text) - 1, 0600);
	owner = 1234;
	assert_int_equal(ask("alice", "x"), AUTH_TROUBLE);
	runner = 1234;
	assert_int_equal(ask("alice", "x"), AUTH_OK);
	runner = owner = 0;
}

static void
test_no_plain_file(void **state)
{
	(void)state;
	(void)unlink(path);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(ask("alice", "x"), AUTH_TROUBLE);
	assert_false(users_offer_apop(path));
	assert_int_equal(rmdir(path), 0);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(ask("alice", "x"), AUTH_TROUBLE);
	assert_false(users_offer_apop(path));
	assert_int_equal(unlink(path), 0);
}

static void
test_offer_apop(void **state)
{
	(void)state;
	(void)unlink(path);
	assert_false(users_offer_apop(path));
	users("");
	assert_false(users_offer_apop(path));
	users("p:{PLAIN}{APOP}x:1234:1234:::\n#a:{APOP}x:1234:1234:::\n");
	assert_false(users_offer_apop(path));
	users("a:!{APOP}x:1234:1234:::\nb:{APOP}:1234:1234:::\nc:{APOP}x\n");
	assert_false(users_offer_apop(path));
	users("p:{PLAIN}x:1234:1234:::\na:{APOP}x:1234:1234:::\n");
	assert_true(users_offer_apop(path));
	write_file("a:{APOP}x:1234:1234:::\n", 23, 0644);
	assert_false(users_offer_apop(path));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_25_locked),
	    cmocka_unit_test(test_25_unknown),
	    cmocka_unit_test(test_29_names),
	    cmocka_unit_test(test_25_uids),
	    cmocka_unit_test(test_account_fields),
	    cmocka_unit_test(test_home_only_where_it_counts),
	    cmocka_unit_test(test_name_service_that_fails),
	    cmocka_unit_test(test_without_root),
	    cmocka_unit_test(test_hostile_lines_deny_their_user_only),
	    cmocka_unit_test(test_nul_in_a_line),
	    cmocka_unit_test(test_duplicates),
	    cmocka_unit_test(test_long_lines),
	    cmocka_unit_test(test_modes_and_owner),
	    cmocka_unit_test(test_no_plain_file),
	    cmocka_unit_test(test_offer_apop),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
