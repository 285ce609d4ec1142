/*
 * The folders and files that are poplard's own: server.state_dir, the state
 * folders in it, named by a hash of the maildrop, and what lies in those.
 * Runs as root, which alone may enter them. Nothing is used that another
 * could have put there or can read.
 */
#include "state_files.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <sha2.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "opening.h"

#define DIR_FLAGS (O_RDONLY | O_DIRECTORY | O_CLOEXEC)
#define FILE_FLAGS (O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)

int
state_name_of(const char *folder, const char *name, char dst[STATE_NAME_SIZE])
{
	char text[PATH_MAX + NAME_MAX + 32];
	int len = snprintf(text, sizeof(text), "%s%c%s", folder, '\0', name);

	if ((size_t)len >= sizeof(text))
		return -1;
	SHA256Data((const uint8_t *)text, (size_t)len, dst);
	return 0;
}

bool
state_is_name(const char *text)
{
	return strlen(text) == STATE_NAME_SIZE - 1 &&
	       strspn(text, "0123456789abcdef") == STATE_NAME_SIZE - 1;
}

int
state_dir_open(const struct config *config, char *why, size_t size)
{
	const char *path = config->server.state_dir;
	int fd = open(path, DIR_FLAGS);
	struct stat st;

	if (fd == -1 || fstat(fd, &st) == -1)
		snprintf(why, size, "server.state_dir: %s: %s", path,
		    strerror(errno));
	else if (st.st_uid != geteuid())
		snprintf(why, size,
		    "server.state_dir: %s belongs to uid %ju; chown it to uid %ju",
		    path, (uintmax_t)st.st_uid, (uintmax_t)geteuid());
	else if ((st.st_mode & 022) != 0)
		snprintf(why, size,
		    "server.state_dir: %s can be written by others; chmod go-w it",
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
		snprintf(why, size, "server.state_dir: %s cannot be made: %s", path,
		    strerror(errno));
		return -1;
	}
	fd = state_dir_open(config, why, size);
	if (fd == -1)
		return -1;
	if (made && sync_above(fd) == -1) {
		snprintf(why, size, "server.state_dir: %s cannot be synced: %s",
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

int
state_folder_open(int parent, const char *name)
{
	return keep_private(openat(parent, name, DIR_FLAGS | O_NOFOLLOW), S_IFDIR);
}

/*
 * What is made in this folder is written in place: on btrfs, a journal finds the
 * room that was reserved for it only so. Other file systems refuse.
 */
static void
write_in_place(int folder)
{
	int flags = 0;

	if (ioctl(folder, FS_IOC_GETFLAGS, &flags) == -1)
		return;
	flags |= FS_NOCOW_FL;
	(void)ioctl(folder, FS_IOC_SETFLAGS, &flags);
}

int
state_folder_make(int parent, const char *name)
{
	int fd = state_folder_open(parent, name);

	if (fd != -1 || errno != ENOENT)
		return fd;
	if (mkdirat(parent, name, 0700) == -1 && errno != EEXIST)
		return -1;
	fd = state_folder_open(parent, name);
	if (fd != -1)
		write_in_place(fd);
	return fd;
}

int
state_lock(int fd)
{
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};

	return fcntl(fd, F_OFD_SETLK, &lock);
}
