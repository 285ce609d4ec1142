/*
 * The locks of a mailbox as other programs take them: for the tests' own
 * deliverers and mail reader. Each program includes it once.
 *
 * Whoever takes one kind of lock only is not excluded by those who take only
 * the other; these take turns by flock(2) on a file of the tests' own, which
 * no server knows of.
 */
#ifndef POPLAR_TEST_LOCKING_H
#define POPLAR_TEST_LOCKING_H

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum kind { KIND_NONE, KIND_FCNTL, KIND_DOTLOCK };

static const struct order {
	const char *name;
	enum kind first, second;
} orders[] = {
    {"fcntl",         KIND_FCNTL,   KIND_NONE   },
    {"dotlock",       KIND_DOTLOCK, KIND_NONE   },
    {"fcntl-dotlock", KIND_FCNTL,   KIND_DOTLOCK},
    {"dotlock-fcntl", KIND_DOTLOCK, KIND_FCNTL  },
};

struct locking {
	const char *path;
	const struct order *order;
	char dotlock[PATH_MAX];
	int turns; /* of those with one lock only; or -1 */
	int fd;    /* the mailbox, while locked */
};

static inline void
locking_start(struct locking *l, const char *path, const char *order)
{
	char turns[PATH_MAX];

	*l = (struct locking){.path = path, .turns = -1, .fd = -1};
	for (size_t i = 0; i < sizeof(orders) / sizeof(orders[0]); i++) {
		if (strcmp(orders[i].name, order) == 0)
			l->order = &orders[i];
	}
	if (l->order == NULL)
		errx(64, "no such order of locks: %s", order);
	snprintf(l->dotlock, sizeof(l->dotlock), "%s.lock", path);
	snprintf(turns, sizeof(turns), "%s.turns", path);
	if (l->order->second == KIND_NONE) {
		l->turns = open(turns, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
		if (l->turns == -1)
			err(73, "%s", turns);
	}
}

/* Patient with fcntl, as deliverers are; never with the dotlock. */
static inline bool
locking_take(struct locking *l, enum kind kind)
{
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	char text[32];
	int fd, len;

	if (kind == KIND_NONE)
		return true;
	if (kind == KIND_FCNTL) {
		while (fcntl(l->fd, F_SETLKW, &lock) == -1) {
			if (errno != EINTR)
				err(74, "%s", l->path);
		}
		return true;
	}
	fd = open(l->dotlock, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	if (fd == -1 && errno != EEXIST)
		err(73, "%s", l->dotlock);
	if (fd == -1)
		return false;
	len = snprintf(text, sizeof(text), "%d\n", (int)getpid());
	if (write(fd, text, (size_t)len) != len)
		err(74, "%s", l->dotlock);
	close(fd);
	return true;
}

static inline void
locking_give_up(struct locking *l, enum kind kind)
{
	if (kind == KIND_DOTLOCK)
		unlink(l->dotlock);
}

/* Another file may have got the name while this one waited for its lock. */
static inline bool
locking_is_there(const struct locking *l)
{
	struct stat named, opened;

	return fstat(l->fd, &opened) == 0 && stat(l->path, &named) == 0 &&
	       named.st_dev == opened.st_dev && named.st_ino == opened.st_ino;
}

static inline void
locking_end(struct locking *l)
{
	locking_give_up(l, l->order->second);
	locking_give_up(l, l->order->first);
	close(l->fd); /* its fcntl lock goes with it */
	l->fd = -1;
	if (l->turns != -1)
		flock(l->turns, LOCK_UN);
}

/* All that the order asks for, or nothing. */
static inline bool
locking_try(struct locking *l)
{
	l->fd = open(l->path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (l->fd == -1)
		err(73, "%s", l->path);
	if (locking_take(l, l->order->first)) {
		if (locking_take(l, l->order->second)) {
			if ((l->turns == -1 ||
			        flock(l->turns, LOCK_EX | LOCK_NB) == 0) &&
			    locking_is_there(l))
				return true;
			locking_give_up(l, l->order->second);
		}
		locking_give_up(l, l->order->first);
	}
	close(l->fd);
	if (l->turns != -1)
		flock(l->turns, LOCK_UN);
	return false;
}

static inline void
locking_wait(struct locking *l)
{
	while (!locking_try(l))
		usleep(500 + (useconds_t)(random() % 4000));
}

static volatile sig_atomic_t locking_stopped;

static inline void
locking_stop(int number)
{
	locking_stopped = number;
}

/* SIGTERM ends what it does after the message under way. */
static inline void
locking_heed_stop(void)
{
	struct sigaction action = {.sa_handler = locking_stop};

	sigaction(SIGTERM, &action, NULL);
}

#endif
