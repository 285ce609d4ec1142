/*
 * SCRAM-SHA-256-PLUS (RFC 5802 section 6) over TLS between two ends in this
 * process: the flag that must agree with the mechanism and with what was
 * offered, and the channel's data, which must be this channel's.
 */
#include <openssl/ec.h>
#include <openssl/x509.h>

#include "scram_dialogue.h"

/* A certificate for some minutes, of nobody's. */
static X509 *
make_certificate(EVP_PKEY *key)
{
	X509 *certificate = X509_new();

	assert_non_null(certificate);
	assert_int_equal(X509_set_version(certificate, X509_VERSION_3), 1);
	assert_non_null(X509_gmtime_adj(X509_getm_notBefore(certificate), -60));
	assert_non_null(X509_gmtime_adj(X509_getm_notAfter(certificate), 600));
	assert_int_equal(X509_set_pubkey(certificate, key), 1);
	assert_true(X509_sign(certificate, key, EVP_sha256()) > 0);
	return certificate;
}

/*
 * Both ends turn to TLS of that version. Returns tls-server-end-point, RFC 5929
 * section 4.
 */
static void
secure(struct dialogue *d, int version, unsigned char end_point[32])
{
	SSL_CTX *server = SSL_CTX_new(TLS_server_method());
	SSL_CTX *client = SSL_CTX_new(TLS_client_method());
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *certificate = make_certificate(key);
	struct channel *channel = &d->client.stream.channel;
	enum io_result result = IO_WANT_READ;

	assert_int_equal(X509_digest(certificate, EVP_sha256(), end_point, NULL),
	    1);
	assert_int_equal(SSL_CTX_use_certificate(server, certificate), 1);
	assert_int_equal(SSL_CTX_use_PrivateKey(server, key), 1);
	assert_int_equal(SSL_CTX_set_num_tickets(server, 0), 1);
	channel->tls = tls_new(server, channel->in);
	d->ssl = SSL_new(client);
	assert_int_equal(SSL_set_max_proto_version(d->ssl, version), 1);
	assert_int_equal(SSL_set_fd(d->ssl, d->wire), 1);
	for (int i = 0; i < 10 && result != IO_DONE; i++) {
		(void)SSL_connect(d->ssl);
		result = tls_handshake(channel->tls);
	}
	assert_int_equal(result, IO_DONE);
	X509_free(certificate);
	EVP_PKEY_free(key);
	SSL_CTX_free(server);
	SSL_CTX_free(client);
}

static void
test_flags(void **state)
{
	static const struct {
		const char *mechanism, *flag, *reply;
	} rows[] = {
	    {"SCRAM-SHA-256",      "Y",                  MALFORMED  },
	    {"SCRAM-SHA-256",      "p=tls-exporter",     MALFORMED  },
	    {"SCRAM-SHA-256-PLUS", "n",                  MALFORMED  },
	    {"SCRAM-SHA-256-PLUS", "y",                  MALFORMED  },
	    {"SCRAM-SHA-256-PLUS", "p",                  MALFORMED  },
	    {"SCRAM-SHA-256-PLUS", "p=",                 "this type"},
	    {"SCRAM-SHA-256-PLUS", "p=tls-unique",       "this type"},
	    {"SCRAM-SHA-256-PLUS", "p=TLS-EXPORTER",     "this type"},
	    {"SCRAM-SHA-256-PLUS", "p=tls-exporter\177", "this type"},
	};
	struct dialogue *d = dialogue_begin("SCRAM-SHA-256-PLUS SCRAM-SHA-256");
	unsigned char end_point[32];
	char command[64], first[64];
	const char *text;

	(void)state;
	/* without TLS there is nothing to bind to */
	say64(d, "AUTH SCRAM-SHA-256-PLUS ",
	    OCTETS("p=tls-exporter,,n=mrose,r=abc"));
	assert_refused_here(d, "mechanism is not offered");
	begin(d, "SCRAM-SHA-256", "y,,n=mrose,r=abc");
	say(d, OCTETS("*"));
	secure(d, TLS1_3_VERSION, end_point);
	for (size_t i = 0; i < COUNT(rows); i++) {
		snprintf(command, sizeof(command), "AUTH %s ", rows[i].mechanism);
		snprintf(first, sizeof(first), "%s,,n=mrose,r=abc", rows[i].flag);
		say64(d, command, first, strlen(first));
		assert_refused_here(d, rows[i].reply);
	}
	text = stretched("p=*,,n=mrose,r=abc", 900);
	say64(d, "AUTH SCRAM-SHA-256-PLUS ", text, strlen(text));
	assert_refused_here(d, "this type");
	/* "n": a client that cannot bind, or will not */
	begin(d, "SCRAM-SHA-256", FIRST);
	dialogue_end(d);
}

