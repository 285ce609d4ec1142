/*
 * poplard: reads the command line and the configuration, makes the process
 * sane, and becomes what was asked for. Runs with whatever privilege it was
 * started with.
 */
#include <err.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/resource.h>
#include <sysexits.h>
#include <unistd.h>

#include "config.h"
#include "log.h"
#include "server.h"
#include "session.h"
#include "title.h"

#define OVERRIDES_MAX 128

/* What of the environment reaches the daemon; the rest could steer a library. */
static const char *const kept_variables[] = {"NOTIFY_SOCKET", "LISTEN_PID",
    "LISTEN_FDS", "TZ"};

struct arguments {
	bool inetd, tls, check, recover;
	struct server_options server;
	struct config_overrides overrides;
	const char *items[OVERRIDES_MAX];
};

static _Noreturn void
usage(void)
{
	fprintf(stderr, "usage: poplard [-FiStV] [--recover] [-c file] "
	                "[-o section.key=value]...\n");
	exit(EX_USAGE);
}

static _Noreturn void
version(void)
{
	printf("Poplar " POPLAR_VERSION "\n"
	       "configuration " POPLAR_CONF "\n"
	       "with PAM, TLS, seccomp, Landlock\n");
	exit(EX_OK);
}

static void
parse(int argc, char **argv, struct arguments *arguments)
{
	static const struct option longer[] = {
	    {"recover", no_argument, NULL, 'R'},
	    {NULL,      0,           NULL, 0  },
	};
	int option;

	arguments->server.config_path = POPLAR_CONF;
	arguments->overrides.items = arguments->items;
	arguments->server.overrides = &arguments->overrides;
	while (
	    (option = getopt_long(argc, argv, "FiStVc:o:", longer, NULL)) != -1) {
		switch (option) {
		case 'F':
			arguments->server.foreground = true;
			break;
		case 'i':
			arguments->inetd = true;
			break;
		case 'S':
			arguments->tls = true;
			break;
		case 'R':
			arguments->recover = true;
			break;
		case 't':
			arguments->check = true;
			break;
		case 'V':
			version();
		case 'c':
			arguments->server.config_path = optarg;
			arguments->server.config_required = true;
			break;
		case 'o':
			if (arguments->overrides.count == OVERRIDES_MAX)
				errx(EX_USAGE, "-o: more than %d", OVERRIDES_MAX);
			arguments->items[arguments->overrides.count++] = optarg;
			break;
		default:
			usage();
		}
	}
	if (optind != argc || (arguments->tls && !arguments->inetd))
		usage();
	if (arguments->inetd && fcntl(STDIN_FILENO, F_GETFD) == -1)
		errx(EX_USAGE, "-i: descriptor 0 is closed");
}

/*
 * Descriptors 0 to 2 open, nothing else but the sockets that systemd passes to a
 * listener. With Accept=yes it passes the client a second time.
 */
static void
sane_descriptors(const struct arguments *arguments)
{
	const char *passed = arguments->inetd ? NULL : getenv("LISTEN_FDS");
	int fd, first = SERVER_INHERITED;

	do {
		fd = open("/dev/null", O_RDWR);
		if (fd == -1)
			err(EX_OSERR, "/dev/null");
	} while (fd <= STDERR_FILENO);
	close(fd);
	if (passed != NULL)
		first += (int)strtonum(passed, 0, SERVER_INHERITED_MAX, NULL);
	closefrom(first);
}

static void
sane_environment(void)
{
	char *values[sizeof(kept_variables) / sizeof(kept_variables[0])];
	const size_t count = sizeof(values) / sizeof(values[0]);

	for (size_t i = 0; i < count; i++) {
		const char *value = getenv(kept_variables[i]);

		values[i] = value == NULL ? NULL : strdup(value);
	}
	if (clearenv() != 0)
		errx(EX_OSERR, "cannot clear the environment");
	for (size_t i = 0; i < count; i++) {
		if (values[i] != NULL &&
		    setenv(kept_variables[i], values[i], 1) == -1)
			err(EX_OSERR, "environment");
		free(values[i]);
	}
}

static void
sane_signals(void)
{
	sigset_t none;

	for (int number = 1; number < NSIG; number++) {
		if (number != SIGKILL && number != SIGSTOP)
			(void)signal(number, SIG_DFL);
	}
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	umask(022);
}

/*
 * A limit on the size of files would be met in the middle of an UPDATE. Without
 * the privilege to lift it, opening.c heeds what is left of it.
 */
