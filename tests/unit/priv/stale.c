/*
 * A dotlock that is in the way: honoured, or broken; and that nothing a user puts
 * there reaches outside his folder. Numbers are those of the faults.
 */
#include "dotlock_place.h"

#include <sys/syscall.h>

#include "priv/dotlock.h"

/* Renaming where nothing may stand: as here, as over NFS, or too late. */
static enum { KNOWN, UNKNOWN, LATE } no_replace;

int
renameat2(int from_folder, const char *from, int to_folder, const char *to,
    unsigned flags)
{
	int fd;

	if (no_replace == UNKNOWN) {
		errno = EINVAL;
		return -1;
	}
	if (no_replace == LATE) {
		fd = openat(to_folder, to, O_WRONLY | O_CREAT | O_EXCL, 0600);
		assert_int_equal(write(fd, "third", 5), 5);
		close(fd);
	}
	return (int)syscall(SYS_renameat2, from_folder, from, to_folder, to, flags);
}

static void
test_69_fresh(void **statep)
{
	struct place *p = *statep;

	foreign(p, "0", 290);
	assert_int_equal(make_it(p), MD_DOTLOCK_BUSY);
	assert_int_equal(entries(p->mail), 2);
	assert_false(noted(p));
	assert_int_equal(unlink(lock_of(p)), 0);
	assert_int_equal(make_it(p), MD_DOTLOCK_OK);
}

/* Every form of content that names no live process of this host. */
static void
test_70_stale(void **statep)
{
	static const char *const contents[] = {"", "0", "0\n", "4194304 \n",
	    "1 another-host.example\n", "no pid", "99999999999999999999", "-1"};
	struct place *p = *statep;

	for (size_t i = 0; i < sizeof(contents) / sizeof(contents[0]); i++) {
		foreign(p, contents[i], 301);
		assert_int_equal(make_it(p), MD_DOTLOCK_OK);
		remove_it(p);
	}
}

static void
test_70_live(void **statep)
{
	struct place *p = *statep;
	char content[256], host[128];

	gethostname(host, sizeof(host));
	snprintf(content, sizeof(content), "%d", (int)getppid());
	foreign(p, content, 3600);
	assert_int_equal(make_it(p), MD_DOTLOCK_BUSY);
	snprintf(content, sizeof(content), "  %d\n", (int)getppid());
	foreign(p, content, 3600);
	assert_int_equal(make_it(p), MD_DOTLOCK_BUSY);
	snprintf(content, sizeof(content), "%d %s.example\n", (int)getppid(), host);
	foreign(p, content, 3600);
	assert_int_equal(make_it(p), MD_DOTLOCK_BUSY);
	assert_int_equal(entries(p->mail), 2);
}

static void
test_70_our_own(void **statep)
{
	struct place *p = *statep;

	die_with_dotlock(p);
	assert_int_equal(try_open(p), OPENING_OK);
	assert_int_equal(entries(p->mail), 1);
	assert_false(noted(p));
}

/* Its inode and name, but another's content: left alone. */
static void
test_70_inode_used_again(void **statep)
{
	struct place *p = *statep;
	FILE *f;

	die_with_dotlock(p);
	f = fopen(lock_of(p), "w");
	fputs("0", f);
	fclose(f);
	assert_int_equal(try_open(p), OPENING_OK);
	assert_int_equal(entries(p->mail), 2);
	assert_int_equal(make_it(p), MD_DOTLOCK_BUSY);
}

/* What it said is gone: so many NULs are there, of the time that it had or later. */
static void
lose_content(struct place *p, bool as_long, time_t later)
{
	struct stat st;

	assert_int_equal(stat(lock_of(p), &st), 0);
	assert_int_equal(truncate(lock_of(p), 0), 0);
	if (as_long)
		assert_int_equal(truncate(lock_of(p), st.st_size), 0);
	st.st_mtim.tv_sec += later;
	assert_int_equal(utimensat(AT_FDCWD, lock_of(p),
	                     (struct timespec[]){st.st_atim, st.st_mtim}, 0),
	    0);
}

/* A full disk left an empty one, a power cut NULs: known by inode and time. */
static void
test_70_our_own_empty(void **statep)
{
	struct place *p = *statep;

	for (int as_long = 0; as_long < 2; as_long++) {
		die_with_dotlock(p);
		lose_content(p, as_long, 0);
		assert_int_equal(try_open(p), OPENING_OK);
		assert_int_equal(entries(p->mail), 1);
	}
}

static void
test_70_another_s_empty(void **statep)
{
	struct place *p = *statep;

	for (int as_long = 0; as_long < 2; as_long++) {
		die_with_dotlock(p);
		lose_content(p, as_long, 1);
		assert_int_equal(try_open(p), OPENING_OK);
		assert_int_equal(entries(p->mail), 2);
		assert_int_equal(unlink(lock_of(p)), 0);
	}
}

