/*
 * The back end `users`: names and credentials of the users file. Runs as root
 * in the auth child; users_offer_apop() and users_offer_scram(), which are about
 * all users, before any client is known.
 *
 * The file is always read to its end and one comparison is always made, with
 * a pretended hash where the name has none to compare with, so that the time
 * of an answer does not tell names. A name that occurs twice, or in a line
 * with a fault, is refused: it never falls through to the next back end.
 */
#include "users.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "backend.h"
#include "exchange.h"
#include "log.h"
#include "pages.h"
#include "text.h"
#include "users_file.h"

/* What was found for one name; holds secrets, wiped. */
struct search {
	const char *path;
	const char *name;
	unsigned matches;
	struct imitation imitation; /* of visit_challenge() */
	struct users_line line;     /* the first match; its text is below */
	char text[USERS_LINE_MAX];
};

static bool
visit_search(struct users_line *line, void *ctx)
{
	struct search *search = ctx;

	if (users_line_is(line, search->name) && search->matches++ == 0) {
		search->line = *line;
		search->line.text = search->text;
		memcpy(search->text, line->text, line->len + 1);
	}
	return true;
}

/* The same, learning how the keys of all look. Takes the line apart. */
static bool
visit_challenge(struct users_line *line, void *ctx)
{
	struct search *search = ctx;
	struct users_entry entry;
	uint32_t iterations;
	char salt[IPC_SALT_SIZE];
	unsigned char octets[SCRAM_SALT_MAX];
	size_t length;

	(void)visit_search(line, search);
	if (users_parse(line, &entry) == NULL &&
	    credential_salt(&entry.credential, salt, &iterations) &&
	    text_from_base64(salt, strlen(salt), octets, sizeof(octets), &length))
		imitation_add(&search->imitation, iterations, length);
	return true;
}

static void
log_fault(const char *path, unsigned number, const char *fault)
{
	log_error("%s:%u: %s", path, number, fault);
}

/* A name service may take long: it is not asked for a home that no path holds. */
static bool
needs_home(const struct config *config, const struct users_entry *entry)
{
	const char *path = entry->maildrop[0] != '\0' ? entry->maildrop
	                                              : config->maildrop.path;

	return entry->home[0] == '\0' && strstr(path, "%h") != NULL;
}

/* Where the line leaves uid, gid or home to the system's accounts. */
static enum auth_result
fill_account(const struct config *config, const struct search *search,
    const struct users_entry *entry, struct auth_verdict *verdict)
{
	struct system_account account = {.uid = geteuid(), .gid = getegid()};
	enum system_lookup lookup;
	bool root = geteuid() == 0;

	if (entry->has_uid && entry->has_gid && !needs_home(config, entry))
		lookup = SYSTEM_NONE;
	else if (entry->has_uid || !root)
		lookup = system_by_uid(entry->has_uid ? entry->uid : geteuid(),
		    &account);
	else
		lookup = system_by_name(entry->name, &account);
	if (lookup == SYSTEM_FAILED)
		return AUTH_TROUBLE;
	if (lookup == SYSTEM_NONE && root && !(entry->has_uid && entry->has_gid)) {
		log_fault(search->path, search->line.number,
		    "no system account to take uid or gid from");
		return AUTH_UID;
	}
	verdict->uid = entry->has_uid ? entry->uid : account.uid;
	verdict->gid = entry->has_gid && root ? entry->gid : account.gid;
	strlcpy(verdict->name, entry->name, sizeof(verdict->name));
	strlcpy(verdict->home, entry->home[0] != '\0' ? entry->home : account.home,
	    sizeof(verdict->home));
	strlcpy(verdict->maildrop, entry->maildrop, sizeof(verdict->maildrop));
	return AUTH_OK;
}

/* The comparison, or one as long, comes first; only then what forbids it. */
static enum auth_result
judge_credential(const struct users_entry *entry,
    const struct auth_request *request, struct auth_verdict *verdict)
{
	const struct credential *credential = &entry->credential;
	const enum auth_result result = credential_compare(credential, request,
	    verdict->signature);

	return credential->locked && result != AUTH_TROUBLE ? AUTH_LOCKED : result;
}

static enum auth_result
judge(const struct config *config, const struct auth_request *request,
    struct search *search, struct auth_verdict *verdict)
{
	struct users_entry entry;
	const char *fault;
	enum auth_result result;

