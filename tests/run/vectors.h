/* SPDX-License-Identifier: MIT */
/* A guest whose code in vectors.S is translated, for tests of its registers. */
#ifndef ANYKVM_TESTS_RUN_VECTORS_H
#define ANYKVM_TESTS_RUN_VECTORS_H

#include <stdlib.h>
#include <sys/mman.h>

#include "guest.h"

GUEST_BLOB(vec_hlt);

enum { HANDLER = 0x20000, DATA = 0x40000, TIMES = 50 };
enum { EXC_NM = 7, EXC_GP = 13, EXC_MF = 16, EXC_XM = 19 };

static struct guest g;

static inline void start(const u8 *code, const u8 *end)
{
	guest_create(&g, 0, 1);
	memcpy(g.mem + GUEST_CODE, code, end - code);
	guest_load(&g, HANDLER, vec_hlt);
	guest_gate(&g, EXC_NM, HANDLER);
	guest_gate(&g, EXC_GP, HANDLER);
	guest_gate(&g, EXC_MF, HANDLER);
	guest_gate(&g, EXC_XM, HANDLER);
	guest_long(&g, 0, GUEST_CODE);
}

#define START(name) start(guest_##name, guest_##name##_end)

static inline int done(void **state)
{
	guest_destroy(&g);
	return 0;
}

static inline void get_fpu(struct kvm_fpu *f)
{
	assert_ok(kvm_ioctl(g.vcpu[0], KVM_GET_FPU, f));
}

static inline void set_fpu(const struct kvm_fpu *f)
{
	assert_ok(kvm_ioctl(g.vcpu[0], KVM_SET_FPU, (void *)f));
}

/* XMM @n is four times @v. */
static inline void set_xmm(u32 n, u32 v)
{
	struct kvm_fpu f;

	get_fpu(&f);
	for (u32 i = 0; i < 4; i++)
		memcpy(f.xmm[n] + 4 * i, &v, 4);
	set_fpu(&f);
}

static inline u32 get_xmm(u32 n)
{
	struct kvm_fpu f;
	u32 v;

	get_fpu(&f);
	assert_memory_equal(f.xmm[n], f.xmm[n] + 4, 12);
	memcpy(&v, f.xmm[n], 4);
	return v;
}

static inline void run_to_exit(u32 times)
{
	while (times--)
		assert_int_equal(guest_run(&g, 0), KVM_EXIT_IO);
}

/* The handler's HLT, with the frame of a fault on the stack: its RIP. */
static inline u64 run_to_fault(bool error_code)
{
	struct kvm_regs r;

	assert_int_equal(guest_run(&g, 0), KVM_EXIT_HLT);
	guest_regs(&g, 0, &r);
	assert_int_equal(r.rip, HANDLER + 1);
	return *guest_word(&g, r.rsp + 8 * error_code);
}

static inline void set_addresses(u64 rsi, u64 rdi)
{
	struct kvm_regs r;

	guest_regs(&g, 0, &r);
	r.rip = GUEST_CODE;
	r.rsi = rsi;
	r.rdi = rdi;
	guest_set_regs(&g, 0, &r);
}

/* If nothing else is asked for. */
static inline void translate_at_once(void)
{
	setenv("ANYKVM_ENGINE", "jit", 0);
	setenv("ANYKVM_JIT_HOT", "1", 0);
}

#endif
