/*
 * The sandbox of a session. sandbox_prepare() runs in main with whatever
 * privilege the program was started with, before the first fork;
 * sandbox_enter() runs at the beginning of each session, each recovery and each
 * check of a certificate.
 *
 * The permitted system calls are two tables of rows. They are compiled to BPF
 * once (libseccomp writes it into a memfd) and loaded in each child by the
 * system call alone. Anything without a row kills the process.
 */
#include "sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/filter.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <netinet/tcp.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <seccomp.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "config.h"
#include "log.h"
#include "maildrop.h"

/* 32-bit systems have other calls for many rows, i386 one for all of sockets. */
_Static_assert(sizeof(long) == 8, "Poplar's sandbox is for 64-bit systems");

#ifndef PR_SET_MDWE
#define PR_SET_MDWE 65
#endif
#define MDWE_REFUSE_EXEC_GAIN 1

/* Landlock rights newer than Debian 12's headers. */
#define ACCESS_FS_TRUNCATE (1ULL << 14)
#define ACCESS_FS_IOCTL_DEV (1ULL << 15)
#define ACCESS_NET_ALL 3ULL
#define SCOPE_ALL 3ULL

/* Descriptors 0 to 4, three at login, three more while a journal is set aside. */
#define DESCRIPTORS_MAX 16

/* One permitted call; with a comparison, only where an argument fits. */
struct row {
	int call;
	bool compared;
	unsigned argument;
	enum scmp_compare how;
	uint64_t mask_or_value, value;
};

#define ANY(name)                                                                  \
	{                                                                          \
		.call = SCMP_SYS(name)                                             \
	}
#define ONLY(name, index, wanted)                                                  \
	{                                                                          \
		.call = SCMP_SYS(name), .compared = true, .argument = (index),     \
		.how = SCMP_CMP_EQ, .mask_or_value = (wanted)                      \
	}
#define MASKED(name, index, bits, wanted)                                          \
	{                                                                          \
		.call = SCMP_SYS(name), .compared = true, .argument = (index),     \
		.how = SCMP_CMP_MASKED_EQ, .mask_or_value = (bits),                \
		.value = (wanted)                                                  \
	}

/* For both roles: one maildrop by its descriptors, memory, time, the pair. */
static const struct row common_rows[] = {
    ANY(write),
    ONLY(sendmsg, 2, MSG_NOSIGNAL), /* MSG_FASTOPEN would be a connect */
    ONLY(recvmsg, 2, MSG_CMSG_CLOEXEC),
    ANY(pread64),
    ANY(pwrite64),
    ANY(fstat),
    MASKED(newfstatat, 3, AT_EMPTY_PATH, AT_EMPTY_PATH),
    MASKED(statx, 2, AT_EMPTY_PATH, AT_EMPTY_PATH),
    ANY(fstatfs),
    ANY(ftruncate),
    ANY(fsync),
    ANY(fdatasync),
    ONLY(sync_file_range, 3, SYNC_FILE_RANGE_WRITE),
    ANY(fallocate),
    ONLY(lseek, 2, SEEK_HOLE),
    ANY(close),
    ONLY(fcntl, 1, F_OFD_SETLK),
    ONLY(fcntl, 1, F_GETFL),
    ONLY(fcntl, 1, F_SETFL),
    ANY(mremap),
    ANY(munmap),
    ANY(madvise),
    ANY(brk),
    ANY(futex),
    ANY(getpid),
    ANY(getrandom),
    ANY(clock_gettime),
    /* libcrypto's, where the vDSO cannot answer them: a TSC that is not stable */
    ANY(gettimeofday),
    ANY(time),
    ANY(sched_yield),
    ANY(clock_nanosleep),
    ANY(poll),
    ANY(ppoll),
    ANY(restart_syscall),
    ANY(rt_sigreturn),
    ANY(rt_sigprocmask),
    ANY(exit),
    ANY(exit_group),
#ifdef POPLAR_SANITIZED
    ANY(sigaltstack),
    ANY(gettid),
#endif
};

/* What only a client's connection needs. */
static const struct row serve_rows[] = {
    ANY(read),
    ANY(writev),
    ANY(shutdown),
    ONLY(getsockopt, 2, TCP_INFO),
};

#ifdef POPLAR_SANITIZED
/* The sanitizers' runtimes look around; here they are told no and live. */
static const struct {
	int call, answer;
} denied_rows[] = {
    {SCMP_SYS(open),       EACCES},
    {SCMP_SYS(openat),     EACCES},
    {SCMP_SYS(readlink),   EACCES},
    {SCMP_SYS(readlinkat), EACCES},
    {SCMP_SYS(stat),       EACCES},
    {SCMP_SYS(access),     EACCES},
    {SCMP_SYS(ioctl),      ENOTTY},
};

static int
add_denied(scmp_filter_ctx filter)
{
	for (size_t i = 0; i < sizeof(denied_rows) / sizeof(denied_rows[0]); i++) {
		if (seccomp_rule_add(filter,
		        SCMP_ACT_ERRNO((uint16_t)denied_rows[i].answer),
		        denied_rows[i].call, 0) != 0)
			return -1;
	}
	return 0;
}
#else
static int
add_denied(scmp_filter_ctx filter)
{
	(void)filter;
	return 0;
}
#endif

