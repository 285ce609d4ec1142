/*
 * Opening a maildrop: what is fit, what is not, and that nothing is touched
 * on failure. Numbers are those of the faults the rows stand for. As root the
 * maildrop belongs to a uid of its own (no passwd entry is needed), else to
 * the caller.
 */
#include "groups.h"
#include "place.h"

static void
expect_refusal(struct place *p, enum opening_result result, const char *fault)
{
	assert_int_equal(try_open(p), result);
	if (strstr(p->opening.fault, fault) == NULL)
		fail_msg("fault \"%s\" lacks \"%s\"", p->opening.fault, fault);
	close_it(p);
	assert_int_equal(entries(p->state), 0);
}

/* Mode, owner and existence of what the state folder holds. */
static void
check_state_file(const struct place *p, const char *name, mode_t mode)
{
	struct stat st;

	assert_int_equal(fstatat(p->opening.state, name, &st, AT_SYMLINK_NOFOLLOW),
	    0);
	assert_int_equal(st.st_mode, mode);
	assert_int_equal(st.st_uid, geteuid());
}

static void
test_plain_file(void **statep)
{
	struct place *p = *statep;

	put(p, p->file, "From a\n", 0600);
	assert_int_equal(try_open(p), OPENING_OK);
	assert_int_not_equal(p->opening.fds.mbox, -1);
	assert_true(p->opening.fds.writable);
	assert_string_equal(p->opening.path, p->file);
	assert_string_equal(p->opening.fault, "");
	check_state_file(p, ".", S_IFDIR | 0700);
	check_state_file(p, "owner", S_IFREG | 0600);
	check_state_file(p, "holder", S_IFREG | 0600);
	check_state_file(p, "index", S_IFREG | 0600);
	check_state_file(p, "journal", S_IFREG | 0600);
	close_it(p);
	assert_int_equal(entries(p->mail), 1);
}

static void
test_49_no_file(void **statep)
{
	struct place *p = *statep;

	assert_int_equal(try_open(p), OPENING_OK);
	assert_int_equal(p->opening.fds.mbox, -1);
	assert_int_equal(dotlock_make(&p->config, &p->opening), MD_DOTLOCK_OK);
	assert_int_equal(entries(p->mail), 0);
	close_it(p);
	assert_int_equal(entries(p->mail), 0);
}

static void
test_60_symlink(void **statep)
{
	struct place *p = *statep;
	char target[160];

	snprintf(target, sizeof(target), "%s/target", p->top);
	put(p, target, "From a\n", 0600);
	assert_int_equal(symlink(target, p->file), 0);
	expect_refusal(p, OPENING_UNSUITABLE, "symbolic link");
}

static void
test_60_fifo(void **statep)
{
	struct place *p = *statep;

	assert_int_equal(mkfifo(p->file, 0666), 0);
	if (geteuid() == 0)
		assert_int_equal(chown(p->file, p->account.uid, p->account.gid), 0);
	expect_refusal(p, OPENING_UNSUITABLE, "FIFO");
}

static void
test_60_socket(void **statep)
{
	struct place *p = *statep;
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	memcpy(address.sun_path, p->file, strlen(p->file) + 1);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	expect_refusal(p, OPENING_UNSUITABLE, "socket");
	close(fd);
}

static void
test_60_folder(void **statep)
{
	struct place *p = *statep;

	assert_int_equal(mkdir(p->file, 0777), 0);
	expect_refusal(p, OPENING_UNSUITABLE, "folder");
}

static void
test_60_device(void **statep)
{
	struct place *p = *statep;

	NEEDS_ROOT();
	assert_int_equal(mknod(p->file, S_IFCHR | 0666, 0x103), 0);
	expect_refusal(p, OPENING_UNSUITABLE, "device");
}

