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

/* What @pc is in, *@offset bytes from its beginning; NULL: nothing.  @s may be NULL. */
const char *symbols_find(const struct symbols *s, u64 pc, u64 *offset);

#endif