static void
test_70_damaged_note(void **statep)
{
	static const char *const notes[] = {"/etc/passwd", " ", "1 2 3 alice.lock",
	    "0 2 3 4 alice.lock", "1 2 3 4 ../x", "1 2 3 4 ", "-1 2 3 4 alice.lock",
	    "1 2 1000000000 4 alice.lock", "1 2 3 04 alice.lock"};
	struct place *p = *statep;

	for (size_t i = 0; i < sizeof(notes) / sizeof(notes[0]); i++) {
		assert_int_equal(symlinkat(notes[i], p->opening.state, "dotlock"),
		    0);
		assert_int_equal(make_it(p), MD_DOTLOCK_OK);
		remove_it(p);
	}
}

static void
test_70a_symlink(void **statep)
{
	struct place *p = *statep;
	struct stat st;

	shell("ln -s %s/outside %s", p->top, lock_of(p));
	assert_int_equal(make_it(p), MD_DOTLOCK_BUSY);
	shell("touch -d '1 hour ago' %s/outside", p->top);
	shell("touch -h -d '1 hour ago' %s", lock_of(p));
	assert_int_equal(make_it(p), MD_DOTLOCK_BUSY);
	assert_int_equal(lstat(lock_of(p), &st), 0);
	assert_true(S_ISLNK(st.st_mode));
	shell("rm %s; mkdir %s; touch -d '1 hour ago' %s", lock_of(p), lock_of(p),
	    lock_of(p));
	assert_int_equal(make_it(p), MD_DOTLOCK_BUSY);
	shell("rmdir %s; mkfifo %s; touch -d '1 hour ago' %s", lock_of(p),
	    lock_of(p), lock_of(p));
	assert_int_equal(make_it(p), MD_DOTLOCK_BUSY);
	shell("test -p %s", lock_of(p));
}

/* The user changes what stands there as fast as he can. */
static void
swap_for_ever(const char *lock, const char *outside)
{
	struct timespec old[2] = {
	    {1000, 0},
            {1000, 0}
        };
	int fd;

	for (;;) {
		(void)!symlink(outside, lock);
		unlink(lock);
		mkdir(lock, 0700);
		rmdir(lock);
		fd = open(lock, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
		if (fd != -1) {
			futimens(fd, old);
			close(fd);
		}
		unlink(lock);
		(void)!link(outside, lock);
		unlink(lock);
	}
}

static void
test_70a_swapped(void **statep)
{
	struct place *p = *statep;
	char outside[160];
	struct stat before, after;
	int made = 0;
	pid_t pid;

	snprintf(outside, sizeof(outside), "%s/outside", p->top);
	put(p, outside, "precious", 0644);
	assert_int_equal(stat(outside, &before), 0);
	pid = fork();
	if (pid == 0)
		swap_for_ever(lock_of(p), outside);
	for (int i = 0; i < 3000; i++) {
		if (make_it(p) == MD_DOTLOCK_OK)
			made++;
		dotlock_remove(&p->opening);
	}
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	assert_true(made > 0);
	assert_int_equal(stat(outside, &after), 0);
	assert_int_equal(before.st_ino, after.st_ino);
	assert_int_equal(after.st_size, 8);
	assert_int_equal(entries(p->top), 3);
	assert_int_equal(access(p->file, F_OK), 0);
}

/* What was taken is not what was examined: back it goes, unless a third stands there. */
static void
test_70_another_meanwhile(void **statep)
{
	struct place *p = *statep;
	struct names names = {.aside = "aside"};
	struct stat examined, before, after;

	strlcpy(names.lock, strrchr(lock_of(p), '/') + 1, sizeof(names.lock));
	assert_int_equal(stat(p->file, &examined), 0);
	foreign(p, "0", 1);
	assert_int_equal(stat(lock_of(p), &before), 0);
	for (no_replace = KNOWN; no_replace <= LATE; no_replace++) {
		assert_false(dotlock_break(&p->opening, &names, &examined));
		assert_int_equal(entries(p->mail), 2);
		assert_int_equal(stat(lock_of(p), &after), 0);
		assert_int_equal(after.st_ino == before.st_ino, no_replace != LATE);
		assert_int_equal(after.st_size, no_replace == LATE ? 5 : 1);
	}
	no_replace = KNOWN;
}

static const struct CMUnitTest tests[] = {
    DOT(test_69_fresh),
    DOT(test_70_stale),
    DOT(test_70_live),
    DOT(test_70_our_own),
    DOT(test_70_inode_used_again),
    DOT(test_70_our_own_empty),
    DOT(test_70_another_s_empty),
    DOT(test_70_damaged_note),
    DOT(test_70_another_meanwhile),
    DOT(test_70a_symlink),
    DOT(test_70a_swapped),
};

int
main(void)
{
	return cmocka_run_group_tests(tests, NULL, NULL);
}
