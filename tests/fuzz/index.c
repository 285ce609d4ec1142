/*
 * An index that lies, with checksums that are right: what somebody could leave
 * who knows the format. The first octet of the input says whether messages are
 * deleted too; the rest are changes of three octets each, the place (two, the
 * lower one first) and what is put there, in an index that Poplar wrote.
 *
 * Whatever it says, each message that is sent whole is one of the maildrop's, and
 * of the size that was told.
 */
#include <sys/mman.h>
#include <sys/stat.h>

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "maildrop.h"
#include "mbox/hash.h"
#include "mbox/xxh.h"
#include "wire.h"

/* Of the format: see index.c. That they are right is seen by forging nothing. */
#define HEADER 168
#define RECORD 64
#define PART 2048
#define COUNT_AT 16
#define GONE_AT 20
#define RECORDS_AT 144
#define RECORDS_SUM_AT 152
#define HEADER_SUM_AT 160

#define INDEX_MAX 4096
#define DELETING 0xff

#define FROM "From a@b Tue Nov 17 21:28:37 2009\n"
#define ONE "Subject: a\n\none\n"
#define TWO "Subject: b\n\n.two\nFrom me\n\n"
#define THREE "Subject: c\n\n"
#define MAILDROP                                                                   \
	FROM ONE "\n" FROM TWO "\n" FROM ONE "\n" FROM THREE "\n" FROM ONE "\n"

static const char *const wires[] = {
    "Subject: a\r\n\r\none\r\n",
    "Subject: b\r\n\r\n..two\r\nFrom me\r\n\r\n",
    "Subject: c\r\n\r\n",
};

static char path[] = "/dev/shm/poplar-fuzz-XXXXXX";
static struct md_fds fds = {-1, -1, -1, true};
static char genuine[INDEX_MAX];
static size_t genuine_size;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
must(bool holds)
{
	if (!holds)
		abort();
}

static enum md_dotlock
dotlock(void *ctx)
{
	(void)ctx;
	return MD_DOTLOCK_OK;
}

static void
undotlock(void *ctx)
{
	(void)ctx;
}

/* Behind its own deletion: what is then recorded is believed at once. */
static bool
backdate(void *ctx)
{
	struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}};
	struct stat stat;

	(void)ctx;
	must(fstat(fds.mbox, &stat) == 0);
	times[1] = stat.st_mtim;
	times[1].tv_nsec -= times[1].tv_nsec > 0;
	return futimens(fds.mbox, times) == 0;
}

static bool
give_up(void *ctx, unsigned ms)
{
	(void)ctx;
	(void)ms;
	return false;
}

static int
set_aside(void *ctx)
{
	(void)ctx;
	return -1;
}

static const struct md_host host = {NULL, dotlock, undotlock, backdate, give_up,
    set_aside};

static struct maildrop *
enter(void)
{
	static const struct md_limits limits = {0};
	struct maildrop *md;

	return maildrop_open(&fds, &limits, &host, &md) == MD_OK ? md : NULL;
}

static void
put(int fd, const char *octets, size_t size)
{
	must(ftruncate(fd, 0) == 0 && pwrite(fd, octets, size, 0) == (ssize_t)size);
}

/* A number of the format, as it lies there or is put there. */
static uint64_t
number(const char *at, size_t size)
{
	uint64_t value = 0;

	memcpy(&value, at, size);
	return value;
}

static void
forge_sums(char *index, size_t size)
{
	const uint64_t at = number(index + RECORDS_AT, 8);
	const uint64_t total = number(index + COUNT_AT, 4) +
	                       number(index + GONE_AT, 4);
	uint64_t sum = 0, n;

	for (uint64_t first = 0; first < total; first += n) {
		n = total - first < PART ? total - first : PART;
		if (at > size || (first + n) * RECORD > size - at)
			break;
		sum += XXH3_64bits_withSeed(index + at + first * RECORD, n * RECORD,
		    first);
	}
	memcpy(index + RECORDS_SUM_AT, &sum, sizeof(sum));
	sum = XXH3_64bits(index, HEADER_SUM_AT);
	memcpy(index + HEADER_SUM_AT, &sum, sizeof(sum));
}

