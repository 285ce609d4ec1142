/*
 * A mail reader that rewrites a mailbox again and again until it gets
 * SIGTERM: it adds Status headers, and deletes messages, of each of which it
 * tells "ID MD5", the checksum being that of the body it deleted. For
 * tests/system/storm.py, which compiles it.
 *
 *   reader ORDER PATH PAUSE [replace]
 *
 * ORDER is that of locking.h, of both locks. It writes in place, from the
 * first difference on, with a pause in the middle; with "replace" it puts, at
 * times, a new file in the place of the old one. PAUSE is the longest pause
 * between two rewrites, in ms.
 */
#include <openssl/evp.h>

#include "locking.h"

#define ID "\nX-Storm-Id: "
#define STATUS "\nStatus: RO"

struct text {
	char *data;
	size_t len, size;
};

static void
add(struct text *text, const char *data, size_t len)
{
	if (text->size - text->len < len) {
		text->size = (text->len + len) * 2;
		text->data = realloc(text->data, text->size);
		if (text->data == NULL)
			err(71, "memory");
	}
	memcpy(text->data + text->len, data, len);
	text->len += len;
}

static void
load(int fd, struct text *text)
{
	char block[65536];
	ssize_t n;

	text->len = 0;
	for (off_t at = 0; (n = pread(fd, block, sizeof(block), at)) > 0; at += n)
		add(text, block, (size_t)n);
	if (n == -1)
		err(74, "read");
}

/* The body of a message without the separator behind it. */
static void
tell(const char *message, size_t len)
{
	const char *body = memmem(message, len, "\n\n", 2);
	const char *id = memmem(message, len, ID, sizeof(ID) - 1);
	unsigned char digest[EVP_MAX_MD_SIZE];

	if (body == NULL || id == NULL || id > body) {
		printf("torn %.*s\n", (int)strcspn(message, "\n"), message);
		return;
	}
	body += 2;
	id += sizeof(ID) - 1;
	EVP_Digest(body, (size_t)(message + len - 1 - body), digest, NULL,
	    EVP_md5(), NULL);
	printf("%.*s ", (int)strcspn(id, "\n"), id);
	for (int i = 0; i < 16; i++)
		printf("%02x", digest[i]);
	printf("\n");
}

/* What becomes of a message: most stay as they are. */
static void
treat(struct text *out, const char *message, size_t len)
{
	const char *end = memmem(message, len, "\n\n", 2);

	if (random() % 256 == 0) {
		tell(message, len);
		return;
	}
	if (end == NULL || random() % 4 != 0 ||
	    memmem(message, (size_t)(end - message), STATUS, sizeof(STATUS) - 1)) {
		add(out, message, len);
		return;
	}
	add(out, message, (size_t)(end - message));
	add(out, STATUS, sizeof(STATUS) - 1);
	add(out, end, len - (size_t)(end - message));
}

static void
treat_all(const struct text *in, struct text *out)
{
	const char *at = in->data, *end = in->data + in->len, *next;

	out->len = 0;
	while (at < end) {
		next = memmem(at, (size_t)(end - at), "\n\nFrom ", 7);
		next = next == NULL ? end : next + 2;
		treat(out, at, (size_t)(next - at));
		at = next;
	}
}

static void
put(int fd, const char *data, size_t len, off_t at)
{
	if (len > 0 && pwrite(fd, data, len, at) != (ssize_t)len)
		err(74, "write");
}

static void
write_in_place(int fd, const struct text *in, const struct text *out)
{
	size_t same = 0, middle;

	while (
	    same < in->len && same < out->len && in->data[same] == out->data[same])
		same++;
	middle = same + (out->len - same) / 2;
	put(fd, out->data + same, middle - same, (off_t)same);
	usleep((useconds_t)(random() % 3000));
	put(fd, out->data + middle, out->len - middle, (off_t)middle);
	if (ftruncate(fd, (off_t)out->len) == -1)
		err(74, "ftruncate");
}

static void
write_another(const char *path, const struct text *out)
{
	char name[PATH_MAX];
	int fd;

	snprintf(name, sizeof(name), "%s.reader", path);
	fd = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	if (fd == -1)
		err(73, "%s", name);
	put(fd, out->data, out->len, 0);
	close(fd);
	if (rename(name, path) == -1)
		err(74, "%s", name);
}

int
main(int argc, char **argv)
{
	struct text in = {.len = 0}, out = {.len = 0};
	struct locking locking;

	if (argc < 4)
		errx(64, "usage: see the head of its source");
	srandom((unsigned)getpid());
	locking_start(&locking, argv[2], argv[1]);
	locking_heed_stop();
	while (!locking_stopped) {
		locking_wait(&locking);
		load(locking.fd, &in);
		treat_all(&in, &out);
		if (argc > 4 && random() % 4 == 0)
			write_another(argv[2], &out);
		else
			write_in_place(locking.fd, &in, &out);
		fflush(stdout);
		locking_end(&locking);
		usleep((useconds_t)(random() % (atol(argv[3]) * 1000 + 1)));
	}
	return 0;
}
