/*
 * Reader of the users file. Runs as root, in the auth child and, for what is to
 * be offered, in the listener or for inetd; the file is the administrator's,
 * never a client's. read(2) into one fixed buffer, not stdio, whose buffers
 * would keep secrets.
 *
 * Strict: a line with anything wrong is refused as a whole, and refused means
 * that its user cannot log in, by any back end.
 */
#include "users_file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "pages.h"
#include "text.h"

#define FIELDS 7

/* -1 in any width is "no change" to the system calls that set ids. */
#define ID_MAX (UINT32_MAX - 1)

struct scan {
	int fd;
	unsigned number;
	bool skipping; /* inside a line that was too long */
	bool secrets;
	bool (*visit)(struct users_line *line, void *ctx);
	void *ctx;
	size_t used, touched; /* touched ever, and to be wiped */
	char buf[USERS_LINE_MAX];
};

static const char *
file_fault(int fd, struct stat *st)
{
	if (fstat(fd, st) == -1)
		return strerror(errno);
	if (!S_ISREG(st->st_mode))
		return "not a plain file";
	if (st->st_uid != 0 && st->st_uid != geteuid())
		return "owned by another user (chown it to root)";
	if (st->st_mode & (S_IWGRP | S_IWOTH))
		return "writable by group or others (chmod go-w)";
	return NULL;
}

/* Everything but a lone lock is taken for a secret, a faulty line too. */
static bool
holds_secret(const struct users_line *line)
{
	const char *field = memchr(line->text, ':', line->len);

	if (field == NULL)
		return true;
	field++;
	if (*field == '!' || *field == '*')
		field++;
	return *field != ':' && *field != '\0';
}

/* Takes one line of len octets, with room for a terminator. */
static bool
take_line(struct scan *scan, char *text, size_t len, bool whole)
{
	struct users_line line = {++scan->number, text, len, whole};

	text[len] = '\0';
	text += strspn(text, " \t");
	if (*text == '#' || (whole && text == line.text + len))
		return true;
	scan->secrets = scan->secrets || holds_secret(&line);
	return scan->visit(&line, scan->ctx);
}

/* Takes the lines of the buffer that are complete; keeps the rest. */
static bool
take_lines(struct scan *scan)
{
	char *text = scan->buf, *end = scan->buf + scan->used, *newline;
	bool wanted = true;

	while (wanted &&
	       (newline = memchr(text, '\n', (size_t)(end - text))) != NULL) {
		if (!scan->skipping)
			wanted = take_line(scan, text, (size_t)(newline - text),
			    true);
		scan->skipping = false;
		text = newline + 1;
	}
	if (scan->skipping)
		text = end;
	scan->used = (size_t)(end - text);
	memmove(scan->buf, text, scan->used);
	if (wanted && scan->used == sizeof(scan->buf)) {
		wanted = take_line(scan, scan->buf, scan->used - 1, false);
		scan->skipping = true;
		scan->used = 0;
	}
	return wanted;
}

/* 0, or -1 with errno. */
static int
read_lines(struct scan *scan)
{
	ssize_t got;

	do {
		got = read(scan->fd, scan->buf + scan->used,
		    sizeof(scan->buf) - scan->used);
		if (got > 0)
			scan->used += (size_t)got;
		else if (got == -1 && errno != EINTR)
			return -1;
		if (scan->used > scan->touched)
			scan->touched = scan->used;
		if (got > 0 && !take_lines(scan))
			return 0;
	} while (got != 0);
	if (scan->used > 0 && !scan->skipping)
		(void)take_line(scan, scan->buf, scan->used, true);
	return 0;
}

enum users_state
users_scan(const char *path, bool (*visit)(struct users_line *line, void *ctx),
    void *ctx, const char **reasonp)
{
	struct scan *scan = NULL;
	const char *reason;
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

	if (fd == -1 && errno == ENOENT)
		return USERS_ABSENT;
	if (fd == -1 || (scan = pages_new(sizeof(*scan))) == NULL) {
		reason = strerror(errno);
		goto out;
	}
	reason = file_fault(fd, &st);
	if (reason != NULL)
		goto out;
	scan->fd = fd;
	scan->visit = visit;
	scan->ctx = ctx;
	if (read_lines(scan) == -1)
		reason = strerror(errno);
	else if (scan->secrets && (st.st_mode & S_IROTH))
		reason = "holds secrets and is readable by others (chmod o-r)";
out:
	if (fd != -1)
		close(fd);
	if (scan != NULL)
		pages_wipe(scan, sizeof(*scan),
		    offsetof(struct scan, buf) + scan->touched);
	*reasonp = reason;
	return reason == NULL ? USERS_READ : USERS_REFUSED;
}

bool
users_line_is(const struct users_line *line, const char *name)
{
	const char *colon = memchr(line->text, ':', line->len);
	size_t len = colon == NULL ? line->len : (size_t)(colon - line->text);

	return len == strlen(name) && memcmp(line->text, name, len) == 0;
}

static bool
parse_id(const char *text, bool *hasp, uint32_t *idp)
{
	uint64_t id = 0;

	*hasp = text[0] != '\0';
	if (*hasp && !text_number(text, ID_MAX, &id))
		return false;
	*idp = (uint32_t)id;
	return true;
}

/* Empty, or absolute; what a template makes of a maildrop is checked there. */
static bool
path_permitted(const char *text, const char *starts)
{
	if (text[0] != '\0' && strchr(starts, text[0]) == NULL)
		return false;
	if (strlen(text) >= PATH_MAX)
		return false;
	for (; *text != '\0'; text++) {
		if ((unsigned char)*text < ' ' || *text == 0x7f)
			return false;
	}
	return true;
}

static const char *
parse_fields(char *const field[FIELDS], struct users_entry *entry)
{
	const char *fault;

	*entry = (struct users_entry){.name = field[0],
	    .home = field[5],
	    .maildrop = field[6]};
	if (!text_name(entry->name))
		return "not a name that can log in";
	fault = credential_parse(field[1], &entry->credential);
	if (fault != NULL)
		return fault;
	if (!parse_id(field[2], &entry->has_uid, &entry->uid))
		return "the uid is no number";
	if (!parse_id(field[3], &entry->has_gid, &entry->gid))
		return "the gid is no number";
	if (!path_permitted(entry->home, "/"))
		return "the home is no absolute path";
	if (!path_permitted(entry->maildrop, "/%"))
		return "the maildrop is no absolute path";
	return NULL;
}

const char *
users_parse(struct users_line *line, struct users_entry *entry)
{
	char *field[FIELDS], *rest = line->text;
	size_t count = 0;

	if (!line->whole)
		return "the line is too long";
	if (strlen(line->text) != line->len)
		return "a NUL in the line";
	if (line->len > 0 && line->text[line->len - 1] == '\r')
		return "a CR at the end of the line; remove it";
	while (rest != NULL && count < FIELDS)
		field[count++] = strsep(&rest, ":");
	if (count < FIELDS || rest != NULL)
		return "not seven fields, "
		       "name:credential:uid:gid:gecos:home:maildrop";
	return parse_fields(field, entry);
}
