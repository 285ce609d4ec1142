/*
 * The short-lived child of one attempt to log in. It runs as root, PAM's
 * modules in it; it holds one name, one secret, no descriptor but the
 * verdict's pipe, the log and /dev/null, and is gone before the reply.
 *
 * What comes back is believed only as one whole struct on the pipe: an exit
 * status says nothing, since a module may crash or call exit(3). A module
 * that hangs, or starts processes of its own, is ended by auth_end().
 */
#include "auth_child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "fork.h"
#include "log.h"
#include "reap.h"
#include "signals.h"
#include "text.h"
#include "title.h"

/* A belt: the child ends itself when its caller forgot it. */
#define ALARM_SECONDS (AUTH_LIMIT_MS / 1000 + 5)

/* The rest of a verdict that has begun to arrive. */
#define REST_MS 1000

/* Leaves 0 to 2 on /dev/null (2 is the log's where it goes there), and two more. */
static int
close_others(int pipe_fd)
{
	int log = log_descriptor();
	unsigned low = (unsigned)(log < pipe_fd ? log : pipe_fd);
	unsigned high = (unsigned)(log < pipe_fd ? pipe_fd : log);
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (null == -1 || dup2(null, STDIN_FILENO) == -1 ||
	    dup2(null, STDOUT_FILENO) == -1 ||
	    (log != STDERR_FILENO && dup2(null, STDERR_FILENO) == -1))
		return -1;
	if (log <= STDERR_FILENO)
		low = STDERR_FILENO;
	if (low > STDERR_FILENO + 1 &&
	    close_range(STDERR_FILENO + 1, low - 1, 0) == -1)
		return -1;
	if (high > low + 1 && close_range(low + 1, high - 1, 0) == -1)
		return -1;
	return close_range(high + 1, ~0U, 0);
}

static int
confine_child(pid_t parent, int pipe_fd)
{
	const struct rlimit no_core = {0, 0};

	signals_restore();
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) == -1 || getppid() != parent)
		return -1;
	if (setsid() == -1 || setrlimit(RLIMIT_CORE, &no_core) == -1 ||
	    close_others(pipe_fd) == -1 || prctl(PR_SET_DUMPABLE, 0) == -1 ||
	    chdir("/") == -1)
		return -1;
	umask(077);
	alarm(ALARM_SECONDS);
	return 0;
}

static void
write_verdict(int fd, const struct auth_verdict *verdict)
{
	const char *data = (const char *)verdict;
	size_t left = sizeof(*verdict);
	ssize_t sent;

	while (left > 0) {
		sent = write(fd, data, left);
		if (sent == -1 && errno == EINTR)
			continue;
		if (sent <= 0)
			return;
		data += sent;
		left -= (size_t)sent;
	}
}

static _Noreturn void
child_main(const struct config *config, const struct auth_request *request,
    pid_t parent, int fd)
{
	struct auth_verdict verdict;

	title_set("auth");
	if (confine_child(parent, fd) == -1) {
		log_error("auth: cannot confine the child: %s", strerror(errno));
		_exit(EXIT_FAILURE);
	}
	auth_decide(config, request, &verdict);
	write_verdict(fd, &verdict);
	_exit(EXIT_SUCCESS);
}

static int
watch(int epoll, int fd)
{
	struct epoll_event event = {.events = EPOLLIN};

	return epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
}

/* One descriptor for the caller to poll, in place of the pipe and the child. */
static int
watch_child(struct auth_child *child)
{
	child->process = pidfd_open(child->pid, 0);
	child->ready = epoll_create1(EPOLL_CLOEXEC);
	if (child->process == -1 || child->ready == -1)
		return -1;
	if (watch(child->ready, child->pipe) == -1)
		return -1;
	return watch(child->ready, child->process);
}

static void
close_child(struct auth_child *child)
{
	int *fds[] = {&child->ready, &child->pipe, &child->process};

	for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++) {
		if (*fds[i] != -1)
			close(*fds[i]);
		*fds[i] = -1;
	}
	child->pid = -1;
}

