/*
 * Reads poplar.conf: sections, "key = value", comments. Used at start and at
 * SIGHUP, before any privilege is given up. The table of keys is in
 * config_table.c, the types in config_value.c. Every fault is told and the
 * reading goes on, so that one run shows them all.
 *
 * fparseln(3) gives the lines and their numbers, with its escapes,
 * continuations and comments switched off: a value may hold a backslash, and
 * a '#' inside a word.
 */
#include "config.h"

#include <errno.h>
#include <libutil.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "config_row.h"
#include "log.h"

#define LINE_LIMIT 4096

struct load {
	struct config *config;
	FILE *errors;
	int count;
	const char *path;    /* of the file */
	const char *file;    /* the same; NULL while the overrides are read */
	size_t line;         /* 0: the file as a whole */
	const char *section; /* the table's own word; NULL: none, or unknown */
	bool in_unknown;     /* its keys were told with it */
	size_t lines[CONFIG_ROWS_MAX]; /* where each key was set; 0: nowhere */
	bool overridden[CONFIG_ROWS_MAX];
};

static void __attribute__((format(printf, 2, 3)))
complain(struct load *load, const char *fmt, ...)
{
	va_list ap;

	load->count++;
	if (load->file == NULL)
		fprintf(load->errors, "-o ");
	else if (load->line > 0)
		fprintf(load->errors, "%s:%zu: ", load->file, load->line);
	else
		fprintf(load->errors, "%s: ", load->file);
	va_start(ap, fmt);
	vfprintf(load->errors, fmt, ap);
	va_end(ap);
	fputc('\n', load->errors);
}

/* Puts a value into its field; a text is copied. 0, or -1 without memory. */
static int
store(struct config *config, const struct config_row *row,
    const struct config_value *value)
{
	char *field = (char *)config + row->offset,
	     **textp = (char **)(void *)field;
	char *copy;

	switch (row->type->storage) {
	case CONFIG_WORD:
		*(unsigned *)(void *)field = (unsigned)value->number;
		return 0;
	case CONFIG_NUMBER:
		*(uint64_t *)(void *)field = value->number;
		return 0;
	default:
		copy = strdup(value->text);
		if (copy == NULL)
			return -1;
		free(*textp);
		*textp = copy;
		return 0;
	}
}

/* Whether a value is the fallback, however it was written. */
static bool
is_fallback(const struct config_row *row, const struct config_value *value)
{
	struct config_value fallback;

	if (!row->type->parse(row, row->fallback, &fallback))
		return false;
	if (row->type->storage == CONFIG_TEXT)
		return strcmp(value->text, fallback.text) == 0;
	return value->number == fallback.number;
}

static void
set(struct load *load, const struct config_row *row, const char *text)
{
	struct config_value value;

	if (!row->type->parse(row, text, &value))
		complain(load, "%s.%s: %s", row->section, row->key, value.why);
	else if (row->later != NULL) {
		if (!is_fallback(row, &value))
			complain(load, "%s.%s: %s", row->section, row->key,
			    row->later);
	} else if (store(load->config, row, &value) == -1)
		complain(load, "%s.%s: %s", row->section, row->key,
		    strerror(errno));
}

/* The row of a key; section NULL: of whichever section. Or NULL. */
static const struct config_row *
find_row(const char *section, const char *key)
{
	for (size_t i = 0; i < config_row_count; i++) {
		if ((section == NULL ||
		        strcmp(config_rows[i].section, section) == 0) &&
		    (key == NULL || strcmp(config_rows[i].key, key) == 0))
			return &config_rows[i];
	}
	return NULL;
}

static void
complain_unknown(struct load *load, const char *section, const char *key)
{
	const struct config_row *other = find_row(NULL, key);

	if (other != NULL)
		complain(load, "%s.%s: unknown key; it belongs to section [%s]",
		    section, key, other->section);
	else
		complain(load, "%s.%s: unknown key; poplar.conf(5) names them all",
		    section, key);
}

/* Blanks at both ends off. */
static char *
trim(char *text)
{
	size_t len;

	text += strspn(text, CONFIG_BLANKS);
	for (len = strlen(text); len > 0; len--) {
		if (strchr(CONFIG_BLANKS, text[len - 1]) == NULL)
			break;
	}
	text[len] = '\0';
	return text;
}

