/*
 * Claims of client certificates: those that hold, with every kind of key,
 * cipher suite and way to shake hands; and those of a session that was taken
 * over, which lies in every octet, or tells the truth of something else.
 */
#include "handshakes.h"

#include "log.h"
#include "session/handshake.h"
#include "session/prove.h"

#define USER "mrose"

static const struct manners plain_manners = {NULL, NULL, 0};

/* What the tests share: an authority, our server, and a client whom it vouches for. */
static struct holder ca, other_ca, us, mrose;
static SSL_CTX *server;
static struct recording good;

static struct session_claim
claim_of(const struct recording *recording, SSL_CTX *ctx)
{
	struct session_claim claim = {.handshake = recording->octets,
	    .length = recording->length,
	    .user = USER};

	assert_true(certificates_terms(ctx, &claim));
	return claim;
}

/* What a claim with this handshake is worth to our server. */
static enum session_proved
judge(const struct recording *recording)
{
	const struct session_claim claim = claim_of(recording, server);

	return prove(&claim);
}

/* An allocation of its exact size, so that a sanitizer sees a step too far. */
static enum session_proved
judge_octets(const unsigned char *octets, size_t length)
{
	struct session_claim claim = claim_of(&good, server);
	unsigned char *copy = malloc(length > 0 ? length : 1);
	enum session_proved result;

	assert_non_null(copy);
	memcpy(copy, octets, length);
	claim.handshake = copy;
	claim.length = length;
	result = prove(&claim);
	free(copy);
	return result;
}

static int
set_up(void **state)
{
	(void)state;
	ca = make_plain("ca", NULL);
	other_ca = make_plain("other ca", NULL);
	us = make_plain("localhost", &ca);
	mrose = make_plain(USER, &ca);
	server = load_server(&us, &ca);
	return record(server, &mrose, &plain_manners, &good) ? 0 : -1;
}

static int
tear_down(void **state)
{
	struct holder *all[] = {&ca, &other_ca, &us, &mrose};

	(void)state;
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		free_holder(all[i]);
	certificates_free(server);
	return 0;
}

static void
test_every_kind_of_key(void **state)
{
	static const char *const kinds[][2] = {
	    {"RSA",     NULL   },
            {"EC",      "P-256"},
            {"EC",      "P-384"},
            {"EC",      "P-521"},
	    {"ED25519", NULL   },
            {"ED448",   NULL   }
        };
	struct recording recording;

	(void)state;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		struct holder client = make_holder(USER,
		    make_key(kinds[i][0], kinds[i][1]), &ca, 30, "clientAuth");

		assert_true(record(server, &client, &plain_manners, &recording));
		assert_int_equal(judge(&recording), PROVED);
		free_holder(&client);
	}
}

/* A key that is good for RSASSA-PSS and nothing else has schemes of its own. */
static void
test_pss_key(void **state)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "RSA-PSS", NULL);
	struct recording recording;
	struct holder client;
	EVP_PKEY *key = NULL;

	(void)state;
	assert_int_equal(EVP_PKEY_keygen_init(ctx), 1);
	assert_int_equal(EVP_PKEY_CTX_set_rsa_keygen_bits(ctx, 2048), 1);
	assert_int_equal(EVP_PKEY_generate(ctx, &key), 1);
	client = make_holder(USER, key, &ca, 30, NULL);
	assert_true(record(server, &client, &plain_manners, &recording));
	assert_int_equal(judge(&recording), PROVED);
	free_holder(&client);
	EVP_PKEY_CTX_free(ctx);
}

/* With a hello that is retried: the client's first group is none of ours. */
static void
test_every_way_to_shake_hands(void **state)
{
	static const char *const ciphers[] = {"TLS_AES_128_GCM_SHA256",
	    "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"};
	static const char *const groups[] = {"X25519", "ffdhe2048:X25519"};
	struct recording recording;
	struct handshake handshake;

	(void)state;
	for (size_t i = 0; i < 6; i++) {
		const struct manners manners = {ciphers[i / 2], groups[i % 2], 0};

		assert_true(record(server, &mrose, &manners, &recording));
		assert_int_equal(judge(&recording), PROVED);
		assert_true(handshake_parse(recording.octets, recording.length,
		    &handshake));
		assert_int_equal(handshake.retried.left != 0, i % 2);
	}
}

