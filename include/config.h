/*
 * The configuration: one INI file, one table (src/base/config_table.c), one
 * struct. poplar.conf(5) documents every row of the table.
 */
#ifndef POPLAR_CONFIG_H
#define POPLAR_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum config_sandbox { SANDBOX_REQUIRED, SANDBOX_TRY };
enum config_cleartext {
	CLEARTEXT_AUTO,
	CLEARTEXT_NEVER,
	CLEARTEXT_LOCAL,
	CLEARTEXT_ALWAYS
};
enum config_dotlock { DOTLOCK_OFF, DOTLOCK_TRY, DOTLOCK_REQUIRED };
enum config_lock_hold { LOCK_HOLD_ACCESS, LOCK_HOLD_SESSION };
enum config_protocol { PROTOCOL_TLS12, PROTOCOL_TLS13 };
enum config_target { TARGET_AUTO, TARGET_SYSLOG, TARGET_STDERR };

/* Times in milliseconds, sizes in octets, strings owned by the struct. */
struct config {
	struct {
		char *pop3;           /* blank-separated addresses */
		char *pop3s;          /* the same, TLS from the first octet */
		char *proxy_networks; /* blank-separated networks */
	} listen;
	struct {
		char *user;
		char *state_dir;
		char *run_dir;
		char *hostname;   /* never empty after config_load */
		unsigned sandbox; /* enum config_sandbox */
	} server;
	struct {
		char *certificate;     /* blank-separated files; empty: no TLS */
		char *private_key;     /* as many */
		unsigned min_protocol; /* enum config_protocol */
		char *ciphers;         /* empty: OpenSSL's default */
		char *client_ca;       /* empty: no client certificates */
	} tls;
	struct {
		char *backends; /* "users", "pam", in order */
		char *users_file;
		char *pam_service;
		unsigned cleartext; /* enum config_cleartext */
		char *mechanisms;   /* "auto", or names of SASL mechanisms */
		uint64_t first_uid;
		uint64_t max_attempts;
		uint64_t failure_delay_ms;
	} auth;
	struct {
		char *path;         /* template: %u %n %d %h %% */
		unsigned dotlock;   /* enum config_dotlock */
		unsigned lock_hold; /* enum config_lock_hold */
		uint64_t lock_wait_ms;
		uint64_t max_size;
		uint64_t max_messages;
	} maildrop;
	struct {
		uint64_t idle_timeout_ms;
		uint64_t stall_timeout_ms;
		uint64_t tls_timeout_ms;
		uint64_t max;
		uint64_t max_per_address;
		unsigned utf8;           /* 0 off, 1 on */
		uint64_t login_delay_ms; /* 0: none */
		char *expire;            /* "never", or days */
	} session;
	struct {
		unsigned target; /* enum config_target */
		unsigned level;  /* enum log_level */
	} log;
};

/* An override from the command line, "section.key=value"; borrowed. */
struct config_overrides {
	const char *const *items;
	size_t count;
};

/*
 * Reads a file and the overrides over the defaults. Every error is written to
 * errors, one line each, beginning with "file:line: " or "-o section.key: ",
 * and saying what to do. A file that is absent is an error unless !required.
 *
 * The file: [section], key = value, blanks at both ends of a value ignored;
 * no quotes, escapes or continued lines. '#' begins a comment at the start of
 * a line and behind a blank, nowhere else. A line may end in CRLF and have
 * 4096 octets. The file must be root's or the caller's, and nobody else may
 * be able to write it. A key that this version cannot honour is accepted with
 * its default alone.
 *
 * Returns the number of errors; on 0 *configp is the caller's, to be freed
 * with config_free(); else it is NULL.
 */
int config_load(const char *path, bool required,
    const struct config_overrides *overrides, FILE *errors,
    struct config **configp);

/* The same, with each error logged. */
int config_load_logged(const char *path, bool required,
    const struct config_overrides *overrides, struct config **configp);

/* NULL is allowed. */
void config_free(struct config *config);

/* Calls a function for each row, "section", "key", default: for tests and -V. */
void config_each(void (*row)(const char *section, const char *key,
                     const char *fallback, void *ctx),
    void *ctx);

/*
 * One of the addresses of listen.pop3: "host:port", "[v6]:port", "*:port"
 * (both families), ":port" is refused. The strings are written to host and
 * port, terminated, without brackets. *listp moves on behind the address, or
 * to it where it is none. Returns 1 for an address, 0 at the end of the list,
 * -1 for text that is no address. The port is a number, 1 to 65535.
 */
#define CONFIG_HOST_MAX 256
#define CONFIG_PORT_MAX 8
int config_next_address(const char **listp, char host[CONFIG_HOST_MAX],
    char port[CONFIG_PORT_MAX]);

/*
 * Expands maildrop.path: %u name, %n local part, %d domain (after '@'; empty
 * without one), %h home, %% a '%'. Returns false if it does not fit, uses
 * anything else, or a part could lead elsewhere: a part of the name that holds
 * '/', begins with '.' or ends in ".lock", an empty name or local part, a home
 * without '/'.
 */
bool config_expand_path(const char *template, const char *name, const char *home,
    char *dst, size_t size);

#endif
