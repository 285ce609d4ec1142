/*
 * poplarctl check and keys: the configuration, looked at from outside. check
 * gives the verdict of `poplard -t` by the same two calls. Runs with the
 * privilege of its caller.
 */
#include <stdio.h>
#include <sysexits.h>
#include <unistd.h>

#include "config.h"
#include "ctl.h"
#include "server.h"

static int
check(const struct source *source)
{
	struct config *config;
	int errors = source_load(source, &config);

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
	struct source source;
	int opt, code = EX_USAGE;

	source_init(&source, argc);
	while ((opt = getopt(argc, argv, SOURCE_OPTIONS)) != -1) {
		if (!source_take(&source, opt, optarg))
			goto out;
	}
	if (optind == argc)
		code = check(&source);
out:
	source_free(&source);
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
	return EX_OK;
}
