/*
 * Sets a journal aside that contradicts its maildrop: into conflict/ of the
 * state folder, where it is readable as an mbox, with a line in the log that
 * says what to do. Runs as root. The new journal is on the disk and locked
 * before the old one goes.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "log.h"
#include "opening.h"
#include "state_files.h"

#define FILE_FLAGS (O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)

/*
 * An empty journal, on the disk and under the session lock, not yet in its
 * place.
 */
static int
new_journal(int state)
{
	int fd = openat(state, "journal.new", FILE_FLAGS | O_CREAT | O_TRUNC, 0600);

	if (fd == -1 || (state_lock(fd) == 0 && fsync(fd) == 0))
		return fd;
	close(fd);
	return -1;
}

/* A name by the time of day in UTC, to the nanosecond: used once. */
static void
conflict_name(char *dst, size_t size)
{
	struct timespec now;
	char stamp[32];
	struct tm tm;

	clock_gettime(CLOCK_REALTIME, &now);
	strftime(stamp, sizeof(stamp), "%Y%m%dT%H%M%S", gmtime_r(&now.tv_sec, &tm));
	snprintf(dst, size, "journal-%s.%09ldZ", stamp, now.tv_nsec);
}

/* A journal that only moves octets within the maildrop holds no mail. */
static bool
holds_mail(int journal)
{
	char start[5];

	return pread(journal, start, sizeof(start), MD_JOURNAL_BODY) ==
	           sizeof(start) &&
	       memcmp(start, "From ", sizeof(start)) == 0;
}

static void
report_conflict(const struct opening *o, const char *name)
{
	char link[64], folder[PATH_MAX], where[PATH_MAX + 256];
	ssize_t len;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", o->state);
	len = readlink(link, folder, sizeof(folder) - 1);
	folder[len > 0 ? len : 0] = '\0';
	snprintf(where, sizeof(where), "%s/conflict/%s", folder, name);
	log_error(
	    "maildrop %s (user %s): a deletion that was interrupted cannot be "
	    "finished: its journal is damaged, or another program changed the "
	    "file since. The file was left as it is, the journal is now %s",
	    o->path, o->login, where);
	if (holds_mail(o->fds.journal))
		log_error(
		    "maildrop %s: the mail that was to stay begins at octet %d of "
		    "%s, as an mbox (tail -c +%d); add what the maildrop lacks "
		    "of it, then remove that journal",
		    o->path, MD_JOURNAL_BODY + 1, where, MD_JOURNAL_BODY + 1);
	else
		log_error(
		    "maildrop %s: that journal holds no mail; look through the "
		    "maildrop for messages cut short or seen twice, then remove it",
		    o->path);
}

/* Old out, new in; only the two renames can leave something half done. */
static int
exchange(const struct opening *o, int conflict, const char *name)
{
	if (renameat(o->state, "journal", conflict, name) == -1)
		return -1;
	if (renameat(o->state, "journal.new", o->state, "journal") == -1)
		return -1;
	return fsync(conflict) == -1 ? -1 : fsync(o->state);
}

int
journal_set_aside(struct opening *opening)
{
	int conflict, journal = -1, rc = -1, saved;
	char name[64];

	conflict = state_folder_make(opening->state, "conflict");
	if (conflict == -1)
		return -1;
	journal = new_journal(opening->state);
	if (journal == -1)
		goto out;
	conflict_name(name, sizeof(name));
	rc = exchange(opening, conflict, name);
	if (rc == -1)
		goto out;
	report_conflict(opening, name);
	close(opening->fds.journal);
	opening->fds.journal = journal;
	journal = -1;
out:
	saved = errno;
	if (journal != -1)
		close(journal);
	close(conflict);
	errno = saved;
	return rc;
}
