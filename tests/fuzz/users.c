/*
 * Any octets as a users file. What is accepted must be a whole line of seven
 * fields with a name that may log in; what is not must have a reason; lines
 * are numbered as they are in the file.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config.h"
#include "log.h"
#include "priv/users.h"
#include "priv/users_file.h"
#include "text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct watch {
	const uint8_t *data;
	size_t size, at;
	unsigned number; /* of the line that begins at `at` */
	unsigned faults, apop;
};

static void
require(int truth)
{
	if (!truth)
		abort();
}

/* Where a line of this number begins in the input. */
static const uint8_t *
find_line(struct watch *watch, unsigned number)
{
	const uint8_t *newline;

	while (watch->number < number) {
		newline = memchr(watch->data + watch->at, '\n',
		    watch->size - watch->at);
		require(newline != NULL);
		watch->at = (size_t)(newline - watch->data) + 1;
		watch->number++;
	}
	return watch->data + watch->at;
}

static unsigned
count(const char *text, size_t len, char octet)
{
	unsigned found = 0;

	for (size_t i = 0; i < len; i++)
		found += text[i] == octet;
	return found;
}

static bool
visit(struct users_line *line, void *ctx)
{
	struct watch *watch = ctx;
	struct users_entry entry;
	const uint8_t *original = find_line(watch, line->number);
	unsigned colons = count(line->text, line->len, ':');
	const char *fault;

	require(line->len < USERS_LINE_MAX && line->text[line->len] == '\0');
	require(watch->at + line->len <= watch->size);
	require(memcmp(original, line->text, line->len) == 0);
	fault = users_parse(line, &entry);
	if (fault != NULL) {
		require(fault[0] != '\0');
		watch->faults++;
		return true;
	}
	require(line->whole && colons == 6 && text_name(entry.name));
	require(entry.name == line->text);
	require(entry.credential.locked || entry.credential.scheme != NULL);
	watch->apop += !entry.credential.locked &&
	               credential_mech(&entry.credential) == IPC_MECH_APOP;
	return true;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct watch watch = {.data = data, .size = size, .number = 1};
	int fd = memfd_create("users", MFD_CLOEXEC);
	const char *reason;
	char path[64], backends[] = "users";
	const struct config config = {
	    .auth = {.backends = backends, .users_file = path},
	};

	log_open(LOG_TO_NOTHING, LOG_ERROR_LEVEL);
	require(fd != -1 && write(fd, data, size) == (ssize_t)size);
	require(fchmod(fd, 0600) == 0);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	require(users_scan(path, visit, &watch, &reason) == USERS_READ);
	/* a name that occurs twice is a fault of its own */
	require(users_verify(&config) >= watch.faults);
	require(users_offer_apop(path) == (watch.apop > 0));
	close(fd);
	return 0;
}
