/*
 * The dotlock: made, kept, removed, where it can be and where it cannot. Numbers
 * are those of the faults.
 */
#include "dotlock_place.h"
#include "groups.h"

#include <sched.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/syscall.h>

/* What link(2) does: as here, as on FAT, or as over NFS where its answer is lost. */
static enum { LINKS, NO_LINKS, NO_ANSWER } links;

int
linkat(int from_folder, const char *from, int to_folder, const char *to, int flags)
{
	int result = -1;

	if (links != NO_LINKS)
		result = (int)syscall(SYS_linkat, from_folder, from, to_folder, to,
		    flags);
	if (links == LINKS)
		return result;
	errno = links == NO_LINKS ? EPERM : EEXIST;
	return -1;
}

static void
test_made_and_removed(void **statep)
{
	struct place *p = *statep;
	char expected[256], host[128], content[256] = "";
	struct stat st;
	FILE *f;

	umask(077);
	assert_int_equal(make_it(p), MD_DOTLOCK_OK);
	umask(022);
	assert_int_equal(lstat(lock_of(p), &st), 0);
	assert_int_equal(st.st_mode, S_IFREG | 0644);
	assert_int_equal(st.st_nlink, 1);
	assert_int_equal(st.st_uid, p->account.uid);
	assert_true(noted(p));
	gethostname(host, sizeof(host));
	snprintf(expected, sizeof(expected), "%d %s\n", (int)getpid(), host);
	f = fopen(lock_of(p), "r");
	assert_non_null(fgets(content, sizeof(content), f));
	fclose(f);
	assert_string_equal(content, expected);
	assert_int_equal(entries(p->mail), 2);
	assert_int_equal(make_it(p), MD_DOTLOCK_OK);
	remove_it(p);
}

static void
test_off(void **statep)
{
	struct place *p = *statep;

	p->config.maildrop.dotlock = DOTLOCK_OFF;
	assert_int_equal(make_it(p), MD_DOTLOCK_OK);
	assert_int_equal(entries(p->mail), 1);
	assert_int_equal(unlink(p->file), 0);
	assert_int_equal(make_it(p), MD_DOTLOCK_CHANGED);
}

static void
test_path_replaced(void **statep)
{
	struct place *p = *statep;

	shell("mv %s %s/old", p->file, p->mail);
	assert_int_equal(make_it(p), MD_DOTLOCK_CHANGED);
	put(p, p->file, "From b\n", 0600);
	assert_int_equal(make_it(p), MD_DOTLOCK_CHANGED);
	shell("mv %s/old %s", p->mail, p->file);
	assert_int_equal(make_it(p), MD_DOTLOCK_OK);
	dotlock_remove(&p->opening);
	shell("ln %s %s/second", p->file, p->mail);
	assert_int_equal(make_it(p), MD_DOTLOCK_CHANGED);
	assert_int_equal(entries(p->mail), 2);
	assert_false(noted(p));
}

static void
test_file_appeared(void **statep)
{
	struct place *p = *statep;

	close_it(p);
	assert_int_equal(unlink(p->file), 0);
	assert_int_equal(try_open(p), OPENING_OK);
	assert_int_equal(make_it(p), MD_DOTLOCK_OK);
	assert_int_equal(entries(p->mail), 0);
	put(p, p->file, "From b\n", 0600);
	assert_int_equal(make_it(p), MD_DOTLOCK_CHANGED);
}

static void
test_71_folder_not_writable(void **statep)
{
	struct place *p = *statep;

	if (geteuid() == 0)
		assert_int_equal(chown(p->mail, 0, 0), 0);
	assert_int_equal(chmod(p->mail, 0555), 0);
	assert_int_equal(make_it(p), MD_DOTLOCK_OK);
	assert_true(p->opening.warned);
	assert_int_equal(p->opening.dotlock.st_ino, 0);
	p->config.maildrop.dotlock = DOTLOCK_REQUIRED;
	assert_int_equal(make_it(p), MD_DOTLOCK_REFUSED);
	assert_false(noted(p));
	assert_int_equal(chmod(p->mail, 0755), 0);
	foreign(p, "0", 0);
	assert_int_equal(chmod(p->mail, 0555), 0);
	assert_int_equal(make_it(p), MD_DOTLOCK_BUSY);
}

static void
test_71_name_too_long(void **statep)
{
	struct place *p = *statep;

	close_it(p);
	snprintf(p->file, sizeof(p->file), "%s/%0*d", p->mail, 20, 0);
	put(p, p->file, "From a\n", 0600);
	assert_int_equal(try_open(p), OPENING_OK);
	memset(p->opening.name, 'x', NAME_MAX);
	p->config.maildrop.dotlock = DOTLOCK_REQUIRED;
	assert_int_equal(make_it(p), MD_DOTLOCK_REFUSED);
}

