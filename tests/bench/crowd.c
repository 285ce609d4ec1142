/*
 * Many sessions at once: see crowd.h. No privilege. One thread, epoll, one
 * small state per client; a state is the number of replies that came. With
 * TLS the handshake is stepped by SSL_read() too.
 */
#include "crowd.h"

#include <sys/epoll.h>
#include <sys/socket.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define CLIENTS_MAX 4096

/* A command is due once so many replies came: 0, the greeting, has none. */
enum reply { GREETING, USER, PASS, STAT, QUIT, REPLIES };

struct client {
	int fd;
	SSL *ssl;
	unsigned number;
	enum reply awaited; /* REPLIES: the end of the connection */
	bool failed;
	char line[512];
	size_t len;
};

struct crowd {
	const struct target *target;
	const char *user;
	int epoll;
	unsigned open;
	double deadline;
	struct crowd_result result;
};

static double
now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static void
start_tls(const struct crowd *crowd, struct client *client)
{
	if (crowd->target->tls == NULL)
		return;
	client->ssl = SSL_new(crowd->target->tls);
	if (client->ssl == NULL || SSL_set_fd(client->ssl, client->fd) != 1)
		errx(1, "no TLS");
	SSL_set_connect_state(client->ssl);
}

static void
open_client(struct crowd *crowd, struct client *client)
{
	const struct sockaddr_in sin = {
	    .sin_family = AF_INET,
	    .sin_port = htons(crowd->target->port),
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = client};
	const int on = 1;

	client->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (client->fd == -1 || (connect(client->fd, (const struct sockaddr *)&sin,
	                             sizeof(sin)) == -1 &&
	                            errno != EINPROGRESS))
		err(1, "connecting to port %u", crowd->target->port);
	setsockopt(client->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	client->awaited = GREETING;
	client->len = 0;
	client->failed = false;
	start_tls(crowd, client);
	if (client->ssl != NULL)
		event.events |= EPOLLOUT;
	if (epoll_ctl(crowd->epoll, EPOLL_CTL_ADD, client->fd, &event) == -1)
		err(1, "epoll");
	crowd->open++;
}

static void
close_client(struct crowd *crowd, struct client *client)
{
	SSL_free(client->ssl);
	client->ssl = NULL;
	close(client->fd);
	crowd->open--;
	if (client->failed || client->awaited != REPLIES)
		crowd->result.failed++;
	else
		crowd->result.sessions++;
	if (now() < crowd->deadline)
		open_client(crowd, client);
}

/* Sends what follows the reply that just came. */
static void
send_next(const struct crowd *crowd, const struct client *client)
{
	char text[300];
	int n = 0;

	switch (client->awaited) {
	case USER:
		n = snprintf(text, sizeof(text), "USER %s%u\r\n", crowd->user,
		    client->number);
		break;
	case PASS:
		n = snprintf(text, sizeof(text), "PASS %s\r\n",
		    crowd->target->password);
		break;
	case STAT:
		n = snprintf(text, sizeof(text), "STAT\r\n");
		break;
	case QUIT:
		n = snprintf(text, sizeof(text), "QUIT\r\n");
		break;
	default:
		return;
	}
	if (client->ssl != NULL)
		n = SSL_write(client->ssl, text, n);
	else
		n = (int)write(client->fd, text, (size_t)n);
	if (n < 0 && errno != EPIPE && errno != ECONNRESET)
		err(1, "sending");
}

/* Octets, 0 at the end, -1 when there is nothing yet. */
static ssize_t
receive(struct client *client)
{
	char *dst = client->line + client->len;
	size_t room = sizeof(client->line) - 1 - client->len;
	ssize_t n;
	int error;

	if (client->ssl == NULL) {
		n = read(client->fd, dst, room);
		return n == -1 && errno != EAGAIN ? 0 : n;
	}
	n = SSL_read(client->ssl, dst, (int)room);
	if (n > 0)
		return n;
	error = SSL_get_error(client->ssl, (int)n);
	return error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE ? -1
	                                                                     : 0;
}

/* After the first octet of a handshake only input is waited for. */
static void
await_input(const struct crowd *crowd, struct client *client)
{
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = client};

	epoll_ctl(crowd->epoll, EPOLL_CTL_MOD, client->fd, &event);
}

static void
take_line(const struct crowd *crowd, struct client *client, const char *lf)
{
	size_t used = (size_t)(lf + 1 - client->line);

	if (client->line[0] != '+')
		client->failed = true;
	memmove(client->line, lf + 1, client->len - used);
	client->len -= used;
	if (client->awaited == REPLIES)
		return;
	client->awaited++;
	send_next(crowd, client);
}

static void
serve(struct crowd *crowd, struct client *client, uint32_t events)
{
	ssize_t n;
	const char *lf;

	while ((n = receive(client)) > 0) {
		client->len += (size_t)n;
		while ((lf = memchr(client->line, '\n', client->len)) != NULL)
			take_line(crowd, client, lf);
		if (client->len == sizeof(client->line) - 1)
			errx(1, "a reply line without an end");
		if (client->ssl == NULL)
			return; /* epoll tells if there is more */
	}
	if (n == 0)
		close_client(crowd, client);
	else if (events & EPOLLOUT)
		await_input(crowd, client);
}

struct crowd_result
crowd_run(const struct target *target, const char *user, unsigned clients,
    double seconds)
{
	static struct client all[CLIENTS_MAX];
	struct epoll_event events[64];
	struct crowd crowd = {
	    .target = target,
	    .user = user,
	    .epoll = epoll_create1(EPOLL_CLOEXEC),
	};
	double begin = now();

	if (clients > CLIENTS_MAX)
		errx(1, "at most %d clients", CLIENTS_MAX);
	crowd.deadline = begin + seconds;
	for (unsigned n = 0; n < clients; n++) {
		all[n].number = n;
		open_client(&crowd, &all[n]);
	}
	while (crowd.open > 0) {
		int n = epoll_wait(crowd.epoll, events, 64, 30000);

		if (n == 0)
			errx(1, "no reply within 30 s");
		for (int i = 0; i < n; i++)
			serve(&crowd, events[i].data.ptr, events[i].events);
	}
	close(crowd.epoll);
	crowd.result.seconds = now() - begin;
	return crowd.result;
}
