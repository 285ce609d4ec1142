/*
 * Binding and listening. Runs as root, for port 110.
 */
#include "sockets.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "config.h"
#include "log.h"

#define BACKLOG 1024

static bool
holds(const struct sockets *sockets, int fd)
{
	for (size_t i = 0; sockets != NULL && i < sockets->count; i++) {
		if (sockets->fds[i] == fd)
			return true;
	}
	return false;
}

/* A socket that listens at an address already, or -1. */
static int
find(const struct sockets *sockets, const struct addrinfo *wanted)
{
	struct sockaddr_storage bound;
	socklen_t length;

	for (size_t i = 0; sockets != NULL && i < sockets->count; i++) {
		length = sizeof(bound);
		if (getsockname(
			sockets->fds[i], (struct sockaddr *)&bound, &length) == 0 &&
		    length == wanted->ai_addrlen &&
		    memcmp(&bound, wanted->ai_addr, length) == 0)
			return sockets->fds[i];
	}
	return -1;
}

static int
listen_at(const struct addrinfo *address)
{
	const int on = 1;
	int saved, fd = socket(address->ai_family,
		       SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd == -1)
		return -1;
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (address->ai_family == AF_INET6)
		(void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
	if (bind(fd, address->ai_addr, address->ai_addrlen) == 0 &&
	    listen(fd, BACKLOG) == 0)
		return fd;
	saved = errno;
	close(fd);
	errno = saved;
	return -1;
}

/* All addresses that one host and port stand for. A machine without IPv6 may lack one. */
static int
open_all(const char *host, const char *port, const struct sockets *old,
    struct sockets *sockets)
{
	const bool any = strcmp(host, "*") == 0;
	const struct addrinfo hints = {.ai_flags = AI_PASSIVE | AI_NUMERICSERV,
	    .ai_family = AF_UNSPEC,
	    .ai_socktype = SOCK_STREAM};
	struct addrinfo *list, *entry;
	size_t before = sockets->count;
	int fd, error = getaddrinfo(any ? NULL : host, port, &hints, &list);

	if (error != 0) {
		log_error("cannot listen on %s port %s: %s", host, port,
		    gai_strerror(error));
		return -1;
	}
	for (entry = list; entry != NULL; entry = entry->ai_next) {
		fd = find(old, entry);
		if (fd == -1)
			fd = listen_at(entry);
		if (fd != -1 && sockets->count < SOCKETS_MAX)
			sockets->fds[sockets->count++] = fd;
		else if (fd == -1 && !(any && errno == EAFNOSUPPORT))
			break;
	}
	error = errno;
	freeaddrinfo(list);
	if (entry == NULL && sockets->count > before)
		return 0;
	log_error("cannot listen on %s port %s: %s%s", host, port, strerror(error),
	    error == EACCES ? "; ports under 1024 need root" : "");
	return -1;
}

int
sockets_open(
    const char *addresses, const struct sockets *old, struct sockets *sockets)
{
	char host[CONFIG_HOST_MAX], port[CONFIG_PORT_MAX];
	int found;

	sockets->count = 0;
	while ((found = config_next_address(&addresses, host, port)) == 1) {
		if (open_all(host, port, old, sockets) == -1) {
			sockets_close(sockets, old);
			return -1;
		}
	}
	return found;
}

void
sockets_adopt(int count, struct sockets *sockets)
{
	sockets->count = 0;
	for (int i = 0; i < count && sockets->count < SOCKETS_MAX; i++)
		sockets->fds[sockets->count++] = 3 + i;
}

void
sockets_close(const struct sockets *sockets, const struct sockets *keep)
{
	for (size_t i = 0; i < sockets->count; i++) {
		if (!holds(keep, sockets->fds[i]))
			close(sockets->fds[i]);
	}
}
