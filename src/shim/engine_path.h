/* SPDX-License-Identifier: MIT */
/* Where the engine library is: of the preload object and of the doctor. */
#ifndef ANYKVM_SHIM_ENGINE_PATH_H
#define ANYKVM_SHIM_ENGINE_PATH_H

#include <limits.h>

/*
 * ANYKVM_ENGINE_LIB, or the library near the file @preload, or its bare name,
 * for the dynamic linker to find.  The result may be @path.
 */
const char *engine_path(const char *preload, char path[PATH_MAX]);

#endif