/* The maildrop, and the index of one who has deleted a copy of its messages. */
static void
begin(void)
{
	static char forged[INDEX_MAX];
	struct maildrop *md;
	uint32_t removed;

	put(fds.index, "", 0);
	put(fds.journal, "", 0);
	put(fds.mbox, FROM THREE "\n" MAILDROP, strlen(FROM THREE "\n" MAILDROP));
	md = enter();
	must(md != NULL && maildrop_load(md) == MD_OK &&
	     maildrop_delete(md, 1) == MD_OK &&
	     maildrop_update(md, &removed) == MD_OK && removed == 1);
	maildrop_close(md);
	md = enter();
	must(md != NULL && maildrop_count(md) == 5);
	maildrop_close(md);
	genuine_size = (size_t)pread(fds.index, genuine, INDEX_MAX, 0);
	must(genuine_size > HEADER && genuine_size < INDEX_MAX);
	memcpy(forged, genuine, genuine_size);
	forge_sums(forged, genuine_size);
	must(memcmp(forged, genuine, genuine_size) == 0);
}

/* Another process removes the file, however this one ends. */
static void
remove_at_end(void)
{
	int ends[2];
	char octet;

	must(pipe(ends) == 0);
	if (fork() == 0) {
		close(ends[1]);
		while (read(ends[0], &octet, 1) > 0)
			;
		unlink(path);
		_exit(0);
	}
	close(ends[0]);
}

static void
set_up(void)
{
	if (fds.mbox != -1)
		return;
	hash_prepare();
	fds.mbox = mkstemp(path);
	fds.index = memfd_create("index", MFD_CLOEXEC);
	fds.journal = memfd_create("journal", MFD_CLOEXEC);
	must(fds.mbox != -1);
	remove_at_end();
	begin();
}

static bool
is_ours(const char *text)
{
	for (size_t i = 0; i < sizeof(wires) / sizeof(*wires); i++) {
		if (strcmp(text, wires[i]) == 0)
			return true;
	}
	return false;
}

/* Asks all that a client could of one message. */
static void
ask(struct maildrop *md, uint32_t message)
{
	char uid[MD_UID_MAX + 1], text[2 * sizeof(MAILDROP) + 4096];
	enum md_error error;
	size_t length = 0, n = 0;

	must(maildrop_uid(md, message, uid) == strlen(uid));
	error = maildrop_read(md, message, WIRE_WHOLE);
	while (error == MD_OK) {
		must(length + 4096 <= sizeof(text));
		error = maildrop_next(md, text + length, 4096, &n);
		if (error != MD_OK || n == 0)
			break;
		length += n;
	}
	text[length] = '\0';
	must(error != MD_OK ||
	     (is_ours(text) && maildrop_size(md, message) == maildrop_sent(md)));
}

static void
visit(bool deleting)
{
	struct maildrop *md = enter();
	uint32_t removed;

	if (md != NULL && maildrop_load(md) == MD_OK) {
		must(maildrop_count(md) < 1000);
		for (uint32_t i = 1; i <= maildrop_count(md); i++)
			ask(md, i);
		if (deleting && maildrop_count(md) > 0) {
			(void)maildrop_delete(md, 1);
			(void)maildrop_delete(md, maildrop_count(md));
			(void)maildrop_update(md, &removed);
		}
	}
	maildrop_close(md);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char index[INDEX_MAX];

	if (size < 1)
		return 0;
	set_up();
	memcpy(index, genuine, genuine_size);
	for (size_t i = 1; i + 3 <= size; i += 3)
		index[(data[i] + 256U * data[i + 1]) % genuine_size] = (char)
		    data[i + 2];
	forge_sums(index, genuine_size);
	put(fds.index, index, genuine_size);
	visit(data[0] == DELETING);
	if (data[0] == DELETING)
		begin();
	return 0;
}
