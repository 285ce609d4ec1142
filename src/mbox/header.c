/*
 * What the scanner needs to know of header lines. Runs inside the session.
 */
#include "header.h"

#include <string.h>

#define LITERAL(text) (text), sizeof(text) - 1

/* Header names that mail readers rewrite. */
static const struct {
	const char *text;
	size_t length;
} rewritten[] = {
    {LITERAL("Status:")},
    {LITERAL("X-Status:")},
    {LITERAL("X-Keywords:")},
    {LITERAL("X-UID:")},
    {LITERAL("X-UIDL:")},
    {LITERAL("X-IMAP:")},
    {LITERAL("X-IMAPbase:")},
    {LITERAL("X-Mozilla-")}, /* any name that begins so */
    {LITERAL("Content-Length:")},
    {LITERAL("Lines:")},
};

static const struct {
	const char *text;
	bool whole_line;
	enum header_sign sign;
} signs[] = {
    {"X-IMAP:",                                                    false, HEADER_IMAP    },
    {"Subject: DON'T DELETE THIS MESSAGE -- FOLDER INTERNAL DATA", true,
     HEADER_SUBJECT                                                                      },
    {"Received:",                                                  false, HEADER_RECEIVED},
};

/* In any case, ASCII alone: what a locale says has no say here. */
static bool
begins_with(const char *src, size_t len, const char *text, size_t length)
{
	if (len < length)
		return false;
	for (size_t i = 0; i < length; i++) {
		unsigned difference = (unsigned char)(src[i] ^ text[i]);

		if (difference != 0 &&
		    (difference != 0x20 || (text[i] | 0x20) < 'a' ||
		        (text[i] | 0x20) > 'z'))
			return false;
	}
	return true;
}

bool
header_is_rewritten(const char *src, size_t len)
{
	/* most lines begin with another letter */
	if (memchr("SXCLsxcl", src[0], 8) == NULL)
		return false;
	for (size_t i = 0; i < sizeof(rewritten) / sizeof(rewritten[0]); i++) {
		if (begins_with(src, len, rewritten[i].text, rewritten[i].length))
			return true;
	}
	return false;
}

unsigned
header_signs(const char *src, size_t len)
{
	unsigned found = 0;

	for (size_t i = 0; i < sizeof(signs) / sizeof(signs[0]); i++) {
		size_t n = strlen(signs[i].text);

		if (!begins_with(src, len, signs[i].text, n))
			continue;
		if (!signs[i].whole_line || header_empty_line(src + n, len - n) > 0)
			found |= signs[i].sign;
	}
	return found;
}

size_t
header_empty_line(const char *src, size_t len)
{
	if (len > 0 && src[0] == '\n')
		return 1;
	return len > 1 && src[0] == '\r' && src[1] == '\n' ? 2 : 0;
}