/*
 * "y" where -PLUS is offered. The monitor is told as of a proof of another
 * connection; should it say yes to that, the answer is no all the same.
 */
static void
test_downgrade(void **state)
{
	static const enum ipc_result results[] = {IPC_RESULT_DENIED, IPC_RESULT_OK};
	union ipc_message message;
	unsigned char end_point[32];

	(void)state;
	for (size_t i = 0; i < COUNT(results); i++) {
		struct dialogue *d = dialogue_begin(
		    "SCRAM-SHA-256-PLUS SCRAM-SHA-256");

		secure(d, TLS1_3_VERSION, end_point);
		answers_challenge(d, 4096);
		answers_login(d, results[i]);
		say64(d, "AUTH SCRAM-SHA-256 ", OCTETS("y,,n=mrose,r=abc"));
		assert_refused(d, i == 0 ? "[AUTH] login failed" : MALFORMED);
		assert_int_equal(d->verdict, i == 0 ? GO_ON : CLOSE);
		assert_int_equal(d->client.failures, i == 0);
		assert_int_equal(asked(d, &message), IPC_SCRAM);
		assert_string_equal(message.login.user, "mrose");
		assert_int_equal(asked(d, &message), IPC_PROOF);
		assert_int_equal(message.proof.foreign, 1);
		assert_int_equal(asked(d, &message), 0);
		dialogue_end(d);
	}
}

/* Says a final message with this binding, behind the header; foreign: told so. */
static void
say_bound(struct dialogue *d, const char *header, const void *data, size_t length,
    bool foreign)
{
	char all[128], encoded[TEXT_BASE64_SIZE(sizeof(all))], final[512];
	const size_t before = strlen(header);

	memcpy(all, header, before);
	memcpy(all + before, data, length);
	text_to_base64(encoded, all, before + length);
	snprintf(final, sizeof(final), "c=%s,r=abc" SERVER ",p=" PROOF, encoded);
	answers_login(d, IPC_RESULT_DENIED);
	say64(d, "", final, strlen(final));
	assert_refused(d, "[AUTH] login failed");
	assert_proof(d, foreign, NULL);
}

/*
 * The exporter's context is there, and empty (RFC 9266 section 2): to TLS 1.2
 * that is another than none (RFC 5705 section 4).
 */
static void
check_binding(int version)
{
	static const char *const headers[] = {"p=tls-server-end-point,,",
	    "p=tls-exporter,,"};
	struct dialogue *d = dialogue_begin("SCRAM-SHA-256-PLUS SCRAM-SHA-256");
	unsigned char data[2][32];
	char first[64];

	d->config.auth.max_attempts = 100;
	secure(d, version, data[0]);
	assert_int_equal(SSL_export_keying_material(d->ssl, data[1],
	                     sizeof(data[1]), "EXPORTER-Channel-Binding", 24,
	                     (const unsigned char *)"", 0, 1),
	    1);
	for (size_t i = 0; i < COUNT(headers); i++) {
		const struct {
			const char *header;
			const void *data;
			size_t length;
			bool foreign;
		} rows[] = {
		    {headers[i],     data[i],     32, false},
		    {headers[i],     data[1 - i], 32, true },
		    {headers[i],     data[i],     31, true },
		    {headers[i],     data[i],     0,  true },
		    {headers[1 - i], data[1 - i], 32, true },
		    {headers[1 - i], data[i],     32, true },
		    {"n,,",          "",          0,  true },
		    {"n,,",          data[i],     32, true },
		};

		snprintf(first, sizeof(first), "%sn=mrose,r=abc", headers[i]);
		for (size_t n = 0; n < COUNT(rows); n++) {
			begin(d, "SCRAM-SHA-256-PLUS", first);
			say_bound(d, rows[n].header, rows[n].data, rows[n].length,
			    rows[n].foreign);
		}
	}
	dialogue_end(d);
}

static void
test_binding(void **state)
{
	(void)state;
	check_binding(TLS1_2_VERSION);
	check_binding(TLS1_3_VERSION);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_flags),
	    cmocka_unit_test(test_downgrade),
	    cmocka_unit_test(test_binding),
	};

	return cmocka_run_group_tests_name("sasl_binding", tests, NULL, NULL);
}
