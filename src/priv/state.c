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
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "log.h"
#include "note.h"
#include "state_files.h"

/*
 * The journal is held too: an administrator may delete an index at any time
 * (it is a cache), which must not let a second session in.
 */
static enum opening_result
take_session_lock(struct opening *o)
{
	if (state_lock(o->fds.index) == 0 && state_lock(o->fds.journal) == 0)
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

/*
 * The uid is part of it: where there is no file yet, its owner cannot tell
 * whose maildrop it is, and a user's symbolic link may lead into the folder of
 * another, who would find his session lock taken.
 */
int
state_name_for(const struct opening *o, char dst[STATE_NAME_SIZE])
{
	char folder[PATH_MAX + 16];

	snprintf(folder, sizeof(folder), "%ju %s", (uintmax_t)o->account.uid,
	    o->folder_path);
	return state_name_of(folder, o->name, dst);
}

static enum opening_result
open_below(int parent, struct opening *o)
{
	char name[STATE_NAME_SIZE];
	enum opening_result result;
	bool fresh = false;

	if (state_name_for(o, name) == -1)
		return opening_fault(o, OPENING_UNAVAILABLE,
		    "its path is too long");
	o->state = state_folder_make(parent, name);
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
	int parent = state_dir_open(config, opening->fault, sizeof(opening->fault));
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

	parent = state_dir_open(config, why, size);
	if (parent == -1)
		return -1;
	if (state_is_name(state_name))
		state = state_folder_open(parent, state_name);
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

	if (!state_is_name(name))
		return false;
	state = state_folder_open(parent, name);
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
	int fd = state_dir_open(config, why, sizeof(why)), rc;
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
	rc = errno == 0 ? 0 : -1;
	closedir(dir);
	return rc;
}
