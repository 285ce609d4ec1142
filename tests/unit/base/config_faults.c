/*
 * The configuration as it should not be: each fault in its words, with file
 * and line, and every one of them told.
 */
#include "config_file.h"

/* One setting that must be wrong, in exactly these words. */
static void
refused(const char *section, const char *setting, const char *words)
{
	struct config *config;
	char text[8192], wanted[1024];

	snprintf(text, sizeof(text), "[%s]\n%s\n", section, setting);
	write_file(text, strlen(text));
	assert_int_equal(load(path, NULL, &config), 1);
	snprintf(wanted, sizeof(wanted), "%s:2: %s\n", path, words);
	assert_string_equal(said, wanted);
}

static void
test_broken_lines(void **state)
{
	char line[5000];

	(void)state;
	refused("log", "level", "\"level\": no '='; write key = value");
	refused("log", "level debug # = x",
	    "\"level debug\": no '='; write key = value");
	refused("log", "[auth", "[auth: no ']' at the end; write [section]");
	refused("log", "[]", "[]: unknown section; poplar.conf(5) names them all");
	refused("log", "[Auth]\nfoo\n= bar",
	    "[Auth]: unknown section; poplar.conf(5) names them all");
	refused("log", "=", "log.: unknown key; poplar.conf(5) names them all");
	refused("log", "Level = info",
	    "log.Level: unknown key; poplar.conf(5) names them all");
	refused("log", "idle_timeout = 20m",
	    "log.idle_timeout: unknown key; it belongs to section [session]");
	refused("log", "level = \033[31minfo",
	    "the line holds a control character; remove it");
	memset(line, 'x', sizeof(line));
	memcpy(line, "level = ", 8);
	line[4097] = '\0';
	refused("log", line, "the line is longer than 4096 octets; shorten it");
}

static void
test_nul_octet(void **state)
{
	static const char text[] = "[log]\nlevel = info\0rmation\n";
	struct config *config;
	char wanted[200];

	(void)state;
	write_file(text, sizeof(text) - 1);
	assert_int_equal(load(path, NULL, &config), 1);
	snprintf(wanted, sizeof(wanted),
	    "%s:2: the line holds a NUL octet; write it anew\n", path);
	assert_string_equal(said, wanted);
}

static void
test_setting_before_any_section(void **state)
{
	struct config *config;
	char wanted[200];

	(void)state;
	write_file("level = info\n", 13);
	assert_int_equal(load(path, NULL, &config), 1);
	snprintf(wanted, sizeof(wanted),
	    "%s:1: \"level\": stands before the first [section]; move it\n", path);
	assert_string_equal(said, wanted);
}

static void
test_duplicate(void **state)
{
	static const char text[] = "[log]\nlevel = info\n\n[log]\nlevel = info\n";
	struct config *config;
	char wanted[200];

	(void)state;
	write_file(text, strlen(text));
	assert_int_equal(load(path, NULL, &config), 1);
	snprintf(wanted, sizeof(wanted),
	    "%s:5: log.level: duplicate of line 2; remove one of the two\n", path);
	assert_string_equal(said, wanted);
}

static void
test_wrong_words(void **state)
{
	(void)state;
	refused("log", "level =",
	    "log.level: \"\" is not known here; "
	    "write error, warning, info or debug");
	refused("server", "sandbox = off",
	    "server.sandbox: \"off\" is not known here; write required or try");
	refused("auth", "cleartext = Auto",
	    "auth.cleartext: \"Auto\" is not known here; "
	    "write auto, never, local or always");
	refused("auth", "backends = users ldap",
	    "auth.backends: \"ldap\" is not known here; write users or pam");
	refused("auth", "backends =",
	    "auth.backends: \"\" is not known here; write users or pam");
	refused("auth", "mechanisms = PLAIN CRAM-MD5",
	    "auth.mechanisms: \"CRAM-MD5\" is not known here; write auto, "
	    "SCRAM-SHA-256-PLUS, SCRAM-SHA-256, PLAIN, LOGIN or EXTERNAL");
	refused("auth", "mechanisms = PLAIN auto",
	    "auth.mechanisms: auto stands alone; remove it or the rest");
	refused("auth", "backends = pam pam",
	    "auth.backends: pam is named twice; name it once");
}

