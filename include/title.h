/*
 * What ps(1) shows of a process: "poplard: session" in place of the command
 * line.
 */
#ifndef POPLAR_TITLE_H
#define POPLAR_TITLE_H

/*
 * Takes over the memory of the command line and of the environment, as the
 * kernel laid it out: to be called first, with main()'s own argv and environ.
 * The strings of argv are copies afterwards; the environment must be cleared
 * before the first title is set. 0, or -1 with errno.
 */
int title_init(char **argv, char **envp);

/* Says what this process is; without title_init() nothing happens. */
void title_set(const char *role);

#endif
