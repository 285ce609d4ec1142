/*
 * Delivers messages into a mailbox until it has delivered so many or gets
 * SIGTERM, each with an id and a checksum of its body, and tells of each that
 * is delivered: "ID MD5". For tests/system/storm.py, which compiles it.
 *
 *   deliver ORDER PATH PREFIX COUNT PAUSE     appends; ORDER: see locking.h
 *   deliver command PATH PREFIX COUNT PAUSE COMMAND...
 *
 * The second gives each message to a command's standard input, again until it
 * exits with 0. PAUSE is the longest pause between two messages, in ms, and
 * none comes while the mailbox is longer than FULL: it shall not outgrow what
 * sessions and readers delete, however long the storm. A
 * message is written in pieces with pauses between: whoever reads or writes
 * without heeding the locks tears it.
 */
#include <openssl/evp.h>
#include <sys/wait.h>

#include "locking.h"

#define BODY_MAX 200000
#define FULL (2 << 20)
#define FROM_LINE "From storm@example.org Thu Nov 24 18:22:48 1994\n"

struct message {
	char id[64], sum[33];
	char head[512], body[BODY_MAX + 128];
	size_t head_len, body_len;
};

static const char *const lines[] = {
    "",
    ".",
    "..",
    ".dot",
    ">From the beginning",
    "The quick brown fox jumps over the lazy dog.",
    "Lorem ipsum dolor sit amet, consectetur adipisici elit, sed eiusmod tempor",
    "\tincidunt ut labore et dolore magna aliqua.",
};

/* Mostly short, some long: from nothing to BODY_MAX. */
static size_t
random_length(void)
{
	static const size_t limits[] = {100, 500, 500, 2000, 2000, 4000, 8000,
	    16000};
	size_t limit = limits[(size_t)random() % 8];

	if (random() % 200 == 0)
		limit = BODY_MAX;
	return (size_t)random() % limit;
}

static bool
is_full(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && st.st_size > FULL;
}

static void
sum_up(struct message *m)
{
	unsigned char digest[EVP_MAX_MD_SIZE];

	if (EVP_Digest(m->body, m->body_len, digest, NULL, EVP_md5(), NULL) != 1)
		errx(70, "no MD5");
	for (int i = 0; i < 16; i++)
		snprintf(m->sum + 2 * i, 3, "%02x", digest[i]);
}

static void
make(struct message *m, const char *prefix, long number)
{
	const size_t length = random_length();
	const size_t count = sizeof(lines) / sizeof(lines[0]);

	snprintf(m->id, sizeof(m->id), "%s-%ld", prefix, number);
	m->body_len = 0;
	while (m->body_len < length)
		m->body_len += (size_t)snprintf(m->body + m->body_len, 128, "%s\n",
		    lines[(size_t)random() % count]);
	m->body_len += (size_t)snprintf(m->body + m->body_len, 128, "end of %s\n",
	    m->id);
	sum_up(m);
	m->head_len = (size_t)snprintf(m->head, sizeof(m->head),
	    "From: storm@example.org\nSubject: storm %s\nX-Storm-Id: %s\n"
	    "X-Storm-Sum: %s\n\n",
	    m->id, m->id, m->sum);
}

static void
put(int fd, const char *data, size_t len)
{
	while (len > 0) {
		ssize_t n = write(fd, data, len);

		if (n == -1 && errno != EINTR)
			err(74, "write");
		if (n > 0) {
			data += n;
			len -= (size_t)n;
		}
	}
}

static void
put_with_pauses(int fd, const char *data, size_t len)
{
	const size_t half = len / 2;

	put(fd, data, half);
	if (random() % 4 == 0)
		usleep((useconds_t)(random() % 3000));
	put(fd, data + half, len - half);
}

static void
append(struct locking *locking, const struct message *m)
{
	locking_wait(locking);
	if (lseek(locking->fd, 0, SEEK_END) == -1)
		err(74, "%s", locking->path);
	put(locking->fd, FROM_LINE, sizeof(FROM_LINE) - 1);
	put_with_pauses(locking->fd, m->head, m->head_len);
	put_with_pauses(locking->fd, m->body, m->body_len);
	put(locking->fd, "\n", 1);
	locking_end(locking);
}

/* Whether the command took it. */
static bool
hand_over(char **command, const struct message *m)
{
	int fds[2], status;
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC) == -1 || (pid = fork()) == -1)
		err(71, "%s", command[0]);
	if (pid == 0) {
		dup2(fds[0], STDIN_FILENO);
		dup2(STDERR_FILENO, STDOUT_FILENO);
		execvp(command[0], command);
		err(127, "%s", command[0]);
	}
	close(fds[0]);
	put(fds[1], m->head, m->head_len);
	put(fds[1], m->body, m->body_len);
	close(fds[1]);
	while (waitpid(pid, &status, 0) == -1 && errno == EINTR)
		;
	return status == 0;
}

static void
deliver(struct locking *locking, char **command, const struct message *m)
{
	if (locking != NULL) {
		append(locking, m);
		return;
	}
	while (!hand_over(command, m))
		usleep(100000);
}

int
main(int argc, char **argv)
{
	static struct message message;
	struct locking locking;
	bool command = argc > 6;
	long count, pause;

	if (argc < 6)
		errx(64, "usage: see the head of its source");
	count = atol(argv[4]);
	pause = atol(argv[5]);
	srandom((unsigned)getpid());
	signal(SIGPIPE, SIG_IGN);
	locking_heed_stop();
	if (!command)
		locking_start(&locking, argv[2], argv[1]);
	for (long i = 0; i < count && !locking_stopped; i++) {
		while (is_full(argv[2]) && !locking_stopped)
			usleep(10000);
		make(&message, argv[3], i);
		deliver(command ? NULL : &locking, argv + 6, &message);
		printf("%s %s\n", message.id, message.sum);
		fflush(stdout);
		usleep((useconds_t)(random() % (pause * 1000 + 1)));
	}
	return 0;
}
