/* SPDX-License-Identifier: MIT */
/* Finds the functions behind the interposed ones. */
#include "libc.h"

#include <dlfcn.h>

struct libc libc_table;

void libc_resolve(void)
{
#define LIBC(fn)	libc_table.fn = dlsym(RTLD_NEXT, #fn);
#include "libc.def"
	__atomic_store_n(&libc_table.ready, true, __ATOMIC_RELEASE);
}

__attribute__((constructor)) static void libc_construct(void)
{
	libc_ready();
}
