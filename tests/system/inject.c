/*
 * Makes another process run one system call, as an intruder inside it would,
 * and tells what became of it: `inject PID CALL [ARGUMENT...]`. For tests of
 * the sandbox; needs the right to trace the process (root). CALL is a name or
 * a number.
 *
 * The process is stopped where it waits, in poll(2), or led there if it still
 * does something else. When it enters that call, number and arguments are
 * exchanged; the kernel asks the process's seccomp filter after that. If the
 * call returns, the process is sent back to its poll as if nothing had been.
 *
 * Prints "returned N" or "signal N" and exits 0; else exits 1, or 77 on a
 * machine whose registers it does not know.
 */
#include <ctype.h>
#include <err.h>
#include <seccomp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>

#define ARGUMENTS 6
/* System calls until a process that is going to wait must have come to it. */
#define STEPS_MAX 100000

#ifdef __x86_64__
#define SYSCALL_LENGTH 2

/* What PTRACE_O_TRACESYSGOOD makes of the signal. */
#define AT_CALL (SIGTRAP | 0x80)

static void
exchange(struct user_regs_struct *regs, int call,
    const unsigned long long *argument)
{
	regs->orig_rax = (unsigned long long)call;
	regs->rdi = argument[0];
	regs->rsi = argument[1];
	regs->rdx = argument[2];
	regs->r10 = argument[3];
	regs->r8 = argument[4];
	regs->r9 = argument[5];
}

static void
back_to_poll(struct user_regs_struct *regs)
{
	regs->rip -= SYSCALL_LENGTH;
	regs->rax = SYS_poll;
}

static void
trace(int request, pid_t pid, uintptr_t data)
{
	if (ptrace((enum __ptrace_request)request, pid, NULL, data) == -1)
		err(EXIT_FAILURE, "ptrace request %d", request);
}

/* Passes signals on to it until it stops at a call, or where it was told to. */
static bool
stopped(pid_t pid)
{
	int status;

	for (;;) {
		if (waitpid(pid, &status, __WALL) != pid)
			err(EXIT_FAILURE, "waitpid");
		if (!WIFSTOPPED(status))
			break;
		if (WSTOPSIG(status) == AT_CALL ||
		    status >> 16 == PTRACE_EVENT_STOP)
			return true;
		trace(PTRACE_SYSCALL, pid, (uintptr_t)WSTOPSIG(status));
	}
	if (WIFSIGNALED(status))
		printf("signal %d\n", WTERMSIG(status));
	else
		printf("exit %d\n", WEXITSTATUS(status));
	return false;
}

/* Runs a process that has been stopped until it enters poll(2). */
static bool
led_to_poll(pid_t pid, struct user_regs_struct *regs)
{
	for (int i = 0; i < STEPS_MAX; i++) {
		trace(PTRACE_SYSCALL, pid, 0);
		if (!stopped(pid))
			return false;
		trace(PTRACE_GETREGS, pid, (uintptr_t)regs);
		if (regs->orig_rax == SYS_poll ||
		    regs->orig_rax == SYS_restart_syscall)
			return true;
		trace(PTRACE_SYSCALL, pid, 0); /* to the end of that call */
		if (!stopped(pid))
			return false;
	}
	errx(EXIT_FAILURE, "it does not come to poll, but to system call %lld",
	    (long long)regs->orig_rax);
}

static int
inject(pid_t pid, int call, const unsigned long long *argument)
{
	struct user_regs_struct before, regs;

	trace(PTRACE_SEIZE, pid, PTRACE_O_TRACESYSGOOD);
	trace(PTRACE_INTERRUPT, pid, 0);
	if (!stopped(pid) || !led_to_poll(pid, &before))
		return EXIT_FAILURE;
	regs = before;
	exchange(&regs, call, argument);
	trace(PTRACE_SETREGS, pid, (uintptr_t)&regs);
	trace(PTRACE_SYSCALL, pid, 0);
	if (!stopped(pid))
		return EXIT_SUCCESS;
	trace(PTRACE_GETREGS, pid, (uintptr_t)&regs);
	back_to_poll(&before);
	trace(PTRACE_SETREGS, pid, (uintptr_t)&before);
	trace(PTRACE_SYSCALL, pid, 0);
	/* a call that seccomp kills ends here, not before it has returned */
	if (!stopped(pid))
		return EXIT_SUCCESS;
	printf("returned %lld\n", (long long)regs.rax);
	trace(PTRACE_DETACH, pid, 0);
	return EXIT_SUCCESS;
}
#else
static int
inject(pid_t pid, int call, const unsigned long long *argument)
{
	(void)pid;
	(void)call;
	(void)argument;
	return 77;
}
#endif

int
main(int argc, char **argv)
{
	unsigned long long argument[ARGUMENTS] = {0};
	int call;

	if (argc < 3 || argc > 3 + ARGUMENTS)
		errx(EXIT_FAILURE, "usage: inject pid call [argument ...]");
	call = isdigit((unsigned char)argv[2][0])
	           ? (int)strtol(argv[2], NULL, 0)
	           : seccomp_syscall_resolve_name(argv[2]);
	if (call == __NR_SCMP_ERROR)
		errx(EXIT_FAILURE, "no system call %s", argv[2]);
	for (int i = 3; i < argc; i++)
		argument[i - 3] = strtoull(argv[i], NULL, 0);
	return inject((pid_t)strtol(argv[1], NULL, 10), call, argument);
}