static int
add_rows(scmp_filter_ctx filter, const struct row *rows, size_t count)
{
	int error;

	for (size_t i = 0; i < count; i++) {
		const struct row *row = &rows[i];

		if (row->compared)
			error = seccomp_rule_add(filter, SCMP_ACT_ALLOW, row->call,
			    1,
			    (struct scmp_arg_cmp){row->argument, row->how,
			        row->mask_or_value, row->value});
		else
			error = seccomp_rule_add(filter, SCMP_ACT_ALLOW, row->call,
			    0);
		if (error != 0)
			return -1;
	}
	return 0;
}

/* mmap: only anonymous, never executable. Two conditions on one call. */
static int
add_memory(scmp_filter_ctx filter)
{
	return seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 2,
	    SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0),
	    SCMP_A3(SCMP_CMP_MASKED_EQ, MAP_ANONYMOUS, MAP_ANONYMOUS));
}

/* Reads a compiled program out of the memfd that libseccomp wrote. */
static void
export_program(scmp_filter_ctx rules, struct sandbox_filter *filter)
{
	int fd = memfd_create("seccomp", MFD_CLOEXEC);
	off_t size;

	if (fd == -1)
		return;
	if (seccomp_export_bpf(rules, fd) == 0 &&
	    (size = lseek(fd, 0, SEEK_END)) > 0 &&
	    (size_t)size <= BPF_MAXINSNS * sizeof(struct sock_filter) &&
	    (filter->program = malloc((size_t)size)) != NULL) {
		filter->length = (size_t)size / sizeof(struct sock_filter);
		if (pread(fd, filter->program, (size_t)size, 0) != size) {
			free(filter->program);
			filter->program = NULL;
		}
	}
	close(fd);
}

/* A tree, not a list: at each load the kernel runs it for every call there is. */
#define FILTER_TREE 2

/* Both roles' rows and some more; without success the filter stays empty. */
static void
compile(const struct row *more, size_t count, struct sandbox_filter *filter)
{
	scmp_filter_ctx rules = seccomp_init(SCMP_ACT_KILL_PROCESS);

	if (rules == NULL)
		return;
	if (seccomp_attr_set(rules, SCMP_FLTATR_CTL_OPTIMIZE, FILTER_TREE) == 0 &&
	    add_rows(rules, common_rows,
	        sizeof(common_rows) / sizeof(common_rows[0])) == 0 &&
	    add_rows(rules, more, count) == 0 && add_memory(rules) == 0 &&
	    add_denied(rules) == 0)
		export_program(rules, filter);
	seccomp_release(rules);
}

/* libcrypto opens files at its first use, which would be its death later. */
static int
warm_libcrypto(void)
{
	unsigned char octet[16], digest[EVP_MAX_MD_SIZE];

	if (OPENSSL_init_crypto(OPENSSL_INIT_LOAD_CONFIG, NULL) != 1 ||
	    RAND_bytes(octet, sizeof(octet)) != 1 ||
	    EVP_Digest(octet, sizeof(octet), digest, NULL, EVP_sha256(), NULL) != 1)
		return -1;
	return 0;
}

static bool
kernel_has_seccomp(void)
{
	uint32_t action = SECCOMP_RET_KILL_PROCESS;

	return syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) == 0;
}

void
sandbox_free(struct sandbox *sandbox)
{
	free(sandbox->serve.program);
	free(sandbox->recover.program);
}

int
sandbox_prepare(const struct config *config, struct sandbox *sandbox)
{
	long abi;

	maildrop_prepare();
	sandbox->required = config->server.sandbox == SANDBOX_REQUIRED;
	if (warm_libcrypto() == -1) {
		log_error("libcrypto does not start: no SHA-256 or random numbers");
		return -1;
	}
	if (kernel_has_seccomp()) {
		compile(serve_rows, sizeof(serve_rows) / sizeof(serve_rows[0]),
		    &sandbox->serve);
		compile(NULL, 0, &sandbox->recover);
	}
	if (sandbox->serve.program == NULL || sandbox->recover.program == NULL) {
		if (sandbox->required) {
			log_error("this kernel has no seccomp filters; "
			          "server.sandbox = try runs without them");
			return -1;
		}
		log_warning("no seccomp filters: sessions run without them");
	}
	abi = syscall(SYS_landlock_create_ruleset, NULL, 0,
	    LANDLOCK_CREATE_RULESET_VERSION);
	sandbox->landlock_abi = abi > 0 ? (int)abi : 0;
	if (abi <= 0)
		log_info("this kernel has no Landlock; sessions run without it");
	return 0;
}

/* A lower one stays: to raise it takes a privilege that root may have lost. */
static bool
set_limit(__rlimit_resource_t which, rlim_t value)
{
	struct rlimit limit;

	if (getrlimit(which, &limit) == -1)
		return false;
	if (limit.rlim_max > value)
		limit.rlim_max = value;
	limit.rlim_cur = limit.rlim_max;
	return setrlimit(which, &limit) == 0;
}

