/*
 * Peers and their sockets. Runs as root; looks at addresses that the kernel
 * gives, never at a client's octets.
 */
#include "peer.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "log.h"

/* Phones vanish without a word; their sessions must not stay half-open. */
#define KEEPALIVE_IDLE_S 60
#define KEEPALIVE_EVERY_S 15
#define KEEPALIVE_TRIES 4

void
peer_source(const unsigned char ip[NETWORK_OCTETS],
    unsigned char source[NETWORK_OCTETS])
{
	const struct in6_addr *v6 = (const struct in6_addr *)(const void *)ip;

	memcpy(source, ip, NETWORK_OCTETS);
	if (!IN6_IS_ADDR_V4MAPPED(v6))
		memset(source + NETWORK_OCTETS / 2, 0, NETWORK_OCTETS / 2);
}

void
peer_describe(const struct sockaddr_storage *from, struct peer *peer)
{
	const struct sockaddr_in *v4 = (const struct sockaddr_in *)from;
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)from;

	memset(peer, 0, sizeof(*peer));
	if (from->ss_family == AF_INET) {
		network_map_v4(peer->ip, (const unsigned char *)&v4->sin_addr);
	} else if (from->ss_family == AF_INET6) {
		memcpy(peer->ip, &v6->sin6_addr, sizeof(peer->ip));
	} else {
		peer->local = true;
		strlcpy(peer->address, "local", sizeof(peer->address));
		return;
	}
	peer->local = network_is_loopback(peer->ip);
	network_print(peer->ip, peer->address, sizeof(peer->address));
}

void
peer_tune(int fd)
{
	static const struct {
		int level, name, value;
	} options[] = {
	    {IPPROTO_TCP, TCP_NODELAY,   1                },
	    {SOL_SOCKET,  SO_KEEPALIVE,  1                },
	    {IPPROTO_TCP, TCP_KEEPIDLE,  KEEPALIVE_IDLE_S },
	    {IPPROTO_TCP, TCP_KEEPINTVL, KEEPALIVE_EVERY_S},
	    {IPPROTO_TCP, TCP_KEEPCNT,   KEEPALIVE_TRIES  },
	};

	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++)
		(void)setsockopt(fd, options[i].level, options[i].name,
		    &options[i].value, sizeof(options[i].value));
	(void)fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
}

void
peer_refuse(int fd, bool tls, const char *text)
{
	char line[256];
	int n = snprintf(line, sizeof(line), "-ERR [SYS/TEMP] %s\r\n", text);
	ssize_t sent;

	if (tls)
		return;
	sent = send(fd, line, (size_t)n, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (sent == -1 && errno == ENOTSOCK)
		sent = write(fd, line, (size_t)n);
	if (sent == -1)
		log_debug("cannot tell a client why it is refused: %s",
		    strerror(errno));
}
