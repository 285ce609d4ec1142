/*
 * poplarctl passwd: adds or changes one line of the users file. Runs with the
 * privilege of its caller, who must be able to write that file and its folder.
 */
#include <err.h>
#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "config.h"
#include "ctl.h"
#include "text.h"

enum action { SET, LOCK, UNLOCK };

struct request {
	const char *config_path; /* NULL: the usual one, if it is there */
	const char *users_file;  /* NULL: the configuration's */
	const char *name;
	enum action action;
	const struct secret_scheme *scheme;
	bool from_stdin;
	const char *fields[USERS_FIELDS]; /* NULL: leave it */
};

#define ID_SIZE 16

/* The options that set a field, and what the field may begin with. */
static const struct field_option {
	char letter;
	enum users_field field;
	const char *begin; /* NULL: anything */
	const char *what;
} field_options[] = {
    {'d', USERS_HOME,     "/",  "home"     },
    {'g', USERS_GID,      NULL, "gid"      },
    {'m', USERS_MAILDROP, "/%", "maildrop" },
    {'n', USERS_GECOS,    NULL, "full name"},
    {'u', USERS_UID,      NULL, "uid"      },
};

#define FIELD_OPTIONS (sizeof(field_options) / sizeof(field_options[0]))

static int
check_field(const struct field_option *option, const char *text)
{
	for (const char *p = text; *p != '\0'; p++) {
		if (*p == ':' || (unsigned char)*p < ' ' || *p == 0x7f) {
			warnx("the %s holds a colon or a control character",
			    option->what);
			return EX_DATAERR;
		}
	}
	if (strlen(text) >= PATH_MAX) {
		warnx("the %s is too long", option->what);
		return EX_DATAERR;
	}
	if (option->begin != NULL && text[0] != '\0' &&
	    strchr(option->begin, text[0]) == NULL) {
		warnx("the %s is no absolute path; begin it with /", option->what);
		return EX_DATAERR;
	}
	return EX_OK;
}

/* A name for the users file, where a '#' in front begins a comment. */
static int
check_request(const struct request *request)
{
	int code = EX_OK;

	if (!text_name(request->name) || request->name[0] == '#') {
		warnx("\"%s\" cannot be a login name; poplar.conf(5) says what can",
		    request->name);
		return EX_DATAERR;
	}
	for (size_t i = 0; code == EX_OK && i < FIELD_OPTIONS; i++) {
		if (request->fields[field_options[i].field] != NULL)
			code = check_field(&field_options[i],
			    request->fields[field_options[i].field]);
	}
	return code;
}

/* The ids of a line, as text. */
struct ids {
	char uid[ID_SIZE], gid[ID_SIZE];
};

static void
print_id(char id[ID_SIZE], unsigned long number)
{
	snprintf(id, ID_SIZE, "%lu", number);
}

/* 0, or -1: no such account. */
static int
account_uid(const char *name, char id[ID_SIZE])
{
	const struct passwd *account = getpwnam(name);

	if (account == NULL)
		return -1;
	print_id(id, account->pw_uid);
	return 0;
}

/* A number, or an account's name. 0, or -1: no such account. */
static int
read_uid(const char *text, char id[ID_SIZE])
{
	uint64_t number;

	if (!text_number(text, UINT32_MAX - 1, &number))
		return account_uid(text, id);
	print_id(id, (unsigned long)number);
	return 0;
}

/* A number, or a group's name. 0, or -1: no such group. */
static int
read_gid(const char *text, char id[ID_SIZE])
{
	const struct group *group;
	uint64_t number;

	if (text_number(text, UINT32_MAX - 1, &number)) {
		print_id(id, (unsigned long)number);
		return 0;
	}
	group = getgrnam(text);
	if (group == NULL)
		return -1;
	print_id(id, group->gr_gid);
	return 0;
}

/* What a new line needs and nobody gave. 0, or -1: it is known nowhere. */
static int
take_account(struct users_entry *entry, const char *name, struct ids *ids)
{
	if (entry->fields[USERS_UID][0] == '\0' &&
	    account_uid(name, ids->uid) == -1)
		return -1;
	entry->fields[USERS_UID] = ids->uid;
	return 0;
}

