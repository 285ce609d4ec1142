/*
 * The load generator: does what clients do and tells what it took, as JSON
 * on standard output, with its own share of a CPU, so that a bottleneck of
 * its own shows. No privilege; connects to 127.0.0.1 only.
 *
 * load [-t] [-u USER] [-w PASSWORD] -p PORT COMMAND
 *   visit [-s FILE.sums] [STEP...]   one session: login, the steps, QUIT
 *   crowd CLIENTS SECONDS            sessions, so many at once: USER0, USER1 ...
 *   idle COUNT STATE                 holds connections, logged in if STATE is
 *                                    "in", until standard input ends
 *
 * Steps: list, uidl, retr:DEPTH[:COUNT], top:DEPTH[:COUNT] (with DEPTH commands
 * in flight, the first COUNT messages), dele:NUMBER, deleall, rset. Login is
 * the time from PASS to the reply to STAT.
 * -t is TLS from the first octet. retr compares each message with the sums.
 */
#include <sys/resource.h>

#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "crowd.h"
#include "pop.h"
#include "sums.h"

/* Octets of "n size" with its line end, and some more. */
#define LINE_ROOM 44

struct visit {
	struct pop pop;
	const struct target *target;
	const char *user;
	struct sums sums;
	uint32_t messages; /* from STAT */
	uint64_t octets;   /* from STAT */
	struct copy copy;  /* of a reply that is looked at behind the clock */
};

/* What a step moved. */
struct tally {
	uint64_t count, octets, wrong;
};

/* What stands behind the name of a step: name:NUMBER:COUNT. */
struct argument {
	unsigned number, count;
};

/* check tells how much of the copy is wrong, once the clock has stopped. */
struct step {
	const char *name;
	struct tally (*run)(struct visit *visit, const struct argument *argument);
	uint64_t (*check)(const struct visit *visit);
};

static double
clock_ms(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return (double)ts.tv_sec * 1e3 + (double)ts.tv_nsec / 1e6;
}

static struct tally
run_login(struct visit *visit, const struct argument *argument)
{
	unsigned long long octets;
	char line[512];

	(void)argument;
	pop_command(&visit->pop, "PASS %s\r\n", visit->target->password);
	pop_ok(&visit->pop, line, sizeof(line));
	pop_command(&visit->pop, "STAT\r\n");
	pop_ok(&visit->pop, line, sizeof(line));
	if (sscanf(line, "+OK %u %llu", &visit->messages, &octets) != 2)
		errx(1, "the server says: %s", line);
	visit->octets = octets;
	return (struct tally){.count = visit->messages, .octets = octets};
}

/* Lines "n size": as the sums say, adding up to what STAT said. */
static uint64_t
wrong_sizes(const struct visit *visit)
{
	uint64_t wrong = 0, total = 0;
	char *text = visit->copy.text, *end;

	for (uint32_t n = 1; n <= visit->messages; n++) {
		uint64_t number = strtoull(text, &end, 10);
		uint64_t size = strtoull(end, &text, 10);

		total += size;
		if (number != n ||
		    (n <= visit->sums.count && size != visit->sums.at[n].octets))
			wrong++;
	}
	return wrong + (total != visit->octets);
}

static struct tally
listing(struct visit *visit, const char *command, struct copy *copy)
{
	char line[512];
	struct sum sum;

	pop_command(&visit->pop, "%s\r\n", command);
	pop_ok(&visit->pop, line, sizeof(line));
	sum = pop_body(&visit->pop, copy);
	return (struct tally){.count = visit->messages, .octets = sum.octets};
}

static struct tally
run_list(struct visit *visit, const struct argument *argument)
{
	(void)argument;
	return listing(visit, "LIST", &visit->copy);
}

static struct tally
run_uidl(struct visit *visit, const struct argument *argument)
{
	(void)argument;
	return listing(visit, "UIDL", NULL);
}

