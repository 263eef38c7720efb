/* SPDX-License-Identifier: MIT */
#include "api/process.h"

#include <errno.h>
#include <sched.h>
#include <sys/mman.h>

#include "api/arch.h"
#include "api/fd.h"
#include "api/vm.h"
#include "api/worker.h"
#include "trace/trace.h"
#include "util/guard.h"
#include "watch/watch.h"

static u32 first_state;
u32 *process_state = &first_state;
bool process_manages_signals;

/* Survives fork, unlike *process_state. */
static bool initialised;

static u32 *state_page(void)
{
	u32 *page = mmap(NULL, PAGE_SIZE, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int err;

	if (page == MAP_FAILED)
		return NULL;
	if (!madvise(page, PAGE_SIZE, MADV_WIPEONFORK))
		return page;
	err = errno;
	if (err == EINVAL)
		log_error("this kernel has no MADV_WIPEONFORK (Linux 4.14)");
	munmap(page, PAGE_SIZE);
	errno = err;
	return NULL;
}

static int init(void)
{
	u32 *page;
	int ret;

	log_init();
	watch_init();
	page = state_page();
	if (!page)
		return -errno;
	if (!process_manages_signals)
		guard_install_handlers();
	ret = fd_init();
	if (!ret)
		ret = arch_init();
	if (ret < 0) {
		munmap(page, PAGE_SIZE);
		return ret;
	}
	initialised = true;
	*page = PROCESS_READY;
	__atomic_store_n(&process_state, page, __ATOMIC_RELEASE);
	return 0;
}

static int reinit_child(void)
{
	worker_reinit_child();
	fd_reinit_child();
	vm_reinit_child();
	if (watched())
		watch_forked();
	return 0;
}

int process_enter_slow(void)
{
	u32 *state = __atomic_load_n(&process_state, __ATOMIC_ACQUIRE);
	u32 expected = PROCESS_NEW;
	int ret;

	if (!__atomic_compare_exchange_n(state, &expected, PROCESS_BUSY, false,
					 __ATOMIC_ACQUIRE, __ATOMIC_ACQUIRE)) {
		while (__atomic_load_n(state, __ATOMIC_ACQUIRE) == PROCESS_BUSY)
			sched_yield();
		return process_enter();
	}
	ret = initialised ? reinit_child() : init();
	__atomic_store_n(state, ret < 0 ? PROCESS_NEW : PROCESS_READY, __ATOMIC_RELEASE);
	return ret;
}