/* What sandbox_enter() is called with. */
struct entry {
	const struct sandbox *sandbox;
	enum sandbox_role role;
	pid_t monitor;
};

static bool
enter_limits(const struct entry *entry)
{
	(void)entry;
	return set_limit(RLIMIT_CORE, 0) && set_limit(RLIMIT_NPROC, 0) &&
	       set_limit(RLIMIT_NOFILE, DESCRIPTORS_MAX);
}

static bool
enter_root(const struct entry *entry)
{
	const struct sandbox *sandbox = entry->sandbox;

	return !sandbox->drop_user ||
	       (chroot(sandbox->root) == 0 && chdir("/") == 0);
}

static bool
enter_group(const struct entry *entry)
{
	const gid_t gid = entry->sandbox->gid;

	return !entry->sandbox->drop_user ||
	       (setgroups(0, NULL) == 0 && setresgid(gid, gid, gid) == 0);
}

static bool
enter_user(const struct entry *entry)
{
	const uid_t uid = entry->sandbox->uid;

	return !entry->sandbox->drop_user || setresuid(uid, uid, uid) == 0;
}

/* That the change of user cannot be undone. */
static bool
prove_user(const struct entry *entry)
{
	const struct sandbox *sandbox = entry->sandbox;
	uid_t ruid, euid, suid;
	gid_t rgid, egid, sgid;

	if (!sandbox->drop_user)
		return true;
	return getresuid(&ruid, &euid, &suid) == 0 && ruid == sandbox->uid &&
	       euid == sandbox->uid && suid == sandbox->uid &&
	       getresgid(&rgid, &egid, &sgid) == 0 && rgid == sandbox->gid &&
	       egid == sandbox->gid && sgid == sandbox->gid &&
	       setresuid(0, 0, 0) == -1 && setresgid(0, 0, 0) == -1 &&
	       chroot("/") == -1;
}

static bool
enter_flags(const struct entry *entry)
{
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0 ||
	    prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0 ||
	    getppid() != entry->monitor ||
	    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
		return false;
	/* not in every kernel, and never needed by the rest: no check */
	(void)prctl(PR_SET_MDWE, MDWE_REFUSE_EXEC_GAIN, 0, 0, 0);
	return true;
}

/* No path, no network, no signal beyond this process: a ruleset without rules. */
static bool
enter_landlock(const struct entry *entry)
{
	const int abi = entry->sandbox->landlock_abi;
	/* a prefix of the kernel's struct landlock_ruleset_attr, by ABI */
	struct {
		uint64_t files, network, scoped;
	} deny = {.files = LANDLOCK_ACCESS_FS_REFER * 2 - 1};
	size_t size = sizeof(deny.files);
	int ruleset, result;

	if (abi <= 0)
		return true;
	if (abi < 2)
		deny.files = LANDLOCK_ACCESS_FS_REFER - 1;
	if (abi >= 3)
		deny.files |= ACCESS_FS_TRUNCATE;
	if (abi >= 5)
		deny.files |= ACCESS_FS_IOCTL_DEV;
	if (abi >= 4) {
		deny.network = ACCESS_NET_ALL;
		size += sizeof(deny.network);
	}
	if (abi >= 6) {
		deny.scoped = SCOPE_ALL;
		size += sizeof(deny.scoped);
	}
	ruleset = (int)syscall(SYS_landlock_create_ruleset, &deny, size, 0);
	if (ruleset == -1)
		return false;
	result = (int)syscall(SYS_landlock_restrict_self, ruleset, 0);
	close(ruleset);
	return result == 0;
}

static bool
enter_seccomp(const struct entry *entry)
{
	const struct sandbox *sandbox = entry->sandbox;
	const struct sandbox_filter *filter = entry->role == SANDBOX_SERVE
	                                          ? &sandbox->serve
	                                          : &sandbox->recover;
	const struct sock_fprog program = {
	    .filter = filter->program,
	    .len = (unsigned short)filter->length,
	};

	if (filter->program == NULL)
		return !sandbox->required;
	return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) == 0;
}

/* In order. The words name a step, and what it needs, to who must provide it. */
/* clang-format off */
static const struct {
	bool (*take)(const struct entry *);
	const char *words;
} steps[] = {
    {enter_limits, "its limits"},
    {enter_root, "an empty root folder, which needs CAP_SYS_CHROOT"},
    {enter_group, "the group of server.user, which needs CAP_SETGID and, in a user namespace, that it is mapped"},
    {enter_user, "server.user, which needs CAP_SETUID and, in a user namespace, that it is mapped"},
    {prove_user, "proof that server.user does not become root again"},
    {enter_flags, "flags of prctl(2)"},
    {enter_landlock, "Landlock"},
    {enter_seccomp, "seccomp"},
};
/* clang-format on */

const char *
sandbox_enter(const struct sandbox *sandbox, enum sandbox_role role, pid_t monitor)
{
	const struct entry entry = {sandbox, role, monitor};

	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		if (!steps[i].take(&entry))
			return steps[i].words;
	}
	return NULL;
}
