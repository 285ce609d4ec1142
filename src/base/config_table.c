/*
 * Every key of poplar.conf: where it stands, what it may hold, what it is
 * when nobody sets it. Used everywhere, no privilege. A key whose feature
 * this version does not have is here too, with the reason, so that it is
 * refused and never ignored. poplar.conf(5) documents each row; a test
 * compares the two both ways.
 */
#include "config_row.h"

#include <stdint.h>

#include "config.h"
#include "log.h"

#define FIELD(member) .offset = offsetof(struct config, member)
#define MINUTES(n) ((uint64_t)(n)*60000)

static const char *const sandbox_words[] = {
    [SANDBOX_REQUIRED] = "required", [SANDBOX_TRY] = "try", NULL};
static const char *const backend_words[] = {"users", "pam", NULL};
static const char *const cleartext_words[] = {[CLEARTEXT_AUTO] = "auto",
    [CLEARTEXT_NEVER] = "never",
    [CLEARTEXT_LOCAL] = "local",
    [CLEARTEXT_ALWAYS] = "always",
    NULL};
static const char *const mechanism_words[] = {"auto", "SCRAM-SHA-256-PLUS",
    "SCRAM-SHA-256", "PLAIN", "LOGIN", "EXTERNAL", NULL};
static const char *const dotlock_words[] = {[DOTLOCK_OFF] = "off",
    [DOTLOCK_TRY] = "try",
    [DOTLOCK_REQUIRED] = "required",
    NULL};
static const char *const hold_words[] = {
    [LOCK_HOLD_ACCESS] = "access", [LOCK_HOLD_SESSION] = "session", NULL};
static const char *const target_words[] = {[TARGET_AUTO] = "auto",
    [TARGET_SYSLOG] = "syslog",
    [TARGET_STDERR] = "stderr",
    NULL};
static const char *const level_words[] = {[LOG_ERROR_LEVEL] = "error",
    [LOG_WARNING_LEVEL] = "warning",
    [LOG_INFO_LEVEL] = "info",
    [LOG_DEBUG_LEVEL] = "debug",
    NULL};
static const char *const protocol_words[] = {
    [PROTOCOL_TLS12] = "TLSv1.2", [PROTOCOL_TLS13] = "TLSv1.3", NULL};
static const char *const switch_words[] = {"off", "on", NULL};

static const char only_native[] =
    "this version has one kind of unique-id; set it to native";

/* clang-format off */
const struct config_row config_rows[] = {
	{"listen", "pop3", &config_addresses, "*:110", FIELD(listen.pop3)},
	/* empty, not set: *:995 where there is a certificate, see config_load() */
	{"listen", "pop3s", &config_addresses, "", FIELD(listen.pop3s)},
	{"listen", "proxy_networks", &config_networks, "", FIELD(listen.proxy_networks)},

	{"server", "user", &config_name, "poplar", FIELD(server.user)},
	{"server", "state_dir", &config_path, "/var/lib/poplar", FIELD(server.state_dir)},
	{"server", "run_dir", &config_path, "/run/poplar", FIELD(server.run_dir)},
	/* empty: the host's name, see config_load() */
	{"server", "hostname", &config_host, "", FIELD(server.hostname)},
	{"server", "sandbox", &config_word, "required", FIELD(server.sandbox),
	    .words = sandbox_words},

	{"tls", "certificate", &config_paths, "", FIELD(tls.certificate)},
	{"tls", "private_key", &config_paths, "", FIELD(tls.private_key)},
	{"tls", "min_protocol", &config_word, "TLSv1.2", FIELD(tls.min_protocol),
	    .words = protocol_words},
	{"tls", "ciphers", &config_any, "", FIELD(tls.ciphers)},
	{"tls", "client_ca", &config_paths, "", FIELD(tls.client_ca)},

	{"auth", "backends", &config_words, "users pam", FIELD(auth.backends),
	    .words = backend_words},
	{"auth", "users_file", &config_path, "/etc/poplar/users", FIELD(auth.users_file)},
	{"auth", "pam_service", &config_name, "poplar", FIELD(auth.pam_service)},
	{"auth", "cleartext", &config_word, "auto", FIELD(auth.cleartext),
	    .words = cleartext_words},
	{"auth", "first_uid", &config_number, "1000", FIELD(auth.first_uid),
	    0, UINT32_MAX - 1},
	{"auth", "mechanisms", &config_auto_words, "auto", FIELD(auth.mechanisms),
	    .words = mechanism_words},
	{"auth", "max_attempts", &config_number, "3", FIELD(auth.max_attempts), 1, 100},
	{"auth", "failure_delay", &config_time, "2s", FIELD(auth.failure_delay_ms),
	    0, 30000},

	{"maildrop", "path", &config_template, "/var/mail/%u", FIELD(maildrop.path)},
	{"maildrop", "dotlock", &config_word, "try", FIELD(maildrop.dotlock),
	    .words = dotlock_words},
	{"maildrop", "lock_hold", &config_word, "access", FIELD(maildrop.lock_hold),
	    .words = hold_words},
	{"maildrop", "lock_wait", &config_time, "10s", FIELD(maildrop.lock_wait_ms),
	    0, MINUTES(5)},
	{"maildrop", "max_size", &config_size, "0", FIELD(maildrop.max_size),
	    0, UINT64_C(1) << 50},
	{"maildrop", "max_messages", &config_number, "0", FIELD(maildrop.max_messages),
	    0, UINT32_MAX - 1},
	{"maildrop", "uidl", &config_any, "native", .later = only_native},

	/* RFC 1725 section 3: an autologout timer is of at least 10 minutes */
	{"session", "idle_timeout", &config_time, "10m", FIELD(session.idle_timeout_ms),
	    MINUTES(10), MINUTES(24 * 60)},
	{"session", "stall_timeout", &config_time, "10m", FIELD(session.stall_timeout_ms),
	    MINUTES(10), MINUTES(24 * 60)},
	{"session", "tls_timeout", &config_time, "20s", FIELD(session.tls_timeout_ms),
	    1000, MINUTES(10)},
	{"session", "max", &config_number, "1000", FIELD(session.max), 1, 100000},
	{"session", "max_per_address", &config_number, "20",
	    FIELD(session.max_per_address), 1, 100000},
	{"session", "utf8", &config_word, "off", FIELD(session.utf8),
	    .words = switch_words},
	{"session", "login_delay", &config_time, "0", FIELD(session.login_delay_ms),
	    0, MINUTES(24 * 60)},
	{"session", "expire", &config_expire, "never", FIELD(session.expire)},

	{"log", "target", &config_word, "auto", FIELD(log.target), .words = target_words},
	{"log", "level", &config_word, "info", FIELD(log.level), .words = level_words},
};
/* clang-format on */

const size_t config_row_count = sizeof(config_rows) / sizeof(config_rows[0]);

_Static_assert(sizeof(config_rows) / sizeof(config_rows[0]) <= CONFIG_ROWS_MAX,
    "CONFIG_ROWS_MAX is too small");