static void
test_wrong_numbers(void **state)
{
	static const char *const bad[] = {"-1", "+1", "0x1", "01", "1.5", "1 0", "",
	    "1k", "ten", "1s", "\"1\""};
	char setting[64], words[128];

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		snprintf(setting, sizeof(setting), "max = %s", bad[i]);
		snprintf(words, sizeof(words),
		    "session.max: \"%s\" is no number; write decimal digits",
		    bad[i]);
		refused("session", setting, words);
	}
	refused("session", "idle_timeout = 10 m",
	    "session.idle_timeout: \"10 m\" is no time; "
	    "write one like 30s, 10m or 1h");
	refused("maildrop", "max_size = 10kb",
	    "maildrop.max_size: \"10kb\" is no size; write one like 64k or 2g");
}

/* RFC 1725 section 3 among them: no autologout before 10 minutes. */
static void
test_ranges(void **state)
{
	(void)state;
	refused("session", "idle_timeout = 599s",
	    "session.idle_timeout: 599s is out of range; write 10m to 1d");
	refused("session", "stall_timeout = 9m",
	    "session.stall_timeout: 9m is out of range; write 10m to 1d");
	refused("session", "max = 0",
	    "session.max: 0 is out of range; write 1 to 100000");
	refused("session", "max = 18446744073709551616",
	    "session.max: 18446744073709551616 is out of range; write 1 to 100000");
	refused("session", "max = 11111111111111111111111111111111111111111",
	    "session.max: 11111111111111111111111111111111111111111 is out of "
	    "range; "
	    "write 1 to 100000");
	refused("maildrop", "max_size = 18014398509481984k",
	    "maildrop.max_size: 18014398509481984k is out of range; "
	    "write 0 to 1024t");
	refused("auth", "first_uid = 4294967295",
	    "auth.first_uid: 4294967295 is out of range; write 0 to 4294967294");
}

static void
test_texts(void **state)
{
	(void)state;
	refused("server", "state_dir = lib",
	    "server.state_dir: \"lib\" is no absolute path; begin it with /");
	refused("auth", "users_file =",
	    "auth.users_file: \"\" is no absolute path; begin it with /");
	refused("tls", "certificate = /a.pem cert/b.pem",
	    "tls.certificate: \"cert/b.pem\" is no absolute path; begin it with /");
	refused("server", "user = a b",
	    "server.user: \"a b\" cannot be a name; use letters and digits");
	refused("auth", "pam_service = ../x",
	    "auth.pam_service: \"../x\" cannot be a name; use letters and digits");
	refused("server", "hostname = a>b",
	    "server.hostname: \"a>b\" is no host name; "
	    "use letters, digits, '-' and '.'");
	refused("maildrop", "path = mail/%u",
	    "maildrop.path: \"mail/%u\" is no absolute path; begin it with / or "
	    "%h");
	refused("maildrop", "path = /mail/%u/",
	    "maildrop.path: \"/mail/%u/\" is a folder; name a file");
	refused("maildrop", "path = /mail/%x",
	    "maildrop.path: \"/mail/%x\" cannot be expanded; "
	    "write only %u %n %d %h and %%");
	refused("listen", "pop3 = *:110 localhost",
	    "listen.pop3: \"localhost\" is no address; "
	    "write host:port, [v6]:port or *:port");
}

static void
test_tls_port_without_certificate(void **state)
{
	struct config *config;

	(void)state;
	refused("listen", "pop3s = *:995",
	    "listen.pop3s: needs tls.certificate and tls.private_key; set them, "
	    "or leave it empty");
	assert_int_equal(load("/dev/null", "listen.pop3s=*:995", &config), 1);
	assert_non_null(strstr(said, "-o listen.pop3s: needs tls.certificate"));
}