static void
test_60_second_link(void **statep)
{
	struct place *p = *statep;
	char other[160];

	put(p, p->file, "From a\n", 0600);
	snprintf(other, sizeof(other), "%s/other", p->mail);
	assert_int_equal(link(p->file, other), 0);
	expect_refusal(p, OPENING_UNSUITABLE, "2 links");
}

static void
test_60_other_owner(void **statep)
{
	struct place *p = *statep;

	NEEDS_ROOT();
	put(p, p->file, "From a\n", 0666);
	assert_int_equal(chown(p->file, 61002, 61001), 0);
	expect_refusal(p, OPENING_UNSUITABLE, "belongs to uid 61002");
}

static void
test_60_mode_0(void **statep)
{
	struct place *p = *statep;

	put(p, p->file, "From a\n", 0);
	expect_refusal(p, OPENING_UNSUITABLE, "cannot be opened");
}

static void
test_61_read_only(void **statep)
{
	struct place *p = *statep;

	put(p, p->file, "From a\n", 0400);
	assert_int_equal(try_open(p), OPENING_OK);
	assert_false(p->opening.fds.writable);
	assert_int_equal(fcntl(p->opening.fds.mbox, F_GETFL) & O_ACCMODE, O_RDONLY);
	close_it(p);
}

static void
test_66_no_folder(void **statep)
{
	struct place *p = *statep;

	snprintf(p->file, sizeof(p->file), "%s/absent/alice", p->top);
	expect_refusal(p, OPENING_UNAVAILABLE, "folder: No such file");
}

static void
test_odd_paths(void **statep)
{
	static const char *const paths[] = {"", "alice", "mail/alice", "/tmp/",
	    "/tmp/.", "/tmp/..", "/tmp/a\nb"};
	struct place *p = *statep;

	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		strcpy(p->file, paths[i]);
		expect_refusal(p, OPENING_UNSUITABLE, "path");
	}
}

/* A folder that only its user may enter: nothing but his ids can open it. */
static void
test_private_folder(void **statep)
{
	struct place *p = *statep;

	put(p, p->file, "From a\n", 0600);
	assert_int_equal(chmod(p->mail, 0300), 0);
	assert_int_equal(try_open(p), OPENING_OK);
	close_it(p);
}

static void
test_folder_of_another(void **statep)
{
	struct place *p = *statep;

	NEEDS_ROOT();
	put(p, p->file, "From a\n", 0600);
	assert_int_equal(chmod(p->mail, 0700), 0);
	assert_int_equal(chown(p->mail, 61002, 61002), 0);
	expect_refusal(p, OPENING_UNSUITABLE, "Permission denied");
}

/* /var/mail: root:mail 2775, files 0600 user:mail. */
static void
test_spool_folder(void **statep)
{
	struct place *p = *statep;

	NEEDS_ROOT();
	put(p, p->file, "From a\n", 0600);
	assert_int_equal(chown(p->mail, 0, 8), 0);
	assert_int_equal(chmod(p->mail, 02775), 0);
	assert_int_equal(chown(p->file, 61001, 8), 0);
	assert_int_equal(try_open(p), OPENING_OK);
	assert_true(p->opening.fds.writable);
	close_it(p);
}

static void
test_root_refused(void **statep)
{
	struct place *p = *statep;

	NEEDS_ROOT();
	put(p, p->file, "From a\n", 0600);
	assert_int_equal(chown(p->file, 0, 0), 0);
	p->account.uid = 0;
	expect_refusal(p, OPENING_UNAVAILABLE, "cannot act for uid 0");
}

