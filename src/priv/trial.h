/*
 * What every connection needs of the system, tried once at start: a container or
 * a service's unit may have taken it away.
 */
#ifndef POPLAR_PRIV_TRIAL_H
#define POPLAR_PRIV_TRIAL_H

struct sandbox;

/*
 * Whether maildrops can be found and a session begun and ended. 0, or -1 with
 * what is lacking logged. The sandbox's root folder is there.
 */
int trial_run(const struct sandbox *sandbox);

#endif
