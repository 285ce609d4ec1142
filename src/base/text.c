/*
 * Strict readers for text from outside. Used everywhere, no privilege.
 */
#include "text.h"

#include <string.h>

bool
text_number(const char *text, uint64_t max, uint64_t *valuep)
{
	uint64_t value = 0, digit;

	if (text[0] == '\0' || (text[0] == '0' && text[1] != '\0'))
		return false;
	for (; *text != '\0'; text++) {
		if (*text < '0' || *text > '9')
			return false;
		digit = (uint64_t)(*text - '0');
		if (value > (UINT64_MAX - digit) / 10)
			return false;
		value = value * 10 + digit;
	}
	if (value > max)
		return false;
	*valuep = value;
	return true;
}

bool
text_name(const char *name)
{
	size_t len = strlen(name);

	if (len == 0 || len > 255 || strchr("-.%", name[0]))
		return false;
	if (len >= 5 && strcmp(name + len - 5, ".lock") == 0)
		return false;
	for (; *name != '\0'; name++) {
		if ((unsigned char)*name <= ' ' || *name == 0x7f ||
		    strchr("/:", *name))
			return false;
	}
	return true;
}

const char *
text_word(const char **listp, size_t *lengthp)
{
	static const char blanks[] = " \t";
	const char *word = *listp + strspn(*listp, blanks);

	*lengthp = strcspn(word, blanks);
	*listp = word + *lengthp;
	return *lengthp > 0 ? word : NULL;
}

bool
text_list_holds(const char *list, const char *word)
{
	const char *one;
	size_t length;

	while ((one = text_word(&list, &length)) != NULL) {
		if (length == strlen(word) && memcmp(one, word, length) == 0)
			return true;
	}
	return false;
}

void
text_hex(char *dst, const unsigned char *src, size_t len)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < len; i++) {
		*dst++ = digits[src[i] >> 4];
		*dst++ = digits[src[i] & 15];
	}
	*dst = '\0';
}