	if (search->matches == 0)
		return credential_pretend(request, AUTH_UNKNOWN);
	fault = users_parse(&search->line, &entry);
	if (fault == NULL && search->matches > 1)
		fault = "this name occurs again further down";
	if (fault != NULL) {
		log_fault(search->path, search->line.number, fault);
		return credential_pretend(request, AUTH_LOCKED);
	}
	result = judge_credential(&entry, request, verdict);
	if (result == AUTH_OK)
		result = fill_account(config, search, &entry, verdict);
	if (result == AUTH_OK && !system_uid_permitted(config, verdict->uid))
		result = AUTH_UID;
	return result;
}

/* The lines of a name, for forget(). NULL: no memory, which is logged. */
static struct search *
find(const struct config *config, const char *name,
    bool (*visit)(struct users_line *, void *), enum users_state *statep)
{
	struct search *search = pages_new(sizeof(*search));
	const char *reason;

	*statep = USERS_REFUSED;
	if (search == NULL) {
		log_error("%s: %s", config->auth.users_file, strerror(errno));
		return NULL;
	}
	search->path = config->auth.users_file;
	search->name = name;
	*statep = users_scan(search->path, visit, search, &reason);
	if (*statep == USERS_REFUSED)
		log_error("%s: %s", search->path, reason);
	return search;
}

static void
forget(struct search *search)
{
	if (search != NULL)
		pages_wipe(search, sizeof(*search),
		    offsetof(struct search, text) + search->line.len);
}

enum auth_result
users_check(const struct config *config, const struct auth_request *request,
    struct auth_verdict *verdict)
{
	enum auth_result result = AUTH_TROUBLE;
	enum users_state state;
	struct search *search = find(config, request->user, visit_search, &state);

	if (state == USERS_READ)
		result = judge(config, request, search, verdict);
	else if (state == USERS_ABSENT)
		result = AUTH_UNKNOWN;
	forget(search);
	return result;
}

/* All is made up for every name, so that the time does not tell either. */
enum auth_result
users_challenge(const struct config *config, const struct auth_request *request,
    struct auth_verdict *verdict)
{
	enum users_state state;
	struct users_entry entry;
	struct search *search = find(config, request->user, visit_challenge,
	    &state);
	enum auth_result result = AUTH_CHALLENGE;

	if (state == USERS_REFUSED ||
	    exchange_make_up(config, request->user, &search->imitation,
	        verdict->salt, &verdict->iterations) == -1)
		result = AUTH_TROUBLE;
	else if (search->matches == 1 && users_parse(&search->line, &entry) == NULL)
		(void)credential_salt(&entry.credential, verdict->salt,
		    &verdict->iterations);
	forget(search);
	return result;
}

bool
users_is_used(const struct config *config)
{
	return text_list_holds(config->auth.backends, "users");
}

/* Stops at the first secret that serves APOP. */
static bool
visit_apop(struct users_line *line, void *ctx)
{
	struct users_entry entry;
	bool *offeredp = ctx;

	*offeredp = users_parse(line, &entry) == NULL && !entry.credential.locked &&
	            credential_mech(&entry.credential) == IPC_MECH_APOP;
	return !*offeredp;
}

bool
users_offer_apop(const char *path)
{
	bool offered = false;
	const char *reason;

	return users_scan(path, visit_apop, &offered, &reason) == USERS_READ &&
	       offered;
}

/* What visit_scram() has seen so far. */
struct scram_users {
	bool some, others;
};

/* Stops at the first who logs in by a password and not by SCRAM. */
static bool
visit_scram(struct users_line *line, void *ctx)
{
	struct users_entry entry;
	struct scram_users *users = ctx;

	if (users_parse(line, &entry) != NULL || entry.credential.locked)
		return true;
	if (credential_serves(&entry.credential, IPC_MECH_SCRAM))
		users->some = true;
	else if (credential_mech(&entry.credential) == IPC_MECH_PASS)
		users->others = true;
	return !users->others;
}

bool
users_offer_scram(const char *path)
{
	struct scram_users users = {false, false};
	const char *reason;

	return users_scan(path, visit_scram, &users, &reason) == USERS_READ &&
	       users.some && !users.others;
}