/* The group that the account of the uid has, or the same number. */
static void
take_group(struct users_entry *entry, struct ids *ids)
{
	const struct passwd *account = getpwuid(
	    (uid_t)strtoul(entry->fields[USERS_UID], NULL, 10));

	if (account != NULL)
		print_id(ids->gid, account->pw_gid);
	else
		strlcpy(ids->gid, ids->uid, ID_SIZE);
	entry->fields[USERS_GID] = ids->gid;
}

/* Those given with options, into the line. */
static int
take_ids(const struct request *request, struct users_entry *entry, struct ids *ids)
{
	const char *uid = request->fields[USERS_UID],
	           *gid = request->fields[USERS_GID];

	if (uid != NULL && read_uid(uid, ids->uid) == -1) {
		warnx("%s: no such account; give a uid", uid);
		return EX_NOUSER;
	}
	if (gid != NULL && read_gid(gid, ids->gid) == -1) {
		warnx("%s: no such group; give a gid", gid);
		return EX_NOUSER;
	}
	if (uid != NULL)
		entry->fields[USERS_UID] = ids->uid;
	if (gid != NULL)
		entry->fields[USERS_GID] = ids->gid;
	return EX_OK;
}

/* What stood in an old line; options hold numbers by now. */
static bool
id_stands(const char *text)
{
	uint64_t number;

	return text[0] == '\0' || text_number(text, UINT32_MAX - 1, &number);
}

/* An old line may leave its ids to the system's accounts; a new one says them. */
static int
fill_ids(const struct request *request, struct users_entry *entry, struct ids *ids)
{
	int code = take_ids(request, entry, ids);

	if (code != EX_OK)
		return code;
	if (entry->len == 0 && take_account(entry, request->name, ids) == -1) {
		warnx(
		    "%s is new and no account of the system; give its uid with -u",
		    request->name);
		return EX_NOUSER;
	}
	if (entry->len == 0 && entry->fields[USERS_GID][0] == '\0')
		take_group(entry, ids);
	if (!id_stands(entry->fields[USERS_UID]) ||
	    !id_stands(entry->fields[USERS_GID])) {
		warnx("uid or gid in %s's line is no number; give both, -u and -g",
		    request->name);
		return EX_DATAERR;
	}
	if (strcmp(entry->fields[USERS_UID], "0") == 0) {
		warnx("uid 0 can never log in; give another");
		return EX_DATAERR;
	}
	return EX_OK;
}

/* The options over what the line held. */
static int
fill(const struct request *request, struct users_entry *entry, struct ids *ids)
{
	static const enum users_field texts[] = {USERS_GECOS, USERS_HOME,
	    USERS_MAILDROP};

	if (request->action == UNLOCK && entry->len == 0) {
		warnx("%s: no such name in the users file", request->name);
		return EX_NOUSER;
	}
	entry->fields[USERS_NAME] = request->name;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		if (request->fields[texts[i]] != NULL)
			entry->fields[texts[i]] = request->fields[texts[i]];
	}
	return fill_ids(request, entry, ids);
}

static int
make_credential(const struct request *request, char **credentialp)
{
	char secret[SECRET_MAX + 2];
	int code = secret_read(request->name, request->from_stdin, request->scheme,
	    secret);

	if (code == EX_OK) {
		*credentialp = secret_encode(request->scheme, secret);
		if (*credentialp == NULL)
			code = EX_OSERR;
	}
	explicit_bzero(secret, sizeof(secret));
	return code;
}

/* A '!' before the credential locks it; taken off, the old one holds again. */
static int
set_lock(const struct request *request, const char *old, char **credentialp)
{
	const bool locked = old[0] == '!';

	if (request->action == UNLOCK &&
	    (old[0] == '*' || old[locked ? 1 : 0] == '\0')) {
		warnx("%s has no password to unlock; set one", request->name);
		return EX_DATAERR;
	}
	if (request->action == UNLOCK)
		*credentialp = strdup(locked ? old + 1 : old);
	else if (asprintf(credentialp, "%s%s", locked ? "" : "!", old) == -1)
		*credentialp = NULL;
	if (*credentialp != NULL)
		return EX_OK;
	warn(NULL);
	return EX_OSERR;
}

