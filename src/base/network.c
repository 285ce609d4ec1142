/*
 * Addresses and networks. Used everywhere, no privilege.
 */
#include "network.h"

#include <arpa/inet.h>
#include <stdint.h>
#include <string.h>

#include "text.h"

#define V4_BITS 32
#define V6_BITS 128

static const unsigned char mapped[12] = {[10] = 0xff, [11] = 0xff};

static bool
is_mapped(const unsigned char address[NETWORK_OCTETS])
{
	return memcmp(address, mapped, sizeof(mapped)) == 0;
}

void
network_map_v4(unsigned char address[NETWORK_OCTETS], const unsigned char v4[4])
{
	memcpy(address, mapped, sizeof(mapped));
	memcpy(address + sizeof(mapped), v4, 4);
}

void
network_print(const unsigned char address[NETWORK_OCTETS], char *dst, size_t size)
{
	const bool v4 = is_mapped(address);

	if (inet_ntop(v4 ? AF_INET : AF_INET6, address + (v4 ? sizeof(mapped) : 0),
	        dst, (socklen_t)size) == NULL)
		dst[0] = '\0';
}

bool
network_is_loopback(const unsigned char address[NETWORK_OCTETS])
{
	static const unsigned char one[NETWORK_OCTETS] = {[15] = 1};

	return is_mapped(address) ? address[12] == 127
	                          : memcmp(address, one, sizeof(one)) == 0;
}

static unsigned
bit(const unsigned char address[NETWORK_OCTETS], unsigned i)
{
	return ((unsigned)address[i / 8] >> (7 - i % 8)) & 1U;
}

/* Parses an address; *widthp is the number of its own bits. */
static bool
parse_address(const char *text, unsigned char address[NETWORK_OCTETS],
    unsigned *widthp)
{
	unsigned char v4[4];

	*widthp = V6_BITS;
	if (inet_pton(AF_INET6, text, address) == 1)
		return true;
	*widthp = V4_BITS;
	if (inet_pton(AF_INET, text, v4) != 1)
		return false;
	network_map_v4(address, v4);
	return true;
}

static bool
parse_network(char *text, struct network *network)
{
	char *slash = strchr(text, '/');
	unsigned width;
	uint64_t bits;

	if (slash != NULL)
		*slash = '\0';
	if (!parse_address(text, network->address, &width))
		return false;
	bits = width;
	if (slash != NULL && !text_number(slash + 1, width, &bits))
		return false;
	network->bits = V6_BITS - width + (unsigned)bits;
	for (unsigned i = network->bits; i < V6_BITS; i++) {
		if (bit(network->address, i) != 0)
			return false;
	}
	return true;
}

int
network_next(const char **listp, struct network *network)
{
	char text[INET6_ADDRSTRLEN + 8];
	size_t length;
	const char *word = text_word(listp, &length);

	if (word == NULL)
		return 0;
	if (length < sizeof(text)) {
		memcpy(text, word, length);
		text[length] = '\0';
		if (parse_network(text, network))
			return 1;
	}
	*listp = word;
	return -1;
}

static bool
holds(const struct network *network, const unsigned char address[NETWORK_OCTETS])
{
	for (unsigned i = 0; i < network->bits; i++) {
		if (bit(network->address, i) != bit(address, i))
			return false;
	}
	return true;
}

bool
network_list_holds(const char *list, const unsigned char address[NETWORK_OCTETS])
{
	struct network network;

	while (network_next(&list, &network) == 1) {
		if (holds(&network, address))
			return true;
	}
	return false;
}
