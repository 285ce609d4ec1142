/*
 * Ends a child and all that it started. Runs as root in the monitor.
 *
 * A process whose parent dies becomes the child of its nearest subreaper, the
 * monitor. So killing all children, again and again until none shows up, gets
 * at every descendant, whatever session or group it has put itself into.
 */
#include "reap.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "log.h"

#define LIMIT_MS 2000
#define STEP_MS 2

/* Of one look: what does not fit shows up in the next. */
#define LIST_MAX 1024

struct reaper {
	pid_t child;
	pid_t keep;
	int status; /* of the child; -1 until reaped */
};

/*
 * The pids of our children, zombies too, as text. A kernel without
 * CONFIG_PROC_CHILDREN gives none, and the /proc of another pid namespace other
 * numbers: then the child and its group are all that is ended.
 */
static void
list_children(char list[LIST_MAX])
{
	ssize_t got = -1;
	int fd = open("/proc/thread-self/children", O_RDONLY | O_CLOEXEC);

	if (fd != -1) {
		got = read(fd, list, LIST_MAX - 1);
		close(fd);
	}
	list[got > 0 ? got : 0] = '\0';
}

/* What is none, as a number of another namespace names it here, is left alone. */
static bool
is_child(pid_t pid)
{
	siginfo_t info;

	return waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0;
}

/* True once the process is gone from among our children. */
static bool
end_one(struct reaper *reaper, pid_t pid)
{
	int status;
	pid_t reaped;

	(void)kill(pid, SIGKILL);
	reaped = waitpid(pid, &status, WNOHANG);
	if (reaped == pid && pid == reaper->child)
		reaper->status = status;
	return reaped == pid || (reaped == -1 && errno == ECHILD);
}

/* One look at all but the child and keep. Returns how many there were. */
static unsigned
end_listed(struct reaper *reaper)
{
	char list[LIST_MAX], *next, *word = list;
	unsigned found = 0;
	long pid;

	list_children(list);
	for (pid = strtol(word, &next, 10); next != word;
	     pid = strtol(word, &next, 10)) {
		/* a pid that was cut off at the end of the list is not believed */
		if (*next != ' ')
			break;
		word = next;
		if (pid <= 1 || pid == reaper->keep || pid == reaper->child ||
		    !is_child((pid_t)pid))
			continue;
		found++;
		(void)end_one(reaper, (pid_t)pid);
	}
	return found;
}

int
reap_all(pid_t child, int process, pid_t keep)
{
	struct reaper reaper = {child, keep, -1};
	uint64_t deadline = clock_now() + LIMIT_MS;
	bool gone = false;
	unsigned quiet = 0;

	(void)kill(-child, SIGKILL);
	(void)kill(child, SIGKILL);
	/* it ends at once, unless a device holds it: no step need be slept through */
	if (process != -1)
		(void)poll(&(struct pollfd){.fd = process, .events = POLLIN}, 1,
		    LIMIT_MS / 2);
	/* the list may skip one while another leaves it: only two looks count */
	while (quiet < 2 && clock_now() < deadline) {
		gone = gone || end_one(&reaper, child);
		quiet = end_listed(&reaper) == 0 && gone ? quiet + 1 : 0;
		if (quiet == 0)
			clock_sleep(STEP_MS);
	}
	if (quiet < 2)
		log_error(
		    "auth: processes started by a back end could not be ended");
	return reaper.status;
}
