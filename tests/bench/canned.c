/*
 * What the reference loops share. No privilege.
 */
#include "canned.h"

#include <sys/socket.h>
#include <sys/wait.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

#include <err.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const struct {
	const char *verb, *reply;
} replies[] = {
    {"USER", "+OK\r\n"    },
    {"PASS", "+OK\r\n"    },
    {"STAT", "+OK 1 1\r\n"},
    {"RETR", "+OK\r\n"    },
    {"QUIT", "+OK\r\n"    },
};

bool
canned_is(const char *line, size_t length, const char *verb)
{
	return length >= 4 && memcmp(line, verb, 4) == 0;
}

const char *
canned_reply(const char *line, size_t length)
{
	for (size_t i = 0; i < sizeof(replies) / sizeof(*replies); i++) {
		if (canned_is(line, length, replies[i].verb))
			return replies[i].reply;
	}
	return NULL;
}

int
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

bool
in_a_child(void)
{
	pid_t pid = fork();

	if (pid == -1)
		err(1, "fork");
	if (pid > 0 && waitpid(pid, NULL, 0) == -1)
		err(1, "waiting");
	return pid == 0;
}

bool
by_processes(long count)
{
	signal(SIGCHLD, SIG_DFL);
	for (; count > 2; count--) {
		if (in_a_child())
			return false;
	}
	return in_a_child();
}

void
serve_all(int listener, int input, void (*serve)(int client, void *ctx), void *ctx)
{
	struct pollfd fds[2] = {
	    {.fd = listener, .events = POLLIN},
	    {.fd = input,    .events = POLLIN},
	};
	const int on = 1;
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
			setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &on,
			    sizeof(on));
			serve(client, ctx);
			_exit(0);
		default:
			close(client);
		}
	}
}
