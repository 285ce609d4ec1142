/*
 * A SCRAM exchange in the auth child, which runs as root:
 *
 *   ClientProof     := ClientKey XOR HMAC(StoredKey, AuthMessage)
 *   ServerSignature := HMAC(ServerKey, AuthMessage)
 *
 * (RFC 5802 section 3.) An AuthMessage is never parsed here: the session put
 * it together, and what matters is that it holds our nonce.
 *
 * Names without keys, unknown ones included, get iterations and a salt that do
 * not tell them from others: a kind that others have (imitation.h) by a lot, and
 * a salt of that length, both HMAC-SHA-256 of the name under a key of this
 * server, 32 random octets in server.state_dir. Two children may make the key at
 * once; the first to link it wins.
 */
#include "exchange.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/crypto.h>

#include "log.h"
#include "text.h"

#define KEY_NAME "scram-key"

_Static_assert(IPC_KEY_SIZE == SCRAM_KEY_SIZE, "one hash");

/* Whether the message is an answer to this challenge and to no other. */
static bool
is_ours(const struct ipc_challenge *challenge, const char *message)
{
	char given[IPC_NONCE_SIZE + IPC_SALT_SIZE + 32];

	snprintf(given, sizeof(given), "%s,s=%s,i=%u,", challenge->nonce,
	    challenge->salt, challenge->iterations);
	return challenge->nonce[0] != '\0' && strstr(message, given) != NULL;
}

bool
exchange_proves(const struct scram_keys *keys, const struct auth_proof *proof,
    unsigned char signature[IPC_KEY_SIZE])
{
	const char *message = proof->given->message;
	unsigned char key[IPC_KEY_SIZE], hashed[IPC_KEY_SIZE];
	bool equal = false;

	if (is_ours(proof->challenge, message) &&
	    scram_sign(keys->stored, message, key)) {
		for (size_t i = 0; i < sizeof(key); i++)
			key[i] ^= proof->given->proof[i];
		equal = scram_hash(key, hashed) &&
		        CRYPTO_memcmp(hashed, keys->stored, sizeof(hashed)) == 0 &&
		        scram_sign(keys->server, message, signature);
	}
	explicit_bzero(key, sizeof(key));
	explicit_bzero(hashed, sizeof(hashed));
	return equal;
}

/* 1, or -1 with errno, EBADMSG: it is no key of ours. */
static int
take_key(int fd, unsigned char key[IPC_KEY_SIZE])
{
	unsigned char octets[IPC_KEY_SIZE + 1]; /* one more than there may be */
	struct stat st;
	ssize_t got = 0;

	if (fstat(fd, &st) == -1)
		return -1;
	if (S_ISREG(st.st_mode) && st.st_uid == geteuid() &&
	    (st.st_mode & 077) == 0)
		got = read(fd, octets, sizeof(octets));
	if (got != -1)
		errno = EBADMSG;
	if (got == IPC_KEY_SIZE)
		memcpy(key, octets, IPC_KEY_SIZE);
	explicit_bzero(octets, sizeof(octets));
	return got == IPC_KEY_SIZE ? 1 : -1;
}

/* The same; 0: there is none. */
static int
read_key(int folder, unsigned char key[IPC_KEY_SIZE])
{
	int fd = openat(folder, KEY_NAME, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	int result, saved;

	if (fd == -1)
		return errno == ENOENT ? 0 : -1;
	result = take_key(fd, key);
	saved = errno;
	close(fd);
	errno = saved;
	return result;
}

/* 0, also where another was faster; or -1 with errno. */
static int
make_key(int folder)
{
	unsigned char key[IPC_KEY_SIZE];
	char name[sizeof(KEY_NAME) + 32];
	int fd, result = -1, saved;

	snprintf(name, sizeof(name), KEY_NAME ".%ld", (long)getpid());
	(void)unlinkat(folder, name, 0);
	fd = openat(folder, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd == -1)
		return -1;
	arc4random_buf(key, sizeof(key));
	if (write(fd, key, sizeof(key)) == sizeof(key) && fsync(fd) == 0 &&
	    (linkat(folder, name, folder, KEY_NAME, 0) == 0 || errno == EEXIST))
		result = fsync(folder);
	saved = errno;
	explicit_bzero(key, sizeof(key));
	close(fd);
	(void)unlinkat(folder, name, 0);
	errno = saved;
	return result;
}

static int
load_key(const char *path, unsigned char key[IPC_KEY_SIZE])
{
	int folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int found = folder == -1 ? -1 : read_key(folder, key);

	if (found == 0)
		found = make_key(folder) == 0 ? read_key(folder, key) : -1;
	if (found != 1)
		log_error("%s/" KEY_NAME ": %s", path,
		    errno == EBADMSG
		        ? "not 32 octets that only we can read; remove it"
		        : strerror(errno));
	if (folder != -1)
		close(folder);
	return found == 1 ? 0 : -1;
}

/* As many octets as are wanted, in base64, for one name and no other. */
static bool
make_salt(const unsigned char key[IPC_KEY_SIZE], const char *name,
    const struct imitated *kind, char salt[IPC_SALT_SIZE])
{
	unsigned char made[SCRAM_SALT_MAX + IPC_KEY_SIZE];
	char text[IPC_NAME_MAX + 64];

	for (size_t used = 0; used < kind->salt; used += IPC_KEY_SIZE) {
		snprintf(text, sizeof(text), "salt %u %zu %zu %s", kind->iterations,
		    kind->salt, used, name);
		if (!scram_sign(key, text, made + used))
			return false;
	}
	text_to_base64(salt, made, kind->salt);
	return true;
}

int
exchange_make_up(const struct config *config, const char *name,
    const struct imitation *imitation, char salt[IPC_SALT_SIZE],
    uint32_t *iterationsp)
{
	unsigned char key[IPC_KEY_SIZE], made[IPC_KEY_SIZE];
	char text[IPC_NAME_MAX + 64];
	struct imitated kind;
	uint32_t lot;
	int result = -1;

	snprintf(text, sizeof(text), "lot %s", name);
	if (load_key(config->server.state_dir, key) == 0 &&
	    scram_sign(key, text, made)) {
		memcpy(&lot, made, sizeof(lot));
		kind = imitation_draw(imitation, lot);
		*iterationsp = kind.iterations;
		result = make_salt(key, name, &kind, salt) ? 0 : -1;
	}
	explicit_bzero(key, sizeof(key));
	return result;
}
