/*
 * A configuration file to be loaded, for the tests of the configuration.
 */
#ifndef POPLAR_TESTS_CONFIG_FILE_H
#define POPLAR_TESTS_CONFIG_FILE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "config.h"

static char folder[] = "/tmp/poplar-config-XXXXXX";
static char path[64];

static char *said;
static size_t said_size;

static void
write_file(const char *text, size_t len)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_int_not_equal(fd, -1);
	assert_int_equal(write(fd, text, len), len);
	assert_int_equal(close(fd), 0);
}

/* Loads a file and one override, if any; what was told is in said. */
static int
load(const char *file, const char *override, struct config **configp)
{
	const char *items[] = {override};
	const struct config_overrides overrides = {items, override != NULL};
	FILE *errors;
	int count;

	free(said);
	errors = open_memstream(&said, &said_size);
	assert_non_null(errors);
	count = config_load(file, true, &overrides, errors, configp);
	assert_int_equal(fclose(errors), 0);
	assert_true((count == 0) == (*configp != NULL));
	return count;
}

static int
make_folder(void **state)
{
	(void)state;
	if (mkdtemp(folder) == NULL)
		return -1;
	snprintf(path, sizeof(path), "%s/conf", folder);
	return 0;
}

static int
remove_folder(void **state)
{
	(void)state;
	free(said);
	(void)unlink(path);
	return rmdir(folder);
}

#endif
