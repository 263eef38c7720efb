/* SPDX-License-Identifier: MIT */
#ifndef ANYKVM_WATCH_OUTPUT_PATH_H
#define ANYKVM_WATCH_OUTPUT_PATH_H

#include <stdbool.h>
#include <stddef.h>

/*
 * @pattern with %p as the number of this process and %% as %.  False if that is
 * longer than @size, or has another %.
 */
bool output_path(char *path, size_t size, const char *pattern);

#endif
