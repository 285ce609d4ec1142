/*
 * The state folder: its name, what it holds, whom it lets in; the journal set
 * aside; recovery's way in by `owner`. Numbers are those of the faults.
 */
#include "groups.h"
#include "place.h"

#include "priv/state.h"
#include "priv/state_files.h"

/* The one state folder of a place. */
static const char *
folder_of(const struct place *p)
{
	static char path[256];
	char name[STATE_NAME_SIZE], folder[128];

	snprintf(folder, sizeof(folder), "%u %s", (unsigned)p->account.uid,
	    p->mail);
	assert_int_equal(state_name_of(folder, "alice", name), 0);
	snprintf(path, sizeof(path), "%s/%s", p->state, name);
	return path;
}

static int
state_setup(void **statep)
{
	struct place *p;

	assert_int_equal(setup(statep), 0);
	p = *statep;
	put(p, p->file, "From a\n", 0600);
	return 0;
}

static void
test_name(void **statep)
{
	char name[STATE_NAME_SIZE], other[STATE_NAME_SIZE];

	(void)statep;
	/* printf '/var/mail\0alice' | sha256sum */
	assert_int_equal(state_name_of("/var/mail", "alice", name), 0);
	assert_string_equal(name,
	    "34e9e37d83210690b9b4fb4a4d6dfabf205cd16f0a97249fad0d83bfb4f8df24");
	assert_int_equal(state_name_of("/var", "mail/alice", other), 0);
	assert_string_not_equal(name, other);
}

static int
parse(const char *text, struct owner *owner)
{
	return owner_parse(text, strlen(text), owner);
}

static void
test_owner_form(void **statep)
{
	static const char *const bad[] = {
	    "",
	    "login=a\n",
	    "login=a\nuid=1\ngid=1\nfolder=/m\nname=a",
	    "login=a\nuid=1\ngid=1\nfolder=/m\nname=a\n\n",
	    "login=a\nuid=1\ngid=1\nfolder=/m\nname=a\nname=b\n",
	    "uid=1\nlogin=a\ngid=1\nfolder=/m\nname=a\n",
	    "login=\nuid=1\ngid=1\nfolder=/m\nname=a\n",
	    "login=a\nuid=-1\ngid=1\nfolder=/m\nname=a\n",
	    "login=a\nuid=4294967295\ngid=1\nfolder=/m\nname=a\n",
	    "login=a\nuid=4294967296\ngid=1\nfolder=/m\nname=a\n",
	    "login=a\nuid=01\ngid=1\nfolder=/m\nname=a\n",
	    "login=a\nuid=1 \ngid=1\nfolder=/m\nname=a\n",
	    "login=a\nuid=1\ngid=x\nfolder=/m\nname=a\n",
	    "login=a\nuid=1\ngid=1\nfolder=m\nname=a\n",
	    "login=a\nuid=1\ngid=1\nfolder=/m\nname=.\n",
	    "login=a\nuid=1\ngid=1\nfolder=/m\nname=..\n",
	    "login=a\nuid=1\ngid=1\nfolder=/m\nname=a/b\n",
	    "login=a\nuid=1\ngid=1\nfolder=/m\nname=a\tb\n",
	    "login=a\r\nuid=1\ngid=1\nfolder=/m\nname=a\n",
	};
	struct owner owner;

	(void)statep;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(parse(bad[i], &owner), -1);
	assert_int_equal(
	    parse("login=a b\nuid=1\ngid=0\nfolder=/m n\nname=\xc3\xa9=\n", &owner),
	    0);
	assert_string_equal(owner.login, "a b");
	assert_int_equal(owner.uid, 1);
	assert_int_equal(owner.gid, 0);
	assert_string_equal(owner.folder, "/m n");
	assert_string_equal(owner.name, "\xc3\xa9=");
	assert_int_equal(owner_parse("login=a\nuid=1\ngid=0\nfolder=/m\nname=a\n\0",
	                     40, &owner),
	    -1);
}

