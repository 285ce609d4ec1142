/*
 * The configuration as it should be: defaults, the form of the file, a value
 * of every type, overrides.
 */
#include "config_file.h"

#include "log.h"

/* A configuration with one setting, which must be right. */
static struct config *
with(const char *section, const char *setting)
{
	struct config *config;
	char text[512];

	snprintf(text, sizeof(text), "[%s]\n%s\n", section, setting);
	write_file(text, strlen(text));
	if (load(path, NULL, &config) != 0)
		fail_msg("%s: %s", setting, said);
	return config;
}

static void
test_defaults(void **state)
{
	struct config *config;

	(void)state;
	assert_int_equal(load("/dev/null", NULL, &config), 0);
	assert_string_equal(said, "");
	assert_string_equal(config->listen.pop3, "*:110");
	assert_string_equal(config->server.user, "poplar");
	assert_string_equal(config->server.state_dir, "/var/lib/poplar");
	assert_string_equal(config->server.run_dir, "/run/poplar");
	assert_string_not_equal(config->server.hostname, "");
	assert_int_equal(config->server.sandbox, SANDBOX_REQUIRED);
	assert_string_equal(config->auth.backends, "users pam");
	assert_string_equal(config->auth.users_file, "/etc/poplar/users");
	assert_string_equal(config->auth.pam_service, "poplar");
	assert_int_equal(config->auth.cleartext, CLEARTEXT_AUTO);
	assert_int_equal(config->auth.first_uid, 1000);
	assert_int_equal(config->auth.max_attempts, 3);
	assert_int_equal(config->auth.failure_delay_ms, 2000);
	assert_string_equal(config->maildrop.path, "/var/mail/%u");
	assert_int_equal(config->maildrop.dotlock, DOTLOCK_TRY);
	assert_int_equal(config->maildrop.lock_hold, LOCK_HOLD_ACCESS);
	assert_int_equal(config->maildrop.lock_wait_ms, 10000);
	assert_int_equal(config->maildrop.max_size, 0);
	assert_int_equal(config->maildrop.max_messages, 0);
	assert_int_equal(config->session.idle_timeout_ms, 600000);
	assert_int_equal(config->session.stall_timeout_ms, 600000);
	assert_int_equal(config->session.max, 1000);
	assert_int_equal(config->session.max_per_address, 20);
	assert_int_equal(config->log.target, TARGET_AUTO);
	assert_int_equal(config->log.level, LOG_INFO_LEVEL);
	config_free(config);
}

static void
test_absent_file(void **state)
{
	struct config *config;
	FILE *errors = tmpfile();

	(void)state;
	assert_int_equal(load("/nonexistent/conf", NULL, &config), 1);
	assert_string_equal(said,
	    "/nonexistent/conf: cannot be opened: "
	    "No such file or directory; name another with -c\n");
	assert_int_equal(
	    config_load("/nonexistent/conf", false, NULL, errors, &config), 0);
	config_free(config);
	fclose(errors);
}

static void
test_form_of_the_file(void **state)
{
	static const char text[] =
	    "# comment = not\n#[section]\n\n  \t\n[ server ] # a section\r\n"
	    "\tuser\t=  mail # a comment\r\n   # another\n"
	    "state_dir = /a#b c\\\n"
	    "run_dir=/r=s\t#\n"
	    "[auth]\n[server]\nhostname =\n[log]\nlevel = debug";
	struct config *config;

	(void)state;
	write_file(text, strlen(text));
	assert_int_equal(load(path, NULL, &config), 0);
	assert_string_equal(config->server.user, "mail");
	assert_string_equal(config->server.state_dir, "/a#b c\\");
	assert_string_equal(config->server.run_dir, "/r=s");
	assert_string_not_equal(config->server.hostname, "");
	assert_int_equal(config->log.level, LOG_DEBUG_LEVEL);
	config_free(config);
}

/* The log's levels by their words, and a word of each list by its value. */
static void
test_words(void **state)
{
	static const char *const levels[] = {"level = error", "level = warning",
	    "level = info", "level = debug"};
	struct config *config;

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		config = with("log", levels[i]);
		assert_int_equal(config->log.level, i);
		config_free(config);
	}
	config = with("server",
	    "sandbox = try\n[auth]\ncleartext = local\n"
	    "backends =  pam \tusers\n[maildrop]\ndotlock = required\n"
	    "lock_hold = session\n[log]\ntarget = stderr");
	assert_int_equal(config->server.sandbox, SANDBOX_TRY);
	assert_int_equal(config->auth.cleartext, CLEARTEXT_LOCAL);
	assert_string_equal(config->auth.backends, "pam \tusers");
	assert_int_equal(config->maildrop.dotlock, DOTLOCK_REQUIRED);
	assert_int_equal(config->maildrop.lock_hold, LOCK_HOLD_SESSION);
	assert_int_equal(config->log.target, TARGET_STDERR);
	config_free(config);
}

