/*
 * Looks at the whole users file, for -t and at start: at a login only the line
 * of the name that asked is spoken of. Runs as root, before any client is known.
 *
 * For names that occur twice, the name of every good line is kept with the
 * line's number, and sorted at the end. No secret is kept.
 */
#include "users.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "backend.h"
#include "config.h"
#include "log.h"
#include "users_file.h"

struct verification {
	const struct config *config;
	unsigned faults;
	FILE *names; /* of each good line "name:number", terminated */
	size_t count;
	unsigned kept_out, first_kept_out; /* how many; the first one's line */
};

/* Whether a line that is not locked is of nobody who may log in. */
static bool
keeps_out(const struct config *config, const struct users_entry *entry)
{
	return entry->has_uid && !entry->credential.locked && geteuid() == 0 &&
	       !system_uid_permitted(config, entry->uid);
}

/* Why no login can use a maildrop of the line's own, or NULL. */
static const char *
maildrop_fault(const struct users_entry *entry)
{
	const size_t length = strlen(entry->maildrop);
	char path[PATH_MAX];

	if (length == 0)
		return NULL;
	if (entry->maildrop[length - 1] == '/')
		return "the maildrop is a folder; name a file";
	if (!config_expand_path(entry->maildrop, entry->name,
	        entry->home[0] != '\0' ? entry->home : "/home", path, sizeof(path)))
		return "the maildrop cannot be expanded; write only %u %n %d %h "
		       "and %%";
	return NULL;
}

static bool
visit(struct users_line *line, void *ctx)
{
	struct verification *seen = ctx;
	struct users_entry entry;
	const char *fault = users_parse(line, &entry);

	if (fault == NULL)
		fault = maildrop_fault(&entry);
	if (fault != NULL) {
		log_error("%s:%u: %s", seen->config->auth.users_file, line->number,
		    fault);
		seen->faults++;
		return true;
	}
	if (keeps_out(seen->config, &entry) && seen->kept_out++ == 0)
		seen->first_kept_out = line->number;
	/* of equal width, so that lines of one name stay in their order */
	if (fprintf(seen->names, "%s:%010u%c", entry.name, line->number, '\0') > 0)
		seen->count++;
	return true;
}

static int
compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Of two neighbours "name:number". No name holds a colon. */
static bool
same_name(const char *a, const char *b)
{
	const size_t length = strcspn(a, ":");

	return strncmp(a, b, length + 1) == 0;
}

static unsigned
line_of(const char *name)
{
	return (unsigned)strtoul(strchr(name, ':') + 1, NULL, 10);
}

/* Such a name can never log in (users.c): which line is meant? */
static void
tell_duplicates(struct verification *seen, char *text)
{
	char **names = reallocarray(NULL, seen->count, sizeof(*names));

	if (names == NULL) {
		log_error("%s: no memory to look for names that occur twice",
		    seen->config->auth.users_file);
		seen->faults++;
		return;
	}
	for (size_t i = 0; i < seen->count; i++) {
		names[i] = text;
		text += strlen(text) + 1;
	}
	qsort(names, seen->count, sizeof(*names), compare);
	for (size_t i = 1; i < seen->count; i++) {
		if (!same_name(names[i - 1], names[i]))
			continue;
		log_error("%s:%u: the name of line %u again, which so cannot log "
		          "in; remove one of the two",
		    seen->config->auth.users_file, line_of(names[i]),
		    line_of(names[i - 1]));
		seen->faults++;
	}
	free(names);
}

unsigned
users_verify(const struct config *config)
{
	struct verification seen = {.config = config};
	const char *path = config->auth.users_file, *reason;
	char *text = NULL;
	size_t size;

	if (!users_is_used(config))
		return 0;
	seen.names = open_memstream(&text, &size);
	if (seen.names == NULL ||
	    users_scan(path, visit, &seen, &reason) == USERS_REFUSED) {
		log_error("%s: %s", path,
		    seen.names == NULL ? "no memory to read it" : reason);
		seen.faults++;
	}
	if (seen.names != NULL && fclose(seen.names) == 0 && seen.count > 1)
		tell_duplicates(&seen, text);
	if (seen.kept_out > 0)
		log_warning("%s: %u users cannot log in: their uid is root's or "
		            "below auth.first_uid (%u); the first is in line %u",
		    path, seen.kept_out, (unsigned)config->auth.first_uid,
		    seen.first_kept_out);
	free(text);
	return seen.faults;
}
