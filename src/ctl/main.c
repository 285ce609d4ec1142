/*
 * poplarctl: what an administrator does besides running the daemon. Runs with
 * the privilege of its caller and talks to no network; who and kick ask the
 * daemon by its control socket.
 */
#include <err.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "ctl.h"

static const struct command {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *synopsis;
} commands[] = {
    {"check",  ctl_check,  " [-c file] [-o section.key=value] ..."              },
    {"keys",   ctl_keys,   ""                                                   },
    {"kick",   ctl_kick,   " [-u] [-c file] [-o section.key=value] ... name ..."},
    {"passwd", ctl_passwd,
     " [-LsU] [-c file] [-d home] [-f users_file] [-g gid] [-m maildrop]\n"
        "           [-n gecos] [-t scheme] [-u uid] name"                       },
    {"who",    ctl_who,    " [-c file] [-o section.key=value] ..."              },
};

#define COMMANDS (sizeof(commands) / sizeof(commands[0]))

static void
print_synopsis(const struct command *command)
{
	fprintf(stderr, "usage: poplarctl %s%s\n", command->name,
	    command->synopsis);
}

static int
usage(void)
{
	for (size_t i = 0; i < COMMANDS; i++)
		print_synopsis(&commands[i]);
	fprintf(stderr, "usage: poplarctl -V\n");
	return EX_USAGE;
}

static int
run(int argc, char **argv)
{
	int code;

	if (argc == 2 && strcmp(argv[1], "-V") == 0) {
		printf("poplarctl %s\n", POPLAR_VERSION);
		return EX_OK;
	}
	for (size_t i = 0; argc > 1 && i < COMMANDS; i++) {
		if (strcmp(argv[1], commands[i].name) != 0)
			continue;
		code = commands[i].run(argc - 1, argv + 1);
		if (code == EX_USAGE)
			print_synopsis(&commands[i]);
		return code;
	}
	return usage();
}

int
main(int argc, char **argv)
{
	const int code = run(argc, argv);

	if (fflush(stdout) == 0 && !ferror(stdout))
		return code;
	warnx("standard output cannot be written");
	return code == EX_OK ? EX_IOERR : code;
}
