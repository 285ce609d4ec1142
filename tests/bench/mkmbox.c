/*
 * Makes a mailbox of any size, the same for the same arguments, and beside it
 * FILE.sums: what each message must be on the wire. No privilege.
 *
 * mkmbox [-d fixed|mixed] [-f FIRST] [-s SEED] MESSAGES OCTETS FILE
 *
 * OCTETS is the size of the file, about; fixed: all messages are of one size,
 * mixed: of the sizes of real mail, most small, some very large. FIRST is the
 * number that the first message gets, for mail to be appended to a mailbox.
 *
 * A message is a header that no other has and a run of lines from a pool of
 * random text: mostly full lines, some shorter, some that begin with a
 * dot and with ">From ", and empty ones. Its wire form is made here by the
 * plainest code, so that what a server sends is compared with something that
 * shares no line with it.
 */
#include <err.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <xxhash.h>

#include "sums.h"

#define POOL_SIZE ((size_t)1 << 20)
#define POOL_LINES ((size_t)1 << 15)
#define LINE_MAX_OCTETS 76
#define HEADER_MAX 1024

/*
 * Sizes of mixed mail in thousandths of the mean: 16 quantiles of a
 * log-normal distribution with sigma 1.5, which is about what mail servers
 * see. They add up to 16000.
 */
static const unsigned quantiles[16] = {22, 50, 79, 112, 152, 199, 255, 325, 412,
    525, 674, 880, 1184, 1686, 2687, 6758};

struct random {
	uint64_t state;
};

struct pool {
	char *text;
	size_t starts[POOL_LINES + 1]; /* offsets of lines; the last is the end */
	size_t lines;
};

struct maker {
	struct random random;
	struct pool pool;
	FILE *mbox, *sums;
	char *message, *wire; /* room for the largest message */
	XXH3_state_t *whole;
	uint64_t whole_octets;
};

/* splitmix64: every seed gives a sequence of its own. */
static uint64_t
draw(struct random *random, uint64_t below)
{
	uint64_t z = random->state += 0x9e3779b97f4a7c15;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
	return (z ^ (z >> 31)) % below;
}

static size_t
pool_line(struct random *random, char *dst)
{
	static const char letters[] =
	    "etaoinshrdlu cmfwypvbgkjqxz.,ETAOIN 0123456789";
	static const char *const starts[] = {".", "..", ">From ", "> ", "\t"};
	size_t len = 0, want = draw(random, 3) < 2
	                           ? LINE_MAX_OCTETS - draw(random, 12)
	                           : draw(random, LINE_MAX_OCTETS);

	if (want > 8 && draw(random, 20) == 0) {
		const char *start = starts[draw(random, 5)];

		len = strlen(start);
		memcpy(dst, start, len);
	}
	while (len < want)
		dst[len++] = letters[draw(random, sizeof(letters) - 1)];
	dst[len++] = '\n';
	return len;
}

static void
pool_make(struct pool *pool, struct random *random)
{
	size_t at = 0;

	pool->text = malloc(POOL_SIZE);
	if (pool->text == NULL)
		err(1, "the pool of lines");
	while (pool->lines < POOL_LINES && at + LINE_MAX_OCTETS + 1 < POOL_SIZE) {
		pool->starts[pool->lines++] = at;
		at += pool_line(random, pool->text + at);
	}
	pool->starts[pool->lines] = at;
}

/* Lines from the pool, so many octets of them, the last cut to fit. */
static size_t
put_body(struct maker *maker, char *dst, size_t want)
{
	const struct pool *pool = &maker->pool;
	size_t from = pool->starts[draw(&maker->random, pool->lines)], len = 0;

	while (len < want) {
		size_t n = pool->starts[pool->lines] - from;

		n = n < want - len ? n : want - len;
		memcpy(dst + len, pool->text + from, n);
		len += n;
		from = 0;
	}
	if (len > 0)
		dst[len - 1] = '\n';
	return len;
}

static size_t
put_header(char *dst, uint64_t number)
{
	int n = snprintf(dst, HEADER_MAX,
	    "Return-Path: <sender%llu@example.org>\n"
	    "Received: from mx%llu.example.org (mx%llu.example.org "
	    "[192.0.2.%llu])\n"
	    "\tby mail.example.net (8.6.9) with SMTP id SAA%05llu\n"
	    "\tfor <bench@example.net>; Thu, 24 Nov 1994 18:22:48 GMT\n"
	    "Date: Thu, 24 Nov 1994 18:22:48 GMT\n"
	    "From: A Sender <sender%llu@example.org>\n"
	    "To: bench@example.net\n"
	    "Subject: message %llu of many\n"
	    "Message-ID: <%llu.bench@example.org>\n\n",
	    (unsigned long long)number % 97, (unsigned long long)number % 7,
	    (unsigned long long)number % 7, (unsigned long long)number % 255,
	    (unsigned long long)number % 100000, (unsigned long long)number % 97,
	    (unsigned long long)number, (unsigned long long)number);

	return (size_t)n;
}

