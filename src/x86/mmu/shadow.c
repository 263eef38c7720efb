/* SPDX-License-Identifier: MIT */
#include "x86/mmu/shadow.h"

#include <string.h>

/* The bytes of the first @count stores that are in [host, host + n) go to @buf. */
static void overlay(const struct shadow *s, u32 count, const u8 *host, u8 *buf, u32 n)
{
	for (u32 i = 0; i < count; i++) {
		const struct shadow_piece *t = &s->store[i];
		const u8 *from = MAX(host, (const u8 *)t->host);
		const u8 *to = MIN(host + n, (const u8 *)t->host + t->n);

		if (from < to)
			memcpy(buf + (from - host), t->data + (from - t->host), to - from);
	}
}

static bool keep(struct shadow *s, struct shadow_piece *t, u32 used, u32 max,
		 const u8 *host, const u8 *buf, u32 n)
{
	if (used == max || n > SHADOW_BYTES) {
		s->full = true;
		return false;
	}
	t[used].host = (u8 *)host;
	t[used].n = n;
	memcpy(t[used].data, buf, n);
	return true;
}

enum step shadow_read(struct shadow *s, const u8 *host, u8 *buf, u32 n)
{
	if (!host)
		return STEP_EXIT;
	memcpy(buf, host, n);
	if (!keep(s, s->load, s->loads, SHADOW_LOADS, host, buf, n))
		return STEP_EXIT;
	s->loads++;
	overlay(s, s->count, host, buf, n);
	return STEP_NEXT;
}

enum step shadow_write(struct shadow *s, u8 *host, const u8 *buf, u32 n)
{
	if (!host || !keep(s, s->store, s->count, SHADOW_STORES, host, buf, n))
		return STEP_EXIT;
	s->count++;
	return STEP_NEXT;
}

bool shadow_done(const struct shadow *s, u32 count)
{
	for (u32 i = 0; i < count; i++) {
		const struct shadow_piece *t = &s->store[i];
		u8 want[SHADOW_BYTES];

		memcpy(want, t->data, t->n);
		overlay(s, count, t->host, want, t->n);
		if (memcmp(want, t->host, t->n))
			return false;
	}
	return true;
}

bool shadow_disturbed(const struct shadow *s)
{
	for (u32 i = 0; i < s->loads; i++) {
		const struct shadow_piece *t = &s->load[i];
		u8 now[SHADOW_BYTES], old[SHADOW_BYTES];

		/* Both with the stores on top. */
		memcpy(now, t->host, t->n);
		memcpy(old, t->data, t->n);
		overlay(s, s->count, t->host, now, t->n);
		overlay(s, s->count, t->host, old, t->n);
		if (memcmp(now, old, t->n))
			return true;
	}
	return false;
}
