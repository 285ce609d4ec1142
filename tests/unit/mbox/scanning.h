/*
 * For the tests of the scanner: whole files in pieces of any size.
 */
#ifndef POPLAR_TEST_SCANNING_H
#define POPLAR_TEST_SCANNING_H

#include "reference.h"

#define F1 "From a@b Tue Nov 17 21:28:37 2009\n"
#define F2 "From c Tue, 17 Nov 2009 1:28 +0100\r\n"

/* Scans a file in a first piece and others of so many octets each. */
static inline enum md_error
scan(const char *src, size_t len, size_t first, size_t step, struct found *found)
{
	const struct scan_sink sink = {.ctx = found, .found = collect};
	struct scan *scan = scan_new();
	enum md_error error = MD_OK;
	size_t n;

	assert_non_null(scan);
	found->count = 0;
	scan_start(scan, 0, &sink);
	for (size_t at = 0, part = first; at < len && error == MD_OK; at += n) {
		n = part < len - at ? part : len - at;
		error = scan_feed(scan, src + at, n);
		part = step;
	}
	if (error == MD_OK)
		error = scan_finish(scan);
	scan_free(scan);
	return error;
}

/* However it is cut, what is found is the same. */
static inline void
check_split(const char *src, size_t len, size_t first, size_t step)
{
	static struct found want, got;
	enum md_error error = scan(src, len, len, len, &want);

	assert_int_equal(scan(src, len, first, step, &got), error);
	if (error != MD_OK)
		return;
	assert_int_equal(got.count, want.count);
	assert_memory_equal(got.at, want.at, got.count * sizeof(got.at[0]));
}

#endif
