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

static void describe(struct place *p, const Dl_info *info)
{
	const char *slash = info->dli_fname ? strrchr(info->dli_fname, '/') : NULL;
	const char *name = slash ? slash + 1 : info->dli_fname;

	p->offset = p->address - (uintptr_t)info->dli_fbase;
	snprintf(p->module, sizeof(p->module), "%s", name ? name : "?");
	if (!info->dli_sname)
		return;
	p->into = p->address - (uintptr_t)info->dli_saddr;
	snprintf(p->symbol, sizeof(p->symbol), "%s", info->dli_sname);
}

void place_find(struct place *p)
{
	void *frames[MAX_FRAMES];
	int n = backtrace(frames, MAX_FRAMES);
	Dl_info info;

	memset(p, 0, sizeof(*p));
	for (int i = 0; i < n; i++) {
		/* A return address may be that of the next function. */
		if (!dladdr((u8 *)frames[i] - 1, &info)) {
			p->address = (uintptr_t)frames[i];
			snprintf(p->module, sizeof(p->module), "?");
			p->offset = p->address;
			return;
		}
		if (info.dli_fbase == own_base || info.dli_fbase == preload_base)
			continue;
		p->address = (uintptr_t)frames[i];
		describe(p, &info);
		return;
	}
}
