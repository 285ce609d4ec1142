/*
 * The From_ line. Runs inside the session.
 *
 * Nearly all end as asctime(3) writes, with each word in its place. Of the others
 * the words are taken from the end, each is given the letter of what it may be in a
 * date, and the last letters must be one of the orders in the table: asctime(3) with
 * up to two zones before or behind the year, or day and month the other way round.
 * Nothing is asked of what is before.
 */
#include "from.h"

#include <string.h>

#define PREFIX "From "
#define PREFIX_LEN 5
#define ASCTIME_LEN 24
#define WORDS_MAX 10 /* the longest date and "remote from host" */

struct word {
	const char *text;
	size_t len;
};

/* Date orders in the letters of kinds[] below. */
static const char *const orders[] = {
    "WMDTY",
    "WMDTZY",
    "WMDTZZY",
    "WMDTYZ",
    "WMDTYZZ",
    "WMDTZYZ",
    "WDMYT",
    "WDMYTZ",
    "WDMYTZZ",
};

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* len digits at text, as a number; -1 if one of them is none. */
static int
number(const char *text, size_t len)
{
	int value = 0;

	for (size_t i = 0; i < len; i++) {
		if (!is_digit(text[i]))
			return -1;
		value = value * 10 + (text[i] - '0');
	}
	return len > 0 ? value : -1;
}

static bool
in_range(const char *text, size_t len, int min, int max)
{
	int value = number(text, len);

	return value >= min && value <= max;
}

/* Whether the three letters are among names, each followed by a blank. */
static bool
is_named(const struct word *word, const char *names)
{
	for (; *names != '\0'; names += 4) {
		if (memcmp(word->text, names, 3) == 0)
			return true;
	}
	return false;
}

static bool
is_weekday(const struct word *word)
{
	return (word->len == 3 || (word->len == 4 && word->text[3] == ',')) &&
	       is_named(word, "Mon Tue Wed Thu Fri Sat Sun ");
}

static bool
is_month(const struct word *word)
{
	return word->len == 3 &&
	       is_named(word, "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec ");
}

static bool
is_day(const struct word *word)
{
	return word->len <= 2 && in_range(word->text, word->len, 1, 31);
}

static bool
is_year(const struct word *word)
{
	return word->len == 4 && in_range(word->text, 4, 0, 9999);
}

/* h:mm, hh:mm, h:mm:ss, hh:mm:ss */
static bool
is_time(const struct word *word)
{
	size_t hour = word->len % 3 == 1 ? 1 : 2;
	const char *rest = word->text + hour;

	if (word->len < 4 || word->len > 8 || word->len % 3 == 0)
		return false;
	if (!in_range(word->text, hour, 0, 23))
		return false;
	if (rest[0] != ':' || !in_range(rest + 1, 2, 0, 59))
		return false;
	return word->len < 7 || (rest[3] == ':' && in_range(rest + 4, 2, 0, 61));
}

/* +hhmm, -hhmm, or a name in capitals */
static bool
is_zone(const struct word *word)
{
	if (word->text[0] == '+' || word->text[0] == '-')
		return word->len == 5 && number(word->text + 1, 4) >= 0;
	for (size_t i = 0; i < word->len; i++) {
		if (word->text[i] < 'A' || word->text[i] > 'Z')
			return false;
	}
	return word->len <= 5;
}

static const struct {
	char letter;
	bool (*is)(const struct word *word);
} kinds[] = {
    {'W', is_weekday},
    {'M', is_month  },
    {'D', is_day    },
    {'T', is_time   },
    {'Y', is_year   },
    {'Z', is_zone   },
};

static char
letter_of(const struct word *word)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (kinds[i].is(word))
			return kinds[i].letter;
	}
	return '?';
}

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* The last words of a text, the last one first. Returns how many. */
static size_t
words_from_end(const char *text, size_t len, struct word words[WORDS_MAX])
{
	size_t count = 0, end = len, start;

	while (count < WORDS_MAX) {
		while (end > 0 && is_blank(text[end - 1]))
			end--;
		if (end == 0)
			break;
		for (start = end; start > 0 && !is_blank(text[start - 1]);)
			start--;
		words[count++] = (struct word){text + start, end - start};
		end = start;
	}
	return count;
}

static bool
is_word(const struct word *word, const char *text)
{
	return word->len == strlen(text) &&
	       memcmp(word->text, text, word->len) == 0;
}

/* Whether what follows "From " ends as asctime(3) writes. */
static bool
ends_in_asctime(const char *text, size_t len)
{
	const char *date;
	size_t pad;

	if (len < ASCTIME_LEN)
		return false;
	date = text + len - ASCTIME_LEN;
	pad = date[8] == ' ' ? 1 : 0;
	return date[-1] == ' ' && date[3] == ' ' && date[7] == ' ' &&
	       date[10] == ' ' && date[19] == ' ' &&
	       is_weekday(&(struct word){date, 3}) &&
	       is_month(&(struct word){date + 4, 3}) &&
	       is_day(&(struct word){date + 8 + pad, 2 - pad}) &&
	       is_time(&(struct word){date + 11, 8}) &&
	       is_year(&(struct word){date + 20, 4});
}

/* Whether what follows "From " ends in a date. */
static bool
ends_in_date(const char *text, size_t len)
{
	struct word words[WORDS_MAX];
	size_t count = words_from_end(text, len, words), skip = 0;
	char letters[WORDS_MAX + 1] = "";

	if (count > 3 && is_word(&words[1], "from") && is_word(&words[2], "remote"))
		skip = 3;
	count -= skip;
	for (size_t i = 0; i < count; i++)
		letters[count - 1 - i] = letter_of(&words[skip + i]);
	for (size_t i = 0; i < sizeof(orders) / sizeof(orders[0]); i++) {
		size_t wanted = strlen(orders[i]);

		if (count >= wanted &&
		    strcmp(letters + count - wanted, orders[i]) == 0)
			return true;
	}
	return false;
}

enum from_verdict
from_first_line(const char *line, size_t len, bool last)
{
	size_t some = len < PREFIX_LEN ? len : PREFIX_LEN;

	if (memcmp(line, PREFIX, some) != 0)
		return FROM_NO;
	if (some == PREFIX_LEN)
		return FROM_YES;
	return last ? FROM_NO : FROM_UNDECIDED;
}

enum from_verdict
from_line(const char *line, size_t len, bool last)
{
	enum from_verdict prefix = from_first_line(line, len, last);
	size_t some = len < FROM_LINE_MAX ? len : FROM_LINE_MAX;
	const char *lf;

	if (prefix != FROM_YES)
		return prefix;
	lf = memchr(line, '\n', some);
	if (lf != NULL)
		some = (size_t)(lf - line);
	else if (some < FROM_LINE_MAX && !last)
		return FROM_UNDECIDED;
	if (line[some - 1] == '\r')
		some--;
	line += PREFIX_LEN;
	some -= PREFIX_LEN;
	return ends_in_asctime(line, some) || ends_in_date(line, some) ? FROM_YES
	                                                               : FROM_NO;
}