/* root:mail 2775, as Debian's /var/mail: only group mail can write there. */
static void
test_spool_folder(void **statep)
{
	struct place *p = *statep;
	struct stat st;

	NEEDS_ROOT();
	assert_int_equal(chown(p->mail, 0, 8), 0);
	assert_int_equal(chmod(p->mail, 02775), 0);
	assert_int_equal(make_it(p), MD_DOTLOCK_OK);
	assert_int_equal(stat(lock_of(p), &st), 0);
	assert_int_equal(st.st_uid, p->account.uid);
	assert_int_equal(st.st_gid, 8);
	dotlock_remove(&p->opening);
	assert_int_equal(entries(p->mail), 1);
	foreign(p, "", 400);
	assert_int_equal(make_it(p), MD_DOTLOCK_OK);
	die_with_dotlock(p);
	assert_int_equal(try_open(p), OPENING_OK);
	assert_int_equal(entries(p->mail), 1);
}

/* Only with another group of the account can it be written to. */
static void
test_folder_of_another_group(void **statep)
{
	struct place *p = *statep;
	struct stat st;

	NEEDS_ROOT();
	assert_int_equal(chown(p->mail, 0, FIRST_GROUP + GROUPS), 0);
	assert_int_equal(chmod(p->mail, 0775), 0);
	p->config.maildrop.dotlock = DOTLOCK_REQUIRED;
	account_uid = p->account.uid - 1;
	assert_int_equal(make_it(p), MD_DOTLOCK_REFUSED);
	account_uid = p->account.uid;
	assert_int_equal(make_it(p), MD_DOTLOCK_OK);
	assert_int_equal(stat(lock_of(p), &st), 0);
	assert_int_equal(st.st_uid, p->account.uid);
	remove_it(p);
	die_with_dotlock(p);
	assert_int_equal(try_open(p), OPENING_OK);
	assert_int_equal(entries(p->mail), 1);
	assert_false(noted(p));
}

/* A group-writable folder of another group, or not root's, is not written. */
static void
test_not_the_spool_folder(void **statep)
{
	struct place *p = *statep;

	NEEDS_ROOT();
	assert_int_equal(chown(p->mail, 0, 0), 0);
	assert_int_equal(chmod(p->mail, 02775), 0);
	p->config.maildrop.dotlock = DOTLOCK_REQUIRED;
	assert_int_equal(make_it(p), MD_DOTLOCK_REFUSED);
	assert_int_equal(chown(p->mail, 61002, 8), 0);
	assert_int_equal(chmod(p->mail, 02775), 0);
	assert_int_equal(make_it(p), MD_DOTLOCK_REFUSED);
	assert_int_equal(entries(p->mail), 1);
}

static void
test_76_removed(void **statep)
{
	struct place *p = *statep;

	assert_int_equal(make_it(p), MD_DOTLOCK_OK);
	assert_int_equal(unlink(lock_of(p)), 0);
	assert_false(dotlock_touch(&p->opening));
	assert_false(noted(p));
	assert_int_equal(make_it(p), MD_DOTLOCK_OK);
}

static void
test_76_replaced(void **statep)
{
	struct place *p = *statep;

	assert_int_equal(make_it(p), MD_DOTLOCK_OK);
	shell("echo 1 > %s/other && mv %s/other %s", p->mail, p->mail, lock_of(p));
	dotlock_remove(&p->opening);
	assert_int_equal(entries(p->mail), 2);
	assert_int_equal(make_it(p), MD_DOTLOCK_BUSY);
}

static void
test_touch(void **statep)
{
	struct place *p = *statep;
	struct timespec old[2] = {
	    {1000, 0},
            {1000, 0}
        };
	struct stat st;

	assert_false(dotlock_touch(&p->opening));
	assert_int_equal(make_it(p), MD_DOTLOCK_OK);
	assert_int_equal(utimensat(AT_FDCWD, lock_of(p), old, 0), 0);
	assert_true(dotlock_touch(&p->opening));
	assert_int_equal(stat(lock_of(p), &st), 0);
	assert_true(time(NULL) - st.st_mtime < 60);
	close_it(p);
	assert_int_equal(entries(p->mail), 1);
}

/* Made all the same, and none over another program's. */
static void
test_no_links(void **statep)
{
	struct place *p = *statep;

	for (links = NO_LINKS; links <= NO_ANSWER; links++) {
		assert_int_equal(make_it(p), MD_DOTLOCK_OK);
		assert_int_equal(access(lock_of(p), F_OK), 0);
		assert_int_equal(entries(p->mail), 2);
		remove_it(p);
		foreign(p, "0", 1);
		assert_int_equal(make_it(p), MD_DOTLOCK_BUSY);
		assert_int_equal(entries(p->mail), 2);
		assert_int_equal(unlink(lock_of(p)), 0);
	}
	links = LINKS;
}

/* No descriptor is left to read ours with: it is ours all the same, and goes. */
static void
test_no_descriptor_left(void **statep)
{
	struct place *p = *statep;
	struct rlimit before, none;

	assert_int_equal(make_it(p), MD_DOTLOCK_OK);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	none = before;
	none.rlim_cur = 0;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	dotlock_remove(&p->opening);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	assert_int_equal(entries(p->mail), 1);
	assert_false(noted(p));
}