static void
test_owner_kept(void **statep)
{
	struct place *p = *statep;
	struct owner owner;
	struct stat before, after;

	assert_int_equal(try_open(p), OPENING_OK);
	assert_int_equal(owner_read(p->opening.state, &owner), 0);
	assert_string_equal(owner.login, "poplar-nobody");
	assert_int_equal(owner.uid, p->account.uid);
	assert_int_equal(owner.gid, p->account.gid);
	assert_string_equal(owner.folder, p->mail);
	assert_string_equal(owner.name, "alice");
	assert_int_equal(fstatat(p->opening.state, "owner", &before, 0), 0);
	close_it(p);
	p->account.login = "alias";
	assert_int_equal(try_open(p), OPENING_OK);
	assert_int_equal(fstatat(p->opening.state, "owner", &after, 0), 0);
	assert_int_equal(before.st_ino, after.st_ino);
	close_it(p);
	shell("echo damaged > %s/owner", folder_of(p));
	assert_int_equal(try_open(p), OPENING_OK);
	assert_int_equal(owner_read(p->opening.state, &owner), 0);
	assert_string_equal(owner.login, "alias");
	close_it(p);
}

/* Two ways to one folder share one state folder. */
static void
test_resolved(void **statep)
{
	struct place *p = *statep;

	assert_int_equal(try_open(p), OPENING_OK);
	close_it(p);
	shell("ln -s mail %s/way", p->top);
	snprintf(p->file, sizeof(p->file), "%s/way/../way//alice", p->top);
	assert_int_equal(try_open(p), OPENING_OK);
	close_it(p);
	assert_int_equal(entries(p->state), 1);
}

static void
expect_unavailable(struct place *p, const char *fault)
{
	assert_int_equal(try_open(p), OPENING_UNAVAILABLE);
	if (strstr(p->opening.fault, fault) == NULL)
		fail_msg("fault \"%s\" lacks \"%s\"", p->opening.fault, fault);
	close_it(p);
}

static void
test_106_state_dir(void **statep)
{
	struct place *p = *statep;
	char why[256];

	assert_int_equal(state_prepare(&p->config, why, sizeof(why)), 0);
	assert_int_equal(chmod(p->state, 0720), 0);
	expect_unavailable(p, "written by others; chmod go-w");
	assert_int_equal(state_prepare(&p->config, why, sizeof(why)), -1);
	assert_int_equal(chmod(p->state, 0755), 0);
	assert_int_equal(try_open(p), OPENING_OK);
	close_it(p);
	shell("rm -r %s", p->state);
	expect_unavailable(p, "No such file");
	assert_int_equal(state_prepare(&p->config, why, sizeof(why)), 0);
	shell("test $(stat -c %%a %s) = 700", p->state);
	shell("rmdir %s && touch %s", p->state, p->state);
	expect_unavailable(p, "Not a directory");
	assert_int_equal(state_prepare(&p->config, why, sizeof(why)), -1);
	p->config.server.state_dir = (char *)"/nowhere/at/all";
	assert_int_equal(state_prepare(&p->config, why, sizeof(why)), -1);
	assert_non_null(
	    strstr(why, "server.state_dir: /nowhere/at/all cannot be made"));
}

static void
test_106_state_dir_of_another(void **statep)
{
	struct place *p = *statep;

	NEEDS_ROOT();
	assert_int_equal(chown(p->state, 61002, 0), 0);
	expect_unavailable(p, "belongs to uid 61002");
}

/* What is planted or badly copied into a state folder is never used. */
static void
test_87_not_our_own(void **statep)
{
	static const char *const files[] = {"journal", "index"};
	struct place *p = *statep;

	assert_int_equal(try_open(p), OPENING_OK);
	close_it(p);
	for (size_t i = 0; i < 2; i++) {
		shell("cd %s && mv %s x && ln -s x %s", folder_of(p), files[i],
		    files[i]);
		expect_unavailable(p, "not poplard's own");
		shell("cd %s && rm %s && mkfifo -m 600 %s", folder_of(p), files[i],
		    files[i]);
		expect_unavailable(p, "not poplard's own");
		shell("cd %s && rm %s && mv x %s && chmod 644 %s", folder_of(p),
		    files[i], files[i], files[i]);
		expect_unavailable(p, "not poplard's own");
		shell("chmod 600 %s/%s", folder_of(p), files[i]);
	}
	shell("chmod 750 %s", folder_of(p));
	expect_unavailable(p, "not poplard's own");
	shell("chmod 700 %s", folder_of(p));
	assert_int_equal(try_open(p), OPENING_OK);
	close_it(p);
}

