/*
 * From the text of a setting to its value, a function for each type. Used
 * everywhere, no privilege. They report through value->why and never print.
 */
#include "config_row.h"

#include <inttypes.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "config.h"
#include "network.h"
#include "text.h"

static const struct config_unit no_units[] = {
    {NULL, 1}
};
static const struct config_unit time_units[] = {
    {"d",  86400000},
    {"h",  3600000 },
    {"m",  60000   },
    {"s",  1000    },
    {"ms", 1       },
    {NULL, 1       },
};
static const struct config_unit size_units[] = {
    {"t",  UINT64_C(1) << 40},
    {"g",  UINT64_C(1) << 30},
    {"m",  UINT64_C(1) << 20},
    {"k",  UINT64_C(1) << 10},
    {NULL, 1                },
};

static bool __attribute__((format(printf, 2, 3)))
refuse(struct config_value *value, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(value->why, sizeof(value->why), fmt, ap);
	va_end(ap);
	return false;
}

static bool
parse_any(const struct config_row *row, const char *text,
    struct config_value *value)
{
	(void)row;
	value->text = text;
	return true;
}

static bool
parse_path(const struct config_row *row, const char *text,
    struct config_value *value)
{
	(void)row;
	value->text = text;
	if (text[0] != '/')
		return refuse(value, "\"%s\" is no absolute path; begin it with /",
		    text);
	if (strlen(text) >= PATH_MAX)
		return refuse(value, "the path is too long; it may have %d octets",
		    PATH_MAX - 1);
	return true;
}

/*
 * Absolute paths, separated by blanks, or none: a daemon leaves the folder that
 * it was started in.
 */
static bool
parse_paths(const struct config_row *row, const char *text,
    struct config_value *value)
{
	const char *path;
	size_t len;

	(void)row;
	value->text = text;
	while ((path = text_word(&text, &len)) != NULL) {
		if (*path != '/')
			return refuse(value,
			    "\"%.*s\" is no absolute path; begin it with /",
			    (int)len, path);
	}
	return true;
}

static bool
parse_name(const struct config_row *row, const char *text,
    struct config_value *value)
{
	(void)row;
	value->text = text;
	if (!text_name(text))
		return refuse(value,
		    "\"%s\" cannot be a name; use letters and digits", text);
	return true;
}

/* Goes into the greeting's timestamp, so no more than host names may hold. */
static bool
parse_host(const struct config_row *row, const char *text,
    struct config_value *value)
{
	(void)row;
	value->text = text;
	if (text[0] == '-' || text[0] == '.' || strlen(text) >= CONFIG_HOST_MAX ||
	    !config_host_letters(text))
		return refuse(value,
		    "\"%s\" is no host name; use letters, digits, '-' and '.'",
		    text);
	return true;
}

static bool
parse_addresses(const struct config_row *row, const char *text,
    struct config_value *value)
{
	char host[CONFIG_HOST_MAX], port[CONFIG_PORT_MAX];
	int found;

	(void)row;
	value->text = text;
	while ((found = config_next_address(&text, host, port)) == 1)
		continue;
	if (found == -1)
		return refuse(value,
		    "\"%.*s\" is no address; write host:port, [v6]:port or *:port",
		    (int)strcspn(text, CONFIG_BLANKS), text);
	return true;
}

static bool
parse_networks(const struct config_row *row, const char *text,
    struct config_value *value)
{
	struct network network;
	int found;

	(void)row;
	value->text = text;
	while ((found = network_next(&text, &network)) == 1)
		continue;
	if (found == -1)
		return refuse(value,
		    "\"%.*s\" is no network; write an address or address/bits, "
		    "with "
		    "no bit set behind the network's",
		    (int)strcspn(text, CONFIG_BLANKS), text);
	return true;
}

/* RFC 2449 section 6.7. */
static bool
parse_expire(const struct config_row *row, const char *text,
    struct config_value *value)
{
	uint64_t days;

	(void)row;
	value->text = text;
	if (strcmp(text, "never") == 0 || text_number(text, 36500, &days))
		return true;
	return refuse(value, "\"%s\" is no time; write never, or days", text);
}

static bool
parse_template(const struct config_row *row, const char *text,
    struct config_value *value)
{
	char path[PATH_MAX];

	(void)row;
	value->text = text;
	if (text[0] != '/' && strncmp(text, "%h", 2) != 0)
		return refuse(value,
		    "\"%s\" is no absolute path; begin it with / or %%h", text);
	if (text[strlen(text) - 1] == '/')
		return refuse(value, "\"%s\" is a folder; name a file", text);
	if (!config_expand_path(text, "name@domain", "/home", path, sizeof(path)))
		return refuse(value,
		    "\"%s\" cannot be expanded; write only %%u %%n %%d %%h and "
		    "%%%%",
		    text);
	return true;
}

/* The place of a word of len octets in a list, or of the NULL at its end. */
static size_t
find_word(const char *const *words, const char *text, size_t len)
{
	size_t i = 0;

	while (words[i] != NULL &&
	       (strlen(words[i]) != len || memcmp(words[i], text, len) != 0))
		i++;
	return i;
}

