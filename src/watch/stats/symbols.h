/* SPDX-License-Identifier: MIT */
/*
 * Names of guest addresses, from what --symbols names: an ELF file with a symbol
 * table (vmlinux), or lines of address, type and name (System.map, /proc/kallsyms).
 */
#ifndef ANYKVM_WATCH_STATS_SYMBOLS_H
#define ANYKVM_WATCH_STATS_SYMBOLS_H

#include "util/types.h"

enum { SYMBOLS_WHY_MAX = 128 };

struct symbols;

/* NULL, and @why not, without the path. */
struct symbols *symbols_read(const char *path, char why[SYMBOLS_WHY_MAX]);
void symbols_free(struct symbols *s);

/*
 * Linux on x86-64 moves itself when it starts (KASLR): @entry is where it has its
 * entry_SYSCALL_64, 0 if that is not known (yet).  @s may be NULL.
 */
void symbols_move(struct symbols *s, u64 entry);

/* What @pc is in, *@offset bytes from its beginning; NULL: nothing.  @s may be NULL. */
const char *symbols_find(const struct symbols *s, u64 pc, u64 *offset);

#endif
