/*
 * Watches system calls of a process and strikes at one of them: kills, fails
 * the call, or shortens it. For the system tests, as root: a sandboxed session
 * is not dumpable, but can be traced by its betters.
 *
 *   strike [-agvk] [-n N] [-i N] [-e CALL,...] [-f ERRNO | -s OCTETS]
 *          { PID | -x COMMAND... } [VICTIM...]
 *
 *   -k  kills at the call: the process that makes it, and all VICTIMs
 *   -f  the call is not made, and returns this error
 *   -s  the call is made with so many octets at most (pread64, pwrite64)
 *   -n  strikes at the Nth call; -g: at all from there on; -i: every Nth of them
 *   -e  only these calls count
 *   -a  counts from the start; else from when the process has read something,
 *       which is when a session has a command, and a monitor a request
 *   -x  starts a command, follows what it forks, kills all of it
 *   -v  names the calls
 *
 * Says "ready" when it watches; at the end "hit CALL" if it struck, and
 * "end COUNT OCTETS": calls counted, octets that pwrite64 wrote.
 *
 * A call that fails becomes getpid, which the sandbox permits, and its result
 * is replaced on the way back. On a machine whose registers it does not know it
 * exits 77 where it would have to set one.
 */
#include <errno.h>
#include <seccomp.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#define UNKNOWN_MACHINE 77
#define TRACED_MAX 64
#define VICTIMS_MAX 64
#define CALLS_MAX 32

enum action { WATCH, KILL, FAIL, SHORTEN };

struct tracee {
	pid_t pid;
	long number; /* the call it is in */
	bool failed; /* which was not made */
};

struct strike {
	enum action action;
	uint64_t first, interval, count, written;
	long value; /* errno, or octets */
	bool for_good, verbose, armed;
	long wanted[CALLS_MAX];
	size_t wanted_count;
	pid_t victims[VICTIMS_MAX];
	size_t victim_count;
	struct tracee traced[TRACED_MAX];
	long hit; /* the call that was struck; -1: none */
};

static void
die(const char *what)
{
	fprintf(stderr, "strike: %s: %s\n", what, strerror(errno));
	exit(EXIT_FAILURE);
}

static void
name_call(const char *word, long number)
{
	char *name = seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE,
	    (int)number);

	printf("%s %s\n", word, name != NULL ? name : "?");
	free(name);
}

static struct tracee *
find(struct strike *strike, pid_t pid)
{
	for (size_t i = 0; i < TRACED_MAX; i++) {
		if (strike->traced[i].pid == pid)
			return &strike->traced[i];
	}
	return NULL;
}

static struct tracee *
find_or_add(struct strike *strike, pid_t pid)
{
	struct tracee *tracee = find(strike, pid);

	if (tracee == NULL)
		tracee = find(strike, 0);
	if (tracee == NULL)
		die("too many processes");
	tracee->pid = pid;
	return tracee;
}

#ifdef __x86_64__
#define REGISTER_OF(name) offsetof(struct user, regs.name)
#define CALL REGISTER_OF(orig_rax)
#define LENGTH REGISTER_OF(rdx)
#define RESULT REGISTER_OF(rax)
#else
#define CALL 0
#define LENGTH 0
#define RESULT 0
#endif

static void
set_register(pid_t pid, size_t where, long value)
{
	if (where == 0)
		exit(UNKNOWN_MACHINE);
	if (ptrace(PTRACE_POKEUSER, pid, where, value) == -1 && errno != ESRCH)
		die("PTRACE_POKEUSER");
}

/* Nobody may react to the death of another: all stop first. */
static void
kill_all(const struct strike *strike)
{
	for (size_t i = 0; i < strike->victim_count; i++)
		kill(strike->victims[i], SIGSTOP);
	for (size_t i = 0; i < TRACED_MAX; i++) {
		if (strike->traced[i].pid != 0)
			kill(strike->traced[i].pid, SIGKILL);
	}
	for (size_t i = 0; i < strike->victim_count; i++)
		kill(strike->victims[i], SIGKILL);
}

static bool
is_wanted(const struct strike *strike, long number)
{
	for (size_t i = 0; i < strike->wanted_count; i++) {
		if (strike->wanted[i] == number)
			return true;
	}
	return strike->wanted_count == 0;
}

/* Whether the call that was just counted is one to strike at. */
static bool
is_due(const struct strike *strike)
{
	if (strike->action == WATCH || strike->count < strike->first)
		return false;
	if (!strike->for_good)
		return strike->count == strike->first;
	return (strike->count - strike->first) % strike->interval == 0;
}

static void
act(struct strike *strike, struct tracee *tracee, uint64_t length)
{
	strike->hit = tracee->number;
	if (strike->action == KILL) {
		kill_all(strike);
	} else if (strike->action == FAIL) {
		set_register(tracee->pid, CALL, SYS_getpid);
		tracee->failed = true;
	} else if (length > (uint64_t)strike->value) {
		set_register(tracee->pid, LENGTH, strike->value);
	}
}

static void
enter_call(struct strike *strike, struct tracee *tracee,
    const struct __ptrace_syscall_info *info)
{
	tracee->number = (long)info->entry.nr;
	tracee->failed = false;
	if (!strike->armed || !is_wanted(strike, tracee->number))
		return;
	strike->count++;
	if (strike->verbose)
		name_call("call", tracee->number);
	if (is_due(strike))
		act(strike, tracee, info->entry.args[2]);
}

