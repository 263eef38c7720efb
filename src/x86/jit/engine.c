/* SPDX-License-Identifier: MIT */
#include "x86/jit/engine.h"

#include <errno.h>
#include <stdlib.h>

#include "trace/trace.h"
#include "x86/jit/arena.h"
#include "x86/jit/debug.h"

enum engine engine_used;

static const struct {
	const char *name;
	enum engine engine;
} names[] = {
	{ "jit", ENGINE_JIT },
	{ "interp", ENGINE_INTERP },
	{ "lockstep", ENGINE_LOCKSTEP },
	{ "auto", ENGINE_JIT },
};

static const char *why_not;

static bool find(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (!strcmp(names[i].name, name)) {
			engine_used = names[i].engine;
			return true;
		}
	}
	return false;
}

/* Without what the translator needs the interpreter does it all. */
static void probe(void)
{
	if (!__builtin_cpu_supports("bmi2"))
		why_not = "interp: the processor has no BMI2";
	else if (!jit_host_permits())
		why_not = "interp: the host refuses executable memory";
	else
		return;
	log_warn("engine %s", why_not);
	engine_used = ENGINE_INTERP;
}

int engine_init(void)
{
	const char *name = getenv("ANYKVM_ENGINE");

	if (!name || !*name)
		name = "auto";
	if (!find(name)) {
		log_error("unknown engine '%s'; known are: jit|interp|lockstep|auto", name);
		return -EINVAL;
	}
	if (engine_used != ENGINE_INTERP)
		probe();
	if (engine_used != ENGINE_INTERP)
		jit_debug_init(engine_used == ENGINE_LOCKSTEP);
	return 0;
}

const char *engine_name(void)
{
	static const char *const real[] = {
		[ENGINE_INTERP] = "interp",
		[ENGINE_JIT] = "jit",
		[ENGINE_LOCKSTEP] = "lockstep",
	};

	return why_not ?: real[engine_used];
}
