/*
 * The first two octets of the input say how the rest, an mbox, is split. The
 * messages must not depend on it, must lie one behind the other, and must
 * have the size that is sent.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "mbox/scan.h"
#include "wire.h"

#define MESSAGES 4096

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct found {
	struct scan_message at[MESSAGES];
	size_t count;
};

static enum md_error
collect(void *ctx, const struct scan_message *message)
{
	struct found *found = ctx;

	if (found->count == MESSAGES)
		return MD_TOO_BIG;
	found->at[found->count++] = *message;
	return MD_OK;
}

static enum md_error
scan(const char *src, size_t len, size_t step, struct found *found)
{
	const struct scan_sink sink = {.ctx = found, .found = collect};
	struct scan *machine = scan_new();
	enum md_error error = MD_OK;
	size_t n;

	if (machine == NULL)
		abort();
	found->count = 0;
	scan_start(machine, 0, &sink);
	for (size_t at = 0; at < len && error == MD_OK; at += n) {
		n = step < len - at ? step : len - at;
		error = scan_feed(machine, src + at, n);
	}
	if (error == MD_OK)
		error = scan_finish(machine);
	scan_free(machine);
	return error;
}

static void
check_message(const char *src, const struct scan_message *message, uint64_t at)
{
	const char *start = src + message->start, *end = src + message->end;
	const char *lf = memchr(start, '\n', (size_t)(end - start));
	struct wire wire;
	char buf[1024];
	size_t taken;

	if (message->start != at || message->end <= at ||
	    message->next < message->end)
		abort();
	wire_start(&wire, WIRE_WHOLE);
	for (start = lf != NULL ? lf + 1 : end; start < end; start += taken)
		wire_encode(&wire, start, (size_t)(end - start), buf, sizeof(buf),
		    &taken);
	wire_finish(&wire, buf);
	if (wire.octets != message->octets)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct found whole, parts;
	const char *src = (const char *)data + 2;
	uint64_t at = 0;
	enum md_error error;

	if (size < 3)
		return 0;
	error = scan(src, size - 2, size, &whole);
	if (scan(src, size - 2, data[0] + 256U * data[1] + 1, &parts) != error)
		abort();
	if (whole.count != parts.count ||
	    memcmp(whole.at, parts.at, whole.count * sizeof(whole.at[0])) != 0)
		abort();
	for (size_t i = 0; i < whole.count; at = whole.at[i++].next)
		check_message(src, &whole.at[i], at);
	if (error == MD_OK && at != size - 2)
		abort();
	return 0;
}