/* The write end stays above 0 to 2, which the child puts on /dev/null. */
static int
make_pipe(int ends[2])
{
	if (pipe2(ends, O_CLOEXEC) == -1)
		return -1;
	if (ends[1] > STDERR_FILENO && fcntl(ends[0], F_SETFL, O_NONBLOCK) == 0)
		return 0;
	close(ends[0]);
	close(ends[1]);
	errno = EBADF;
	return -1;
}

int
auth_begin(const struct config *config, const struct auth_request *request,
    struct auth_child *child)
{
	pid_t parent = getpid();
	int ends[2], saved;

	*child = (struct auth_child){-1, -1, -1, -1, .cut = false};
	if (make_pipe(ends) == -1)
		return -1;
	child->pipe = ends[0];
	child->pid = fork_alone();
	if (child->pid == 0)
		child_main(config, request, parent, ends[1]);
	saved = errno;
	close(ends[1]);
	if (child->pid != -1 && watch_child(child) == 0)
		return 0;
	if (child->pid != -1) {
		saved = errno;
		(void)kill(child->pid, SIGKILL);
		(void)waitpid(child->pid, NULL, 0);
	}
	close_child(child);
	errno = saved;
	return -1;
}

/* Whether a read has something to say, at once or by the deadline. */
static bool
readable(int fd, uint64_t deadline)
{
	struct pollfd pollfd = {.fd = fd, .events = POLLIN};
	int ready;

	do {
		ready = poll(&pollfd, 1, clock_poll_timeout(deadline));
	} while (ready == -1 && errno == EINTR);
	return ready == 1;
}

/* Returns the octets that came: exactly a verdict's if it is there whole. */
static size_t
read_verdict(int fd, struct auth_verdict *verdict)
{
	uint64_t deadline = clock_now();
	size_t used = 0;
	ssize_t got;

	while (used < sizeof(*verdict) && readable(fd, deadline)) {
		if (used == 0)
			deadline += REST_MS;
		got = read(fd, (char *)verdict + used, sizeof(*verdict) - used);
		if (got == -1 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (got <= 0)
			break;
		used += (size_t)got;
	}
	return used;
}

static bool
verdict_valid(const struct auth_verdict *verdict)
{
	if (verdict->result >= AUTH_RESULTS)
		return false;
	if (verdict->result == AUTH_CHALLENGE && verdict->iterations == 0)
		return false;
	if (memchr(verdict->salt, '\0', sizeof(verdict->salt)) == NULL ||
	    memchr(verdict->name, '\0', sizeof(verdict->name)) == NULL ||
	    memchr(verdict->home, '\0', sizeof(verdict->home)) == NULL ||
	    memchr(verdict->maildrop, '\0', sizeof(verdict->maildrop)) == NULL)
		return false;
	return verdict->result != AUTH_OK ||
	       (text_name(verdict->name) && verdict->uid != 0 &&
	           verdict->uid != UINT32_MAX && verdict->gid != UINT32_MAX);
}

static void
log_no_verdict(int status)
{
	if (status == -1)
		log_error("auth: a back end could not be ended");
	else if (WIFSIGNALED(status))
		log_error("auth: a back end gave no verdict and ended by signal %d",
		    WTERMSIG(status));
	else
		log_error(
		    "auth: a back end gave no verdict and ended with status %d",
		    WEXITSTATUS(status));
}

void
auth_end(struct auth_child *child, pid_t keep, struct auth_verdict *verdict)
{
	size_t used = 0;
	char more;
	int status = -1;
	bool valid;

	memset(verdict, 0, sizeof(*verdict));
	if (child->pipe != -1)
		used = read_verdict(child->pipe, verdict);
	if (child->pid > 0)
		status = reap_all(child->pid, child->process, keep);
	valid = used == sizeof(*verdict) && read(child->pipe, &more, 1) != 1 &&
	        verdict_valid(verdict);
	if (!valid && !child->cut)
		log_no_verdict(status);
	auth_conclude(verdict,
	    valid ? (enum auth_result)verdict->result : AUTH_TROUBLE);
	close_child(child);
}