static void
expect_holder(struct place *p, const char *content, const char *start)
{
	char text[IPC_HOLDER_MAX];
	int fd = openat(p->opening.state, "holder", O_WRONLY | O_TRUNC);

	assert_int_equal(write(fd, content, strlen(content)), strlen(content));
	close(fd);
	holder_read(p->opening.state, text, sizeof(text));
	if (strncmp(text, start, strlen(start)) != 0)
		fail_msg("\"%s\" reads as \"%s\"", content, text);
}

static void
test_holder_form(void **statep)
{
	static const char *const bad[] = {"", "\n", "a b c\n", "5f3a 192.0.2.7 1",
	    "5f3a 192.0.2.7 1 \n", "5f3a  1\n", " 192.0.2.7 1\n", "5f3a a b 1\n",
	    "5f3a 192.0.2.7 1\n\n", "5f3a 192.0.2.7 -1\n",
	    "5f3a 192.0.2.7 99999999999999999999\n",
	    "5f3a 192.0.2.7 9223372036854775807\n"};
	struct place *p = *statep;

	assert_int_equal(try_open(p), OPENING_OK);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		expect_holder(p, bad[i], "from an unknown address");
	expect_holder(p, "5f3a 192.0.2.7 1\n", "from 192.0.2.7 since ");
	expect_holder(p, "5f3a \033[2J\r 1\n", "from \\033[2J\\015 since ");
	assert_int_equal(holder_write(p->opening.state, "1", "a\nb c"), 0);
	close_it(p);
}

static void
test_set_aside(void **statep)
{
	struct place *p = *statep;
	struct stat st;
	int old;

	assert_int_equal(try_open(p), OPENING_OK);
	assert_int_equal(write(p->opening.fds.journal, "mail", 4), 4);
	old = dup(p->opening.fds.journal);
	for (int i = 1; i <= 3; i++) {
		assert_int_equal(journal_set_aside(&p->opening), 0);
		assert_int_equal(fstat(p->opening.fds.journal, &st), 0);
		assert_int_equal(st.st_size, 0);
		assert_int_equal(st.st_mode, S_IFREG | 0600);
		shell("test $(ls %s/conflict | grep -c ^journal-) = %d",
		    folder_of(p), i);
	}
	assert_int_equal(write(p->opening.fds.journal, "x", 1), 1);
	shell("test \"$(cat %s/journal)\" = x", folder_of(p));
	shell("test $(cat %s/conflict/* | wc -c) = 4", folder_of(p));
	shell("test $(stat -c %%a %s/conflict) = 700", folder_of(p));
	assert_int_equal(fstat(old, &st), 0);
	assert_int_equal(st.st_nlink, 1);
	close(old);
	close_it(p);
}

/* The new journal carries the session lock as the old one did. */
static void
test_set_aside_keeps_lock(void **statep)
{
	struct place *p = *statep;
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	int fd;

	assert_int_equal(try_open(p), OPENING_OK);
	assert_int_equal(journal_set_aside(&p->opening), 0);
	fd = openat(p->opening.state, "journal", O_RDWR);
	assert_int_equal(fcntl(fd, F_OFD_SETLK, &lock), -1);
	close(fd);
	close_it(p);
}

static void
test_set_aside_fails(void **statep)
{
	struct place *p = *statep;
	int journal;

	assert_int_equal(try_open(p), OPENING_OK);
	shell("touch %s/conflict", folder_of(p));
	journal = p->opening.fds.journal;
	assert_int_equal(journal_set_aside(&p->opening), -1);
	assert_int_equal(p->opening.fds.journal, journal);
	shell("test -f %s/journal", folder_of(p));
	close_it(p);
}

static void
collect(const char *state_name, void *ctx)
{
	strcat(ctx, state_name);
	strcat(ctx, " ");
}

static void
test_pending(void **statep)
{
	struct place *p = *statep;
	char names[256] = "";

	assert_int_equal(state_each_pending(&p->config, collect, names), 0);
	assert_int_equal(try_open(p), OPENING_OK);
	close_it(p);
	shell("mkdir -m 700 %s/other && echo x > %s/other/journal", p->state,
	    p->state);
	shell("echo x > %s/file", p->state);
	assert_int_equal(state_each_pending(&p->config, collect, names), 0);
	assert_string_equal(names, "");
	shell("echo x > %s/journal", folder_of(p));
	assert_int_equal(state_each_pending(&p->config, collect, names), 0);
	assert_int_equal(strlen(names), STATE_NAME_SIZE);
	shell("cd %s && : > journal && ln -sf '1 2 3 4 alice.lock' dotlock",
	    folder_of(p));
	assert_int_equal(state_each_pending(&p->config, collect, names), 0);
	assert_int_equal(strlen(names), 2 * STATE_NAME_SIZE);
}

