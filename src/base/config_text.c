/*
 * The two forms of text in poplar.conf that others take apart: addresses and
 * the maildrop's template. Used everywhere, no privilege.
 */
#include "config.h"

#include <arpa/inet.h>
#include <string.h>

#include "config_row.h"
#include "text.h"

/* Copies len octets with a NUL behind them; false if they do not fit. */
static bool
copy_part(char *dst, size_t size, const char *src, size_t len)
{
	if (len >= size)
		return false;
	memcpy(dst, src, len);
	dst[len] = '\0';
	return true;
}

bool
config_host_letters(const char *host)
{
	return host[strspn(host,
	           "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	           "0123456789-._")] == '\0';
}

/*
 * "v6" or "v6%scope", as getaddrinfo(3) takes them. What is IPv4 in another
 * form, and what is of a link that is not named, cannot be bound.
 */
static bool
is_ipv6(const char *host)
{
	char address[INET6_ADDRSTRLEN];
	size_t len = strcspn(host, "%");
	struct in6_addr binary;

	if (!copy_part(address, sizeof(address), host, len) ||
	    inet_pton(AF_INET6, address, &binary) != 1 ||
	    IN6_IS_ADDR_V4MAPPED(&binary))
		return false;
	if (host[len] == '\0')
		return !IN6_IS_ADDR_LINKLOCAL(&binary);
	return host[len + 1] != '\0' && config_host_letters(host + len + 1);
}

/* Whether a host may stand there; takes the brackets off. */
static bool
take_host(char *host)
{
	size_t len = strlen(host);
	struct in_addr binary;

	if (strcmp(host, "*") == 0)
		return true;
	if (host[0] == '[') {
		if (host[len - 1] != ']')
			return false;
		memmove(host, host + 1, len - 2);
		host[len - 2] = '\0';
		return is_ipv6(host);
	}
	if (host[strspn(host, "0123456789.")] == '\0')
		return inet_pton(AF_INET, host, &binary) == 1;
	return host[0] != '-' && host[0] != '.' && config_host_letters(host);
}

int
config_next_address(const char **listp, char host[CONFIG_HOST_MAX],
    char port[CONFIG_PORT_MAX])
{
	size_t len;
	const char *start = text_word(listp, &len), *colon;
	uint64_t number;

	if (start == NULL)
		return 0;
	colon = memrchr(start, ':', len);
	if (colon != NULL && colon != start &&
	    copy_part(host, CONFIG_HOST_MAX, start, (size_t)(colon - start)) &&
	    copy_part(port, CONFIG_PORT_MAX, colon + 1,
	        (size_t)(start + len - colon - 1)) &&
	    take_host(host) && text_number(port, 65535, &number) && number != 0)
		return 1;
	*listp = start;
	return -1;
}

#define LOCK ".lock"
#define LOCK_LEN (sizeof(LOCK) - 1)

/* What a letter behind '%' stands for; with '%' itself, plain text. */
struct part {
	char letter;
	bool from_name; /* a login name's: it must not lead elsewhere */
	const char *text;
	size_t len;
};

/*
 * A name like "x@.." is harmless as a file's name and not as a folder's, so
 * no part of a name may begin with '.', nor hold a '/'. Nor may the maildrop of
 * "x.lock@y" be the dotlock of x@y's.
 */
static bool
part_is_safe(const struct part *part)
{
	if (part->len == 0)
		return part->letter == 'd';
	if (!part->from_name)
		return part->letter == '%' || part->text[0] == '/';
	return part->text[0] != '.' && memchr(part->text, '/', part->len) == NULL &&
	       (part->len < LOCK_LEN ||
	           memcmp(part->text + part->len - LOCK_LEN, LOCK, LOCK_LEN) != 0);
}

static const struct part *
find_part(const struct part *parts, char letter)
{
	while (parts->letter != '\0' && parts->letter != letter)
		parts++;
	return parts;
}

bool
config_expand_path(const char *template, const char *name, const char *home,
    char *dst, size_t size)
{
	const char *at = strrchr(name, '@'), *end = name + strlen(name);
	const char *domain = at != NULL ? at + 1 : end;
	const size_t local = (size_t)((at != NULL ? at : end) - name);
	/* clang-format off */
	const struct part parts[] = {
		{'u', true, name, (size_t)(end - name)},
		{'n', true, name, local},
		{'d', true, domain, (size_t)(end - domain)},
		{'h', false, home, strlen(home)},
		{'%', false, "%", 1},
		{'\0', false, "", 0},
	};
	/* clang-format on */
	struct part part;
	size_t used = 0;

	for (const char *p = template; *p != '\0'; p++) {
		if (*p == '%')
			part = *find_part(parts, *++p);
		else
			part = (struct part){'%', false, p, 1};
		if (!part_is_safe(&part) ||
		    !copy_part(dst + used, size - used, part.text, part.len))
			return false;
		used += part.len;
	}
	return used > 0;
}