static size_t
to_wire(const char *src, size_t len, char *dst)
{
	const char *const end = src + len;
	char *d = dst;

	while (src < end) {
		const char *lf = memchr(src, '\n', (size_t)(end - src));
		size_t n = (size_t)(lf - src);

		memcpy(d, src, n);
		memcpy(d + n, "\r\n", 2);
		d += n + 2;
		src = lf + 1;
	}
	return (size_t)(d - dst);
}

static void
write_all(FILE *file, const void *src, size_t len)
{
	if (fwrite(src, 1, len, file) != len)
		err(1, "writing");
}

/* Stored text of which only the whole file's sum knows. */
static void
put_between(struct maker *maker, const char *text)
{
	char wire[128];
	size_t len = to_wire(text, strlen(text), wire);

	write_all(maker->mbox, text, strlen(text));
	XXH3_64bits_update(maker->whole, wire, len);
	maker->whole_octets += len;
}

static void
put_message(struct maker *maker, uint64_t number, size_t size)
{
	static const char from[] =
	    "From sender@example.org Thu Nov 24 18:22:48 1994\n";
	size_t len = put_header(maker->message, number);
	struct sum sum;

	size = size > sizeof(from) ? size - sizeof(from) : 0; /* and one \n */
	if (len < size)
		len += put_body(maker, maker->message + len, size - len);
	sum.octets = to_wire(maker->message, len, maker->wire);
	sum.hash = XXH3_64bits(maker->wire, sum.octets);
	put_between(maker, from);
	write_all(maker->mbox, maker->message, len);
	XXH3_64bits_update(maker->whole, maker->wire, sum.octets);
	maker->whole_octets += sum.octets;
	put_between(maker, "\n");
	write_all(maker->sums, &sum, sizeof(sum));
}

static void
start(struct maker *maker, const char *path, size_t largest)
{
	char sums[4096];
	const struct sum empty = {0};

	snprintf(sums, sizeof(sums), "%s.sums", path);
	pool_make(&maker->pool, &maker->random);
	maker->message = malloc(largest);
	maker->wire = malloc(2 * largest);
	maker->whole = XXH3_createState();
	if (maker->message == NULL || maker->wire == NULL || maker->whole == NULL)
		err(1, "no memory");
	XXH3_64bits_reset(maker->whole);
	maker->mbox = fopen(path, "wb");
	maker->sums = fopen(sums, "wb");
	if (maker->mbox == NULL || maker->sums == NULL)
		err(1, "%s", path);
	setvbuf(maker->mbox, NULL, _IOFBF, 1 << 20);
	write_all(maker->sums, &empty, sizeof(empty));
}

static void
finish(struct maker *maker)
{
	const struct sum sum = {
	    .octets = maker->whole_octets,
	    .hash = XXH3_64bits_digest(maker->whole),
	};

	if (fseek(maker->sums, 0, SEEK_SET) == -1)
		err(1, "the sums");
	write_all(maker->sums, &sum, sizeof(sum));
	if (fclose(maker->sums) != 0 || fclose(maker->mbox) != 0)
		err(1, "writing");
	XXH3_freeState(maker->whole);
	free(maker->message);
	free(maker->wire);
	free(maker->pool.text);
}

static uint64_t
number_of(const char *text)
{
	char *end;
	unsigned long long n = strtoull(text, &end, 10);

	if (end == text || *end != '\0')
		errx(1, "not a number: %s", text);
	return n;
}

static _Noreturn void
usage(void)
{
	errx(1, "usage: mkmbox [-d fixed|mixed] [-f first] [-s seed] "
	        "messages octets file");
}

int
main(int argc, char **argv)
{
	static struct maker maker;
	uint64_t first = 1, messages, mean;
	bool mixed = false;
	int opt;

	while ((opt = getopt(argc, argv, "d:f:s:")) != -1) {
		if (opt == 'd')
			mixed = strcmp(optarg, "mixed") == 0;
		else if (opt == 'f')
			first = number_of(optarg);
		else if (opt == 's')
			maker.random.state = number_of(optarg);
		else
			usage();
	}
	if (argc - optind != 3)
		usage();
	messages = number_of(argv[optind]);
	mean = messages > 0 ? number_of(argv[optind + 1]) / messages : 0;
	start(&maker, argv[optind + 2], mean * 7 + HEADER_MAX);
	for (uint64_t n = 0; n < messages; n++) {
		uint64_t part = mixed ? quantiles[draw(&maker.random, 16)] : 1000;

		put_message(&maker, first + n, mean * part / 1000);
	}
	finish(&maker);
	return 0;
}
