/*
 * The users file: every form of a credential, the uid rules, and lines that
 * are wrong. Who runs this and who owns the file is pretended, by a geteuid()
 * and an fstat() of our own, so that both sets of rules are seen.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "log.h"
#include "priv/auth.h"

#define STAMP "<1896.697170952@dbc.mtview.ca.us>"
#define DIGEST "c4c9334bac560ecc979e58001b3e22fb"
#define SCRAM                                                                      \
	"4096,W22ZaJ0SNY7soEsUEjb6gQ==,"                                           \
	"WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=,"                            \
	"wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="

/* SHA-512 crypt of "sesame", and yescrypt (cheap, and as by default) of the same: made with crypt(3). */
#define SHA512                                                                     \
	"$6$rounds=1000$saltstring$"                                               \
	"kmHczx4rU6S1qtiT0yZfxrzWpB5ApnYfFybGRm8cbUkiAjfVa9gKWrEqgffzY58dY9vlLLuD" \
	"Z.YMlK00Qr7Xc1"
#define DEFAULT_COST                                                               \
	"$y$j9T$F5Jx5fExrKuPp53xLKQ..1$2XG8TbeFGEUHepjXSRRwTEN/pknneEfp/"          \
	"PquC6DSDN4"
#define YESCRYPT                                                                   \
	"$y$j75$F5Jx5fExrKuPp53xLKQ..1$"                                           \
	"mGF52sXsmPqli7L1Qch6SAIA75VNm9N82BcMwpC3fH9"

static char folder[] = "/tmp/poplar-users-XXXXXX";
static char path[64];
static char maildrops[] = "%h/Mailbox"; /* maildrop.path */
static unsigned lookups;                /* by uid, of the name service */
static uid_t runner, owner;

uid_t
geteuid(void)
{
	return runner;
}

int
getpwuid_r(uid_t uid, struct passwd *entry, char *buf, size_t size,
    struct passwd **resultp)
{
	int (*real)(uid_t, struct passwd *, char *, size_t, struct passwd **);

	*(void **)&real = dlsym(RTLD_NEXT, "getpwuid_r");
	lookups++;
	return real(uid, entry, buf, size, resultp);
}

int
fstat(int fd, struct stat *st)
{
	int result = fstatat(fd, "", st, AT_EMPTY_PATH);

	st->st_uid = owner;
	return result;
}

static void
write_file(const char *text, size_t len, mode_t mode)
{
	int fd;

	(void)unlink(path);
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
	assert_int_not_equal(fd, -1);
	assert_int_equal(write(fd, text, len), len);
	assert_int_equal(fchmod(fd, mode), 0);
	assert_int_equal(close(fd), 0);
}

static void
users(const char *text)
{
	write_file(text, strlen(text), 0600);
}

static enum auth_result
ask_full(uint32_t mech, const char *name, const char *secret,
    struct auth_verdict *verdict)
{
	char backends[] = "users";
	const struct config config = {
	    .auth = {.backends = backends, .users_file = path, .first_uid = 1000},
	    .maildrop = {.path = maildrops  }
        };
	struct auth_request request = {.mech = mech,
	    .stamp = STAMP,
	    .rhost = "::1"};

	strlcpy(request.user, name, sizeof(request.user));
	strlcpy(request.secret, secret, sizeof(request.secret));
	auth_decide(&config, &request, verdict);
	return verdict->result;
}

static enum auth_result
ask(const char *name, const char *secret)
{
	struct auth_verdict verdict;

	return ask_full(IPC_MECH_PASS, name, secret, &verdict);
}

static enum auth_result
ask_apop(const char *name, const char *digest)
{
	struct auth_verdict verdict;

	return ask_full(IPC_MECH_APOP, name, digest, &verdict);
}

static unsigned
verify(void)
{
	const struct config config = {
	    .auth = {.users_file = path, .first_uid = 1000},
	};

	return users_verify(&config);
}

/* What a login says when this text is the credential. */
static enum auth_result
with_credential(const char *credential, const char *secret)
{
	char text[2048];

	snprintf(text, sizeof(text), "alice:%s:1234:1234:::\n", credential);
	users(text);
	return ask("alice", secret);
}

