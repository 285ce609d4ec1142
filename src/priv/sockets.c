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

/* A socket that listens at an address already, or -1. */
static int
find(const struct sockets *sockets, const struct addrinfo *wanted)
{
	struct sockaddr_storage bound;
	socklen_t length;

	for (size_t i = 0; sockets != NULL && i < sockets->count; i++) {
		length = sizeof(bound);
		if (getsockname(sockets->fds[i], (struct sockaddr *)&bound,
		        &length) == 0 &&
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

/* Takes a socket in; false: there is no room. */
static bool
keep_socket(struct sockets *sockets, int fd, bool tls)
{
	if (sockets->count == SOCKETS_MAX) {
		log_error("more than %d addresses to listen on", SOCKETS_MAX);
		return false;
	}
	sockets->tls[sockets->count] = tls;
	sockets->fds[sockets->count++] = fd;
	return true;
}

/* All addresses that one host and port stand for. With "*" a machine may lack IPv6. */
static int
open_each(const struct addrinfo *entry, bool any, bool tls,
    const struct sockets *old, struct sockets *sockets)
{
	const size_t before = sockets->count;
	int fd;

	for (; entry != NULL; entry = entry->ai_next) {
		fd = find(old, entry);
		if (fd == -1)
			fd = listen_at(entry);
		if (fd == -1 && any && errno == EAFNOSUPPORT)
			continue;
		if (fd == -1 || !keep_socket(sockets, fd, tls))
			return -1;
	}
	return sockets->count > before ? 0 : -1;
}

/* What a host and a port stand for, to be freed; NULL: nothing, which is logged. */
static struct addrinfo *
resolve(const char *host, const char *port)
{
	const struct addrinfo hints = {.ai_flags = AI_PASSIVE | AI_NUMERICSERV,
	    .ai_family = AF_UNSPEC,
	    .ai_socktype = SOCK_STREAM};
	struct addrinfo *list;
	int error = getaddrinfo(strcmp(host, "*") == 0 ? NULL : host, port, &hints,
	    &list);

	if (error == 0)
		return list;
	log_error("cannot listen on %s port %s: %s", host, port,
	    gai_strerror(error));
	return NULL;
}

/* What to do where an address cannot be bound. */
static const char *
advice(int error)
{
	static const struct {
		int error;
		const char *text;
	} rows[] = {
	    {EACCES,        "; ports under 1024 need root"           },
	    {EADDRINUSE,    "; `ss -ltnp` tells by which program"    },
	    {EADDRNOTAVAIL, "; `ip address` tells what this host has"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (rows[i].error == error)
			return rows[i].text;
	}
	return "";
}

static int
open_address(const char *host, const char *port, bool tls,
    const struct sockets *old, struct sockets *sockets)
{
	struct addrinfo *list = resolve(host, port);
	int failed;

	if (list == NULL)
		return -1;
	failed = open_each(list, strcmp(host, "*") == 0, tls, old, sockets);
	if (failed == -1)
		log_error("cannot listen on %s port %s: %s%s", host, port,
		    strerror(errno), advice(errno));
	freeaddrinfo(list);
	return failed;
}

static int
open_list(const char *addresses, bool tls, const struct sockets *old,
    struct sockets *sockets)
{
	char host[CONFIG_HOST_MAX], port[CONFIG_PORT_MAX];

	while (config_next_address(&addresses, host, port) == 1) {
		if (open_address(host, port, tls, old, sockets) == -1)
			return -1;
	}
	return 0;
}

int
sockets_open(const struct config *config, const struct sockets *old,
    struct sockets *sockets)
{
	sockets->count = 0;
	if (open_list(config->listen.pop3, false, old, sockets) == 0 &&
	    open_list(config->listen.pop3s, true, old, sockets) == 0)
		return 0;
	sockets_close(sockets, old);
	return -1;
}

bool
sockets_wanted(const struct config *config)
{
	if (config->listen.pop3[0] != '\0' || config->listen.pop3s[0] != '\0')
		return true;
	log_error("listen.pop3 and listen.pop3s are empty: nothing to listen on");
	return false;
}

/* How many addresses of a list stand for nothing; each is logged. */
static int
check_list(const char *addresses)
{
	char host[CONFIG_HOST_MAX], port[CONFIG_PORT_MAX];
	struct addrinfo *list;
	int faults = 0;

	while (config_next_address(&addresses, host, port) == 1) {
		list = resolve(host, port);
		if (list == NULL)
			faults++;
		else
			freeaddrinfo(list);
	}
	return faults;
}

int
sockets_check(const struct config *config)
{
	if (!sockets_wanted(config))
		return 1;
	return check_list(config->listen.pop3) + check_list(config->listen.pop3s);
}

/* The port tells what systemd's socket is for (RFC 8314 section 3.3). */
static bool
is_tls_port(int fd)
{
	struct sockaddr_storage bound;
	socklen_t length = sizeof(bound);

	memset(&bound, 0, sizeof(bound));
	if (getsockname(fd, (struct sockaddr *)&bound, &length) == -1)
		return false;
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
		(void)keep_socket(sockets, fd, is_tls_port(fd));
}

void
sockets_name(const struct sockets *sockets, char *text, size_t size)
{
	char host[INET6_ADDRSTRLEN], port[sizeof("65535")], one[64];
	struct sockaddr_storage bound = {.ss_family = AF_UNSPEC};
	socklen_t length;

	text[0] = '\0';
	for (size_t i = 0; i < sockets->count; i++) {
		length = sizeof(bound);
		if (getsockname(sockets->fds[i], (struct sockaddr *)&bound,
		        &length) == -1 ||
		    getnameinfo((struct sockaddr *)&bound, length, host,
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