/* The first messages, or all, so many commands in flight. */
static struct tally
fetch(struct visit *visit, const char *verb, const struct argument *argument,
    bool compare)
{
	uint32_t last = argument->count != 0 && argument->count < visit->messages
	                    ? argument->count
	                    : visit->messages;
	struct tally tally = {.count = last};
	uint32_t asked = 0;
	char line[512];

	for (uint32_t n = 1; n <= last; n++) {
		struct sum sum;

		while (asked < last && asked < n - 1 + argument->number) {
			asked++;
			pop_command(&visit->pop, "%s %u%s\r\n", verb, asked,
			    compare ? "" : " 0");
		}
		pop_ok(&visit->pop, line, sizeof(line));
		sum = pop_body(&visit->pop, NULL);
		tally.octets += sum.octets;
		if (compare && visit->sums.at != NULL &&
		    (n > visit->sums.count ||
		        sum.octets != visit->sums.at[n].octets ||
		        sum.hash != visit->sums.at[n].hash))
			tally.wrong++;
	}
	return tally;
}

static struct tally
run_retr(struct visit *visit, const struct argument *argument)
{
	return fetch(visit, "RETR", argument, true);
}

static struct tally
run_top(struct visit *visit, const struct argument *argument)
{
	return fetch(visit, "TOP", argument, false);
}

static struct tally
run_dele(struct visit *visit, const struct argument *argument)
{
	char line[512];

	pop_command(&visit->pop, "DELE %u\r\n", argument->number);
	pop_ok(&visit->pop, line, sizeof(line));
	return (struct tally){.count = 1};
}

static struct tally
run_deleall(struct visit *visit, const struct argument *argument)
{
	char line[512];

	(void)argument;
	for (uint32_t asked = 0, n = 1; n <= visit->messages; n++) {
		while (asked < visit->messages && asked < n + 99)
			pop_command(&visit->pop, "DELE %u\r\n", ++asked);
		pop_ok(&visit->pop, line, sizeof(line));
	}
	return (struct tally){.count = visit->messages};
}

static struct tally
run_rset(struct visit *visit, const struct argument *argument)
{
	char line[512];

	(void)argument;
	pop_command(&visit->pop, "RSET\r\n");
	pop_ok(&visit->pop, line, sizeof(line));
	return (struct tally){.count = 1};
}

static struct tally
run_quit(struct visit *visit, const struct argument *argument)
{
	char line[512];

	(void)argument;
	pop_command(&visit->pop, "QUIT\r\n");
	pop_ok(&visit->pop, line, sizeof(line));
	return (struct tally){.count = 1};
}

static const struct step steps[] = {
    {"login",   run_login,   NULL       },
    {"list",    run_list,    wrong_sizes},
    {"uidl",    run_uidl,    NULL       },
    {"retr",    run_retr,    NULL       },
    {"top",     run_top,     NULL       },
    {"dele",    run_dele,    NULL       },
    {"deleall", run_deleall, NULL       },
    {"rset",    run_rset,    NULL       },
    {"quit",    run_quit,    NULL       },
};

/* Runs a step, and looks at what it kept when its clock has stopped. */
static struct tally
timed(const struct step *step, struct visit *visit, const struct argument *argument,
    double *wallp, double *cpup)
{
	struct tally tally;
	double wall, cpu;

	if (step->check != NULL)
		copy_ready(&visit->copy, visit->messages * LINE_ROOM);
	wall = clock_ms(CLOCK_MONOTONIC);
	cpu = clock_ms(CLOCK_PROCESS_CPUTIME_ID);
	tally = step->run(visit, argument);
	*wallp = clock_ms(CLOCK_MONOTONIC) - wall;
	*cpup = clock_ms(CLOCK_PROCESS_CPUTIME_ID) - cpu;
	if (step->check != NULL)
		tally.wrong = step->check(visit);
	return tally;
}

static void
run_step(struct visit *visit, const char *text)
{
	size_t len = strcspn(text, ":");
	struct argument argument = {.number = 1};
	double wall, cpu;
	struct tally tally;

	sscanf(text + len, ":%u:%u", &argument.number, &argument.count);
	for (size_t i = 0; i < sizeof(steps) / sizeof(*steps); i++) {
		if (strlen(steps[i].name) != len ||
		    strncmp(steps[i].name, text, len))
			continue;
		tally = timed(&steps[i], visit, &argument, &wall, &cpu);
		printf("%s\"%s\": {\"ms\": %.4f, \"cpu\": %.3f, \"count\": %llu, "
		       "\"octets\": %llu, \"wrong\": %llu}",
		    i == 0 ? "" : ", ", text, wall, cpu / wall,
		    (unsigned long long)tally.count,
		    (unsigned long long)tally.octets,
		    (unsigned long long)tally.wrong);
		return;
	}
	errx(1, "no such step: %s", text);
}