static void
test_not_offered(void **state)
{
	const struct manners old = {NULL, NULL, TLS1_2_VERSION};
	struct recording recording;

	(void)state;
	assert_false(record(server, NULL, &plain_manners, &recording));
	assert_false(record(server, &mrose, &old, &recording));
}

static void
test_name(void **state)
{
	struct session_claim claim = claim_of(&good, server);

	(void)state;
	assert_int_equal(prove(&claim), PROVED);
	claim.user = "root";
	assert_int_equal(prove(&claim), PROVED_NO_NAME);
	claim.user = "";
	assert_int_equal(prove(&claim), PROVED_NO_NAME);
}

static void
test_cut_at_every_octet(void **state)
{
	(void)state;
	for (size_t length = 0; length < good.length; length++)
		assert_int_equal(judge_octets(good.octets, length),
		    PROVED_NO_HANDSHAKE);
	good.octets[good.length] = 0;
	assert_int_equal(judge_octets(good.octets, good.length + 1),
	    PROVED_NO_HANDSHAKE);
}

/* Whatever an octet is there for: a type, a length, a name, a signature. */
static void
test_every_octet_changed(void **state)
{
	static const unsigned char changes[] = {0x01, 0x03, 0x80, 0xff};
	struct recording bad = good;

	(void)state;
	for (size_t i = 0; i < good.length; i++) {
		for (size_t k = 0; k < sizeof(changes); k++) {
			bad.octets[i] ^= changes[k];
			assert_int_not_equal(judge(&bad), PROVED);
			bad.octets[i] = good.octets[i];
		}
	}
	assert_int_equal(judge(&bad), PROVED);
}

/* Where a message begins, and its octets; messages are counted from 0. */
static unsigned char *
message(struct recording *recording, unsigned number, size_t *lengthp)
{
	unsigned char *at = recording->octets;

	for (;; at += *lengthp) {
		assert_true(at < recording->octets + recording->length);
		*lengthp = 4U + ((size_t)at[1] << 16 | (size_t)at[2] << 8 | at[3]);
		if (number-- == 0)
			return at;
	}
}

/* In the place of a message another one, or none. */
static void
replace(struct recording *recording, unsigned number, const unsigned char *other,
    size_t length)
{
	unsigned char *end = recording->octets + recording->length, *at;
	size_t before;

	at = message(recording, number, &before);
	memmove(at + length, at + before, (size_t)(end - at) - before);
	memcpy(at, other, length);
	recording->length += length - before;
}

enum { REQUEST = 3, SERVER_CHAIN, CLIENT_CHAIN = 7, SIGNATURE, MESSAGES };

static void
test_messages_out_of_place(void **state)
{
	static unsigned char twice[2 * IPC_PIECE_SIZE];
	struct recording bad;
	unsigned char *at;
	size_t length;

	(void)state;
	for (unsigned number = 0; number < MESSAGES; number++) {
		bad = good;
		replace(&bad, number, bad.octets, 0);
		assert_int_equal(judge(&bad), PROVED_NO_HANDSHAKE);
		bad = good;
		at = message(&bad, number, &length);
		assert_true(2 * length <= sizeof(twice));
		memcpy(twice, at, length);
		memcpy(twice + length, at, length);
		replace(&bad, number, twice, 2 * length);
		assert_int_equal(judge(&bad), PROVED_NO_HANDSHAKE);
	}
}

/* Who was seen by one session is not who is with the next. */
static void
test_another_connection(void **state)
{
	struct recording recording;

	(void)state;
	certificates_freshen(server);
	assert_int_equal(judge(&good), PROVED_NOT_FRESH);
	assert_true(record(server, &mrose, &plain_manners, &recording));
	assert_int_equal(judge(&recording), PROVED);
	good = recording;
}