static void
sane_limits(void)
{
	struct rlimit limit = {RLIM_INFINITY, RLIM_INFINITY};

	if (setrlimit(RLIMIT_FSIZE, &limit) == 0 ||
	    getrlimit(RLIMIT_FSIZE, &limit) == -1)
		return;
	limit.rlim_cur = limit.rlim_max;
	(void)setrlimit(RLIMIT_FSIZE, &limit);
}

/* Whether standard error is the client, as inetd arranges it. */
static bool
client_on_stderr(void)
{
	struct stat client, errors;

	return fstat(STDIN_FILENO, &client) == 0 &&
	       fstat(STDERR_FILENO, &errors) == 0 && S_ISSOCK(client.st_mode) &&
	       client.st_dev == errors.st_dev && client.st_ino == errors.st_ino;
}

/* A daemon says on standard error what keeps it from starting, whatever log.target. */
static void
early_log(const struct config *config, const struct arguments *arguments)
{
	bool to_stderr = true;

	if (arguments->inetd)
		to_stderr = config->log.target == TARGET_STDERR &&
		            !client_on_stderr();
	else if (arguments->recover)
		to_stderr = config->log.target != TARGET_SYSLOG;
	log_open(to_stderr ? LOG_TO_STDERR : LOG_TO_SYSLOG,
	    (enum log_level)config->log.level);
}

/* Whom sessions become: looked up once, while names can be looked up. */
static int
find_user(const struct config *config, struct sandbox *sandbox)
{
	sandbox->drop_user = geteuid() == 0;
	return sandbox->drop_user
	           ? server_user(config, &sandbox->uid, &sandbox->gid)
	           : 0;
}

static int
check(const struct config *config)
{
	int errors = server_check(config);

	if (errors > 0)
		return EX_CONFIG;
	printf("configuration is good\n");
	return EX_OK;
}

/* What no mode can do without. Returns an exit code. */
static int
prepare(const struct config *config, struct sandbox *sandbox)
{
	if (find_user(config, sandbox) == -1)
		return EX_NOUSER;
	return sandbox_prepare(config, sandbox) == -1 ? EX_UNAVAILABLE : EX_OK;
}

/* For reloads: the daemon leaves the folder that it was started in. */
static bool
absolute_path(struct server_options *options)
{
	char *folder = NULL, *path = NULL;

	if (options->config_path[0] == '/')
		return true;
	folder = getcwd(NULL, 0);
	if (folder == NULL ||
	    asprintf(&path, "%s/%s", folder, options->config_path) == -1)
		path = NULL;
	free(folder);
	options->config_path = path != NULL ? path : options->config_path;
	return path != NULL;
}

static int
serve(struct config *config, const struct sandbox *sandbox,
    const struct arguments *arguments)
{
	if (arguments->recover)
		return recover_run(config, sandbox);
	if (arguments->inetd)
		return inetd_run(config, sandbox, arguments->tls);
	return listener_run(config, sandbox, &arguments->server);
}

static int
run(struct config *config, struct arguments *arguments)
{
	struct sandbox sandbox = {0};
	char root[PATH_MAX];
	int code;

	if (!absolute_path(&arguments->server))
		err(EX_OSERR, "%s", arguments->server.config_path);
	early_log(config, arguments);
	server_root(config, root, sizeof(root));
	sandbox.root = root;
	code = prepare(config, &sandbox);
	if (code == EX_OK)
		code = serve(config, &sandbox, arguments);
	else if (arguments->inetd)
		inetd_refuse(arguments->tls);
	sandbox_free(&sandbox);
	return code;
}

/*
 * Reads the configuration. Faults go to standard error, or to the log where
 * that is the client, who hears only that something is wrong.
 */
static int
load(const struct arguments *arguments, struct config **configp)
{
	const struct server_options *server = &arguments->server;
	int count;

	if (arguments->inetd && client_on_stderr()) {
		log_open(LOG_TO_SYSLOG, LOG_INFO_LEVEL);
		count = config_load_logged(server->config_path,
		    server->config_required, server->overrides, configp);
	} else
		count = config_load(server->config_path, server->config_required,
		    server->overrides, stderr, configp);
	if (count != 0 && arguments->inetd && !arguments->check)
		inetd_refuse(arguments->tls);
	return count;
}

int
main(int argc, char **argv)
{
	struct arguments arguments = {0};
	struct config *config;

	setprogname("poplard");
	if (title_init(argv, environ) == -1)
		err(EX_OSERR, "memory");
	parse(argc, argv, &arguments);
	sane_descriptors(&arguments);
	sane_environment();
	sane_signals();
	sane_limits();
	if (load(&arguments, &config) != 0)
		return EX_CONFIG;
	return arguments.check ? check(config) : run(config, &arguments);
}
