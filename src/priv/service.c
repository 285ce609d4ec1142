/*
 * The daemon's relations: its sessions' user, folders, pid file, detaching,
 * sd_notify(3) and sd_listen_fds(3) by their documented protocol. Runs as root.
 */
#include "service.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <libutil.h>
#include <limits.h>
#include <pwd.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "fork.h"
#include "log.h"
#include "opening.h"
#include "server.h"
#include "state_files.h"
#include "text.h"

void
server_root(const struct config *config, char *dst, size_t size)
{
	snprintf(dst, size, "%s/empty", config->server.run_dir);
}

int
server_user(const struct config *config, uid_t *uidp, gid_t *gidp)
{
	const struct passwd *pw = getpwnam(config->server.user);

	if (pw == NULL || pw->pw_uid == 0) {
		log_error("server.user: %s \"%s\"; create one without privilege "
		          "(useradd --system --user-group poplar) or name another",
		    pw == NULL ? "no user" : "uid 0 for", config->server.user);
		return -1;
	}
	*uidp = pw->pw_uid;
	*gidp = pw->pw_gid;
	return 0;
}

/* What owner and mode do not show: a file system that is read-only. */
static int
check_writable(const char *path, const char *key)
{
	if (faccessat(AT_FDCWD, path, W_OK | X_OK, AT_EACCESS) == 0)
		return 0;
	log_error("%s: %s cannot be written to: %s", key, path, strerror(errno));
	return -1;
}

/* A folder that is ours and that nobody else can write to. */
static int
check_folder(const char *path, const char *key)
{
	struct stat st;

	if (lstat(path, &st) == -1)
		log_error("%s: %s: %s", key, path, strerror(errno));
	else if (S_ISDIR(st.st_mode) && st.st_uid == geteuid() &&
	         (st.st_mode & (S_IWGRP | S_IWOTH)) == 0)
		return check_writable(path, key);
	else
		log_error("%s: %s must be a folder of uid %u that nobody else can "
		          "write to",
		    key, path, (unsigned)geteuid());
	return -1;
}

static int
make_folder(const char *path, const char *key)
{
	if (mkdir(path, 0755) == 0 || errno == EEXIST)
		return check_folder(path, key);
	log_error("%s: cannot make %s: %s", key, path, strerror(errno));
	return -1;
}

int
service_folders(const struct config *config)
{
	char root[PATH_MAX], why[256];

	server_root(config, root, sizeof(root));
	if (make_folder(config->server.run_dir, "server.run_dir") == -1 ||
	    make_folder(root, "server.run_dir") == -1)
		return -1;
	if (state_prepare(config, why, sizeof(why)) == 0)
		return check_writable(config->server.state_dir, "server.state_dir");
	log_error("%s", why);
	return -1;
}

/* Whether a start would make the folder. */
static bool
can_make(const char *path)
{
	char *copy = strdup(path);
	struct stat st;
	const bool can = copy != NULL && lstat(path, &st) == -1 &&
	                 errno == ENOENT &&
	                 faccessat(AT_FDCWD, dirname(copy), W_OK | X_OK,
	                     AT_EACCESS) == 0;

	free(copy);
	return can;
}

int
service_check_folders(const struct config *config)
{
	const char *run_dir = config->server.run_dir;
	char why[256];
	int fd, faults = 0;

	if (!can_make(run_dir) && check_folder(run_dir, "server.run_dir") == -1)
		faults++;
	if (can_make(config->server.state_dir))
		return faults;
	fd = state_dir_open(config, why, sizeof(why));
	if (fd == -1)
		log_error("%s", why);
	else
		close(fd);
	if (fd == -1 ||
	    check_writable(config->server.state_dir, "server.state_dir") == -1)
		faults++;
	return faults;
}

struct pidfh *
service_claim(const struct config *config)
{
	char path[PATH_MAX];
	struct pidfh *claim;
	pid_t other = 0;

	snprintf(path, sizeof(path), "%s/poplard.pid", config->server.run_dir);
	claim = pidfile_open(path, 0644, &other);
	if (claim == NULL && errno == EEXIST)
		log_error("another poplard runs already, pid %ld (%s)", (long)other,
		    path);
	else if (claim == NULL)
		log_error("cannot write %s: %s", path, strerror(errno));
	return claim;
}

/* The parent's part: waits for the word, or for the death of the child. */
static _Noreturn void
wait_for(pid_t child, int descriptor)
{
	char word;
	int status;

	if (read(descriptor, &word, 1) == 1)
		_exit(EX_OK);
	if (waitpid(child, &status, 0) == child && WIFEXITED(status))
		_exit(WEXITSTATUS(status));
	_exit(EX_SOFTWARE);
}

int
service_detach(void)
{
	int ready[2], null;
	pid_t child;

	if (pipe2(ready, O_CLOEXEC) == -1 || (child = fork()) == -1)
		return -1;
	if (child != 0) {
		close(ready[1]);
		wait_for(child, ready[0]);
	}
	close(ready[0]);
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (setsid() == -1 || chdir("/") == -1 || null == -1 ||
	    fork_renew_random() == -1)
		return -1;
	dup2(null, STDIN_FILENO);
	dup2(null, STDOUT_FILENO);
	close(null);
	return ready[1];
}

void
service_notify(const char *state)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	size_t length = path == NULL ? 0 : strlen(path);
	int fd;

	if (length == 0 || length >= sizeof(address.sun_path) ||
	    (path[0] != '/' && path[0] != '@'))
		return;
	memcpy(address.sun_path, path, length);
	if (path[0] == '@')
		address.sun_path[0] = '\0';
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd == -1)
		return;
	(void)sendto(fd, state, strlen(state), MSG_NOSIGNAL,
	    (struct sockaddr *)&address,
	    (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length));
	close(fd);
}

void
service_ready(int descriptor)
{
	char word = 1;

	if (descriptor != -1) {
		if (log_descriptor() != STDERR_FILENO)
			dup2(STDIN_FILENO, STDERR_FILENO);
		if (write(descriptor, &word, 1) == -1)
			log_warning("nobody waits for the start to finish");
		close(descriptor);
	}
	service_notify("READY=1");
}

/*
 * systemd makes the sockets blocking again before it passes them, unless
 * NonBlocking= is set: the listener would hang in accept(2). False: not a
 * socket that listens.
 */
static bool
adopt(int fd)
{
	int listens = 0, flags = fcntl(fd, F_GETFL);
	socklen_t length = sizeof(listens);

	return flags != -1 &&
	       getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &length) == 0 &&
	       listens != 0 && fcntl(fd, F_SETFL, flags | O_NONBLOCK) == 0 &&
	       fcntl(fd, F_SETFD, FD_CLOEXEC) == 0;
}

int
service_inherited(void)
{
	const char *pid = getenv("LISTEN_PID"), *fds = getenv("LISTEN_FDS");
	uint64_t value;
	int count;

	if (pid == NULL || fds == NULL || !text_number(pid, INT32_MAX, &value) ||
	    (pid_t)value != getpid())
		return 0;
	if (!text_number(fds, SERVER_INHERITED_MAX, &value)) {
		log_error("LISTEN_FDS is not a number up to %d; ignored",
		    SERVER_INHERITED_MAX);
		return 0;
	}
	count = (int)value;
	for (int fd = SERVER_INHERITED; fd < SERVER_INHERITED + count; fd++) {
		if (!adopt(fd)) {
			log_error("LISTEN_FDS: descriptor %d does not listen; all "
			          "ignored",
			    fd);
			return 0;
		}
	}
	return count;
}
