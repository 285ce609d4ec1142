/*
 * A users file, and logins by it. Who runs this and who owns the file is
 * pretended, by a geteuid() and an fstat() of our own, so that both sets of rules
 * are seen.
 */
#ifndef POPLAR_TEST_USERS_PLACE_H
#define POPLAR_TEST_USERS_PLACE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <dlfcn.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "log.h"
#include "priv/auth.h"
#include "priv/pam.h"
#include "priv/users.h"

#define STAMP "<1896.697170952@dbc.mtview.ca.us>"
#define DIGEST "c4c9334bac560ecc979e58001b3e22fb"
#define SCRAM                                                                      \
	"4096,W22ZaJ0SNY7soEsUEjb6gQ==,"                                           \
	"WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=,"                            \
	"wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="

/* SHA-512 crypt of "sesame", and yescrypt (cheap, and as by default) of the same: made with crypt(3). */
#define SHA512                                                                     \
	"$6$rounds=1000$saltstring$"                                               \
	"kmHczx4rU6S1qtiT0yZfxrzWpB5ApnYfFybGRm8cbUkiAjfVa9gKWrEqgffzY58dY9vlLLuD" \
	"Z.YMlK00Qr7Xc1"
#define DEFAULT_COST                                                               \
	"$y$j9T$F5Jx5fExrKuPp53xLKQ..1$2XG8TbeFGEUHepjXSRRwTEN/pknneEfp/"          \
	"PquC6DSDN4"
#define YESCRYPT                                                                   \
	"$y$j75$F5Jx5fExrKuPp53xLKQ..1$"                                           \
	"mGF52sXsmPqli7L1Qch6SAIA75VNm9N82BcMwpC3fH9"

static char folder[] = "/tmp/poplar-users-XXXXXX";
static char path[64];
static char maildrops[] = "%h/Mailbox"; /* maildrop.path */
static unsigned lookups;                /* by uid, of the name service */
static int lookup_error;                /* that it answers with, if not 0 */
static uid_t runner, owner;

uid_t
geteuid(void)
{
	return runner;
}

int
getpwuid_r(uid_t uid, struct passwd *entry, char *buf, size_t size,
    struct passwd **resultp)
{
	int (*real)(uid_t, struct passwd *, char *, size_t, struct passwd **);

	*(void **)&real = dlsym(RTLD_NEXT, "getpwuid_r");
	lookups++;
	*resultp = NULL;
	if (lookup_error != 0)
		return lookup_error;
	return real(uid, entry, buf, size, resultp);
}

int
fstat(int fd, struct stat *st)
{
	int result = fstatat(fd, "", st, AT_EMPTY_PATH);

	st->st_uid = owner;
	return result;
}

static inline void
write_file(const char *text, size_t len, mode_t mode)
{
	int fd;

	(void)unlink(path);
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
	assert_int_not_equal(fd, -1);
	assert_int_equal(write(fd, text, len), len);
	assert_int_equal(fchmod(fd, mode), 0);
	assert_int_equal(close(fd), 0);
}

static inline void
users(const char *text)
{
	write_file(text, strlen(text), 0600);
}

static inline enum auth_result
ask_full(uint32_t mech, const char *name, const char *secret,
    struct auth_verdict *verdict)
{
	char backends[] = "users";
	const struct config config = {
	    .auth = {.backends = backends, .users_file = path, .first_uid = 1000},
	    .maildrop = {.path = maildrops  }
        };
	struct auth_request request = {.mech = mech,
	    .stamp = STAMP,
	    .rhost = "::1"};

	strlcpy(request.user, name, sizeof(request.user));
	strlcpy(request.secret, secret, sizeof(request.secret));
	auth_decide(&config, &request, verdict);
	return verdict->result;
}

static inline enum auth_result
ask(const char *name, const char *secret)
{
	struct auth_verdict verdict;

	return ask_full(IPC_MECH_PASS, name, secret, &verdict);
}

static inline enum auth_result
ask_apop(const char *name, const char *digest)
{
	struct auth_verdict verdict;

	return ask_full(IPC_MECH_APOP, name, digest, &verdict);
}

static inline unsigned
verify(void)
{
	char backends[] = "users";
	const struct config config = {
	    .auth = {.backends = backends, .users_file = path, .first_uid = 1000},
	};

	return users_verify(&config);
}

/* What a login says when this text is the credential. */
static inline enum auth_result
with_credential(const char *credential, const char *secret)
{
	char text[2048];

	snprintf(text, sizeof(text), "alice:%s:1234:1234:::\n", credential);
	users(text);
	return ask("alice", secret);
}

static inline int
set_up(void **state)
{
	(void)state;
	if (mkdtemp(folder) == NULL)
		return -1;
	snprintf(path, sizeof(path), "%s/users", folder);
	log_open(LOG_TO_NOTHING, LOG_ERROR_LEVEL);
	return 0;
}

static inline int
tear_down(void **state)
{
	(void)state;
	(void)unlink(path);
	return rmdir(folder);
}

#endif
