/*
 * What monitors do with signals, and their children undo.
 */
#ifndef POPLAR_PRIV_SIGNALS_H
#define POPLAR_PRIV_SIGNALS_H

/* Ignores every signal that a person or a terminal could send. */
void signals_ignore(void);

/* Every signal as a new program finds it: for a child that runs other people's code. */
void signals_restore(void);

/* Blocks SIGUSR1 alone and returns a descriptor to read it from; -1: errno. */
int signals_kick(void);

#endif
