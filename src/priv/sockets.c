/*
 * Binding and listening. Runs as root, for port 110.
 */
#include "sockets.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "config.h"
#include "log.h"
#include "server.h"

#define BACKLOG 1024
#define POP3S_PORT 995

static bool
holds(const struct sockets *sockets, int fd)
{
	for (size_t i = 0; sockets != NULL && i < sockets->count; i++) {
		if (sockets->fds[i] == fd)
			return true;
	}
	return false;
}

static void
bound_to(int fd, struct sockaddr_storage *address)
{
	socklen_t length = sizeof(*address);

	memset(address, 0, sizeof(*address));
	if (getsockname(fd, (struct sockaddr *)address, &length) == -1)
		address->ss_family = AF_UNSPEC;
}

/* A socket that listens at an address already, or -1. */
static int
find(const struct sockets *sockets, const struct place *place)
{
	struct sockaddr_storage bound;

	for (size_t i = 0; sockets != NULL && i < sockets->count; i++) {
		bound_to(sockets->fds[i], &bound);
		if (memcmp(&bound, &place->address, sizeof(bound)) == 0)
			return sockets->fds[i];
	}
	return -1;
}

/* Whether it is one of these that keeps an address from being bound. */
static bool
blocked_by(const struct sockets *sockets, const struct place *place)
{
	struct sockaddr_storage bound;

	for (size_t i = 0; sockets != NULL && i < sockets->count; i++) {
		bound_to(sockets->fds[i], &bound);
		if (places_meet(&bound, &place->address))
			return true;
	}
	return false;
}

/* A socket that is bound there, or -1 with errno. */
static int
bind_to(const struct sockaddr_storage *address, socklen_t length)
{
	const int on = 1;
	int saved, fd = socket(address->ss_family,
	               SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd == -1)
		return -1;
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (address->ss_family == AF_INET6)
		(void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
	if (bind(fd, (const struct sockaddr *)address, length) == 0)
		return fd;
	saved = errno;
	close(fd);
	errno = saved;
	return -1;
}

static int
listen_at(const struct place *place)
{
	int saved, fd = bind_to(&place->address, place->length);

	if (fd == -1 || listen(fd, BACKLOG) == 0)
		return fd;
	saved = errno;
	close(fd);
	errno = saved;
	return -1;
}

/* What to do where an address cannot be bound. */
static const char *
advice(int error)
{
	static const struct {
		int error;
		const char *text;
	} rows[] = {
	    {EACCES,        "; ports under 1024 need root, with CAP_NET_BIND_SERVICE"},
	    {EADDRINUSE,    "; `ss -ltnp` tells by which program"                    },
	    {EADDRNOTAVAIL, "; `ip address` tells what this host has"                },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (rows[i].error == error)
			return rows[i].text;
	}
	return "";
}

static void
keep_socket(struct sockets *sockets, int fd, bool tls)
{
	sockets->tls[sockets->count] = tls;
	sockets->fds[sockets->count++] = fd;
}

static int
open_place(const struct place *place, const struct sockets *old,
    struct sockets *sockets)
{
	int fd = find(old, place);

	if (fd == -1)
		fd = listen_at(place);
	if (fd == -1 && place->any && errno == EAFNOSUPPORT)
		return 0;
	if (fd != -1)
		keep_socket(sockets, fd, place->tls);
	else
		log_error("cannot listen on %s: %s%s", place->name, strerror(errno),
		    errno == EADDRINUSE && blocked_by(old, place)
		        ? "; it is this daemon's own, by the old configuration: "
		          "restart it"
		        : advice(errno));
	return fd == -1 ? -1 : 0;
}

int
sockets_open(const struct config *config, const struct sockets *old,
    struct sockets *sockets)
{
	struct places places;

	sockets->count = 0;
	if (places_find(config, &places) > 0)
		return -1;
	for (size_t i = 0; i < places.count; i++) {
		if (open_place(&places.at[i], old, sockets) == -1) {
			sockets_close(sockets, old);
			return -1;
		}
	}
	if (sockets->count > 0)
		return 0;
	log_error("cannot listen: this kernel has neither IPv4 nor IPv6");
	return -1;
}

/* Whether a start could bind it, but for a port in use: that may be our own. */
static bool
can_bind(const struct place *place)
{
	const int fd = bind_to(&place->address, place->length);

	if (fd != -1)
		close(fd);
	else if (errno == EADDRINUSE || (place->any && errno == EAFNOSUPPORT))
		return true;
	else
		log_error("cannot listen on %s: %s%s", place->name, strerror(errno),
		    advice(errno));
	return fd != -1;
}

int
sockets_check(const struct config *config)
{
	struct places places;
	unsigned told = 0; /* a word that stands for several is told once */
	int faults;

	if (!places_wanted(config))
		return 1;
	faults = places_find(config, &places);
	for (size_t i = 0; i < places.count; i++) {
		if (places.at[i].word == told || can_bind(&places.at[i]))
			continue;
		told = places.at[i].word;
		faults++;
	}
	return faults;
}

/* The port tells what systemd's socket is for (RFC 8314 section 3.3). */
static bool
is_tls_port(int fd)
{
	struct sockaddr_storage bound;

	bound_to(fd, &bound);
	if (bound.ss_family == AF_INET)
		return ntohs(((struct sockaddr_in *)&bound)->sin_port) ==
		       POP3S_PORT;
	return bound.ss_family == AF_INET6 &&
	       ntohs(((struct sockaddr_in6 *)&bound)->sin6_port) == POP3S_PORT;
}

void
sockets_adopt(int count, struct sockets *sockets)
{
	sockets->count = 0;
	for (int fd = SERVER_INHERITED; fd < SERVER_INHERITED + count; fd++)
		keep_socket(sockets, fd, is_tls_port(fd));
}

void
sockets_name(const struct sockets *sockets, char *text, size_t size)
{
	char host[INET6_ADDRSTRLEN], port[sizeof("65535")], one[64];
	struct sockaddr_storage bound;

	text[0] = '\0';
	for (size_t i = 0; i < sockets->count; i++) {
		bound_to(sockets->fds[i], &bound);
		if (getnameinfo((struct sockaddr *)&bound, sizeof(bound), host,
		        sizeof(host), port, sizeof(port),
		        NI_NUMERICHOST | NI_NUMERICSERV) != 0)
			continue;
		snprintf(one, sizeof(one),
		    bound.ss_family == AF_INET6 ? "%s[%s]:%s%s" : "%s%s:%s%s",
		    text[0] != '\0' ? " " : "", host, port,
		    sockets->tls[i] ? " (TLS)" : "");
		strlcat(text, one, size);
	}
}

void
sockets_close(const struct sockets *sockets, const struct sockets *keep)
{
	for (size_t i = 0; i < sockets->count; i++) {
		if (!holds(keep, sockets->fds[i]))
			close(sockets->fds[i]);
	}
}