static void
test_ids_are_entered(void **statep)
{
	struct place *p = *statep;
	struct identity own, theirs;
	gid_t groups[8];

	NEEDS_ROOT();
	assert_int_equal(identity_own(&own), 0);
	assert_int_equal(identity_of(&p->account, &theirs), 0);
	assert_int_equal(account_enter(&theirs, &own), 0);
	assert_int_equal(setfsuid((uid_t)-1), 61001);
	assert_int_equal(setfsgid((gid_t)-1), 61001);
	assert_int_equal(geteuid(), 0);
	assert_int_equal(getgroups(8, groups), 1);
	assert_int_equal(groups[0], 61001);
	assert_int_equal(open("/etc/shadow", O_RDONLY), -1);
	account_leave(&own);
	assert_int_equal(setfsuid((uid_t)-1), 0);
	assert_int_equal(getgroups(0, NULL), own.count);
	identity_free(&own);
	identity_free(&theirs);
}

/* A system user's groups go to his uid, not to whoever has his name. */
static void
test_groups(void **statep)
{
	static const uid_t others[] = {0, 61000};
	struct place *p = *statep;
	struct identity theirs;

	NEEDS_ROOT();
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		account_uid = others[i];
		assert_int_equal(identity_of(&p->account, &theirs), 0);
		assert_int_equal(identity_widen(&p->account, &theirs), 0);
		assert_int_equal(theirs.count, 1);
		assert_int_equal(theirs.groups[0], p->account.gid);
		identity_free(&theirs);
	}
	account_uid = p->account.uid;
	assert_int_equal(identity_of(&p->account, &theirs), 0);
	assert_int_equal(identity_widen(&p->account, &theirs), 1);
	assert_int_equal(theirs.count, GROUPS + 1);
	assert_int_equal(theirs.groups[0], p->account.gid);
	assert_int_equal(theirs.groups[GROUPS], FIRST_GROUP + GROUPS);
	identity_free(&theirs);
}

/* The last of them alone may enter it. */
static void
test_folder_of_another_group(void **statep)
{
	struct place *p = *statep;

	NEEDS_ROOT();
	put(p, p->file, "From a\n", 0600);
	assert_int_equal(chown(p->mail, 0, FIRST_GROUP + GROUPS), 0);
	assert_int_equal(chmod(p->mail, 0070), 0);
	account_uid = p->account.uid - 1;
	expect_refusal(p, OPENING_UNSUITABLE, "Permission denied");
	account_uid = p->account.uid;
	assert_int_equal(try_open(p), OPENING_OK);
	assert_true(p->opening.fds.writable);
	close_it(p);
}

/* The first child holds the maildrop until the pipe is closed. */
static pid_t
hold(struct place *p, int *pipep)
{
	int ready[2], stop[2];
	pid_t pid;
	char c;

	assert_int_equal(pipe(ready), 0);
	assert_int_equal(pipe(stop), 0);
	pid = fork();
	if (pid == 0) {
		struct opening first;

		close(stop[1]);
		if (opening_open(&p->config, &p->account, p->file, "77",
		        "2001:db8::1", &first) == OPENING_OK)
			(void)!write(ready[1], "x", 1);
		(void)!read(stop[0], &c, 1);
		_exit(0);
	}
	close(stop[0]);
	close(ready[1]);
	assert_int_equal(read(ready[0], &c, 1), 1);
	close(ready[0]);
	*pipep = stop[1];
	return pid;
}

static void
test_38_in_use(void **statep)
{
	struct place *p = *statep;
	int stop, h, m, s;
	pid_t pid;

	put(p, p->file, "From a\n", 0600);
	pid = hold(p, &stop);
	p->account.login = "alias";
	assert_int_equal(try_open(p), OPENING_IN_USE);
	assert_int_equal(sscanf(p->opening.holder,
	                     "from 2001:db8::1 since %2d:%2d:%2d", &h, &m, &s),
	    3);
	close_it(p);
	close(stop);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_int_equal(try_open(p), OPENING_OK);
	close_it(p);
}