static void
user_name(struct pop *pop, const char *user)
{
	char line[512];

	pop_command(pop, "USER %s\r\n", user);
	pop_ok(pop, line, sizeof(line));
}

static void
visit(const struct target *target, const char *user, int argc, char **argv)
{
	struct visit visit = {.target = target, .user = user};
	int first = 1;

	if (argc > 2 && strcmp(argv[1], "-s") == 0) {
		sums_read(&visit.sums, argv[2]);
		first = 3;
	}
	pop_open(&visit.pop, target);
	user_name(&visit.pop, user);
	putchar('{');
	run_step(&visit, "login");
	for (int i = first; i < argc; i++)
		run_step(&visit, argv[i]);
	run_step(&visit, "quit");
	puts("}");
	pop_close(&visit.pop);
	free(visit.sums.at);
	free(visit.copy.text);
}

static void
crowd(const struct target *target, const char *user, int argc, char **argv)
{
	struct crowd_result result;
	double cpu = clock_ms(CLOCK_PROCESS_CPUTIME_ID);

	if (argc != 3)
		errx(1, "crowd CLIENTS SECONDS");
	result = crowd_run(target, user, (unsigned)atoi(argv[1]), atof(argv[2]));
	cpu = (clock_ms(CLOCK_PROCESS_CPUTIME_ID) - cpu) / 1e3;
	printf("{\"rate\": %.2f, \"sessions\": %llu, \"failed\": %llu, "
	       "\"seconds\": %.3f, \"cpu\": %.3f}\n",
	    (double)result.sessions / result.seconds,
	    (unsigned long long)result.sessions, (unsigned long long)result.failed,
	    result.seconds, cpu / result.seconds);
}

static void
idle(const struct target *target, const char *user, int argc, char **argv)
{
	int count = argc == 3 ? atoi(argv[1]) : 0;
	struct pop *pops = calloc((size_t)count + 1, sizeof(*pops));
	char line[512], name[300];

	if (count < 1 || pops == NULL)
		errx(1, "idle COUNT in|out");
	for (int n = 0; n < count; n++) {
		pop_open(&pops[n], target);
		if (strcmp(argv[2], "in") != 0)
			continue;
		snprintf(name, sizeof(name), "%s%d", user, n);
		user_name(&pops[n], name);
		pop_command(&pops[n], "PASS %s\r\n", target->password);
		pop_ok(&pops[n], line, sizeof(line));
	}
	puts("ready");
	fflush(stdout);
	while (getchar() != EOF)
		;
	free(pops);
}

static SSL_CTX *
tls_context(void)
{
	SSL_CTX *context = SSL_CTX_new(TLS_client_method());

	if (context == NULL)
		errx(1, "no TLS");
	SSL_CTX_set_verify(context, SSL_VERIFY_NONE, NULL);
	SSL_CTX_set_mode(context, SSL_MODE_AUTO_RETRY);
	return context;
}

static const struct {
	const char *name;
	void (*run)(const struct target *target, const char *user, int argc,
	    char **argv);
} commands[] = {
    {"visit", visit},
    {"crowd", crowd},
    {"idle",  idle },
};

int
main(int argc, char **argv)
{
	struct target target = {.password = "secret"};
	const char *user = "bench";
	int opt;

	while ((opt = getopt(argc, argv, "+p:tu:w:")) != -1) {
		if (opt == 'p')
			target.port = (uint16_t)atoi(optarg);
		else if (opt == 't')
			target.tls = tls_context();
		else if (opt == 'u')
			user = optarg;
		else if (opt == 'w')
			target.password = optarg;
		else
			return 1;
	}
	for (size_t i = 0; i < sizeof(commands) / sizeof(*commands); i++) {
		if (optind < argc && strcmp(commands[i].name, argv[optind]) == 0) {
			commands[i].run(&target, user, argc - optind,
			    argv + optind);
			SSL_CTX_free(target.tls);
			return 0;
		}
	}
	errx(1, "usage: load [-t] [-u user] [-w password] -p port visit|crowd|idle "
	        "...");
}
