/* SPDX-License-Identifier: MIT */
#include "x86/mmu/shadow.h"

#include <string.h>

/* The bytes of the first @count stores that are in [host, host + n) go to @buf. */
static void overlay(const struct shadow *s, u32 count, const u8 *host, u8 *buf, u32 n)
{
	for (u32 i = 0; i < count; i++) {
		const struct shadow_store *t = &s->store[i];
		const u8 *from = MAX(host, (const u8 *)t->host);
		const u8 *to = MIN(host + n, (const u8 *)t->host + t->n);

		if (from < to)
			memcpy(buf + (from - host), t->data + (from - t->host), to - from);
	}
}

enum step shadow_read(const struct shadow *s, const u8 *host, u8 *buf, u32 n)
{
	if (!host)
		return STEP_EXIT;
	memcpy(buf, host, n);
	overlay(s, s->count, host, buf, n);
	return STEP_NEXT;
}

enum step shadow_write(struct shadow *s, u8 *host, const u8 *buf, u32 n)
{
	struct shadow_store *t = &s->store[s->count];

	if (!host)
		return STEP_EXIT;
	if (s->count == SHADOW_STORES || n > SHADOW_BYTES) {
		s->full = true;
		return STEP_EXIT;
	}
	t->host = host;
	t->n = n;
	memcpy(t->data, buf, n);
	s->count++;
	return STEP_NEXT;
}

bool shadow_done(const struct shadow *s, u32 count)
{
	for (u32 i = 0; i < count; i++) {
		const struct shadow_store *t = &s->store[i];
		u8 want[SHADOW_BYTES];

		memcpy(want, t->data, t->n);
		overlay(s, count, t->host, want, t->n);
		if (memcmp(want, t->host, t->n))
			return false;
	}
	return true;
}