static void
test_numbers(void **state)
{
	static const struct {
		const char *setting;
		uint64_t ms;
	} times[] = {
	    {"lock_wait = 0",      0     },
	    {"lock_wait = 7",      7000  },
	    {"lock_wait = 1500ms", 1500  },
	    {"lock_wait = 30s",    30000 },
	    {"lock_wait = 5M",     300000},
	};
	static const struct {
		const char *setting;
		uint64_t octets;
	} sizes[] = {
	    {"max_size = 0",     0                },
	    {"max_size = 100",   100              },
	    {"max_size = 64k",   65536            },
	    {"max_size = 2g",    UINT64_C(2) << 30},
	    {"max_size = 1024T", UINT64_C(1) << 50},
	};
	struct config *config;

	(void)state;
	for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
		config = with("maildrop", times[i].setting);
		assert_int_equal(config->maildrop.lock_wait_ms, times[i].ms);
		config_free(config);
	}
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		config = with("maildrop", sizes[i].setting);
		assert_int_equal(config->maildrop.max_size, sizes[i].octets);
		config_free(config);
	}
	config = with("session", "idle_timeout = 24h\nmax = 100000");
	assert_int_equal(config->session.idle_timeout_ms, 86400000);
	assert_int_equal(config->session.max, 100000);
	config_free(config);
}

/* Known, not honoured, and yet no fault at their defaults, however written. */
static void
test_keys_of_later_versions(void **state)
{
	(void)state;
	config_free(with("listen", "pop3s =\nproxy_networks =\n"
	                           "[tls]\ncertificate =\nprivate_key =\n"
	                           "min_protocol = TLSv1.2\nciphers =\n"
	                           "[maildrop]\nuidl = native\n"
	                           "[session]\ntls_timeout = 20000ms\nutf8 = off\n"
	                           "login_delay = 0s\nexpire = never\n"));
}

/* Port 995 opens by itself, unless somebody said something about it. */
static void
test_tls_port(void **state)
{
	static const char text[] = "[tls]\ncertificate = /cert.pem\n";
	struct config *config;

	(void)state;
	config = with("tls", "certificate = /cert.pem");
	assert_string_equal(config->listen.pop3s, "*:995");
	config_free(config);
	config = with("listen", "pop3s =\n[tls]\ncertificate = /cert.pem");
	assert_string_equal(config->listen.pop3s, "");
	config_free(config);
	write_file(text, strlen(text));
	assert_int_equal(load(path, "listen.pop3s=", &config), 0);
	assert_string_equal(config->listen.pop3s, "");
	config_free(config);
}

static void
test_longest_host_name(void **state)
{
	char setting[11 + CONFIG_HOST_MAX] = "hostname = ";
	struct config *config;

	(void)state;
	memset(setting + 11, 'a', CONFIG_HOST_MAX - 1);
	config = with("server", setting);
	assert_int_equal(strlen(config->server.hostname), CONFIG_HOST_MAX - 1);
	config_free(config);
}

static void
test_overrides(void **state)
{
	static const char *const items[] = {"log.level=error", "log.level = debug",
	    "server.run_dir=/run/a #b"};
	const struct config_overrides overrides = {items, 3};
	struct config *config;

	(void)state;
	write_file("[log]\nlevel = warning\n", 22);
	assert_int_equal(config_load(path, true, &overrides, stderr, &config), 0);
	assert_int_equal(config->log.level, LOG_DEBUG_LEVEL);
	assert_string_equal(config->server.run_dir, "/run/a #b");
	config_free(config);
}

static void
count_row(const char *section, const char *key, const char *fallback, void *ctx)
{
	size_t *countp = ctx;
	struct config *config;
	char item[256];

	++*countp;
	snprintf(item, sizeof(item), "%s.%s=%s", section, key, fallback);
	assert_int_equal(load("/dev/null", item, &config), 0);
	config_free(config);
}

static void
test_every_default_is_legal(void **state)
{
	size_t count = 0;

	(void)state;
	config_each(count_row, &count);
	assert_int_equal(count, 38);
}

static void
test_free_takes_null(void **state)
{
	(void)state;
	config_free(NULL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_defaults),
	    cmocka_unit_test(test_absent_file),
	    cmocka_unit_test(test_form_of_the_file),
	    cmocka_unit_test(test_words),
	    cmocka_unit_test(test_numbers),
	    cmocka_unit_test(test_keys_of_later_versions),
	    cmocka_unit_test(test_tls_port),
	    cmocka_unit_test(test_longest_host_name),
	    cmocka_unit_test(test_overrides),
	    cmocka_unit_test(test_every_default_is_legal),
	    cmocka_unit_test(test_free_takes_null),
	};

	return cmocka_run_group_tests_name("config", tests, make_folder,
	    remove_folder);
}
