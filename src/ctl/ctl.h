/*
 * poplarctl's subcommands and what they share. Each gets its own argv, whose
 * first word is its name, says on standard error what went wrong, and returns
 * a code of sysexits(3); with EX_USAGE the caller prints the synopsis.
 */
#ifndef POPLAR_CTL_CTL_H
#define POPLAR_CTL_CTL_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>

struct config;

int ctl_check(int argc, char **argv);
int ctl_keys(int argc, char **argv);
int ctl_passwd(int argc, char **argv);
int ctl_who(int argc, char **argv);
int ctl_kick(int argc, char **argv);

/* Where a configuration is from, -c and -o: source.c */

#define SOURCE_OPTIONS "c:o:"

struct source {
	const char *path;
	bool required;
	const char **items; /* of -o; owned, what they point at is argv's */
	size_t count;
};

/* For a command line of argc words. Exits where there is no memory. */
void source_init(struct source *source, int argc);
void source_free(struct source *source);

/* Takes one of SOURCE_OPTIONS. False: it is another one. */
bool source_take(struct source *source, int letter, const char *text);

/* As config_load() does, with errors on standard error. */
int source_load(const struct source *source, struct config **configp);

/* Secrets: secret.c */

#define SECRET_MAX 255 /* octets; what PASS takes */

struct secret_scheme;

/* By its word, as -t has it; NULL: unknown. */
const struct secret_scheme *secret_find_scheme(const char *word);

/*
 * Reads a secret into secret: twice from the terminal, or one line, byte by
 * byte, from standard input. 0, or a code of sysexits(3), said. The caller
 * wipes it in either case.
 */
int secret_read(const char *name, bool from_stdin,
    const struct secret_scheme *scheme, char secret[SECRET_MAX + 2]);

/* The credential of a users file's line, to be given to freezero; or NULL, said. */
char *secret_encode(const struct secret_scheme *scheme, const char *secret);

/* The users file: users.c */

enum users_field {
	USERS_NAME,
	USERS_CREDENTIAL,
	USERS_UID,
	USERS_GID,
	USERS_GECOS,
	USERS_HOME,
	USERS_MAILDROP,
	USERS_FIELDS
};

/* A users file, locked against other runs, read whole. */
struct users {
	char *path; /* resolved */
	int fd;     /* holds the lock */
	char *text; /* secrets: wiped by users_close() */
	size_t len;
	struct stat st;
	bool created; /* there was none before */
};

/* One line of it. */
struct users_entry {
	size_t start,
	    len;    /* in the text, without the line end; len 0: no such line */
	char *copy; /* what fields point into; secrets */
	const char *fields[USERS_FIELDS];
};

/* Waits for the lock; makes an empty file where there is none. 0, or -1, said. */
int users_open(const char *path, struct users *users);

/* Lets the lock go. An empty file that users_open() made is removed again. */
void users_close(struct users *users);

/*
 * Finds the line of a name. *entryp is filled in every case, to be given to
 * users_entry_free(). 0, or -1, said: the name has two lines, or one that is
 * no line of a users file.
 */
int users_find(const struct users *users, const char *name,
    struct users_entry *entryp);
void users_entry_free(struct users_entry *entry);

/*
 * Puts entry->fields in the place of the entry's old line, or behind the last
 * line where it had none: a new file, synced, with the owner and mode of the
 * old one, is renamed over it. No other octet changes. 0, or -1, said.
 */
int users_store(struct users *users, const struct users_entry *entry);

#endif
