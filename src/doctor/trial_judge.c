/* SPDX-License-Identifier: MIT */
/* What the trials mean. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "doctor/features.h"
#include "doctor/host.h"
#include "doctor/trial.h"

const char *const trial_engines[NR_ENGINES] = { "auto", "interp", "jit" };

/* " (failed to map segment from shared object)" of what ld.so said. */
static void judge_preload(const struct trial *t, struct findings *all)
{
	const char *from = strstr(t->said, "be preloaded (");
	const char *to = from ? strchr(from, ')') : NULL;
	char why[200] = "", self[200] = "";

	if (t->secure) {
		if (readlink("/proc/self/exe", self, sizeof(self) - 1) < 0)
			strcpy(self, "anykvm");
		finding_add(all, CHECK_PRELOAD_SECURE, NULL, self);
		return;
	}
	if (to)
		snprintf(why, sizeof(why), " %.*s)", (int)(to - from - 13), from + 13);
	finding_add(all, CHECK_PRELOAD_REFUSED, why, NULL);
}

/* True if it looks like a policy, of a call that host.c does not try. */
static bool judge_policy(const struct trial *t, struct findings *all)
{
	bool refused = t->error == EPERM || t->error == EACCES || t->error == ENOSYS;
	char text[480];

	if (t->signal == SIGSYS) {
		snprintf(text, sizeof(text), "what %s does", t->step);
		finding_add(all, CHECK_CALL_KILLS, text, NULL);
	} else if (!t->signal && refused) {
		snprintf(text, sizeof(text), "what %s does (%s)", t->step, t->why);
		finding_add(all, CHECK_CALL_REFUSED, text, NULL);
	} else {
		return false;
	}
	return true;
}

/* Whatever else is known to be wrong is why. */
static void judge_rest(const struct trial *t, const struct limits *l,
		       struct findings *all)
{
	int error = t->no_process ? t->no_process : t->error;
	char text[480];

	if (findings_have(all, EFFECT_SOFT) ||
	    (!t->signal && host_judge_errno(error, l, all)) ||
	    judge_policy(t, all))
		return;
	if (t->no_process)
		snprintf(text, sizeof(text), "it cannot be started: %s",
			 strerror(t->no_process));
	else if (t->signal)
		snprintf(text, sizeof(text), "%s ended by signal %d (%s)",
			 t->step, t->signal, strsignal(t->signal));
	else
		snprintf(text, sizeof(text), "%s: %s", t->step, t->why);
	finding_add(all, CHECK_TRIAL_FAILED, text, NULL);
}

void trial_judge(const struct trial *t, const struct limits *l,
		 struct findings *all)
{
	const char *version = t->library_version;

	if (*version && strcmp(version, "anykvm " ANYKVM_VERSION))
		finding_add(all, CHECK_ENGINE_VERSION, version, NULL);
	if (*t->preload_version && strcmp(t->preload_version, ANYKVM_VERSION))
		finding_add(all, CHECK_PRELOAD_VERSION, t->preload_version, NULL);
	if (t->done)
		return;
	if (!t->signal && !strcmp(t->step, "preload"))
		judge_preload(t, all);
	else if (!t->signal && !strcmp(t->step, "engine") && t->error)
		finding_add(all, t->error == ENOENT ? CHECK_ENGINE_MISSING :
			    CHECK_ENGINE_REFUSED, t->why, NULL);
	else
		judge_rest(t, l, all);
}

bool trial_has_engine(const struct trial t[NR_ENGINES], int engine)
{
	return t[engine].done && (engine == ENGINE_AUTO ||
	       !strcmp(t[engine].engine, trial_engines[engine]));
}

void engines_judge(const struct trial t[NR_ENGINES], struct findings *all)
{
	const char *level = feature_level(&t[ENGINE_AUTO]);
	const char *why = strstr(t[ENGINE_JIT].engine, ": ");

	if (level && !strcmp(level, "x86-64"))
		finding_add(all, CHECK_CPU_LEVEL, level, NULL);
	if (t[ENGINE_AUTO].done && !trial_has_engine(t, ENGINE_JIT))
		finding_add(all, CHECK_NO_TRANSLATOR, why ? why + 2 :
			    t[ENGINE_JIT].why, NULL);
}
