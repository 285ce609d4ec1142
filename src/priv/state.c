/*
 * The state folder of a maildrop: server.state_dir/HASH, with owner, holder,
 * index, journal, dotlock and conflict/. Runs as root, which alone may enter
 * it; a session gets descriptors of index and journal.
 *
 * `owner` is written last, when everything else is on the disk. So its
 * presence tells that nothing of an earlier first login is left to be synced.
 */
#include "state.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "log.h"
#include "note.h"
#include "text.h"

#define DIR_FLAGS (O_RDONLY | O_DIRECTORY | O_CLOEXEC)
#define FILE_FLAGS (O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)

/* Where a journal's body, the mail, begins: behind the two header slots. */
#define JOURNAL_BODY 1024

int
state_name_of(const char *folder, const char *name, char dst[STATE_NAME_SIZE])
{
	char text[PATH_MAX + NAME_MAX + 2];
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned int digest_len;
	int len = snprintf(text, sizeof(text), "%s%c%s", folder, '\0', name);

	if ((size_t)len >= sizeof(text) ||
	    EVP_Digest(text, (size_t)len, digest, &digest_len, EVP_sha256(),
	        NULL) != 1)
		return -1;
	text_hex(dst, digest, digest_len);
	return 0;
}

/* Whether text has the form of a state folder's name. */
static bool
is_state_name(const char *text)
{
	return strlen(text) == STATE_NAME_SIZE - 1 &&
	       strspn(text, "0123456789abcdef") == STATE_NAME_SIZE - 1;
}

/* server.state_dir, open and judged; -1 with the reason in why. */
static int
open_state_dir(const struct config *config, char *why, size_t size)
{
	const char *path = config->server.state_dir;
	int fd = open(path, DIR_FLAGS);
	struct stat st;

	if (fd == -1 || fstat(fd, &st) == -1)
		snprintf(why, size, "server.state_dir %s: %s", path,
		    strerror(errno));
	else if (st.st_uid != geteuid())
		snprintf(why, size,
		    "server.state_dir %s belongs to uid %ju: chown it to uid %ju",
		    path, (uintmax_t)st.st_uid, (uintmax_t)geteuid());
	else if ((st.st_mode & 022) != 0)
		snprintf(why, size,
		    "server.state_dir %s can be written by others: chmod go-w it",
		    path);
	else
		return fd;
	if (fd != -1)
		close(fd);
	return -1;
}

/* Brings a name in the folder above to the disk. */
static int
sync_above(int fd)
{
	int above = openat(fd, "..", DIR_FLAGS);
	int rc = above == -1 ? -1 : fsync(above);

	if (above != -1)
		close(above);
	return rc;
}

int
state_prepare(const struct config *config, char *why, size_t size)
{
	const char *path = config->server.state_dir;
	bool made = mkdir(path, 0700) == 0;
	int fd, rc = 0;

	if (!made && errno != EEXIST) {
		snprintf(why, size, "server.state_dir %s cannot be made: %s", path,
		    strerror(errno));
		return -1;
	}
	fd = open_state_dir(config, why, size);
	if (fd == -1)
		return -1;
	if (made && sync_above(fd) == -1) {
		snprintf(why, size, "server.state_dir %s cannot be synced: %s",
		    path, strerror(errno));
		rc = -1;
	}
	close(fd);
	return rc;
}

/* Ours alone: neither another's trap nor readable to anybody else. */
static bool
is_private(int fd, mode_t type)
{
	struct stat st;

	return fstat(fd, &st) == 0 && (st.st_mode & S_IFMT) == type &&
	       st.st_uid == geteuid() && (st.st_mode & 077) == 0;
}

static int
keep_private(int fd, mode_t type)
{
	if (fd == -1 || is_private(fd, type))
		return fd;
	close(fd);
	errno = EPERM;
	return -1;
}

/* Another first login may make it between the two. */
int
state_file(int state, const char *name, bool *freshp)
{
	int fd = openat(state, name, FILE_FLAGS);

	if (fd == -1 && errno == ENOENT) {
		fd = openat(state, name, FILE_FLAGS | O_CREAT, 0600);
		*freshp = true;
	}
	return keep_private(fd, S_IFREG);
}

static int
open_folder(int parent, const char *name)
{
	return keep_private(openat(parent, name, DIR_FLAGS | O_NOFOLLOW), S_IFDIR);
}

static int
make_folder(int parent, const char *name)
{
	if (mkdirat(parent, name, 0700) == -1 && errno != EEXIST)
		return -1;
	return open_folder(parent, name);
}

/* The session lock; an OFD lock, so it lives as long as any duplicate. */
static int
lock_whole(int fd)
{
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};

	return fcntl(fd, F_OFD_SETLK, &lock);
}

/*
 * The journal is held too: an administrator may delete an index at any time
 * (it is a cache), which must not let a second session in.
 */
static enum opening_result
take_session_lock(struct opening *o)
{
	if (lock_whole(o->fds.index) == 0 && lock_whole(o->fds.journal) == 0)
		return OPENING_OK;
	if (errno != EAGAIN && errno != EACCES)
		return opening_fault(o, OPENING_UNAVAILABLE,
		    "its session lock cannot be taken: %s", strerror(errno));
	holder_read(o->state, o->holder, sizeof(o->holder));
	return opening_fault(o, OPENING_IN_USE, "it is held by another session %s",
	    o->holder);
}

