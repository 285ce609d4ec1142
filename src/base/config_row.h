/*
 * The configuration's table and its types, for src/base/config*.c alone: a
 * row holds every fact about its key.
 */
#ifndef POPLAR_BASE_CONFIG_ROW_H
#define POPLAR_BASE_CONFIG_ROW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CONFIG_WHY_MAX 256
#define CONFIG_BLANKS " \t"

struct config_row;

/* What a text stands for; or, where it stands for nothing, why. */
struct config_value {
	const char *text;         /* borrowed from what was parsed */
	uint64_t number;          /* milliseconds, octets, the place of a word */
	char why[CONFIG_WHY_MAX]; /* "what is wrong; what to do" */
};

enum config_storage {
	CONFIG_TEXT,  /* char *, an own copy */
	CONFIG_WORD,  /* unsigned */
	CONFIG_NUMBER /* uint64_t */
};

/* A suffix of numbers. The end of a list of units has no suffix. */
struct config_unit {
	const char *suffix;
	uint64_t factor;
};

struct config_type {
	enum config_storage storage;
	bool (*parse)(const struct config_row *row, const char *text,
	    struct config_value *value);
	const struct config_unit *units; /* of a number, the largest first */
	uint64_t bare;    /* what a number without a suffix is multiplied by */
	const char *form; /* of a number: "thing; how to write it" */
};

struct config_row {
	const char *section, *key;
	const struct config_type *type;
	const char *fallback;
	size_t offset;            /* in struct config */
	uint64_t min, max;        /* of a number, after its unit */
	const char *const *words; /* the legal ones, NULL behind the last */
	const char *later; /* why only the fallback is accepted; NULL: honoured */
};

extern const struct config_type config_any, config_path, config_paths, config_name,
    config_host, config_addresses, config_networks, config_expire, config_template,
    config_word, config_words, config_auto_words, config_number, config_time,
    config_size;

/* Whether a text holds only what host names do (and '_'). */
bool config_host_letters(const char *host);

/* All keys, a section's together, in the order of poplar.conf(5). */
#define CONFIG_ROWS_MAX 64
extern const struct config_row config_rows[];
extern const size_t config_row_count;

#endif
