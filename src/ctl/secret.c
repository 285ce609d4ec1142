/*
 * Secrets: from a person or a pipe into the credential of a users file. Runs
 * with the privilege of poplarctl's caller. Whatever held a secret is wiped
 * before it is given back; no stdio buffer ever holds one.
 */
#include <crypt.h>
#include <err.h>
#include <errno.h>
#include <readpassphrase.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "ctl.h"
#include "scram.h"

#define BUFFER (SECRET_MAX + 2) /* one octet more, to tell "too long" */

struct secret_scheme {
	const char *word;
	const char *prefix; /* of the credential */
	bool kept;          /* the secret is in it, and must not end the field */
	char *(*make)(const char *secret); /* what stands behind the prefix */
};

static char *hash(const char *secret);
static char *keep(const char *secret);
static char *make_keys(const char *secret);

static const struct secret_scheme schemes[] = {
    {"crypt", "",                false, hash     },
    {"plain", "{PLAIN}",         true,  keep     },
    {"scram", "{SCRAM-SHA-256}", false, make_keys},
    {"apop",  "{APOP}",          true,  keep     },
};

const struct secret_scheme *
secret_find_scheme(const char *word)
{
	for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++) {
		if (strcmp(schemes[i].word, word) == 0)
			return &schemes[i];
	}
	return NULL;
}

/* NULL, or why a secret of len octets can never log in or be written down. */
static const char *
secret_fault(const struct secret_scheme *scheme, const char *secret, size_t len)
{
	if (len == 0)
		return "it is empty";
	if (len > SECRET_MAX)
		return "it is longer than 255 octets";
	if (memchr(secret, '\0', len) != NULL)
		return "it holds a NUL octet";
	if (memchr(secret, '\r', len) != NULL || memchr(secret, '\n', len) != NULL)
		return "it holds a line end";
	if (scheme->kept && memchr(secret, ':', len) != NULL)
		return "it holds a colon, and the users file could not be read "
		       "back";
	return NULL;
}

/* Takes the octets before the line end. A code of sysexits(3), said. */
static int
read_line(char *secret, size_t *lenp)
{
	ssize_t n;
	char octet;

	*lenp = 0;
	for (;;) {
		n = read(STDIN_FILENO, &octet, 1);
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1) {
			warn("standard input");
			return EX_NOINPUT;
		}
		if (n == 0 || octet == '\n')
			break;
		if (*lenp < BUFFER - 1)
			secret[(*lenp)++] = octet;
	}
	explicit_bzero(&octet, sizeof(octet));
	secret[*lenp] = '\0';
	return EX_OK;
}

/* Asks twice. A code of sysexits(3), said. */
static int
ask(const char *name, char *secret, size_t *lenp)
{
	char prompt[300], again[BUFFER];
	int code = EX_OK;

	snprintf(prompt, sizeof(prompt), "New password for %s: ", name);
	if (readpassphrase(prompt, secret, BUFFER, RPP_REQUIRE_TTY) == NULL ||
	    readpassphrase("The same again: ", again, BUFFER, RPP_REQUIRE_TTY) ==
	        NULL) {
		warnx(
		    "no password from a terminal; -s takes it from standard input");
		code = EX_NOINPUT;
	} else if (strcmp(secret, again) != 0) {
		warnx("the two passwords differ; nothing was changed");
		code = EX_DATAERR;
	} else
		*lenp = strlen(secret);
	explicit_bzero(again, sizeof(again));
	return code;
}

int
secret_read(const char *name, bool from_stdin, const struct secret_scheme *scheme,
    char secret[SECRET_MAX + 2])
{
	size_t len;
	const char *fault;
	int code = from_stdin ? read_line(secret, &len) : ask(name, secret, &len);

	if (code != EX_OK)
		return code;
	fault = secret_fault(scheme, secret, len);
	if (fault == NULL)
		return EX_OK;
	warnx("the password cannot be used: %s", fault);
	return EX_DATAERR;
}

/* Hashed by the method that the library recommends (yescrypt). */
static char *
hash(const char *secret)
{
	char salt[CRYPT_GENSALT_OUTPUT_SIZE], *hashed = NULL;
	struct crypt_data *data = calloc(1, sizeof(*data));
	const char *result;

	if (data == NULL ||
	    crypt_gensalt_rn(NULL, 0, NULL, 0, salt, sizeof(salt)) == NULL)
		goto out;
	result = crypt_rn(secret, salt, data, sizeof(*data));
	if (result != NULL && result[0] != '*')
		hashed = strdup(result);
out:
	if (hashed == NULL)
		warn("the password cannot be hashed");
	freezero(data, sizeof(*data));
	return hashed;
}

static char *
keep(const char *secret)
{
	char *kept = strdup(secret);

	if (kept == NULL)
		warn(NULL);
	return kept;
}

static char *
make_keys(const char *secret)
{
	char *keys = scram_encode(secret);

	if (keys == NULL)
		warnx("the keys of the password cannot be made");
	return keys;
}

char *
secret_encode(const struct secret_scheme *scheme, const char *secret)
{
	char *made = scheme->make(secret), *credential = NULL;

	if (made == NULL)
		return NULL;
	if (asprintf(&credential, "%s%s", scheme->prefix, made) == -1) {
		warn(NULL);
		credential = NULL;
	}
	freezero(made, strlen(made));
	return credential;
}
