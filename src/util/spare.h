/* SPDX-License-Identifier: MIT */
/*
 * A few big objects kept for the next user, so that a VM that comes after
 * another costs no mapping, unmapping and first touch of their pages.  Without
 * a lock: fork may happen at any time.
 */
#ifndef ANYKVM_UTIL_SPARE_H
#define ANYKVM_UTIL_SPARE_H

#include "util/types.h"

enum { NR_SPARES = 8 };

struct spares {
	void *slot[NR_SPARES];
};

/* One that was kept, or NULL. */
static inline void *spare_take(struct spares *s)
{
	for (int i = 0; i < NR_SPARES; i++) {
		void *p = __atomic_load_n(&s->slot[i], __ATOMIC_RELAXED);

		if (p && (p = __atomic_exchange_n(&s->slot[i], NULL, __ATOMIC_ACQ_REL)))
			return p;
	}
	return NULL;
}

/* False if there is no room: the caller frees it. */
static inline bool spare_keep(struct spares *s, void *p)
{
	for (int i = 0; i < NR_SPARES; i++) {
		void *none = NULL;

		if (__atomic_compare_exchange_n(&s->slot[i], &none, p, false,
						__ATOMIC_RELEASE, __ATOMIC_RELAXED))
			return true;
	}
	return false;
}

#endif
