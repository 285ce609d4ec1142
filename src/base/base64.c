/*
 * Base64 (RFC 4648 section 4), read strictly: whole groups of four, padding
 * at the end alone, no blank, and no bit set that encodes nothing, so that
 * octets have one form only. Used on both sides, no privilege.
 */
#include <string.h>

#include "text.h"

static const char digits[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* The value of a digit, or -1. */
static int
value_of(char digit)
{
	const char *place = digit == '\0' ? NULL : strchr(digits, digit);

	return place == NULL ? -1 : (int)(place - digits);
}

/* One group of four, of which pad are padding; the 24 bits, or -1. */
static long
group(const char *text, size_t pad)
{
	long bits = 0;
	int value;

	for (size_t i = 0; i < 4; i++) {
		value = i < 4 - pad ? value_of(text[i]) : 0;
		if (value == -1)
			return -1;
		bits = bits << 6 | value;
	}
	return (bits & ((1L << (8 * pad)) - 1)) == 0 ? bits : -1;
}

bool
text_from_base64(const char *text, size_t length, void *dst, size_t size,
    size_t *lengthp)
{
	unsigned char *octets = dst;
	size_t pad = 0, used = 0;
	long bits;

	if (length % 4 != 0)
		return false;
	while (pad < 2 && length > 0 && text[length - 1 - pad] == '=')
		pad++;
	if (length / 4 * 3 - pad > size)
		return false;
	for (size_t i = 0; i < length; i += 4) {
		size_t missing = i + 4 == length ? pad : 0;

		bits = group(text + i, missing);
		if (bits == -1)
			return false;
		for (size_t n = 0; n < 3 - missing; n++)
			octets[used++] = (unsigned char)(bits >> (16 - 8 * n));
	}
	*lengthp = used;
	return true;
}

void
text_to_base64(char *dst, const void *src, size_t length)
{
	const unsigned char *octets = src;

	for (size_t i = 0; i < length; i += 3) {
		size_t have = length - i < 3 ? length - i : 3;
		unsigned bits = (unsigned)octets[i] << 16;

		if (have > 1)
			bits |= (unsigned)octets[i + 1] << 8;
		if (have > 2)
			bits |= octets[i + 2];
		for (size_t n = 0; n < 4; n++)
			*dst++ = n <= have ? digits[bits >> (18 - 6 * n) & 63]
			                   : '=';
	}
	*dst = '\0';
}