/* NULL, or what is wrong with the octets of a line, whatever it says. */
static const char *
line_fault(const char *line, size_t len)
{
	if (len > LINE_LIMIT)
		return "the line is longer than 4096 octets; shorten it";
	for (size_t i = 0; i < len; i++) {
		if (line[i] == '\0')
			return "the line holds a NUL octet; write it anew";
		if (((unsigned char)line[i] < ' ' && line[i] != '\t') ||
		    line[i] == 0x7f)
			return "the line holds a control character; remove it";
	}
	return NULL;
}

static void
take_section(struct load *load, char *line)
{
	const struct config_row *row = NULL;
	size_t len = strlen(line);
	char *name = line + 1;

	load->section = NULL;
	load->in_unknown = true;
	if (line[len - 1] != ']') {
		complain(load, "%s: no ']' at the end; write [section]", line);
		return;
	}
	line[len - 1] = '\0';
	name = trim(name);
	row = find_row(name, NULL);
	if (row != NULL)
		load->section = row->section;
	else
		complain(load,
		    "[%s]: unknown section; poplar.conf(5) names them all", name);
}

static void
take_setting(struct load *load, char *line)
{
	char *equals = strchr(line, '=');
	const struct config_row *row;
	size_t *setp;

	if (load->section == NULL && load->in_unknown)
		return;
	if (equals == NULL) {
		complain(load, "\"%s\": no '='; write key = value", line);
		return;
	}
	*equals = '\0';
	line = trim(line);
	if (load->section == NULL) {
		complain(load, "\"%s\": stands before the first [section]; move it",
		    line);
		return;
	}
	row = find_row(load->section, line);
	if (row == NULL) {
		complain_unknown(load, load->section, line);
		return;
	}
	setp = &load->lines[row - config_rows];
	if (*setp != 0)
		complain(load,
		    "%s.%s: duplicate of line %zu; remove one of the two",
		    row->section, row->key, *setp);
	else {
		*setp = load->line;
		set(load, row, trim(equals + 1));
	}
}

/* A '#' begins a comment at the start of a line and behind a blank. */
static void
strip_comment(char *line)
{
	for (char *p = line; (p = strchr(p, '#')) != NULL; p++) {
		if (p == line || strchr(CONFIG_BLANKS, p[-1]) != NULL) {
			*p = '\0';
			return;
		}
	}
}

static void
take_line(struct load *load, char *line, size_t len)
{
	const char *fault;

	if (len > 0 && line[len - 1] == '\r')
		line[--len] = '\0';
	fault = line_fault(line, len);
	if (fault != NULL) {
		complain(load, "%s", fault);
		return;
	}
	strip_comment(line);
	line = trim(line);
	if (line[0] == '[')
		take_section(load, line);
	else if (line[0] != '\0')
		take_setting(load, line);
}

/*
 * Who could have written the file: only those who may start the daemon.
 * Returns whether there is anything to read.
 */
static bool
check_file(struct load *load, int fd)
{
	struct stat st;

	if (fstat(fd, &st) == -1) {
		complain(load, "cannot be examined: %s", strerror(errno));
		return false;
	}
	if (S_ISCHR(st.st_mode) && st.st_rdev == makedev(1, 3)) /* /dev/null */
		return false;
	if (!S_ISREG(st.st_mode) && !S_ISFIFO(st.st_mode)) {
		complain(load, "is not a plain file; name one with -c");
		return false;
	}
	if (st.st_uid != 0 && st.st_uid != geteuid())
		complain(load, "belongs to another user, uid %lu; chown it to root",
		    (unsigned long)st.st_uid);
	if ((st.st_mode & (S_IWGRP | S_IWOTH)) != 0)
		complain(load,
		    "can be written by its group or by others; chmod go-w it");
	return true;
}

static void
read_lines(struct load *load, FILE *file)
{
	static const char raw[3] = "";
	size_t line = 0, len;
	char *text;

	while ((text = fparseln(file, &len, &line, raw, 0)) != NULL) {
		load->line = line;
		take_line(load, text, len);
		free(text);
	}
	load->line = 0;
	if (ferror(file))
		complain(load, "cannot be read: %s", strerror(errno));
}

static void
read_file(struct load *load, bool required)
{
	FILE *file = fopen(load->file, "re");

	if (file == NULL) {
		if (required || errno != ENOENT)
			complain(load, "cannot be opened: %s; name another with -c",
			    strerror(errno));
		return;
	}
	if (check_file(load, fileno(file)))
		read_lines(load, file);
	fclose(file);
}

