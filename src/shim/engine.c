/* SPDX-License-Identifier: MIT */
/*
 * Loads the engine at the first open of /dev/kvm.
 *
 * The engine calls libc a lot, and none of those calls may come back to us:
 * RTLD_DEEPBIND makes it see libc before the preload object.  The dlopen() of
 * sanitizer runtimes refuses that flag, for what a library allocates and its
 * program frees.  There is no such thing here, and it is better so: what hangs
 * on an open VM is no leak of the program's.  Hence dlmopen(), which they let be.
 */
#include "engine.h"

#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <linux/kvm.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine_path.h"
#include "libc.h"
#include "signals.h"
#include "trace/env.h"

/* For who wants to know whether we are here, and of which version. */
INTERPOSE const char anykvm_preload_version[] = ANYKVM_VERSION;

struct engine engine;
bool engine_loaded;
__thread int engine_depth;

static pthread_mutex_t load_lock = PTHREAD_MUTEX_INITIALIZER;
static bool load_failed;
static pid_t own_pid;

bool engine_own_process(void)
{
	return getpid() == own_pid;
}

static void after_fork(void)
{
	own_pid = getpid();
}

static void say(const char *fmt, ...)
{
	char line[PATH_MAX + 256];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	if (n > (int)sizeof(line) - 1)
		n = sizeof(line) - 1;
	if (write(STDERR_FILENO, line, n) < 0)
		return;
}

static void announce(void)
{
	const char *name;

	if (env_is_on("ANYKVM_QUIET"))
		return;
	name = ENGINE_CALL(engine());
	say("anykvm: serving /dev/kvm in software (%s, engine %s); "
	    "ANYKVM_QUIET=1 silences this line\n",
	    ENGINE_CALL(version()), name ?: "none");
}

static void *load_library(void)
{
	char path[PATH_MAX];
	Dl_info self;

	if (!dladdr((void *)load_library, &self))
		self.dli_fname = "";
	dlerror();
	return dlmopen(LM_ID_BASE, engine_path(self.dli_fname, path),
		       RTLD_NOW | RTLD_LOCAL | RTLD_DEEPBIND);
}

static const char *load(void)
{
	void *handle = load_library();

	if (!handle)
		return dlerror();
#define ENGINE(fn)						\
	engine.fn = dlsym(handle, "anykvm_" #fn);		\
	if (!engine.fn)						\
		return "it has no function anykvm_" #fn;
#include "engine.def"
	return NULL;
}

static bool engine_start(void)
{
	const char *why;

	engine_depth++;
	why = load();
	if (!why) {
		engine.manage_signals();
		engine.fd_closed(-1);	/* from now on we report every close and dup */
	}
	engine_depth--;
	if (why) {
		say("anykvm: cannot load the engine: %s\n", why);
		return false;
	}
	own_pid = getpid();
	pthread_atfork(NULL, NULL, after_fork);
	signals_start();
	__atomic_store_n(&engine_loaded, true, __ATOMIC_RELEASE);
	signals_adopt_all();
	announce();
	return true;
}

/* Only the system descriptor has an API version. */
bool engine_has_system(int fd)
{
	int err = errno;
	bool is = engine_has(fd) &&
		  ENGINE_CALL(ioctl(fd, KVM_GET_API_VERSION, NULL)) == KVM_API_VERSION;

	errno = err;
	return is;
}

int engine_open(int flags)
{
	int err = errno;

	pthread_mutex_lock(&load_lock);
	if (!engine_loaded && !load_failed)
		load_failed = !engine_start();
	pthread_mutex_unlock(&load_lock);
	if (!engine_loaded) {
		errno = ENODEV;
		return -1;
	}
	errno = err;
	return ENGINE_CALL(open(flags));
}