static bool
same_owner(const struct owner *a, const struct owner *b)
{
	return a->uid == b->uid && a->gid == b->gid &&
	       strcmp(a->folder, b->folder) == 0 && strcmp(a->name, b->name) == 0;
}

/* Two login names for one maildrop do not take turns in it. */
static int
settle(int parent, struct opening *o, bool fresh)
{
	struct owner owner = {.uid = o->account.uid, .gid = o->account.gid}, old;
	int known;

	strlcpy(owner.login, o->login, sizeof(owner.login));
	strlcpy(owner.folder, o->folder_path, sizeof(owner.folder));
	strlcpy(owner.name, o->name, sizeof(owner.name));
	known = owner_read(o->state, &old);
	if (known == -1 && errno != ENOENT && errno != EBADMSG && errno != ELOOP)
		return -1;
	if (known == -1 && errno != ENOENT)
		log_warning("maildrop %s: its owner file was damaged, rewritten",
		    o->path);
	if (known == 0 && same_owner(&old, &owner) && !fresh)
		return 0;
	if (fsync(o->fds.index) == -1 || fsync(o->fds.journal) == -1 ||
	    fsync(o->state) == -1 || fsync(parent) == -1)
		return -1;
	return owner_write(o->state, &owner);
}

/* Opens the files, made if need be. */
static int
open_files(struct opening *o, bool *freshp)
{
	o->fds.index = state_file(o->state, "index", freshp);
	if (o->fds.index == -1)
		return -1;
	o->fds.journal = state_file(o->state, "journal", freshp);
	return o->fds.journal == -1 ? -1 : 0;
}

static enum opening_result
trouble(struct opening *o, const char *name)
{
	return opening_fault(o, OPENING_UNAVAILABLE,
	    "its state folder %.16s...: %s", name,
	    errno == EPERM || errno == ELOOP
	        ? "in it is what is not poplard's own and private"
	        : strerror(errno));
}

static enum opening_result
open_below(int parent, struct opening *o)
{
	char name[STATE_NAME_SIZE];
	enum opening_result result;
	bool fresh = false;

	if (state_name_of(o->folder_path, o->name, name) == -1)
		return opening_fault(o, OPENING_UNAVAILABLE, "no SHA-256");
	o->state = make_folder(parent, name);
	if (o->state == -1 || open_files(o, &fresh) == -1)
		return trouble(o, name);
	result = take_session_lock(o);
	if (result == OPENING_OK && settle(parent, o, fresh) == -1)
		return trouble(o, name);
	return result;
}

enum opening_result
state_open(const struct config *config, struct opening *opening)
{
	int parent = open_state_dir(config, opening->fault, sizeof(opening->fault));
	enum opening_result result;

	if (parent == -1)
		return OPENING_UNAVAILABLE;
	result = open_below(parent, opening);
	close(parent);
	return result;
}

int
state_read_owner(const struct config *config, const char *state_name,
    struct owner *owner, char *why, size_t size)
{
	int parent, state = -1, rc = -1;

	parent = open_state_dir(config, why, size);
	if (parent == -1)
		return -1;
	if (is_state_name(state_name))
		state = open_folder(parent, state_name);
	if (state == -1)
		snprintf(why, size, "not a state folder of poplard's");
	else if (owner_read(state, owner) == -1)
		snprintf(why, size, "its owner file: %s",
		    errno == EBADMSG ? "damaged" : strerror(errno));
	else
		rc = 0;
	if (state != -1)
		close(state);
	close(parent);
	return rc;
}

static bool
is_pending(int parent, const char *name)
{
	struct stat st;
	struct note note;
	int state;
	bool pending;

	if (!is_state_name(name))
		return false;
	state = open_folder(parent, name);
	if (state == -1)
		return false;
	pending = fstatat(state, "journal", &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	          S_ISREG(st.st_mode) && st.st_size > 0;
	pending = pending || note_read(state, &note);
	close(state);
	return pending;
}

int
state_each_pending(const struct config *config,
    void (*pending)(const char *state_name, void *ctx), void *ctx)
{
	char why[256];
	const struct dirent *entry;
	int fd = open_state_dir(config, why, sizeof(why));
	DIR *dir;

	if (fd == -1)
		return -1;
	dir = fdopendir(fd);
	if (dir == NULL) {
		close(fd);
		return -1;
	}
	while ((errno = 0, entry = readdir(dir)) != NULL) {
		if (is_pending(fd, entry->d_name))
			pending(entry->d_name, ctx);
	}
	fd = errno == 0 ? 0 : -1;
	closedir(dir);
	return fd;
}

/* An empty journal, on the disk and under the session lock, not yet in its place.
 */
static int
new_journal(int state)
{
	int fd = openat(state, "journal.new", FILE_FLAGS | O_CREAT | O_TRUNC, 0600);

	if (fd == -1 || (lock_whole(fd) == 0 && fsync(fd) == 0))
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

	return pread(journal, start, sizeof(start), JOURNAL_BODY) ==
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
		    o->path, JOURNAL_BODY + 1, where, JOURNAL_BODY + 1);
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

	conflict = make_folder(opening->state, "conflict");
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
