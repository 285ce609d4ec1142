/*
 * A parser for PROXY headers. Runs sandboxed: what it finds is a claim, which
 * the monitor takes once, and only from a proxy that it trusts.
 */
#include "proxy.h"

#include <arpa/inet.h>
#include <stdint.h>
#include <string.h>

#include "text.h"

/* Version 1: a line of at most 107 octets. */
#define V1_MAX 107
#define V1_START_LEN (sizeof(PROXY_V1_START) - 1)

/* Version 2: how it starts, version and command, family, length. */
#define V2_START_LEN (sizeof(PROXY_V2_START) - 1)
#define V2_FIXED 16
#define V2_LOCAL 0x20
#define V2_PROXY 0x21
#define V2_UNSPECIFIED 0x00
#define V2_TCP4 0x11
#define V2_TCP6 0x21
#define V2_TLV_CRC32C 0x03
#define V2_TLV_HEAD 3

/*
 * The address blocks of version 2: family and transport, its length. What is
 * not TCP is taken as if it were not specified.
 */
static const struct {
	unsigned char family;
	size_t length;
} blocks[] = {
    {V2_TCP4, 12 },
    {V2_TCP6, 36 },
    {0x12,    12 }, /* UDP over IPv4 */
    {0x22,    36 }, /* UDP over IPv6 */
    {0x31,    216}, /* Unix, stream */
    {0x32,    216}, /* Unix, datagram */
};

/* Whether octets and a text are the same as far as both go. */
static bool
begins(const char *octets, size_t length, const char *text, size_t text_length)
{
	return memcmp(octets, text, length < text_length ? length : text_length) ==
	       0;
}

/* CRC-32C of a header whose own checksum counts as zero (RFC 3720 section 12.1). */
static uint32_t
checksum(const unsigned char *octets, size_t length, size_t hole)
{
	uint32_t crc = UINT32_MAX;

	for (size_t i = 0; i < length; i++) {
		crc ^= i >= hole && i < hole + 4 ? 0 : octets[i];
		for (int bit = 0; bit < 8; bit++)
			crc = (crc >> 1) ^ (crc & 1 ? 0x82f63b78U : 0);
	}
	return ~crc;
}

static uint32_t
read_be32(const unsigned char *octets)
{
	uint32_t value;

	memcpy(&value, octets, sizeof(value));
	return ntohl(value);
}

/* Walks the extensions behind the addresses. */
static bool
check_extensions(const unsigned char *octets, size_t at, size_t length)
{
	size_t size;

	while (at < length) {
		if (length - at < V2_TLV_HEAD)
			return false;
		size = (size_t)octets[at + 1] << 8 | octets[at + 2];
		if (size > length - at - V2_TLV_HEAD)
			return false;
		at += V2_TLV_HEAD;
		if (octets[at - V2_TLV_HEAD] == V2_TLV_CRC32C &&
		    (size != 4 ||
		        read_be32(octets + at) != checksum(octets, length, at)))
			return false;
		at += size;
	}
	return true;
}

static bool
take_block(const unsigned char *octets, size_t length, struct proxy_header *header)
{
	const unsigned char family = octets[13], *block = octets + V2_FIXED;

	if (family == V2_UNSPECIFIED)
		return true;
	for (size_t i = 0; i < sizeof(blocks) / sizeof(blocks[0]); i++) {
		if (blocks[i].family != family)
			continue;
		if (length - V2_FIXED < blocks[i].length)
			return false;
		if (family == V2_TCP4)
			network_map_v4(header->address, block);
		else if (family == V2_TCP6)
			memcpy(header->address, block, NETWORK_OCTETS);
		header->known = family == V2_TCP4 || family == V2_TCP6;
		return check_extensions(octets, V2_FIXED + blocks[i].length,
		    length);
	}
	return false;
}

static enum proxy_result
parse_v2(const unsigned char *octets, size_t length, struct proxy_header *header)
{
	size_t whole;

	if (length < V2_FIXED) {
		header->need = V2_FIXED - length;
		return PROXY_MORE;
	}
	whole = V2_FIXED + ((size_t)octets[14] << 8 | octets[15]);
	if (whole > PROXY_MAX || (octets[12] != V2_LOCAL && octets[12] != V2_PROXY))
		return PROXY_BAD;
	if (length < whole) {
		header->need = whole - length;
		return PROXY_MORE;
	}
	header->length = whole;
	if (octets[12] == V2_LOCAL)
		return PROXY_DONE;
	return take_block(octets, whole, header) ? PROXY_DONE : PROXY_BAD;
}

/* "TCP4 source destination port port", behind "PROXY ". */
static bool
take_line(char *line, struct proxy_header *header)
{
	char *words[5], *rest = line, *word;
	unsigned char v4[4], other[NETWORK_OCTETS];
	size_t count = 0;
	uint64_t port;

	if (strncmp(line, "UNKNOWN", 7) == 0 && (line[7] == '\0' || line[7] == ' '))
		return true;
	while ((word = strsep(&rest, " ")) != NULL) {
		if (count == 5)
			return false;
		words[count++] = word;
	}
	if (count != 5 || !text_number(words[3], 65535, &port) ||
	    !text_number(words[4], 65535, &port))
		return false;
	header->known = true;
	if (strcmp(words[0], "TCP6") == 0)
		return inet_pton(AF_INET6, words[1], header->address) == 1 &&
		       inet_pton(AF_INET6, words[2], other) == 1;
	if (strcmp(words[0], "TCP4") != 0 ||
	    inet_pton(AF_INET, words[1], v4) != 1 ||
	    inet_pton(AF_INET, words[2], other) != 1)
		return false;
	network_map_v4(header->address, v4);
	return true;
}

static enum proxy_result
parse_v1(const char *octets, size_t length, struct proxy_header *header)
{
	const char *lf = memchr(octets, '\n', length < V1_MAX ? length : V1_MAX);
	char line[V1_MAX];
	size_t line_length;

	if (lf == NULL)
		return length < V1_MAX ? PROXY_MORE : PROXY_BAD;
	line_length = (size_t)(lf - octets);
	if (line_length <= V1_START_LEN || octets[line_length - 1] != '\r' ||
	    memchr(octets, '\0', line_length) != NULL)
		return PROXY_BAD;
	/* without the CR */
	line_length -= V1_START_LEN + 1;
	memcpy(line, octets + V1_START_LEN, line_length);
	line[line_length] = '\0';
	header->length = (size_t)(lf + 1 - octets);
	return take_line(line, header) ? PROXY_DONE : PROXY_BAD;
}

enum proxy_result
proxy_parse(const char *octets, size_t length, struct proxy_header *header)
{
	memset(header, 0, sizeof(*header));
	header->need = 1;
	if (length == 0)
		return PROXY_MORE;
	if (begins(octets, length, PROXY_V1_START, V1_START_LEN))
		return length < V1_START_LEN ? PROXY_MORE
		                             : parse_v1(octets, length, header);
	if (begins(octets, length, PROXY_V2_START, V2_START_LEN))
		return parse_v2((const unsigned char *)octets, length, header);
	return PROXY_BAD;
}
