/*
 * Configuration, sockets and certificates of the listener, as one. Runs as
 * root, at start and at SIGHUP.
 */
#include "serving.h"

#include <string.h>
#include <sysexits.h>

#include "certificates.h"
#include "log.h"
#include "pam.h"
#include "service.h"

/* Whether what systemd passed can be served with the certificates there are. */
static bool
fits_inherited(const struct serving *serving)
{
	for (size_t i = 0; i < serving->sockets.count; i++) {
		if (serving->sockets.tls[i] && serving->tls == NULL) {
			log_error(
			    "the socket on port 995 needs tls.certificate and "
			    "tls.private_key");
			return false;
		}
	}
	return true;
}

int
serving_start(struct serving *serving, struct config *config)
{
	const int inherited = service_inherited();

	serving->config = config;
	serving->inherited = inherited > 0;
	if (certificates_load(config, &serving->tls) == -1)
		return EX_CONFIG;
	if (inherited == 0 && !places_wanted(config))
		return EX_CONFIG;
	if (inherited == 0)
		return sockets_open(config, NULL, &serving->sockets) == 0
		           ? EX_OK
		           : EX_UNAVAILABLE;
	sockets_adopt(inherited, &serving->sockets);
	return fits_inherited(serving) ? EX_OK : EX_CONFIG;
}

/* Certificates, then sockets: what fails first costs nothing. */
static bool
prepare(const struct serving *old, struct serving *fresh)
{
	fresh->sockets = old->sockets;
	fresh->inherited = old->inherited;
	if (certificates_load(fresh->config, &fresh->tls) == -1)
		return false;
	if (old->inherited ? fits_inherited(fresh)
	                   : places_wanted(fresh->config) &&
	                         sockets_open(fresh->config, &old->sockets,
	                             &fresh->sockets) == 0)
		return true;
	certificates_free(fresh->tls);
	return false;
}

/* What a reload cannot change: the old value stays in force. */
static void
keep(const char *key, char **oldp, char **freshp)
{
	char *wanted = *freshp;

	if (strcmp(*oldp, wanted) == 0)
		return;
	log_warning("%s: %s needs a restart; until then it is %s", key, wanted,
	    *oldp);
	*freshp = *oldp;
	*oldp = wanted;
}

/*
 * The user and the root folder of sessions are fixed before the first fork; and
 * two state folders would be two session locks for one maildrop.
 */
static void
keep_fixed(struct config *old, struct config *fresh)
{
	keep("server.user", &old->server.user, &fresh->server.user);
	keep("server.state_dir", &old->server.state_dir, &fresh->server.state_dir);
	keep("server.run_dir", &old->server.run_dir, &fresh->server.run_dir);
}

void
serving_reload(struct serving *serving, const struct server_options *options)
{
	struct serving fresh = {.config = NULL};

	if (config_load_logged(options->config_path, options->config_required,
	        options->overrides, &fresh.config) != 0 ||
	    !prepare(serving, &fresh)) {
		log_error("reload refused; the old configuration stays");
		config_free(fresh.config);
		return;
	}
	keep_fixed(serving->config, fresh.config);
	sockets_close(&serving->sockets, &fresh.sockets);
	serving->sockets.count = 0;
	serving_free(serving);
	*serving = fresh;
	serving_log(serving, options->foreground);
	pam_verify(serving->config);
	log_info("configuration read again, for new connections");
}

void
serving_log(const struct serving *serving, bool foreground)
{
	const struct config *config = serving->config;
	enum log_target target = LOG_TO_SYSLOG;

	if (config->log.target == TARGET_STDERR ||
	    (config->log.target == TARGET_AUTO && foreground))
		target = LOG_TO_STDERR;
	log_open(target, (enum log_level)config->log.level);
}

void
serving_stop(struct serving *serving)
{
	sockets_close(&serving->sockets, NULL);
	serving->sockets.count = 0;
}

void
serving_free(struct serving *serving)
{
	certificates_free(serving->tls);
	config_free(serving->config);
}
