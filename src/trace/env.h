/* SPDX-License-Identifier: MIT */
/* The variables of env.def, as the engine, the preload object and the launcher read them. */
#ifndef ANYKVM_TRACE_ENV_H
#define ANYKVM_TRACE_ENV_H

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* Set, and neither empty nor 0. */
static inline bool env_is_on(const char *name)
{
	const char *value = getenv(name);

	return value && *value && strcmp(value, "0");
}

/* Is @word among those of @list, which commas part? */
static inline bool env_has_word(const char *list, const char *word)
{
	size_t n = strlen(word);

	for (;;) {
		size_t len = strcspn(list, ",");

		if (len == n && !memcmp(list, word, n))
			return true;
		list += len;
		if (!*list++)
			return false;
	}
}

#endif