static void
test_credentials(void **state)
{
	(void)state;
	assert_int_equal(with_credential("{PLAIN}sesame", "sesame"), AUTH_OK);
	assert_int_equal(with_credential("{PLAIN}sesame", "sesam"), AUTH_PASSWORD);
	assert_int_equal(with_credential("{PLAIN}sesame", "sesamee"),
	    AUTH_PASSWORD);
	assert_int_equal(with_credential(SHA512, "sesame"), AUTH_OK);
	assert_int_equal(with_credential(SHA512, "Sesame"), AUTH_PASSWORD);
	assert_int_equal(with_credential("{CRYPT}" SHA512, "sesame"), AUTH_OK);
	assert_int_equal(with_credential(YESCRYPT, "sesame"), AUTH_OK);
	assert_int_equal(with_credential(YESCRYPT, "sesamf"), AUTH_PASSWORD);
	assert_int_equal(with_credential("{SCRAM-SHA-256}" SCRAM, "pencil"),
	    AUTH_OK);
	assert_int_equal(with_credential("{SCRAM-SHA-256}" SCRAM, "pencils"),
	    AUTH_PASSWORD);
}

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
test_credentials_that_never_match(void **state)
{
	static const char *const wrong[] = {"", "x", "secret", "se", "_",
	    "sesamesesames", "sesame", "{", "{}", "{PLAIN}", "{APOP}", "{CRYPT}",
	    "{MD5}sesame", "{plain}sesame", "*0", "*1", "$", "$6$",
	    "{SCRAM-SHA-256}", "{SCRAM-SHA-256}4096,,,",
	    "{SCRAM-SHA-256}0,W22ZaJ0SNY7soEsUEjb6gQ==,"
	    "WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=,"
	    "wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=",
	    "{SCRAM-SHA-256}99999999999,W22ZaJ0SNY7soEsUEjb6gQ==,"
	    "WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=,"
	    "wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=",
	    "{SCRAM-SHA-256}" SCRAM ",", "{SCRAM-SHA-256}" SCRAM "A",
	    "{SCRAM-SHA-256}4096,W22ZaJ0SNY7soEsUEjb6gQ=,"
	    "WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=,"
	    "wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=",
	    "{SCRAM-SHA-256}4096,W22ZaJ0SNY7soEsUEjb6gQ==,"
	    "WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4q==,"
	    "wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="};

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		assert_int_not_equal(with_credential(wrong[i], "sesame"), AUTH_OK);
		assert_int_not_equal(with_credential(wrong[i], "pencil"), AUTH_OK);
		assert_int_not_equal(with_credential(wrong[i], "x"), AUTH_OK);
		assert_int_not_equal(with_credential(wrong[i], wrong[i]), AUTH_OK);
	}
}

static void
test_26_empty(void **state)
{
	(void)state;
	users("alice:{PLAIN}:1234:1234:::\nbob:{PLAIN}x:1234:1234:::\n"
	      "::1234:1234:::\n:{PLAIN}x:1234:1234:::\n");
	assert_int_equal(ask("alice", ""), AUTH_PASSWORD);
	assert_int_equal(ask("bob", ""), AUTH_PASSWORD);
	assert_int_equal(ask("", "x"), AUTH_UNKNOWN);
	assert_int_equal(ask("", ""), AUTH_UNKNOWN);
}

static void
test_28_passwords_are_byte_exact(void **state)
{
	char longest[256], text[600];
	static const char *const odd[] = {" blank before", "blank after ", "  ",
	    " ", "in side", "\ttab\t", "50%", "%s%n%u", "#hash", "!bang",
	    "p\303\244ss", "\377\376", "{PLAIN}", "back\\slash", "\r"};

	(void)state;
	for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
		snprintf(text, sizeof(text), "{PLAIN}%s", odd[i]);
		assert_int_equal(with_credential(text, odd[i]), AUTH_OK);
		snprintf(text, sizeof(text), "%s ", odd[i]);
		assert_int_equal(ask("alice", text), AUTH_PASSWORD);
		assert_int_equal(ask("alice", odd[i] + 1), AUTH_PASSWORD);
	}
	memset(longest, 'a', sizeof(longest) - 1);
	longest[255] = '\0';
	snprintf(text, sizeof(text), "{PLAIN}%s", longest);
	assert_int_equal(with_credential(text, longest), AUTH_OK);
	longest[254] = 'b';
	assert_int_equal(ask("alice", longest), AUTH_PASSWORD);
	longest[254] = '\0';
	assert_int_equal(ask("alice", longest), AUTH_PASSWORD);
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

/* A name or a secret without an end never reaches a back end. */
static void
test_malformed_requests(void **state)
{
	char backends[] = "users";
	const struct config config = {
	    .auth = {.backends = backends, .users_file = path, .first_uid = 1000},
	    .maildrop = {.path = maildrops  }
        };
	struct auth_request request = {.mech = IPC_MECH_PASS};
	struct auth_verdict verdict;

	(void)state;
	users("alice:{PLAIN}x:1234:1234:::\n");
	memset(request.user, 'a', sizeof(request.user));
	auth_decide(&config, &request, &verdict);
	assert_int_equal(verdict.result, AUTH_TROUBLE);
	strlcpy(request.user, "alice", sizeof(request.user));
	memset(request.secret, 'x', sizeof(request.secret));
	auth_decide(&config, &request, &verdict);
	assert_int_equal(verdict.result, AUTH_TROUBLE);
	strlcpy(request.secret, "x", sizeof(request.secret));
	request.mech = IPC_MECHS;
	auth_decide(&config, &request, &verdict);
	assert_int_equal(verdict.result, AUTH_TROUBLE);
	request.mech = 0;
	auth_decide(&config, &request, &verdict);
	assert_int_equal(verdict.result, AUTH_TROUBLE);
	request.mech = IPC_MECH_PASS;
	auth_decide(&config, &request, &verdict);
	assert_int_equal(verdict.result, AUTH_OK);
}