/* What is legal and yet will not do what was meant. */
static void
warn_about(const struct users *users, const struct users_entry *entry,
    const struct config *config)
{
	if ((users->st.st_mode & (S_IROTH | S_IWGRP | S_IWOTH)) != 0)
		warnx("warning: poplard will refuse %s; chmod go-w,o-r it",
		    users->path);
	if (config != NULL && entry->fields[USERS_UID][0] != '\0' &&
	    strtoul(entry->fields[USERS_UID], NULL, 10) < config->auth.first_uid)
		warnx(
		    "warning: %s cannot log in: its uid %s is below auth.first_uid",
		    entry->fields[USERS_NAME], entry->fields[USERS_UID]);
}

/* Puts the credential, or without one the lock, into the name's line. */
static int
change(const struct request *request, struct users *users,
    const struct config *config, char **credentialp)
{
	static const char *const done[] = {
	    [SET] = "password changed",
	    [LOCK] = "locked",
	    [UNLOCK] = "unlocked",
	};
	struct users_entry entry;
	struct ids ids;
	bool new;
	int code = EX_DATAERR;

	if (users_find(users, request->name, &entry) == -1)
		goto out;
	new = entry.len == 0;
	code = fill(request, &entry, &ids);
	if (code == EX_OK && request->action != SET)
		code = set_lock(request, entry.fields[USERS_CREDENTIAL],
		    credentialp);
	if (code != EX_OK)
		goto out;
	entry.fields[USERS_CREDENTIAL] = *credentialp;
	if (users_store(users, &entry) == -1) {
		code = EX_CANTCREAT;
		goto out;
	}
	warn_about(users, &entry, config);
	printf("%s: %s%s\n", request->name, new ? "added, " : "",
	    done[request->action]);
out:
	users_entry_free(&entry);
	return code;
}

/* The password comes first: nobody waits for the file while a person thinks. */
static int
edit(const struct request *request, const char *path, const struct config *config)
{
	struct users users;
	char *credential = NULL;
	int code = EX_OK;

	if (request->action == SET)
		code = make_credential(request, &credential);
	if (code != EX_OK)
		return code;
	if (users_open(path, &users) == 0)
		code = change(request, &users, config, &credential);
	else
		code = EX_CANTCREAT;
	users_close(&users);
	if (credential != NULL)
		freezero(credential, strlen(credential));
	return code;
}

/* With -f no configuration is needed, so a broken one is no hindrance. */
static int
run(const struct request *request)
{
	const char *path = request->config_path;
	struct config *config = NULL;
	int code = check_request(request);

	if (code != EX_OK)
		return code;
	if (request->users_file != NULL)
		return edit(request, request->users_file, NULL);
	if (config_load(path != NULL ? path : POPLAR_CONF, path != NULL, NULL,
	        stderr, &config) != 0)
		return EX_CONFIG;
	code = edit(request, config->auth.users_file, config);
	config_free(config);
	return code;
}

static int
take_field(struct request *request, int letter, const char *text)
{
	for (size_t i = 0; i < FIELD_OPTIONS; i++) {
		if (field_options[i].letter == letter) {
			request->fields[field_options[i].field] = text;
			return 0;
		}
	}
	return -1;
}

static int
take_option(struct request *request, int letter, const char *text)
{
	switch (letter) {
	case 'c':
		request->config_path = text;
		return 0;
	case 'f':
		request->users_file = text;
		return 0;
	case 'L':
	case 'U':
		if (request->action != SET)
			return -1;
		request->action = letter == 'L' ? LOCK : UNLOCK;
		return 0;
	case 's':
		request->from_stdin = true;
		return 0;
	case 't':
		request->scheme = secret_find_scheme(text);
		return request->scheme != NULL ? 0 : -1;
	default:
		return take_field(request, letter, text);
	}
}

int
ctl_passwd(int argc, char **argv)
{
	struct request request = {.action = SET};
	int opt;

	while ((opt = getopt(argc, argv, "c:d:f:g:Lm:n:st:Uu:")) != -1) {
		if (take_option(&request, opt, optarg) == -1)
			return EX_USAGE;
	}
	if (argc - optind != 1 ||
	    (request.action != SET &&
	        (request.from_stdin || request.scheme != NULL)))
		return EX_USAGE;
	if (request.scheme == NULL)
		request.scheme = secret_find_scheme("crypt");
	request.name = argv[optind];
	return run(&request);
}