/* A small file system of its own over the mail folder, gone with the process. */
static void
mount_small(struct place *p, const char *options)
{
	close_it(p);
	NEEDS_ROOT();
	if (unshare(CLONE_NEWNS) == -1 ||
	    mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == -1 ||
	    mount("poplar", p->mail, "tmpfs", 0, options) == -1) {
		print_message("skipped: mounting is not permitted\n");
		skip();
	}
	assert_int_equal(chown(p->mail, p->account.uid, p->account.gid), 0);
	put(p, p->file, "From a\n", 0600);
}

static void
test_88_disk_full(void **statep)
{
	struct place *p = *statep;
	struct stat st;

	mount_small(p, "size=64k");
	shell("cat /dev/zero > %s/filler 2> /dev/null || :", p->mail);
	assert_int_equal(try_open(p), OPENING_OK);
	p->config.maildrop.dotlock = DOTLOCK_REQUIRED;
	assert_int_equal(make_it(p), MD_DOTLOCK_OK);
	assert_int_equal(stat(lock_of(p), &st), 0);
	assert_int_equal(st.st_size, 0);
	/* killed with it: the next knows it by inode and time */
	p->opening.dotlock.st_ino = 0;
	close_it(p);
	assert_int_equal(try_open(p), OPENING_OK);
	assert_int_equal(entries(p->mail), 2);
	assert_int_equal(umount(p->mail), -1);
	close_it(p);
	assert_int_equal(umount(p->mail), 0);
}

static void
test_88_no_inode(void **statep)
{
	struct place *p = *statep;

	mount_small(p, "nr_inodes=3");
	shell("touch %s/filler", p->mail);
	assert_int_equal(try_open(p), OPENING_OK);
	assert_int_equal(make_it(p), MD_DOTLOCK_OK);
	assert_true(p->opening.warned);
	p->config.maildrop.dotlock = DOTLOCK_REQUIRED;
	assert_int_equal(make_it(p), MD_DOTLOCK_NO_SPACE);
	close_it(p);
	assert_int_equal(umount(p->mail), 0);
}

static void
test_61_read_only_file_system(void **statep)
{
	struct place *p = *statep;

	mount_small(p, "size=64k");
	assert_int_equal(mount(NULL, p->mail, NULL, MS_REMOUNT | MS_RDONLY, NULL),
	    0);
	assert_int_equal(try_open(p), OPENING_OK);
	assert_false(p->opening.fds.writable);
	assert_int_equal(make_it(p), MD_DOTLOCK_OK);
	close_it(p);
	assert_int_equal(umount(p->mail), 0);
}

/* Runs a whole life under ptrace(2), killed at its nth step. False: it lived on. */
static bool
live_until(struct place *p, int nth)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		ptrace(PTRACE_TRACEME, 0, NULL, NULL);
		raise(SIGSTOP);
		if (try_open(p) == OPENING_OK && make_it(p) == MD_DOTLOCK_OK)
			(void)dotlock_touch(&p->opening);
		close_it(p);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	while (WIFSTOPPED(status) && nth-- > 0) {
		ptrace(PTRACE_SYSCALL, pid, NULL, NULL);
		assert_int_equal(waitpid(pid, &status, 0), pid);
	}
	if (!WIFSTOPPED(status))
		return false;
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	return true;
}

/*
 * The kill falls before and behind each system call; the next session mends.
 * First with the state folder new each time, then not, then with a stale
 * dotlock in the way.
 */
static void
test_75_killed_anywhere(void **statep)
{
	struct place *p = *statep;
	int kills = 0;

	close_it(p);
	for (int round = 0; round < 3; round++) {
		for (int nth = 1;; nth++, kills++) {
			if (round == 2)
				foreign(p, "0", 400);
			if (!live_until(p, nth))
				break;
			assert_int_equal(try_open(p), OPENING_OK);
			if (round < 2)
				assert_int_equal(access(lock_of(p), F_OK), -1);
			assert_int_equal(make_it(p), MD_DOTLOCK_OK);
			close_it(p);
			assert_int_equal(entries(p->mail), 1);
			if (round == 0)
				shell("rm -r %s/*", p->state);
		}
	}
	print_message("%d kills\n", kills);
	assert_true(kills > 200);
}

static const struct CMUnitTest tests[] = {
    DOT(test_made_and_removed),
    DOT(test_off),
    DOT(test_path_replaced),
    DOT(test_file_appeared),
    DOT(test_71_folder_not_writable),
    DOT(test_71_name_too_long),
    DOT(test_spool_folder),
    DOT(test_folder_of_another_group),
    DOT(test_not_the_spool_folder),
    DOT(test_76_removed),
    DOT(test_76_replaced),
    DOT(test_touch),
    DOT(test_no_links),
    DOT(test_no_descriptor_left),
    DOT(test_88_disk_full),
    DOT(test_88_no_inode),
    DOT(test_61_read_only_file_system),
    DOT(test_75_killed_anywhere),
};

int
main(void)
{
	return cmocka_run_group_tests(tests, NULL, NULL);
}