/* Deleting the cache of a running session must not let another in. */
static void
test_38_index_deleted(void **statep)
{
	struct place *p = *statep;
	int stop;
	pid_t pid;

	put(p, p->file, "From a\n", 0600);
	pid = hold(p, &stop);
	shell("rm %s/*/index", p->state);
	assert_int_equal(try_open(p), OPENING_IN_USE);
	close_it(p);
	close(stop);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

/* By a nanosecond, over the second too; nothing else changes. */
static void
test_backdate(void **statep)
{
	struct place *p = *statep;
	const struct timespec set[2] = {
	    {.tv_sec = 7, .tv_nsec = 5},
            {.tv_sec = 9, .tv_nsec = 1}
        };
	struct stat st;

	put(p, p->file, "From a\n", 0600);
	assert_int_equal(try_open(p), OPENING_OK);
	assert_int_equal(futimens(p->opening.fds.mbox, set), 0);
	for (long seconds = 9; seconds >= 8; seconds--) {
		assert_int_equal(opening_backdate(&p->opening), 0);
		assert_int_equal(stat(p->file, &st), 0);
		assert_int_equal(st.st_mtim.tv_sec, seconds);
		assert_int_equal(st.st_mtim.tv_nsec, seconds == 9 ? 0 : 999999999);
		assert_int_equal(st.st_atim.tv_sec, 7);
		assert_int_equal(st.st_atim.tv_nsec, 5);
		assert_int_equal(setfsuid((uid_t)-1), geteuid());
	}
	close_it(p);
}

/* Not where there is no file, and not with more right than the account has. */
static void
test_no_backdate(void **statep)
{
	struct place *p = *statep;

	assert_int_equal(try_open(p), OPENING_OK);
	assert_int_equal(opening_backdate(&p->opening), -1);
	close_it(p);
	NEEDS_ROOT();
	put(p, p->file, "From a\n", 0600);
	assert_int_equal(try_open(p), OPENING_OK);
	assert_int_equal(chown(p->file, 0, 0), 0);
	assert_int_equal(opening_backdate(&p->opening), -1);
	close_it(p);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test_setup_teardown(test_plain_file, setup, teardown),
    cmocka_unit_test_setup_teardown(test_49_no_file, setup, teardown),
    cmocka_unit_test_setup_teardown(test_60_symlink, setup, teardown),
    cmocka_unit_test_setup_teardown(test_60_fifo, setup, teardown),
    cmocka_unit_test_setup_teardown(test_60_socket, setup, teardown),
    cmocka_unit_test_setup_teardown(test_60_folder, setup, teardown),
    cmocka_unit_test_setup_teardown(test_60_device, setup, teardown),
    cmocka_unit_test_setup_teardown(test_60_second_link, setup, teardown),
    cmocka_unit_test_setup_teardown(test_60_other_owner, setup, teardown),
    cmocka_unit_test_setup_teardown(test_60_mode_0, setup, teardown),
    cmocka_unit_test_setup_teardown(test_61_read_only, setup, teardown),
    cmocka_unit_test_setup_teardown(test_66_no_folder, setup, teardown),
    cmocka_unit_test_setup_teardown(test_odd_paths, setup, teardown),
    cmocka_unit_test_setup_teardown(test_private_folder, setup, teardown),
    cmocka_unit_test_setup_teardown(test_folder_of_another, setup, teardown),
    cmocka_unit_test_setup_teardown(test_spool_folder, setup, teardown),
    cmocka_unit_test_setup_teardown(test_root_refused, setup, teardown),
    cmocka_unit_test_setup_teardown(test_ids_are_entered, setup, teardown),
    cmocka_unit_test_setup_teardown(test_groups, setup, teardown),
    cmocka_unit_test_setup_teardown(test_folder_of_another_group, setup, teardown),
    cmocka_unit_test_setup_teardown(test_38_in_use, setup, teardown),
    cmocka_unit_test_setup_teardown(test_38_index_deleted, setup, teardown),
    cmocka_unit_test_setup_teardown(test_backdate, setup, teardown),
    cmocka_unit_test_setup_teardown(test_no_backdate, setup, teardown),
};

int
main(void)
{
	return cmocka_run_group_tests(tests, NULL, NULL);
}
