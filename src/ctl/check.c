/*
 * poplarctl check and keys: the configuration, looked at from outside. check
 * gives the verdict of `poplard -t` by the same two calls. Runs with the
 * privilege of its caller.
 */
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>
#include <unistd.h>

#include "config.h"
#include "ctl.h"
#include "server.h"

static int
check(const char *path, bool required, const struct config_overrides *overrides)
{
	struct config *config;
	int errors = config_load(path, required, overrides, stderr, &config);

	if (errors == 0)
		errors = server_check(config);
	config_free(config);
	if (errors > 0)
		return EX_CONFIG;
	printf("configuration is good\n");
	return EX_OK;
}

int
ctl_check(int argc, char **argv)
{
	const char *path = POPLAR_CONF,
	           **items = calloc((size_t)argc, sizeof(*items));
	struct config_overrides overrides = {.items = items};
	bool required = false;
	int opt, code = EX_USAGE;

	if (items == NULL)
		err(EX_OSERR, NULL);
	while ((opt = getopt(argc, argv, "c:o:")) != -1) {
		switch (opt) {
		case 'c':
			path = optarg;
			required = true;
			break;
		case 'o':
			items[overrides.count++] = optarg;
			break;
		default:
			goto out;
		}
	}
	if (optind == argc)
		code = check(path, required, &overrides);
out:
	free(items);
	return code;
}

static void
print_key(const char *section, const char *key, const char *fallback, void *ctx)
{
	(void)ctx;
	printf("%s.%s%s%s\n", section, key, fallback[0] != '\0' ? " " : "",
	    fallback);
}

int
ctl_keys(int argc, char **argv)
{
	(void)argv;
	if (argc != 1)
		return EX_USAGE;
	config_each(print_key, NULL);
	return fflush(stdout) == 0 ? EX_OK : EX_IOERR;
}
