/*
 * `owner` and `holder`: the two small texts of a state folder. Runs as root.
 * Both are read with bounds and taken only in the exact form they are written
 * in: what recovery does follows from `owner`, and `holder` is shown to
 * people.
 */
#include "owner.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "log.h"
#include "state_files.h"
#include "text.h"

#define OWNER_MAX (PATH_MAX + NAME_MAX + IPC_NAME_MAX + 128)
#define HOLDER_MAX 128
#define READ_FLAGS (O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)

/* A whole small file, terminated. Its length, or -1 with errno. */
static ssize_t
read_small(int state, const char *name, char *buf, size_t size)
{
	int fd = openat(state, name, READ_FLAGS);
	size_t len = 0;
	ssize_t n = 1;

	if (fd == -1)
		return -1;
	while (n > 0 && len < size - 1) {
		n = read(fd, buf + len, size - 1 - len);
		if (n > 0)
			len += (size_t)n;
	}
	close(fd);
	if (n != 0) {
		errno = n == -1 ? errno : EBADMSG;
		return -1;
	}
	buf[len] = '\0';
	return (ssize_t)len;
}

static int
write_all(int fd, const char *buf, size_t len)
{
	ssize_t n;

	while (len > 0) {
		n = write(fd, buf, len);
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1)
			return -1;
		buf += n;
		len -= (size_t)n;
	}
	return 0;
}

/* Takes "key=value\n" off *textp; the value, of 1 to size - 1 octets, into dst. */
static bool
take_line(const char **textp, const char *key, char *dst, size_t size)
{
	const char *value = *textp + strlen(key) + 1, *end;

	if (strncmp(*textp, key, strlen(key)) != 0 || (*textp)[strlen(key)] != '=')
		return false;
	end = strchr(value, '\n');
	if (end == NULL || end == value || (size_t)(end - value) >= size)
		return false;
	for (size_t i = 0; value + i < end; i++) {
		if ((unsigned char)value[i] < ' ' || value[i] == 0x7f)
			return false;
	}
	memcpy(dst, value, (size_t)(end - value));
	dst[end - value] = '\0';
	*textp = end + 1;
	return true;
}

static bool
take_id(const char **textp, const char *key, uint32_t *idp)
{
	char digits[16];
	uint64_t value;

	/* the highest is no id: setfsuid(2) would take it for a question */
	if (!take_line(textp, key, digits, sizeof(digits)) ||
	    !text_number(digits, UINT32_MAX - 1, &value))
		return false;
	*idp = (uint32_t)value;
	return true;
}

int
owner_parse(const char *text, size_t len, struct owner *owner)
{
	if (strlen(text) != len ||
	    !take_line(&text, "login", owner->login, sizeof(owner->login)) ||
	    !take_id(&text, "uid", &owner->uid) ||
	    !take_id(&text, "gid", &owner->gid) ||
	    !take_line(&text, "folder", owner->folder, sizeof(owner->folder)) ||
	    !take_line(&text, "name", owner->name, sizeof(owner->name)))
		return -1;
	if (*text != '\0' || owner->folder[0] != '/' ||
	    strchr(owner->name, '/') != NULL || strcmp(owner->name, ".") == 0 ||
	    strcmp(owner->name, "..") == 0)
		return -1;
	return 0;
}

int
owner_read(int state, struct owner *owner)
{
	char text[OWNER_MAX];
	ssize_t len = read_small(state, "owner", text, sizeof(text));

	if (len == -1)
		return -1;
	if (owner_parse(text, (size_t)len, owner) == -1) {
		errno = EBADMSG;
		return -1;
	}
	return 0;
}

int
owner_write(int state, const struct owner *owner)
{
	char text[OWNER_MAX];
	int len, fd, rc = -1;

	len = snprintf(text, sizeof(text),
	    "login=%s\nuid=%ju\ngid=%ju\nfolder=%s\nname=%s\n", owner->login,
	    (uintmax_t)owner->uid, (uintmax_t)owner->gid, owner->folder,
	    owner->name);
	fd = openat(state, "owner.new",
	    O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC,
	    0600);
	if (fd == -1)
		return -1;
	if (write_all(fd, text, (size_t)len) == -1 || fsync(fd) == -1)
		goto out;
	if (renameat(state, "owner.new", state, "owner") == 0)
		rc = fsync(state);
out:
	close(fd);
	return rc;
}

int
holder_write(int state, const char *sid, const char *address)
{
	char text[HOLDER_MAX], who[64], where[64];
	struct stat st;
	int fd, len, rc;

	len = snprintf(text, sizeof(text), "%.31s %.63s %jd\n",
	    log_safe(who, sizeof(who), sid),
	    log_safe(where, sizeof(where), address), (intmax_t)time(NULL));
	fd = state_file(state, "holder", &(bool){false});
	if (fd == -1)
		return -1;
	/* one write, then the cut: a reader sees one of the two, or no sense */
	rc = pwrite(fd, text, (size_t)len, 0) == len ? 0 : -1;
	if (rc == 0 && fstat(fd, &st) == 0 && st.st_size != len)
		rc = ftruncate(fd, len);
	close(fd);
	return rc;
}

/* "sid address seconds\n", and not a character besides. */
static bool
holder_parse(char *text, const char **addressp, time_t *sincep)
{
	char *address = strchr(text, ' '), *since = strrchr(text, ' '), *end;
	uint64_t seconds;

	if (address == NULL || address == since || address == text)
		return false;
	*address++ = '\0';
	*since++ = '\0';
	end = strchr(since, '\n');
	if (end == NULL || end[1] != '\0')
		return false;
	*end = '\0';
	if (*address == '\0' || strchr(address, ' ') != NULL ||
	    !text_number(since, INT64_MAX, &seconds))
		return false;
	*addressp = address;
	*sincep = (time_t)seconds;
	return true;
}

void
holder_read(int state, char *dst, size_t size)
{
	char text[HOLDER_MAX], where[64], clock[16];
	const char *address;
	time_t since;
	struct tm tm;

	if (read_small(state, "holder", text, sizeof(text)) > 0 &&
	    holder_parse(text, &address, &since) &&
	    localtime_r(&since, &tm) != NULL &&
	    strftime(clock, sizeof(clock), "%T", &tm) > 0)
		snprintf(dst, size, "from %s since %s",
		    log_safe(where, sizeof(where), address), clock);
	else
		strlcpy(dst, "from an unknown address", size);
}