static bool
refuse_word(struct config_value *value, const char *text, size_t len,
    const char *const *words)
{
	char list[CONFIG_WHY_MAX / 2] = "";

	for (size_t i = 0; words[i] != NULL; i++) {
		if (i > 0)
			strlcat(list, words[i + 1] != NULL ? ", " : " or ",
			    sizeof(list));
		strlcat(list, words[i], sizeof(list));
	}
	return refuse(value, "\"%.*s\" is not known here; write %s",
	    (int)(len < 60 ? len : 60), text, list);
}

static bool
parse_word(const struct config_row *row, const char *text,
    struct config_value *value)
{
	size_t place = find_word(row->words, text, strlen(text));

	value->number = place;
	if (row->words[place] == NULL)
		return refuse_word(value, text, strlen(text), row->words);
	return true;
}

/* Sets *seenp to the words that were named, a bit for the place of each. */
static bool
parse_list(const struct config_row *row, const char *text,
    struct config_value *value, unsigned *seenp)
{
	const char *word;
	unsigned seen = 0;
	size_t len, place;

	value->text = text;
	while ((word = text_word(&text, &len)) != NULL) {
		place = find_word(row->words, word, len);
		if (row->words[place] == NULL)
			return refuse_word(value, word, len, row->words);
		if (seen & (1U << place))
			return refuse(value, "%s is named twice; name it once",
			    row->words[place]);
		seen |= 1U << place;
	}
	*seenp = seen;
	return true;
}

static bool
parse_words(const struct config_row *row, const char *text,
    struct config_value *value)
{
	unsigned seen = 0;

	if (!parse_list(row, text, value, &seen))
		return false;
	return seen != 0 || refuse_word(value, "", 0, row->words);
}

/* The first word, or any of the others, or none. */
static bool
parse_auto_words(const struct config_row *row, const char *text,
    struct config_value *value)
{
	unsigned seen = 0;

	if (!parse_list(row, text, value, &seen))
		return false;
	return seen <= 1 || (seen & 1) == 0 ||
	       refuse(value, "%s stands alone; remove it or the rest",
	           row->words[0]);
}

/* A number as a person would write it: with the largest unit that divides it. */
static void
print_scaled(char *dst, size_t size, uint64_t number,
    const struct config_unit *unit)
{
	while (unit->suffix != NULL && (number == 0 || number % unit->factor != 0))
		unit++;
	snprintf(dst, size, "%" PRIu64 "%s", number / unit->factor,
	    unit->suffix != NULL ? unit->suffix : "");
}

/* The factor of a suffix, or 0 for one that does not exist. */
static uint64_t
find_factor(const struct config_type *type, const char *suffix)
{
	const struct config_unit *unit = type->units;

	if (*suffix == '\0')
		return type->bare;
	while (unit->suffix != NULL && strcasecmp(unit->suffix, suffix) != 0)
		unit++;
	return unit->suffix != NULL ? unit->factor : 0;
}

static bool
refuse_range(const struct config_row *row, const char *text,
    struct config_value *value)
{
	char min[32], max[32];

	print_scaled(min, sizeof(min), row->min, row->type->units);
	print_scaled(max, sizeof(max), row->max, row->type->units);
	return refuse(value, "%.60s is out of range; write %s to %s", text, min,
	    max);
}

/*
 * Not expand_number(3), which takes signs, octal and hexadecimal: a time or a
 * size is a decimal number and one of its type's units.
 */
static bool
parse_scaled(const struct config_row *row, const char *text,
    struct config_value *value)
{
	char digits[32];
	size_t len = strspn(text, "0123456789");
	uint64_t factor = find_factor(row->type, text + len), number;

	if (len == 0 || factor == 0 || (text[0] == '0' && len > 1))
		return refuse(value, "\"%.60s\" is no %s", text, row->type->form);
	if (len >= sizeof(digits))
		return refuse_range(row, text, value);
	memcpy(digits, text, len);
	digits[len] = '\0';
	if (!text_number(digits, UINT64_MAX / factor, &number) ||
	    number * factor < row->min || number * factor > row->max)
		return refuse_range(row, text, value);
	value->number = number * factor;
	return true;
}

/* clang-format off */
const struct config_type
    config_any = {CONFIG_TEXT, parse_any, NULL, 0, NULL},
    config_path = {CONFIG_TEXT, parse_path, NULL, 0, NULL},
    config_paths = {CONFIG_TEXT, parse_paths, NULL, 0, NULL},
    config_name = {CONFIG_TEXT, parse_name, NULL, 0, NULL},
    config_host = {CONFIG_TEXT, parse_host, NULL, 0, NULL},
    config_addresses = {CONFIG_TEXT, parse_addresses, NULL, 0, NULL},
    config_networks = {CONFIG_TEXT, parse_networks, NULL, 0, NULL},
    config_expire = {CONFIG_TEXT, parse_expire, NULL, 0, NULL},
    config_template = {CONFIG_TEXT, parse_template, NULL, 0, NULL},
    config_word = {CONFIG_WORD, parse_word, NULL, 0, NULL},
    config_words = {CONFIG_TEXT, parse_words, NULL, 0, NULL},
    config_auto_words = {CONFIG_TEXT, parse_auto_words, NULL, 0, NULL},
    config_number = {CONFIG_NUMBER, parse_scaled, no_units, 1,
	"number; write decimal digits"},
    config_time = {CONFIG_NUMBER, parse_scaled, time_units, 1000,
	"time; write one like 30s, 10m or 1h"},
    config_size = {CONFIG_NUMBER, parse_scaled, size_units, 1,
	"size; write one like 64k or 2g"};
/* clang-format on */