static void
leave_call(struct strike *strike, struct tracee *tracee,
    const struct __ptrace_syscall_info *info)
{
	int64_t result = info->exit.rval;

	if (tracee->failed)
		set_register(tracee->pid, RESULT, -strike->value);
	else if (result > 0 &&
	         (tracee->number == SYS_read || tracee->number == SYS_recvmsg))
		strike->armed = true;
	else if (result > 0 && tracee->number == SYS_pwrite64 && strike->armed)
		strike->written += (uint64_t)result;
	tracee->failed = false;
}

static void
see_call(struct strike *strike, struct tracee *tracee)
{
	struct __ptrace_syscall_info info;

	if (ptrace(PTRACE_GET_SYSCALL_INFO, tracee->pid, sizeof(info), &info) == -1)
		return;
	if (info.op == PTRACE_SYSCALL_INFO_ENTRY)
		enter_call(strike, tracee, &info);
	else if (info.op == PTRACE_SYSCALL_INFO_EXIT)
		leave_call(strike, tracee, &info);
}

/* One stop of a process; it goes on, with the signal that it was sent. */
static void
see_stop(struct strike *strike, pid_t pid, int status)
{
	int sig = WSTOPSIG(status);

	if (sig == (SIGTRAP | 0x80))
		see_call(strike, find_or_add(strike, pid));
	else
		(void)find_or_add(strike, pid);
	if (sig == (SIGTRAP | 0x80) || status >> 16 != 0)
		sig = 0;
	(void)ptrace(PTRACE_SYSCALL, pid, 0, sig);
}

static void
watch(struct strike *strike)
{
	struct tracee *tracee;
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, __WALL)) != -1 || errno == EINTR) {
		if (pid == -1)
			continue;
		if (WIFSTOPPED(status)) {
			see_stop(strike, pid, status);
			continue;
		}
		tracee = find(strike, pid);
		if (tracee != NULL)
			tracee->pid = 0;
	}
}

static void
seize(struct strike *strike, pid_t pid, long options)
{
	if (ptrace(PTRACE_SEIZE, pid, 0, PTRACE_O_TRACESYSGOOD | options) == -1)
		die("PTRACE_SEIZE");
	(void)find_or_add(strike, pid);
}

static void
attach(struct strike *strike, pid_t pid)
{
	int status;

	seize(strike, pid, 0);
	if (ptrace(PTRACE_INTERRUPT, pid, 0, 0) == -1)
		die("PTRACE_INTERRUPT");
	if (waitpid(pid, &status, __WALL) != pid || !WIFSTOPPED(status))
		die("it is gone");
	(void)ptrace(PTRACE_SYSCALL, pid, 0, 0);
}

static void
start(struct strike *strike, char *const command[])
{
	int gate[2];
	char go = 0;
	pid_t pid;

	if (pipe(gate) == -1)
		die("pipe");
	pid = fork();
	if (pid == -1)
		die("fork");
	if (pid == 0) {
		close(gate[1]);
		if (read(gate[0], &go, 1) == 1)
			execvp(command[0], command);
		_exit(127);
	}
	seize(strike, pid,
	    PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE |
	        PTRACE_O_TRACEEXEC);
	if (write(gate[1], &go, 1) != 1)
		die("write");
	close(gate[0]);
	close(gate[1]);
}

static void
want(struct strike *strike, char *names)
{
	for (char *name = strtok(names, ","); name != NULL;
	     name = strtok(NULL, ",")) {
		if (strike->wanted_count == CALLS_MAX)
			die("too many calls");
		strike->wanted[strike->wanted_count++] =
		    seccomp_syscall_resolve_name(name);
	}
}

static bool
take_options(struct strike *strike, int argc, char *argv[])
{
	bool execute = false;
	int c;

	while ((c = getopt(argc, argv, "+agkvxe:f:i:n:s:")) != -1) {
		if (c == 'f' || c == 's')
			strike->value = strtol(optarg, NULL, 10);
		strike->action = c == 'k'   ? KILL
		                 : c == 'f' ? FAIL
		                 : c == 's' ? SHORTEN
		                            : strike->action;
		strike->armed |= c == 'a';
		strike->for_good |= c == 'g';
		strike->verbose |= c == 'v';
		execute |= c == 'x';
		if (c == 'e')
			want(strike, optarg);
		if (c == 'i')
			strike->interval = strtoull(optarg, NULL, 10);
		if (c == 'n')
			strike->first = strtoull(optarg, NULL, 10);
	}
	return execute;
}

int
main(int argc, char *argv[])
{
	static struct strike strike = {.first = 1, .interval = 1, .hit = -1};
	bool execute = take_options(&strike, argc, argv);

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (optind == argc)
		return 64;
	if (execute) {
		start(&strike, argv + optind);
	} else {
		attach(&strike, (pid_t)strtol(argv[optind], NULL, 10));
		while (++optind < argc && strike.victim_count < VICTIMS_MAX)
			strike.victims[strike.victim_count++] = (pid_t)strtol(
			    argv[optind], NULL, 10);
	}
	printf("ready\n");
	watch(&strike);
	if (strike.hit != -1)
		name_call("hit", strike.hit);
	printf("end %llu %llu\n", (unsigned long long)strike.count,
	    (unsigned long long)strike.written);
	return 0;
}
