/*
 * The listener's end of the control socket; include/control.h says what passes.
 */
#ifndef POPLAR_PRIV_CONTROL_SOCKET_H
#define POPLAR_PRIV_CONTROL_SOCKET_H

#include "config.h"
#include "table.h"

/*
 * Makes the socket, in the place of one that a dead daemon left: the caller has
 * claimed run_dir. Its descriptor; or -1 with a warning logged, and nobody can
 * ask.
 */
int control_socket_open(const struct config *config);

/* Answers one question, if there is one. Waits for nobody. */
void control_socket_answer(int fd, struct table *table);

/* Closes the socket and takes its name away. -1 does nothing. */
void control_socket_remove(int fd, const struct config *config);

#endif
