/* SPDX-License-Identifier: MIT */
#include "engine_path.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ENGINE_SONAME	"libanykvm.so.0"

/* In the build tree the library lies beside the object, installed one up. */
static const char *const places[] = { "", "../", "../../" };

const char *engine_path(const char *preload, char path[PATH_MAX])
{
	const char *lib = getenv("ANYKVM_ENGINE_LIB");
	const char *slash = strrchr(preload, '/');

	if (lib && *lib)
		return lib;
	for (size_t i = 0; slash && i < sizeof(places) / sizeof(places[0]); i++) {
		int n = snprintf(path, PATH_MAX, "%.*s/%s%s",
				 (int)(slash - preload), preload, places[i],
				 ENGINE_SONAME);

		if (n < PATH_MAX && !access(path, F_OK))
			return path;
	}
	return ENGINE_SONAME;
}
