/*
 * A mail folder, a state folder and an account for the tests of opening. As
 * root the account is a uid without a passwd entry, else the caller.
 */
#ifndef POPLAR_TESTS_PLACE_H
#define POPLAR_TESTS_PLACE_H

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/fsuid.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "log.h"
#include "priv/opening.h"

#define NEEDS_ROOT()                                                               \
	do {                                                                       \
		if (geteuid() != 0) {                                              \
			print_message("skipped: needs root\n");                    \
			skip();                                                    \
		}                                                                  \
	} while (0)

struct place {
	char top[64], mail[96], file[128], state[96];
	struct config config;
	struct account account;
	struct opening opening;
};

static inline void __attribute__((format(printf, 1, 2))) shell(const char *fmt, ...)
{
	char command[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(command, sizeof(command), fmt, ap);
	va_end(ap);
	assert_int_equal(system(command), 0);
}

static inline void
put(struct place *p, const char *path, const char *text, mode_t mode)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
	assert_int_equal(chmod(path, mode), 0);
	if (geteuid() == 0)
		assert_int_equal(chown(path, p->account.uid, p->account.gid), 0);
}

static inline int
setup(void **statep)
{
	struct place *p = calloc(1, sizeof(*p));

	assert_non_null(p);
	log_open(LOG_TO_NOTHING, LOG_DEBUG_LEVEL);
	/* in memory where that can be: the tests sync a thousand times */
	snprintf(p->top, sizeof(p->top), "%s/poplar-opening-XXXXXX",
	    access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
	assert_non_null(mkdtemp(p->top));
	assert_int_equal(chmod(p->top, 0755), 0);
	p->account.login = "poplar-nobody";
	p->account.uid = geteuid() == 0 ? 61001 : geteuid();
	p->account.gid = geteuid() == 0 ? 61001 : getegid();
	snprintf(p->mail, sizeof(p->mail), "%s/mail", p->top);
	snprintf(p->file, sizeof(p->file), "%s/mail/alice", p->top);
	snprintf(p->state, sizeof(p->state), "%s/state", p->top);
	assert_int_equal(mkdir(p->mail, 0755), 0);
	if (geteuid() == 0)
		assert_int_equal(chown(p->mail, p->account.uid, p->account.gid), 0);
	p->config.server.state_dir = p->state;
	p->config.maildrop.dotlock = DOTLOCK_TRY;
	assert_int_equal(mkdir(p->state, 0700), 0);
	*statep = p;
	return 0;
}

static inline int
teardown(void **statep)
{
	struct place *p = *statep;

	(void)chmod(p->mail, 0700);
	shell("rm -rf %s", p->top);
	free(p);
	return 0;
}

/* Opens; nothing may hang for longer than the alarm's patience. */
static inline enum opening_result
try_open(struct place *p)
{
	enum opening_result result;

	alarm(60);
	result = opening_open(&p->config, &p->account, p->file, "5f3a", "192.0.2.7",
	    &p->opening);
	alarm(0);
	assert_int_equal(setfsuid((uid_t)-1), geteuid());
	assert_int_equal(setfsgid((gid_t)-1), getegid());
	return result;
}

static inline void
close_it(struct place *p)
{
	opening_close(&p->opening);
}

static inline int
entries(const char *folder)
{
	const struct dirent *entry;
	DIR *dir = opendir(folder);
	int count = 0;

	assert_non_null(dir);
	while ((entry = readdir(dir)) != NULL)
		count += strcmp(entry->d_name, ".") != 0 &&
		         strcmp(entry->d_name, "..") != 0;
	closedir(dir);
	return count;
}

#endif
