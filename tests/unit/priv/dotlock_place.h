/*
 * A maildrop whose dotlock is made, and what others put in its place.
 */
#ifndef POPLAR_TEST_DOTLOCK_PLACE_H
#define POPLAR_TEST_DOTLOCK_PLACE_H

#include "place.h"

static inline int
dot_setup(void **statep)
{
	struct place *p;

	assert_int_equal(setup(statep), 0);
	p = *statep;
	put(p, p->file, "From a\n", 0600);
	assert_int_equal(try_open(p), OPENING_OK);
	return 0;
}

static inline int
dot_teardown(void **statep)
{
	close_it(*statep);
	return teardown(statep);
}

static const char *
lock_of(const struct place *p)
{
	static char path[160];

	snprintf(path, sizeof(path), "%s.lock", p->file);
	return path;
}

static inline enum md_dotlock
make_it(struct place *p)
{
	enum md_dotlock result = dotlock_make(&p->config, &p->opening);

	assert_int_equal(setfsuid((uid_t)-1), geteuid());
	assert_int_equal(setfsgid((gid_t)-1), getegid());
	return result;
}

static inline bool
noted(const struct place *p)
{
	struct stat st;

	return fstatat(p->opening.state, "dotlock", &st, AT_SYMLINK_NOFOLLOW) == 0;
}

/* Removes it: the maildrop is left alone, and no note of a lock. */
static inline void
remove_it(struct place *p)
{
	dotlock_remove(&p->opening);
	assert_int_equal(entries(p->mail), 1);
	assert_false(noted(p));
}

/* Another program's dotlock, some seconds old. */
static inline void
foreign(struct place *p, const char *content, time_t age)
{
	struct timespec times[2] = {
	    {time(NULL) - age, 0},
            {time(NULL) - age, 0}
        };

	put(p, lock_of(p), content, 0644);
	assert_int_equal(utimensat(AT_FDCWD, lock_of(p), times, 0), 0);
}

/* Makes it and dies, at once or after a while; *pidp is its pid. */
static inline void
die_with_dotlock(struct place *p)
{
	pid_t pid;

	close_it(p);
	pid = fork();
	if (pid == 0) {
		if (try_open(p) == OPENING_OK)
			(void)make_it(p);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_int_equal(access(lock_of(p), F_OK), 0);
}

#define DOT(test) cmocka_unit_test_setup_teardown(test, dot_setup, dot_teardown)

#endif