/* Takes "section.key=value". */
static void
take_override(struct load *load, const char *item)
{
	const struct config_row *row;
	char *copy = strdup(item), *equals, *dot, *key;
	const char *fault = line_fault(item, strlen(item));

	if (copy == NULL || fault != NULL) {
		complain(load, "override: %s",
		    fault != NULL ? fault : strerror(errno));
		goto out;
	}
	equals = strchr(copy, '=');
	dot = strchr(copy, '.');
	if (equals == NULL || dot == NULL || dot > equals) {
		complain(load, "%s: write -o section.key=value", copy);
		goto out;
	}
	*equals = '\0';
	*dot = '\0';
	key = trim(dot + 1);
	row = find_row(trim(copy), key);
	if (row == NULL)
		complain_unknown(load, trim(copy), key);
	else {
		load->overridden[row - config_rows] = true;
		set(load, row, trim(equals + 1));
	}
out:
	free(copy);
}

static void
take_overrides(struct load *load, const struct config_overrides *overrides)
{
	load->file = NULL;
	for (size_t i = 0; overrides != NULL && i < overrides->count; i++)
		take_override(load, overrides->items[i]);
}

/* Where nobody gave a host name, the host's own, if it may stand in a greeting. */
static void
find_hostname(struct load *load)
{
	struct config *config = load->config;
	char name[CONFIG_HOST_MAX] = "";

	if (config->server.hostname == NULL || config->server.hostname[0] != '\0')
		return;
	if (gethostname(name, sizeof(name) - 1) == -1 || name[0] == '\0' ||
	    !config_host_letters(name))
		strlcpy(name, "localhost", sizeof(name));
	free(config->server.hostname);
	config->server.hostname = strdup(name);
	if (config->server.hostname == NULL)
		complain(load, "server.hostname: %s", strerror(errno));
}

static bool
is_empty(const char *text)
{
	return text == NULL || text[0] == '\0';
}

/*
 * Where nobody said anything about port 995, it is opened as soon as it can
 * be; where somebody asked for it, it needs a certificate.
 */
static void
choose_pop3s(struct load *load)
{
	const struct config_row *row = find_row("listen", "pop3s");
	const size_t index = (size_t)(row - config_rows);

	if (load->count > 0)
		return;
	if (is_empty(load->config->tls.certificate)) {
		/* a key alone is a fault that is told with the certificates */
		if (is_empty(load->config->listen.pop3s) ||
		    !is_empty(load->config->tls.private_key))
			return;
		load->file = load->overridden[index] ? NULL : load->path;
		load->line = load->lines[index];
		complain(load, "listen.pop3s: needs tls.certificate and "
		               "tls.private_key; set them, or leave it empty");
	} else if (load->lines[index] == 0 && !load->overridden[index])
		set(load, row, "*:995");
}

int
config_load(const char *path, bool required,
    const struct config_overrides *overrides, FILE *errors, struct config **configp)
{
	struct load load = {.errors = errors, .path = path, .file = path};

	*configp = NULL;
	load.config = calloc(1, sizeof(*load.config));
	if (load.config == NULL) {
		complain(&load, "%s", strerror(errno));
		return load.count;
	}
	for (size_t i = 0; i < config_row_count; i++)
		set(&load, &config_rows[i], config_rows[i].fallback);
	read_file(&load, required);
	take_overrides(&load, overrides);
	find_hostname(&load);
	choose_pop3s(&load);
	if (load.count > 0)
		config_free(load.config);
	else
		*configp = load.config;
	return load.count;
}

int
config_load_logged(const char *path, bool required,
    const struct config_overrides *overrides, struct config **configp)
{
	char *faults = NULL, *rest;
	const char *line;
	size_t size;
	FILE *errors = open_memstream(&faults, &size);
	int count;

	*configp = NULL;
	if (errors == NULL) {
		log_error("%s: %s", path, strerror(errno));
		return 1;
	}
	count = config_load(path, required, overrides, errors, configp);
	(void)fclose(errors);
	rest = faults;
	while ((line = strsep(&rest, "\n")) != NULL) {
		if (*line != '\0')
			log_error("%s", line);
	}
	free(faults);
	return count;
}

void
config_free(struct config *config)
{
	if (config == NULL)
		return;
	for (size_t i = 0; i < config_row_count; i++) {
		if (config_rows[i].type->storage == CONFIG_TEXT &&
		    config_rows[i].later == NULL)
			free(*(char **)(void *)((char *)config +
			                        config_rows[i].offset));
	}
	free(config);
}

void
config_each(void (*row)(const char *section, const char *key, const char *fallback,
                void *ctx),
    void *ctx)
{
	for (size_t i = 0; i < config_row_count; i++)
		row(config_rows[i].section, config_rows[i].key,
		    config_rows[i].fallback, ctx);
}
