/* SPDX-License-Identifier: MIT */
/* Which paths mean /dev/kvm. */
#ifndef ANYKVM_SHIM_PATH_H
#define ANYKVM_SHIM_PATH_H

#include <stdbool.h>

/*
 * True if @path, relative to the directory @dir as in openat(), is /dev/kvm.
 * Symbolic links are not followed.  @path may be NULL.
 */
bool path_is_kvm(int dir, const char *path);

#endif