/* A server without our certificate passes our nonce on to those who visit it. */
static void
test_another_server(void **state)
{
	struct holder stranger = make_plain("localhost", &ca);
	SSL_CTX *elsewhere = load_server(&stranger, &ca);
	struct session_claim claim, theirs;
	struct recording recording;
	const unsigned char *ours;
	size_t length;

	(void)state;
	assert_true(record(elsewhere, &mrose, &plain_manners, &recording));
	theirs = claim_of(&recording, elsewhere);
	assert_int_equal(prove(&theirs), PROVED);
	claim = claim_of(&recording, server);
	assert_int_equal(prove(&claim), PROVED_NOT_FRESH);
	claim.nonce = theirs.nonce;
	assert_int_equal(prove(&claim), PROVED_NOT_OURS);
	/* nor does our certificate help in the place of theirs */
	ours = message(&good, SERVER_CHAIN, &length);
	replace(&recording, SERVER_CHAIN, ours, length);
	claim.length = recording.length;
	assert_int_equal(prove(&claim), PROVED_NO_SIGNATURE);
	certificates_free(elsewhere);
	free_holder(&stranger);
}

static int
believe(int good_chain, X509_STORE_CTX *ctx)
{
	(void)good_chain;
	(void)ctx;
	return 1;
}

/* The session says that TLS was content. */
static void
test_certificates_that_are_not_believed(void **state)
{
	struct holder self = make_plain(USER, NULL),
	              clients[] = {
	                  make_plain(USER, &other_ca),
	                  make_plain(USER, &self),
	                  make_holder(USER, make_key("EC", "P-256"), &ca, -1, NULL),
	                  make_holder(USER, make_key("EC", "P-256"), &ca, 30,
	                      "serverAuth"),
	              };
	struct recording recording;

	(void)state;
	SSL_CTX_set_verify(server, SSL_VERIFY_PEER, believe);
	for (size_t i = 0; i < sizeof(clients) / sizeof(clients[0]); i++) {
		assert_true(
		    record(server, &clients[i], &plain_manners, &recording));
		assert_int_equal(judge(&recording), PROVED_NO_CHAIN);
		free_holder(&clients[i]);
	}
	SSL_CTX_set_verify(server, SSL_VERIFY_PEER, NULL);
	free_holder(&self);
}

/* Somebody's own key, and the certificate of another; a signature of yesterday. */
static void
test_right_chain_wrong_signature(void **state)
{
	struct holder dewey = make_plain("dewey", &ca);
	struct recording theirs, again, bad;
	const unsigned char *part;
	size_t length;

	(void)state;
	assert_true(record(server, &dewey, &plain_manners, &theirs));
	assert_int_equal(judge(&theirs), PROVED_NO_NAME);
	bad = theirs;
	part = message(&good, CLIENT_CHAIN, &length);
	replace(&bad, CLIENT_CHAIN, part, length);
	assert_int_equal(judge(&bad), PROVED_NO_SIGNATURE);
	part = message(&good, SIGNATURE, &length);
	replace(&bad, SIGNATURE, part, length);
	assert_int_equal(judge(&bad), PROVED_NO_SIGNATURE);
	assert_true(record(server, &mrose, &plain_manners, &again));
	replace(&again, SIGNATURE, part, length);
	assert_int_equal(judge(&again), PROVED_NO_SIGNATURE);
	/* another's nonce put where ours must be */
	bad = good;
	certificates_freshen(server);
	assert_true(record(server, &dewey, &plain_manners, &theirs));
	part = message(&theirs, REQUEST, &length);
	replace(&bad, REQUEST, part, length);
	assert_int_equal(judge(&bad), PROVED_NO_SIGNATURE);
	assert_true(record(server, &mrose, &plain_manners, &good));
	free_holder(&dewey);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_every_kind_of_key),
	    cmocka_unit_test(test_pss_key),
	    cmocka_unit_test(test_every_way_to_shake_hands),
	    cmocka_unit_test(test_not_offered),
	    cmocka_unit_test(test_name),
	    cmocka_unit_test(test_cut_at_every_octet),
	    cmocka_unit_test(test_every_octet_changed),
	    cmocka_unit_test(test_messages_out_of_place),
	    cmocka_unit_test(test_another_connection),
	    cmocka_unit_test(test_another_server),
	    cmocka_unit_test(test_certificates_that_are_not_believed),
	    cmocka_unit_test(test_right_chain_wrong_signature),
	};

	log_open(LOG_TO_NOTHING, LOG_ERROR_LEVEL);
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
