/*
 * Reference loops: what the machine can do when a server does nothing but the
 * least. No privilege. Times are told as JSON.
 *
 * loop serve FILE          listens on a free port of 127.0.0.1, prints it, and
 *                          serves until standard input ends: accept, fork,
 *                          canned replies, exit; RETR reads FILE, converts it
 *                          to wire form and writes it, as one message
 * loop processes COUNT FILE
 *                          the same by several processes for each connection:
 *                          one waits for the one that answers, as a monitor does,
 *                          and those beyond two are gone before the greeting
 * loop inetd PORT PROGRAM [ARGUMENT...]
 *                          what inetd does: a program for each connection
 * loop read FILE           read(2) of the whole file
 * loop rewrite FILE OFFSET moves what lies behind OFFSET to the front, in
 *                          place, cuts, and syncs: the least that removing a
 *                          first message can cost without care for a crash
 * loop truncate FILE       cuts all off, and syncs
 */
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

#include <err.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define BLOCK ((size_t)256 * 1024)

struct canned {
	const char *verb, *reply;
};

static double
now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec * 1e3 + (double)ts.tv_nsec / 1e6;
}

static void
write_all(int fd, const char *src, size_t len)
{
	while (len > 0) {
		ssize_t n = write(fd, src, len);

		if (n <= 0)
			err(1, "writing");
		src += n;
		len -= (size_t)n;
	}
}

/* LF becomes CRLF, a dot at the start of a line becomes two. */
static size_t
convert(const char *src, size_t len, char *dst, int *line_startp)
{
	const char *const end = src + len;
	char *d = dst;

	while (src < end) {
		const char *lf = memchr(src, '\n', (size_t)(end - src));
		size_t n = (size_t)((lf != NULL ? lf : end) - src);

		if (*line_startp && *src == '.')
			*d++ = '.';
		memcpy(d, src, n);
		d += n;
		src += n;
		*line_startp = lf != NULL;
		if (lf != NULL) {
			memcpy(d, "\r\n", 2);
			d += 2;
			src++;
		}
	}
	return (size_t)(d - dst);
}

static void
send_file(int client, const char *path)
{
	static char src[BLOCK], dst[3 * BLOCK];
	int line_start = 1, fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd == -1)
		err(1, "%s", path);
	while ((n = read(fd, src, sizeof(src))) > 0)
		write_all(client, dst, convert(src, (size_t)n, dst, &line_start));
	write_all(client, ".\r\n", 3);
	close(fd);
}

static const struct canned replies[] = {
    {"USER", "+OK\r\n"    },
    {"PASS", "+OK\r\n"    },
    {"STAT", "+OK 1 1\r\n"},
    {"RETR", "+OK\r\n"    },
    {"QUIT", "+OK\r\n"    },
};

/* Command lines are taken to come whole. Returns 0 after QUIT. */
static int
answer(int client, const char *path)
{
	char line[512];
	ssize_t n = read(client, line, sizeof(line));

	if (n < 4)
		return 0;
	for (size_t i = 0; i < sizeof(replies) / sizeof(*replies); i++) {
		if (memcmp(line, replies[i].verb, 4) != 0)
			continue;
		write_all(client, replies[i].reply, strlen(replies[i].reply));
		if (memcmp(line, "RETR", 4) == 0)
			send_file(client, path);
	}
	return memcmp(line, "QUIT", 4) != 0;
}

static void
serve_client(int client, char **argv)
{
	const int on = 1;

	setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	write_all(client, "+OK\r\n", 5);
	while (answer(client, argv[0]))
		;
}

/* Forks; the child runs on, the parent waits for its end. */
static int
in_a_child(void)
{
	pid_t pid = fork();

	if (pid == -1)
		err(1, "fork");
	if (pid > 0 && waitpid(pid, NULL, 0) == -1)
		err(1, "waiting");
	return pid == 0;
}

static void
serve_by_processes(int client, char **argv)
{
	signal(SIGCHLD, SIG_DFL);
	for (long count = strtol(argv[0], NULL, 10); count > 2; count--) {
		if (in_a_child())
			return;
	}
	if (in_a_child())
		serve_client(client, argv + 1);
}