static void
test_30_31_apop_or_pass(void **state)
{
	(void)state;
	users("a:{APOP}tanstaaf:1234:1234:::\np:{PLAIN}tanstaaf:1234:1234:::\n");
	assert_int_equal(ask_apop("a", DIGEST), AUTH_OK);
	assert_int_equal(ask_apop("a", "c4c9334bac560ecc979e58001b3e22fB"),
	    AUTH_PASSWORD);
	assert_int_equal(ask_apop("a", "c4c9334b"), AUTH_PASSWORD);
	assert_int_equal(ask("a", "tanstaaf"), AUTH_MECHANISM);
	assert_int_equal(ask("a", DIGEST), AUTH_MECHANISM);
	assert_int_equal(ask_apop("p", DIGEST), AUTH_MECHANISM);
	assert_int_equal(ask("p", "tanstaaf"), AUTH_OK);
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

/* The shortest of some tries, in microseconds of this process's own time. */
static long
shortest(const char *name)
{
	long best = LONG_MAX, took;

	for (int i = 0; i < 5; i++) {
		clock_t start = clock();

		assert_int_not_equal(ask(name, "wrong"), AUTH_OK);
		took = (clock() - start) * 1000000 / CLOCKS_PER_SEC;
		best = took < best ? took : best;
	}
	return best;
}

/* A name that has no hash takes about as long as one that has the default's. */
static void
test_40_time_of_a_refusal(void **state)
{
	static const char *const names[] = {"plain", "apop", "locked", "broken",
	    "twice", "unknown", "zero"};
	long hashed;

	(void)state;
	users("hashed:" DEFAULT_COST ":1234:1234:::\nplain:{PLAIN}x:1234:1234:::\n"
	      "apop:{APOP}x:1234:1234:::\nlocked:!:1234:1234:::\nbroken:{PLAIN}x\n"
	      "twice:!:1234:1234:::\ntwice:!:1234:1234:::\n"
	      "zero:" DEFAULT_COST ":0:0:::\n");
	hashed = shortest("hashed");
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		assert_in_range(shortest(names[i]), hashed / 2, hashed * 2);
	}
}

static void
test_unknown_backend(void **state)
{
	char backends[] = "ldap users";
	const struct config config = {
	    .auth = {.backends = backends, .users_file = path, .first_uid = 1000},
	    .maildrop = {.path = maildrops  }
        };
	struct auth_request request = {.mech = IPC_MECH_PASS,
	    .user = "alice",
	    .secret = "x"};
	struct auth_verdict verdict;

	(void)state;
	users("alice:{PLAIN}x:1234:1234:::\n");
	auth_decide(&config, &request, &verdict);
	assert_int_equal(verdict.result, AUTH_TROUBLE);
}

static void
test_result_names(void **state)
{
	(void)state;
	assert_string_equal(auth_result_name(AUTH_PASSWORD), "password");
	assert_string_equal(auth_result_name(AUTH_UNKNOWN), "unknown");
	assert_string_equal(auth_result_name(AUTH_LOCKED), "locked");
	for (int i = 0; i < AUTH_RESULTS + 3; i++)
		assert_non_null(auth_result_name((enum auth_result)i));
}

static int
set_up(void **state)
{
	(void)state;
	if (mkdtemp(folder) == NULL)
		return -1;
	snprintf(path, sizeof(path), "%s/users", folder);
	log_open(LOG_TO_NOTHING, LOG_ERROR_LEVEL);
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	(void)unlink(path);
	return rmdir(folder);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_credentials),
	    cmocka_unit_test(test_25_locked),
	    cmocka_unit_test(test_25_unknown),
	    cmocka_unit_test(test_25_uids),
	    cmocka_unit_test(test_credentials_that_never_match),
	    cmocka_unit_test(test_26_empty),
	    cmocka_unit_test(test_28_passwords_are_byte_exact),
	    cmocka_unit_test(test_29_names),
	    cmocka_unit_test(test_malformed_requests),
	    cmocka_unit_test(test_30_31_apop_or_pass),
	    cmocka_unit_test(test_account_fields),
	    cmocka_unit_test(test_home_only_where_it_counts),
	    cmocka_unit_test(test_without_root),
	    cmocka_unit_test(test_hostile_lines_deny_their_user_only),
	    cmocka_unit_test(test_nul_in_a_line),
	    cmocka_unit_test(test_duplicates),
	    cmocka_unit_test(test_long_lines),
	    cmocka_unit_test(test_modes_and_owner),
	    cmocka_unit_test(test_no_plain_file),
	    cmocka_unit_test(test_offer_apop),
	    cmocka_unit_test(test_40_time_of_a_refusal),
	    cmocka_unit_test(test_unknown_backend),
	    cmocka_unit_test(test_result_names),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
