/*
 * The descriptors of a process that is to be sandboxed.
 */
#ifndef POPLAR_PRIV_DESCRIPTORS_H
#define POPLAR_PRIV_DESCRIPTORS_H

/*
 * Puts /dev/null, open as `null`, on 0, 1 and 2. A sanitizer's report needs
 * somewhere to go: its builds keep 2. 0, or -1 with errno.
 */
int descriptors_null(int null);

#endif
