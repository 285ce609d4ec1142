/*
 * What the scanner and the wire encoder cost for fixed input, for
 * tests/guard.sh, which counts the instructions of guard_scan(),
 * guard_headers(), guard_encode() and guard_portable() with callgrind. Prints
 * the octets that each of them gets. No privilege.
 *
 * The input is an mbox of 200 messages made by a fixed rule: headers, then
 * lines of 40 to 76 octets, each 50th of which begins with a dot; or one of
 * headers alone, ten such lines more.
 */
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lines.h"
#include "mbox/scan.h"
#include "wire.h"

#define MESSAGES 200
#define LINES 300
#define HEADER_LINES 10
#define INPUT_MAX ((size_t)MESSAGES * (LINES + 4) * 80)
/* as the server reads and sends */
#define READ_BLOCK ((size_t)256 * 1024)
#define SEND_BLOCK ((size_t)64 * 1024)

void guard_scan(struct scan *scan, const struct scan_sink *sink, const char *src,
    size_t len);
void guard_headers(struct scan *scan, const struct scan_sink *sink, const char *src,
    size_t len);
size_t guard_encode(const char *src, size_t len);
size_t guard_portable(const char *src, size_t len);

static size_t
put_line(char *dst, unsigned *state, unsigned number)
{
	size_t len;

	*state = *state * 1103515245 + 12345;
	len = 40 + (*state >> 16) % 37;
	for (size_t i = 0; i < len; i++)
		dst[i] = (char)('a' + (i * 7 + number) % 26);
	if (number % 50 == 0)
		dst[0] = '.';
	dst[len++] = '\n';
	return len;
}

/* Messages with so many more lines in their headers, and in their bodies. */
static size_t
make_input(char *dst, unsigned headers, unsigned lines)
{
	unsigned state = 1;
	size_t len = 0;

	for (unsigned n = 0; n < MESSAGES; n++) {
		len += (size_t)sprintf(dst + len,
		    "From sender@example.org Thu Nov 24 18:22:48 1994\n"
		    "From: sender@example.org\nSubject: message %u\n",
		    n);
		for (unsigned i = 1; i <= headers; i++)
			len += put_line(dst + len, &state, i);
		dst[len++] = '\n';
		for (unsigned i = 0; i < lines; i++)
			len += put_line(dst + len, &state, i);
		dst[len++] = '\n';
	}
	return len;
}

static enum md_error
count(void *ctx, const struct scan_message *message)
{
	size_t *messages = ctx;

	(void)message;
	++*messages;
	return MD_OK;
}

static void
scan_all(struct scan *scan, const struct scan_sink *sink, const char *src,
    size_t len)
{
	size_t n;

	scan_start(scan, 0, sink);
	for (size_t at = 0; at < len; at += n) {
		n = len - at < READ_BLOCK ? len - at : READ_BLOCK;
		if (scan_feed(scan, src + at, n) != MD_OK)
			errx(1, "scan_feed");
	}
	if (scan_finish(scan) != MD_OK)
		errx(1, "scan_finish");
}

__attribute__((noinline)) void
guard_scan(struct scan *scan, const struct scan_sink *sink, const char *src,
    size_t len)
{
	scan_all(scan, sink, src, len);
}

__attribute__((noinline)) void
guard_headers(struct scan *scan, const struct scan_sink *sink, const char *src,
    size_t len)
{
	scan_all(scan, sink, src, len);
}

/* The input as one message; returns the octets that go out. */
__attribute__((noinline)) size_t
guard_encode(const char *src, size_t len)
{
	static char dst[SEND_BLOCK];
	struct wire wire;
	size_t taken, out = 0;

	wire_start(&wire, WIRE_WHOLE);
	for (size_t at = 0; at < len; at += taken)
		out += wire_encode(&wire, src + at, len - at, dst, sizeof(dst),
		    &taken);
	return out + wire_finish(&wire, dst);
}

/* Both kinds of work on lines as a machine without vectors does them. */
__attribute__((noinline)) size_t
guard_portable(const char *src, size_t len)
{
	static char dst[SEND_BLOCK];
	const struct lines_path *path = &lines_paths[lines_path_count - 1];
	size_t taken, dots, out = 0;
	uint64_t bare = 0;

	for (size_t at = 0; at + 1 < len;
	     at += path->find(src + at, len - at, &bare))
		;
	for (size_t at = 0; at < len; at += taken)
		out += path->encode(src + at, len - at, true, dst, sizeof(dst),
		    &taken, &dots);
	return out + bare;
}

int
main(void)
{
	char *input = malloc(INPUT_MAX), *headers = malloc(INPUT_MAX);
	struct scan *scan = scan_new();
	size_t messages = 0, len, headers_len;
	const struct scan_sink sink = {.ctx = &messages, .found = count};

	if (input == NULL || headers == NULL || scan == NULL)
		err(1, "no memory");
	len = make_input(input, 0, LINES);
	headers_len = make_input(headers, HEADER_LINES, 0);
	/* once uncounted: the libraries start up */
	scan_all(scan, &sink, input, len);
	messages = 0;
	guard_scan(scan, &sink, input, len);
	guard_headers(scan, &sink, headers, headers_len);
	if (messages != 2 * MESSAGES)
		errx(1, "%zu messages, not %d", messages, 2 * MESSAGES);
	if (guard_encode(input, len) <= len)
		errx(1, "nothing was encoded");
	if (guard_portable(input, len) <= len)
		errx(1, "nothing was encoded by the portable path");
	printf("guard_scan %zu\nguard_headers %zu\nguard_encode %zu\n"
	       "guard_portable %zu\n",
	    len, headers_len, len, len);
	scan_free(scan);
	free(headers);
	free(input);
	return 0;
}
