/*
 * Peers and their sockets. Runs as root; looks at addresses that the kernel
 * gives, never at a client's octets.
 */
#include "peer.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>

/* Phones vanish without a word; their sessions must not stay half-open. */
#define KEEPALIVE_IDLE_S 60
#define KEEPALIVE_EVERY_S 15
#define KEEPALIVE_TRIES 4
#define UNACKNOWLEDGED_MS 120000

static void
describe_v4(struct in_addr v4, struct peer *peer)
{
	static const unsigned char mapped[12] = {[10] = 0xff, [11] = 0xff};

	memcpy(peer->source, mapped, sizeof(mapped));
	memcpy(peer->source + sizeof(mapped), &v4, sizeof(v4));
	peer->local = (ntohl(v4.s_addr) >> 24) == IN_LOOPBACKNET;
	inet_ntop(AF_INET, &v4, peer->address, sizeof(peer->address));
}

static void
describe_v6(const struct sockaddr_in6 *v6, struct peer *peer)
{
	struct in_addr v4;

	if (IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr)) {
		memcpy(&v4, v6->sin6_addr.s6_addr + 12, sizeof(v4));
		describe_v4(v4, peer);
		return;
	}
	memcpy(peer->source, &v6->sin6_addr, 8);
	peer->local = IN6_IS_ADDR_LOOPBACK(&v6->sin6_addr);
	inet_ntop(AF_INET6, &v6->sin6_addr, peer->address, sizeof(peer->address));
}

void
peer_describe(const struct sockaddr_storage *from, struct peer *peer)
{
	memset(peer, 0, sizeof(*peer));
	if (from->ss_family == AF_INET) {
		describe_v4(((const struct sockaddr_in *)from)->sin_addr, peer);
	} else if (from->ss_family == AF_INET6) {
		describe_v6((const struct sockaddr_in6 *)from, peer);
	} else {
		peer->local = true;
		strlcpy(peer->address, "local", sizeof(peer->address));
	}
}

void
peer_tune(int fd)
{
	static const struct {
		int level, name, value;
	} options[] = {
	    {IPPROTO_TCP, TCP_NODELAY,      1                },
	    {SOL_SOCKET,  SO_KEEPALIVE,     1                },
	    {IPPROTO_TCP, TCP_KEEPIDLE,     KEEPALIVE_IDLE_S },
	    {IPPROTO_TCP, TCP_KEEPINTVL,    KEEPALIVE_EVERY_S},
	    {IPPROTO_TCP, TCP_KEEPCNT,      KEEPALIVE_TRIES  },
	    {IPPROTO_TCP, TCP_USER_TIMEOUT, UNACKNOWLEDGED_MS},
	};

	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++)
		(void)setsockopt(fd, options[i].level, options[i].name,
		    &options[i].value, sizeof(options[i].value));
	(void)fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
}
