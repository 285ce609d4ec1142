/*
 * Any octets as poplar.conf, the lines that begin with "-o " as overrides as
 * well. Each fault must be one line that says where; what is accepted must be
 * a configuration that can be used.
 */
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config.h"

#define OVERRIDES_MAX 16

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
require(int truth)
{
	if (!truth)
		abort();
}

/* The descriptor of a file that holds the input. */
static int
file_of(const uint8_t *data, size_t size, char path[64])
{
	int fd = memfd_create("poplar.conf", MFD_CLOEXEC);

	require(fd != -1 && write(fd, data, size) == (ssize_t)size);
	require(fchmod(fd, 0600) == 0);
	snprintf(path, 64, "/proc/self/fd/%d", fd);
	return fd;
}

/* Splits a copy of the input into overrides, which point into it. */
static size_t
find_overrides(char *text, const char *items[OVERRIDES_MAX])
{
	size_t count = 0;
	char *line;

	while ((line = strsep(&text, "\n")) != NULL && count < OVERRIDES_MAX) {
		if (strncmp(line, "-o ", 3) == 0)
			items[count++] = line + 3;
	}
	return count;
}

/* As many lines as faults, each with its place. */
static void
check_errors(const char *path, const char *errors, size_t size, int count)
{
	const char *end = errors + size, *line = errors, *next;

	for (; line < end; line = next + 1, count--) {
		next = memchr(line, '\n', (size_t)(end - line));
		require(next != NULL);
		require(strncmp(line, "-o ", 3) == 0 ||
		        strncmp(line, path, strlen(path)) == 0);
	}
	require(count == 0);
}

static void
check_config(const struct config *config)
{
	char host[CONFIG_HOST_MAX], port[CONFIG_PORT_MAX], path[PATH_MAX];
	const char *list = config->listen.pop3;
	int found;

	while ((found = config_next_address(&list, host, port)) == 1)
		require(host[0] != '\0' && port[0] != '\0');
	require(found == 0);
	require(config->server.hostname[0] != '\0');
	require(config->server.state_dir[0] == '/');
	require(config->session.idle_timeout_ms >= 600000);
	require(config->auth.max_attempts > 0);
	if (config_expand_path(config->maildrop.path, "user@example.org", "/home",
	        path, sizeof(path)))
		require(path[0] == '/');
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *items[OVERRIDES_MAX];
	struct config_overrides overrides = {.items = items};
	char path[64], *text = calloc(1, size + 1), *errors = NULL;
	size_t errors_size = 0;
	FILE *stream = open_memstream(&errors, &errors_size);
	int fd = file_of(data, size, path), count;
	struct config *config;

	require(text != NULL && stream != NULL);
	memcpy(text, data, size);
	overrides.count = find_overrides(text, items);
	count = config_load(path, true, &overrides, stream, &config);
	require(fclose(stream) == 0);
	require((count == 0) == (config != NULL));
	check_errors(path, errors, errors_size, count);
	if (config != NULL)
		check_config(config);
	config_free(config);
	close(fd);
	free(errors);
	free(text);
	return 0;
}