static enum opening_result
reopen(struct place *p, const char *name)
{
	return opening_reopen(&p->config, name, "r1", &p->opening);
}

static void
test_75_reopen(void **statep)
{
	struct place *p = *statep;
	const char *name = strrchr(folder_of(p), '/') + 1;

	assert_int_equal(try_open(p), OPENING_OK);
	assert_int_equal(dotlock_make(&p->config, &p->opening), MD_DOTLOCK_OK);
	/* as a kill would leave it */
	p->opening.dotlock.st_ino = 0;
	close_it(p);
	assert_int_equal(entries(p->mail), 2);
	assert_int_equal(reopen(p, name), OPENING_OK);
	assert_int_equal(entries(p->mail), 1);
	assert_string_equal(p->opening.path, p->file);
	assert_string_equal(p->opening.login, "poplar-nobody");
	assert_int_not_equal(p->opening.fds.mbox, -1);
	close_it(p);
}

/* The account's other groups are there for recovery, too: to enter, and to lock. */
static void
test_75_reopen_with_groups(void **statep)
{
	static const mode_t modes[] = {0070, 0775};
	struct place *p = *statep;
	const char *name = strrchr(folder_of(p), '/') + 1;

	NEEDS_ROOT();
	assert_int_equal(chown(p->mail, 0, FIRST_GROUP + GROUPS), 0);
	p->config.maildrop.dotlock = DOTLOCK_REQUIRED;
	account_uid = p->account.uid;
	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		assert_int_equal(chmod(p->mail, modes[i]), 0);
		assert_int_equal(try_open(p), OPENING_OK);
		close_it(p);
		assert_int_equal(reopen(p, name), OPENING_OK);
		assert_int_equal(dotlock_make(&p->config, &p->opening),
		    MD_DOTLOCK_OK);
		close_it(p);
		assert_int_equal(entries(p->mail), 1);
	}
}

static void
test_reopen_refused(void **statep)
{
	struct place *p = *statep;
	static const char *const names[] = {"", "..", "../state", "x",
	    "0000000000000000000000000000000000000000000000000000000000000000"};
	const char *name = strrchr(folder_of(p), '/') + 1;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		assert_int_equal(reopen(p, names[i]), OPENING_UNAVAILABLE);
		close_it(p);
	}
	assert_int_equal(try_open(p), OPENING_OK);
	close_it(p);
	shell("sed -i 's/^name=.*/name=bob/' %s/owner", folder_of(p));
	assert_int_equal(reopen(p, name), OPENING_UNAVAILABLE);
	close_it(p);
	shell("sed -i 's/^uid=.*/uid=0/; s/^name=.*/name=alice/' %s/owner",
	    folder_of(p));
	assert_int_equal(reopen(p, name), OPENING_UNAVAILABLE);
	close_it(p);
	shell("rm %s/owner", folder_of(p));
	assert_int_equal(reopen(p, name), OPENING_UNAVAILABLE);
	close_it(p);
	assert_int_equal(entries(p->state), 1);
}

#define STATE(test) cmocka_unit_test_setup_teardown(test, state_setup, teardown)

static const struct CMUnitTest tests[] = {
    STATE(test_name),
    STATE(test_owner_form),
    STATE(test_owner_kept),
    STATE(test_resolved),
    STATE(test_106_state_dir),
    STATE(test_106_state_dir_of_another),
    STATE(test_87_not_our_own),
    STATE(test_holder_form),
    STATE(test_set_aside),
    STATE(test_set_aside_keeps_lock),
    STATE(test_set_aside_fails),
    STATE(test_pending),
    STATE(test_75_reopen),
    STATE(test_75_reopen_with_groups),
    STATE(test_reopen_refused),
};

int
main(void)
{
	return cmocka_run_group_tests(tests, NULL, NULL);
}