static int
listen_on_loopback(uint16_t port)
{
	struct sockaddr_in sin = {
	    .sin_family = AF_INET,
	    .sin_port = htons(port),
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	socklen_t len = sizeof(sin);
	const int on = 1;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (fd == -1 || bind(fd, (const struct sockaddr *)&sin, len) == -1 ||
	    listen(fd, 1024) == -1 ||
	    getsockname(fd, (struct sockaddr *)&sin, &len) == -1)
		err(1, "listening");
	printf("%u\n", ntohs(sin.sin_port));
	fflush(stdout);
	return fd;
}

/* A child for each client, until standard input ends if that is asked for. */
static void
serve_all(int listener, int input, void (*child)(int client, char **argv),
    char **argv)
{
	struct pollfd fds[2] = {
	    {.fd = listener, .events = POLLIN},
	    {.fd = input,    .events = POLLIN},
	};
	int client;

	signal(SIGCHLD, SIG_IGN);
	while (poll(fds, 2, -1) > 0 && fds[1].revents == 0) {
		client = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
		if (client == -1)
			continue;
		switch (fork()) {
		case -1:
			err(1, "fork");
		case 0:
			child(client, argv);
			_exit(0);
		default:
			close(client);
		}
	}
}

static int
run_serve(int argc, char **argv)
{
	(void)argc;
	serve_all(listen_on_loopback(0), STDIN_FILENO, serve_client, argv);
	return 0;
}

static int
run_processes(int argc, char **argv)
{
	(void)argc;
	serve_all(listen_on_loopback(0), STDIN_FILENO, serve_by_processes, argv);
	return 0;
}

static void
start_program(int client, char **argv)
{
	signal(SIGCHLD, SIG_DFL);
	dup2(client, 0);
	dup2(client, 1);
	dup2(client, 2);
	execv(argv[1], argv + 1);
}

static int
run_inetd(int argc, char **argv)
{
	if (argc < 2)
		errx(1, "inetd PORT PROGRAM");
	serve_all(listen_on_loopback((uint16_t)atoi(argv[0])), -1, start_program,
	    argv);
	return 0;
}

static int
run_read(int argc, char **argv)
{
	static char buf[BLOCK];
	int fd = open(argv[0], O_RDONLY | O_CLOEXEC);
	double begin = now_ms();
	uint64_t octets = 0;
	ssize_t n;

	(void)argc;
	if (fd == -1)
		err(1, "%s", argv[0]);
	while ((n = read(fd, buf, sizeof(buf))) > 0)
		octets += (uint64_t)n;
	printf("{\"ms\": %.4f, \"octets\": %llu}\n", now_ms() - begin,
	    (unsigned long long)octets);
	close(fd);
	return 0;
}

static int
run_rewrite(int argc, char **argv)
{
	static char buf[BLOCK];
	int fd = open(argv[0], O_RDWR | O_CLOEXEC);
	double begin = now_ms();
	off_t from, to = 0;
	ssize_t n;

	if (fd == -1 || argc < 2)
		err(1, "rewrite FILE OFFSET: %s", argv[0]);
	from = (off_t)atoll(argv[1]);
	while ((n = pread(fd, buf, sizeof(buf), from)) > 0) {
		if (pwrite(fd, buf, (size_t)n, to) != n)
			err(1, "%s", argv[0]);
		from += n;
		to += n;
	}
	if (ftruncate(fd, to) == -1 || fsync(fd) == -1)
		err(1, "%s", argv[0]);
	printf("{\"ms\": %.4f, \"octets\": %llu}\n", now_ms() - begin,
	    (unsigned long long)to);
	close(fd);
	return 0;
}

static int
run_truncate(int argc, char **argv)
{
	int fd = open(argv[0], O_RDWR | O_CLOEXEC);
	double begin = now_ms();

	(void)argc;
	if (fd == -1 || ftruncate(fd, 0) == -1 || fsync(fd) == -1)
		err(1, "%s", argv[0]);
	printf("{\"ms\": %.4f}\n", now_ms() - begin);
	close(fd);
	return 0;
}

static const struct {
	const char *name;
	int (*run)(int argc, char **argv);
} loops[] = {
    {"serve",     run_serve    },
    {"processes", run_processes},
    {"inetd",     run_inetd    },
    {"read",      run_read     },
    {"truncate",  run_truncate },
    {"rewrite",   run_rewrite  },
};

int
main(int argc, char **argv)
{
	for (size_t i = 0; argc > 2 && i < sizeof(loops) / sizeof(*loops); i++) {
		if (strcmp(loops[i].name, argv[1]) == 0)
			return loops[i].run(argc - 2, argv + 2);
	}
	errx(1, "usage: loop serve|processes|inetd|read|rewrite ...");
}