/* Known, not honoured: anything but the default says why it is refused. */
static void
test_only_one_value(void **state)
{
	(void)state;
	refused("maildrop", "uidl = md5",
	    "maildrop.uidl: this version has one kind of unique-id; "
	    "set it to native");
}

static void
test_extensions(void **state)
{
	(void)state;
	refused("listen", "proxy_networks = 192.0.2.1/24",
	    "listen.proxy_networks: \"192.0.2.1/24\" is no network; write an "
	    "address or address/bits, with no bit set behind the network's");
	refused("session", "utf8 = perhaps",
	    "session.utf8: \"perhaps\" is not known here; write off or on");
	refused("session", "login_delay = 2d",
	    "session.login_delay: 2d is out of range; write 0 to 1d");
	refused("session", "expire = soon",
	    "session.expire: \"soon\" is no time; write never, or days");
}

static void
test_wrong_overrides(void **state)
{
	static const struct {
		const char *item, *said;
	} cases[] = {
	    {"log.level=x",    "-o log.level: \"x\" is not known here; "
	                    "write error, warning, info or debug\n"},
	    {"log.x=1",        "-o log.x: unknown key; poplar.conf(5) names them all\n"       },
	    {"log.max=1",
             "-o log.max: unknown key; it belongs to section [session]\n"                     },
	    {"log.level",      "-o log.level: write -o section.key=value\n"                   },
	    {"level=info",     "-o level=info: write -o section.key=value\n"                  },
	    {"level=a.b",      "-o level=a.b: write -o section.key=value\n"                   },
	    {"",               "-o : write -o section.key=value\n"                            },
	    {"log.level=\001",
             "-o override: the line holds a control character; remove it\n"                   },
	};
	struct config *config;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(load("/dev/null", cases[i].item, &config), 1);
		assert_string_equal(said, cases[i].said);
	}
}

/* An override does not hide what is wrong in the file. */
static void
test_all_faults_are_told(void **state)
{
	static const char text[] = "[log]\nlevel = x\ntarget = y\n";
	struct config *config;
	size_t lines = 0;

	(void)state;
	write_file(text, strlen(text));
	assert_int_equal(load(path, "log.level=z", &config), 3);
	for (size_t i = 0; i < said_size; i++)
		lines += said[i] == '\n';
	assert_int_equal(lines, 3);
}

static void
test_rights_of_the_file(void **state)
{
	static const mode_t modes[] = {0620, 0602, 0666};
	struct config *config;

	(void)state;
	write_file("", 0);
	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		assert_int_equal(chmod(path, modes[i]), 0);
		assert_int_equal(load(path, NULL, &config), 1);
		assert_non_null(strstr(said, "chmod go-w"));
	}
	assert_int_equal(chmod(path, 0644), 0);
	assert_int_equal(load(path, NULL, &config), 0);
	config_free(config);
	assert_int_equal(load(folder, NULL, &config), 1);
	assert_non_null(strstr(said, "is not a plain file"));
	if (geteuid() != 0)
		return;
	assert_int_equal(chown(path, 1, 1), 0);
	assert_int_equal(load(path, NULL, &config), 1);
	assert_non_null(strstr(said, "belongs to another user, uid 1;"));
	assert_int_equal(unlink(path), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_broken_lines),
	    cmocka_unit_test(test_nul_octet),
	    cmocka_unit_test(test_setting_before_any_section),
	    cmocka_unit_test(test_duplicate),
	    cmocka_unit_test(test_wrong_words),
	    cmocka_unit_test(test_wrong_numbers),
	    cmocka_unit_test(test_ranges),
	    cmocka_unit_test(test_texts),
	    cmocka_unit_test(test_tls_port_without_certificate),
	    cmocka_unit_test(test_only_one_value),
	    cmocka_unit_test(test_extensions),
	    cmocka_unit_test(test_wrong_overrides),
	    cmocka_unit_test(test_all_faults_are_told),
	    cmocka_unit_test(test_rights_of_the_file),
	};

	return cmocka_run_group_tests_name("config_faults", tests, make_folder,
	    remove_folder);
}
