/*
 * XXH3, by the widest vectors that the machine has, where the library can tell.
 */
#ifndef POPLAR_MBOX_XXH_H
#define POPLAR_MBOX_XXH_H

#include <xxhash.h>

#if defined(__x86_64__) && __has_include(<xxh_x86dispatch.h>)
#include <xxh_x86dispatch.h>
#endif

#endif
