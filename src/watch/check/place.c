/* SPDX-License-Identifier: MIT */
/*
 * Frames of the engine and of the preload object come first; the next one is
 * the program's.  An engine that is a part of the program cannot tell.
 */
#include <dlfcn.h>
#include <execinfo.h>
#include <stdio.h>
#include <string.h>

#include "watch/check/check.h"

enum { MAX_FRAMES = 32 };

static const void *own_base, *preload_base;

static const void *base_of(const void *address)
{
	Dl_info info;

	return address && dladdr(address, &info) ? info.dli_fbase : NULL;
}

void place_init(void)
{
	void *frame;

	own_base = base_of((void *)place_init);
	preload_base = base_of(dlsym(RTLD_DEFAULT, "anykvm_preload_version"));
	/* Loads the unwinder: later a sandbox may forbid it. */
	backtrace(&frame, 1);
}

void place_find(struct place *p)
{
	void *frames[MAX_FRAMES];
	int n = backtrace(frames, MAX_FRAMES);

	memset(p, 0, sizeof(*p));
	for (int i = 0; i < n && p->depth < PLACE_DEPTH; i++) {
		/* A return address may be that of the next function. */
		const void *base = base_of((u8 *)frames[i] - 1);

		if (p->depth || (base != own_base && base != preload_base))
			p->callers[p->depth++] = (uintptr_t)frames[i];
	}
}

bool place_is(const struct place *a, const struct place *b)
{
	return a->depth == b->depth &&
	       !memcmp(a->callers, b->callers, a->depth * sizeof(a->callers[0]));
}

void place_describe(uintptr_t caller, struct frame *f)
{
	const char *name = "?", *slash;
	Dl_info info;

	memset(f, 0, sizeof(*f));
	if (dladdr((void *)(caller - 1), &info)) {
		slash = info.dli_fname ? strrchr(info.dli_fname, '/') : NULL;
		name = slash ? slash + 1 : info.dli_fname ?: "?";
		f->offset = caller - (uintptr_t)info.dli_fbase;
		if (info.dli_sname) {
			f->into = caller - (uintptr_t)info.dli_saddr;
			snprintf(f->symbol, sizeof(f->symbol), "%s", info.dli_sname);
		}
	} else {
		f->offset = caller;
	}
	snprintf(f->module, sizeof(f->module), "%s", name);
}
