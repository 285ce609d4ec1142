/*
 * The client's side of POP3 for load: see pop.h. No privilege.
 *
 * A reply's text is hashed in place, piece by piece between stuffed dots;
 * pop_find_dot() looks for those by blocks that the compiler turns into
 * vector code. Commands leave when the client would wait otherwise, as those
 * of a client that keeps a number of them in flight.
 */
#include "pop.h"

#include <sys/socket.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

#include <err.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BUF_SIZE ((size_t)256 * 1024)
#define BLOCK 64

static int
connect_to(uint16_t port)
{
	const struct sockaddr_in sin = {
	    .sin_family = AF_INET,
	    .sin_port = htons(port),
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	const int on = 1;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd == -1 ||
	    connect(fd, (const struct sockaddr *)&sin, sizeof(sin)) == -1)
		err(1, "connecting to port %u", port);
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	return fd;
}

void
pop_open(struct pop *pop, const struct target *target)
{
	char line[512];

	*pop = (struct pop){.fd = connect_to(target->port)};
	pop->buf = malloc(BUF_SIZE + 1);
	pop->hash = XXH3_createState();
	if (pop->buf == NULL || pop->hash == NULL)
		err(1, "no memory");
	memset(pop->buf, 0, BUF_SIZE + 1); /* its pages are no server's cost */
	if (target->tls != NULL) {
		pop->ssl = SSL_new(target->tls);
		if (pop->ssl == NULL || SSL_set_fd(pop->ssl, pop->fd) != 1 ||
		    SSL_connect(pop->ssl) != 1)
			errx(1, "the TLS handshake failed");
	}
	pop_ok(pop, line, sizeof(line));
}

void
pop_close(struct pop *pop)
{
	SSL_free(pop->ssl);
	close(pop->fd);
	free(pop->buf);
	XXH3_freeState(pop->hash);
}

static void
flush(struct pop *pop)
{
	size_t done = 0;

	while (done < pop->pending_len) {
		const char *src = pop->pending + done;
		size_t left = pop->pending_len - done;
		ssize_t n = pop->ssl != NULL ? SSL_write(pop->ssl, src, (int)left)
		                             : write(pop->fd, src, left);

		if (n <= 0)
			err(1, "sending");
		done += (size_t)n;
	}
	pop->pending_len = 0;
}

/* Reads more behind what is there; what is there moves to the front. */
static void
fill(struct pop *pop)
{
	size_t kept = pop->end - pop->start;
	ssize_t n;

	flush(pop);
	memmove(pop->buf, pop->buf + pop->start, kept);
	pop->start = 0;
	pop->end = kept;
	if (kept == BUF_SIZE)
		errx(1, "a line of %zu octets", kept);
	n = pop->ssl != NULL
	        ? SSL_read(pop->ssl, pop->buf + kept, (int)(BUF_SIZE - kept))
	        : read(pop->fd, pop->buf + kept, BUF_SIZE - kept);
	if (n <= 0)
		errx(1, "the server closed the connection");
	pop->end += (size_t)n;
}

void
pop_command(struct pop *pop, const char *fmt, ...)
{
	va_list ap;
	int n;

	if (sizeof(pop->pending) - pop->pending_len < 512)
		flush(pop);
	va_start(ap, fmt);
	n = vsnprintf(pop->pending + pop->pending_len,
	    sizeof(pop->pending) - pop->pending_len, fmt, ap);
	va_end(ap);
	pop->pending_len += (size_t)n;
}

void
pop_ok(struct pop *pop, char *line, size_t size)
{
	char *lf;
	size_t n;

	while ((lf = memchr(pop->buf + pop->start, '\n', pop->end - pop->start)) ==
	       NULL)
		fill(pop);
	n = (size_t)(lf - (pop->buf + pop->start));
	n = n < size ? n : size - 1;
	memcpy(line, pop->buf + pop->start, n);
	line[n] = '\0';
	line[strcspn(line, "\r")] = '\0';
	pop->start = (size_t)(lf + 1 - pop->buf);
	if (strncmp(line, "+OK", 3) != 0)
		errx(1, "the server says: %s", line);
}

size_t
pop_find_dot(const char *src, size_t len)
{
	size_t i = 0;

	for (; i + BLOCK <= len; i += BLOCK) {
		unsigned char any = 0;

		for (size_t j = 0; j < BLOCK; j++)
			any |= (unsigned char)((src[i + j] == '\n') &
			                       (src[i + j + 1] == '.'));
		if (any)
			break;
	}
	for (; i < len; i++) {
		if (src[i] == '\n' && src[i + 1] == '.')
			return i;
	}
	return len;
}

void
copy_ready(struct copy *copy, size_t size)
{
	free(copy->text);
	*copy = (struct copy){.text = malloc(size + 1), .size = size};
	if (copy->text == NULL)
		err(1, "no memory");
	memset(copy->text, 0, size + 1);
}

static void
keep(struct copy *copy, const char *src, size_t len)
{
	if (copy->size - copy->len < len)
		errx(1, "the server says more than %zu octets", copy->size);
	memcpy(copy->text + copy->len, src, len);
	copy->len += len;
}

/* At the beginning of a line: 1 for the final dot, which is taken, else 0. */
static int
begin_line(struct pop *pop)
{
	while (pop->end == pop->start ||
	       (pop->buf[pop->start] == '.' && pop->end - pop->start < 3))
		fill(pop);
	if (pop->buf[pop->start] != '.')
		return 0;
	pop->start++;
	if (memcmp(pop->buf + pop->start, "\r\n", 2) != 0)
		return 0;
	pop->start += 2;
	return 1;
}

struct sum
pop_body(struct pop *pop, struct copy *copy)
{
	struct sum sum = {0};
	bool line_start = true;

	XXH3_64bits_reset(pop->hash);
	for (;;) {
		const char *src;
		size_t len, n;

		if (line_start && begin_line(pop))
			break;
		if (pop->start == pop->end)
			fill(pop);
		src = pop->buf + pop->start;
		len = pop->end - pop->start;
		pop->buf[pop->end] = '\0';
		n = pop_find_dot(src, len);
		n += n < len;
		XXH3_64bits_update(pop->hash, src, n);
		if (copy != NULL)
			keep(copy, src, n);
		sum.octets += n;
		pop->start += n;
		line_start = src[n - 1] == '\n';
	}
	sum.hash = XXH3_64bits_digest(pop->hash);
	return sum;
}
