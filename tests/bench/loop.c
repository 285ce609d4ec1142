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
#include <err.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "canned.h"

#define BLOCK ((size_t)256 * 1024)

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

/* Command lines are taken to come whole. False after QUIT. */
static bool
answer(int client, const char *path)
{
	char line[512];
	ssize_t n = read(client, line, sizeof(line));
	const char *reply = n > 0 ? canned_reply(line, (size_t)n) : NULL;

	if (reply == NULL)
		return false;
	write_all(client, reply, strlen(reply));
	if (canned_is(line, (size_t)n, "RETR"))
		send_file(client, path);
	return !canned_is(line, (size_t)n, "QUIT");
}

static void
serve_client(int client, void *ctx)
{
	char **argv = ctx;

	write_all(client, CANNED_GREETING, strlen(CANNED_GREETING));
	while (answer(client, argv[0]))
		;
}

static void
serve_by_processes(int client, void *ctx)
{
	char **argv = ctx;

	if (by_processes(strtol(argv[0], NULL, 10)))
		serve_client(client, argv + 1);
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
start_program(int client, void *ctx)
{
	char **argv = ctx;

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
