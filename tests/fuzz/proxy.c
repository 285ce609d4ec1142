/*
 * Any octets as a PROXY header, read as the session reads one: as many at a
 * time as certainly belong to it. It never reads past the header or past the
 * room there is, and comes to what a look at all the octets comes to.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "session/proxy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
require(bool truth)
{
	if (!truth)
		abort();
}

/* The first octets in memory of their own, where nothing lies behind them. */
static enum proxy_result
parse(const uint8_t *data, size_t length, struct proxy_header *header)
{
	char *octets = malloc(length + 1);
	enum proxy_result result;

	require(octets != NULL);
	memcpy(octets + 1, data, length);
	result = proxy_parse(octets + 1, length, header);
	free(octets);
	return result;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct proxy_header header = {.need = 1}, whole;
	enum proxy_result result = PROXY_MORE;
	size_t length = 0;

	while (result == PROXY_MORE && header.need <= size - length) {
		length += header.need;
		result = parse(data, length, &header);
		require(result != PROXY_MORE || header.need > 0);
		require(result != PROXY_MORE || length + header.need <= PROXY_MAX);
	}
	require(result != PROXY_DONE || header.length == length);
	if (result == PROXY_MORE)
		return 0;
	require(parse(data, size, &whole) == result);
	require(result == PROXY_BAD ||
	        (whole.length == length && whole.known == header.known &&
	            memcmp(whole.address, header.address, NETWORK_OCTETS) == 0));
	return 0;
}
