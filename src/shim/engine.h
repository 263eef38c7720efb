/* SPDX-License-Identifier: MIT */
/*
 * The engine as the preload object sees it: the functions of anykvm.h, loaded
 * at the first open of /dev/kvm and never before.
 */
#ifndef ANYKVM_SHIM_ENGINE_H
#define ANYKVM_SHIM_ENGINE_H

#include <stdbool.h>

#include "anykvm.h"

struct engine {
#define ENGINE(fn)	__typeof__(anykvm_##fn) *fn;
#include "engine.def"
};

extern struct engine engine;
extern bool engine_loaded;

/*
 * How deep this thread is inside the engine.  What the engine itself calls in
 * libc is not for us, should its calls end up here.
 */
extern __thread int engine_depth
	__attribute__((tls_model("initial-exec"), visibility("hidden")));

/* True if calls may concern the engine: it is loaded, and is not the caller. */
static inline bool engine_listens(void)
{
	return __builtin_expect(__atomic_load_n(&engine_loaded,
						__ATOMIC_ACQUIRE), 0) &&
	       engine_depth == 0;
}

/* ENGINE_CALL(open(flags)): the expression's value, counted as inside. */
#define ENGINE_CALL(call)				\
	({						\
		__typeof__(engine.call) ret_;		\
							\
		engine_depth++;				\
		ret_ = engine.call;			\
		engine_depth--;				\
		ret_;					\
	})
#define ENGINE_TELL(call)				\
	do {						\
		engine_depth++;				\
		engine.call;				\
		engine_depth--;				\
	} while (0)

/* Opens our /dev/kvm, loading the engine if need be.  -1 and errno. */
int engine_open(int flags);

/* True if @fd is one of the engine's. */
static inline bool engine_has(int fd)
{
	return fd >= 0 && engine_listens() && ENGINE_CALL(owns(fd));
}

/* True if it is a descriptor of /dev/kvm itself.  Keeps errno. */
bool engine_has_system(int fd);

/*
 * True in the process whose memory this is.  A vfork() child is not: it must
 * leave no trace in the tables that it shares with its parent.
 */
bool engine_own_process(void);

#endif
