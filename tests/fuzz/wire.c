/*
 * The first octets of the input say how many lines are wanted, how the rest
 * is split and how large the buffer is; the count must be what is sent, and
 * neither may depend on the split.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct sent {
	uint64_t octets, length, sum;
};

static void
note(struct sent *sent, const char *buf, size_t n)
{
	sent->length += n;
	for (size_t i = 0; i < n; i++)
		sent->sum = sent->sum * 31 + (unsigned char)buf[i];
}

static struct sent
encode(const char *src, size_t len, uint64_t lines, size_t step, size_t room)
{
	struct sent sent = {0};
	struct wire wire;
	char buf[600];
	size_t n, taken;

	wire_start(&wire, lines);
	for (; len > 0; src += taken, len -= taken) {
		n = wire_encode(&wire, src, step < len ? step : len, buf, room,
		    &taken);
		note(&sent, buf, n);
		if (n > room || (taken == 0 && n == 0))
			abort();
	}
	note(&sent, buf, wire_finish(&wire, buf));
	sent.octets = wire.octets;
	return sent;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *src = (const char *)data + 3;
	struct sent whole, parts;
	struct wire wire;
	uint64_t lines;

	if (size < 4)
		return 0;
	lines = data[0] < 128 ? WIRE_WHOLE : data[0] - 128U;
	whole = encode(src, size - 3, lines, size, 600);
	parts = encode(src, size - 3, lines, data[1] + 1U, data[2] + 4U);
	wire_start(&wire, lines);
	for (size_t at = 3, n; at < size; at += n) {
		n = data[1] + 1U < size - at ? data[1] + 1U : size - at;
		wire_count(&wire, (const char *)data + at, n);
	}
	wire_count_finish(&wire);
	if (memcmp(&whole, &parts, sizeof(whole)) != 0 ||
	    wire.octets != whole.octets)
		abort();
	return 0;
}
