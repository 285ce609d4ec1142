/*
 * Process titles. No privilege. The kernel shows the octets where it put the
 * arguments, and goes on into the environment behind them where the last of
 * the arguments' is no NUL. So a title is written there, and what was there
 * before is made NUL: setproctitle(3bsd) leaves a dot where the name of the
 * program ended, which ps(1) shows.
 */
#include "title.h"

#include <string.h>

static struct {
	char *start;
	size_t size, used; /* behind used all is NUL */
} room;

/* The end of those strings that follow each other from end on. */
static char *
end_of(char *const *strings, char *end)
{
	for (; *strings != NULL && *strings == end; strings++)
		end += strlen(end) + 1;
	return end;
}

int
title_init(char **argv, char **envp)
{
	char *start = argv[0];

	if (start == NULL)
		return 0;
	room.size = (size_t)(end_of(envp, end_of(argv, start)) - start);
	room.used = room.size;
	for (; *argv != NULL; argv++) {
		*argv = strdup(*argv);
		if (*argv == NULL)
			return -1;
	}
	room.start = start;
	return 0;
}

void
title_set(const char *role)
{
	size_t length;

	if (room.start == NULL)
		return;
	(void)strlcpy(room.start, "poplard: ", room.size);
	length = strlcat(room.start, role, room.size);
	if (length >= room.size)
		length = room.size - 1;
	if (length < room.used)
		memset(room.start + length, 0, room.used - length);
	room.used = length;
}
