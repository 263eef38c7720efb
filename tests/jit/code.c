/* SPDX-License-Identifier: MIT */
/* Translated code that changes, moves, goes, is stepped through. */
#include <poll.h>
#include <sys/eventfd.h>

#include "guest.h"

GUEST_BLOB(jit_calls);
GUEST_BLOB(jit_constant);
GUEST_BLOB(jit_doorbell);
GUEST_BLOB(jit_irq);
GUEST_BLOB(jit_irq_handler);
GUEST_BLOB(jit_loops);
GUEST_BLOB(jit_nowhere);
GUEST_BLOB(jit_nowhere_handler);
GUEST_BLOB(jit_stores);
GUEST_BLOB(jit_windows);
GUEST_BLOB(jit_x87);

enum { CALLEE = 0x1000000, SLOT = 5, VECTOR = 0x40, ROUNDS = 300 };

struct world {
	struct guest g;
	u8 *page;	/* at CALLEE */
};

static void up(struct world *w, u32 flags)
{
	needs_guest();
	guest_create(&w->g, flags, 1);
	w->page = guest_ram(2 * PG);
	memcpy(w->page, guest_jit_constant, guest_jit_constant_end - guest_jit_constant);
	memcpy(w->page + PG, guest_jit_constant, guest_jit_constant_end - guest_jit_constant);
	w->page[PG + 1] = 2;
	assert_ok(set_region(w->g.vm, SLOT, 0, CALLEE, PG, w->page));
	guest_load(&w->g, GUEST_CODE, jit_calls);
	guest_load(&w->g, GUEST_CODE + PG, jit_stores);
	guest_long(&w->g, 0, GUEST_CODE);
}

static void down(struct world *w)
{
	guest_destroy(&w->g);
	munmap(w->page, 2 * PG);
}

static void set_constant(struct world *w, u32 v)
{
	memcpy(w->page + 1, &v, sizeof(v));
}

static void begin(struct world *w, u64 rip, u64 rdi, u64 rsi)
{
	struct kvm_regs r;

	guest_regs(&w->g, 0, &r);
	r.rip = rip;
	r.rbx = CALLEE;
	r.rdi = rdi;
	r.rsi = rsi;
	guest_set_regs(&w->g, 0, &r);
}

/* All calls of a run give the same. */
static u64 result(struct world *w)
{
	begin(w, GUEST_CODE, ROUNDS, 0);
	assert_int_equal(guest_run(&w->g, 0), KVM_EXIT_HLT);
	return *guest_word(&w->g, 0x40000);
}

static void changed_between_runs(void **state)
{
	struct world w;

	up(&w, 0);
	for (u32 i = 1; i < 50; i++) {
		set_constant(&w, i);
		assert_int_equal(result(&w), i);
	}
	down(&w);
}

static void changed_before_an_interrupt(void **state)
{
	struct kvm_msi msi = { .address_lo = 0xfee00000, .data = VECTOR };
	struct runner r;
	struct world w;

	up(&w, GUEST_IRQCHIP);
	guest_load(&w.g, GUEST_CODE, jit_irq);
	guest_load(&w.g, GUEST_CODE + PG, jit_irq_handler);
	guest_gate(&w.g, VECTOR, GUEST_CODE + PG);
	begin(&w, GUEST_CODE, 0, 0);
	runner_start(&r, &w.g, 0);
	assert_soon(*guest_word(&w.g, 0x40000) == 1);
	/* The handler looks once at each. */
	for (u32 i = 2; i < 100; i++) {
		set_constant(&w, i);
		assert_int_equal(kvm_ioctl(w.g.vm, KVM_SIGNAL_MSI, &msi), 1);
		assert_soon(*guest_word(&w.g, 0x40008) != i - 1 && *guest_word(&w.g, 0x40008));
		assert_int_equal(*guest_word(&w.g, 0x40008), i);
	}
	assert_int_equal(runner_stop(&r), -EINTR);
	down(&w);
}

/* A device that is rung for writes code; no exit and no interrupt comes of it. */
static void changed_after_a_doorbell(void **state)
{
	struct kvm_ioeventfd e = { .addr = 0x50, .len = 1, .flags = KVM_IOEVENTFD_FLAG_PIO };
	struct runner r;
	struct world w;
	u64 rings;

	up(&w, 0);
	e.fd = eventfd(0, EFD_CLOEXEC);
	assert_ok(kvm_ioctl(w.g.vm, KVM_IOEVENTFD, &e));
	guest_load(&w.g, GUEST_CODE, jit_doorbell);
	begin(&w, GUEST_CODE, ROUNDS, 0);
	runner_start(&r, &w.g, 0);
	for (u32 i = 1; i <= ROUNDS; i++) {
		struct pollfd p = { .fd = e.fd, .events = POLLIN };

		if (poll(&p, 1, 5000) != 1)
			break;	/* it has stopped before */
		assert_int_equal(read(e.fd, &rings, sizeof(rings)), sizeof(rings));
		set_constant(&w, i);
		__atomic_store_n(guest_word(&w.g, 0x40008), i, __ATOMIC_RELEASE);
	}
	assert_int_equal(runner_join(&r), KVM_EXIT_HLT);
	assert_int_equal(guest_rax(&w.g, 0), ROUNDS);
	close(e.fd);
	down(&w);
}

static void slot_moved(void **state)
{
	struct world w;

	up(&w, 0);
	for (u32 i = 0; i < 20; i++) {
		assert_int_equal(result(&w), 1);
		assert_ok(set_region(w.g.vm, SLOT, 0, CALLEE, 0, w.page));
		assert_ok(set_region(w.g.vm, SLOT, 0, CALLEE, PG, w.page + PG));
		assert_int_equal(result(&w), 2);
		assert_ok(set_region(w.g.vm, SLOT, 0, CALLEE, 0, w.page + PG));
		assert_ok(set_region(w.g.vm, SLOT, 0, CALLEE, PG, w.page));
	}
	down(&w);
}

/* Its code is not executed any more: a fetch from where there is no memory. */
static void slot_deleted(void **state)
{
	struct world w;

	up(&w, 0);
	assert_int_equal(result(&w), 1);
	assert_ok(set_region(w.g.vm, SLOT, 0, CALLEE, 0, w.page));
	begin(&w, GUEST_CODE, ROUNDS, 0);
	assert_int_equal(guest_run(&w.g, 0), KVM_EXIT_INTERNAL_ERROR);
	assert_int_equal(guest_rip(&w.g, 0), CALLEE);
	down(&w);
}

static void stores_into_it(struct world *w, u64 through)
{
	begin(w, GUEST_CODE + PG, ROUNDS, through);
	assert_int_equal(guest_run(&w->g, 0), KVM_EXIT_HLT);
	assert_int_equal(guest_rax(&w->g, 0), ROUNDS);
}

static void changed_by_the_guest(void **state)
{
	struct world w;

	up(&w, 0);
	assert_int_equal(result(&w), 1);
	stores_into_it(&w, CALLEE);
	down(&w);
}

static void changed_through_an_alias(void **state)
{
	struct world w;

	up(&w, 0);
	assert_ok(set_region(w.g.vm, SLOT + 1, 0, CALLEE + (1 << 20), PG, w.page));
	assert_int_equal(result(&w), 1);
	stores_into_it(&w, CALLEE + (1 << 20));
	down(&w);
}

/* They begin in one page and end in the next for a while. */
static void windows(void **state)
{
	const u64 first = 0x50000 - 8 * ROUNDS;
	struct world w;

	up(&w, 0);
	guest_load(&w.g, GUEST_CODE, jit_windows);
	*guest_word(&w.g, 0x40000) = 0;
	begin(&w, GUEST_CODE, 2 * ROUNDS, first);
	assert_int_equal(guest_run(&w.g, 0), KVM_EXIT_HLT);
	assert_int_equal(*guest_word(&w.g, 0x40000), 2 * ROUNDS);
	for (u32 i = 0; i < 2 * ROUNDS; i++)
		assert_int_equal(*guest_word(&w.g, first + 8 * i), 2 * ROUNDS - i + 1);
	down(&w);
}

/* Whatever the copy of the body that they end in, and wherever pages do. */
static void loops(void **state)
{
	const u64 at[] = { 0x44ff8, 0x46ff0, 0x49fe8 };
	struct world w;

	up(&w, 0);
	guest_load(&w.g, GUEST_CODE, jit_loops);
	for (u64 n = 1; n < 40; n++) {
		for (u64 i = 0; i <= n; i++) {
			*guest_word(&w.g, at[0] + 8 * i) = n << 32 | i;
			*guest_word(&w.g, at[1] + 8 * i) = *guest_word(&w.g, at[2] + 8 * i) = 0;
		}
		begin(&w, GUEST_CODE, n, 0);
		assert_int_equal(guest_run(&w.g, 0), KVM_EXIT_HLT);
		/* ZF and PF, as equal numbers have them */
		assert_int_equal((*guest_word(&w.g, 0x40000) >> 8) & 0xd5, 0x44);
		for (u64 i = 0; i <= n; i++)
			for (u32 k = 1; k < 3; k++)
				assert_int_equal(*guest_word(&w.g, at[k] + 8 * i),
						 i < n ? n << 32 | i : 0);
	}
	down(&w);
}

static void x87_pointer(void **state)
{
	struct kvm_fpu fpu;
	struct world w;

	up(&w, 0);
	guest_load(&w.g, GUEST_CODE, jit_x87);
	for (u64 n = 1; n < 40; n++) {
		begin(&w, GUEST_CODE, n, 0);
		assert_int_equal(guest_run(&w.g, 0), KVM_EXIT_HLT);
		assert_ok(kvm_ioctl(w.g.vcpu[0], KVM_GET_FPU, &fpu));
		assert_int_equal(fpu.last_ip, GUEST_CODE + 8);
		assert_int_equal(fpu.last_opcode, 0x5d8);
	}
	down(&w);
}

static bool is_dirty(struct world *w)
{
	u64 bitmap = 0;
	struct kvm_dirty_log log = { .slot = SLOT, .dirty_bitmap = &bitmap };

	assert_ok(kvm_ioctl(w->g.vm, KVM_GET_DIRTY_LOG, &log));
	return bitmap & 1;
}

static void dirty_code(void **state)
{
	struct world w;

	up(&w, 0);
	assert_ok(set_region(w.g.vm, SLOT, KVM_MEM_LOG_DIRTY_PAGES, CALLEE, PG, w.page));
	for (u32 i = 0; i < 10; i++) {
		result(&w);
		assert_false(is_dirty(&w));	/* execution is not a store */
		stores_into_it(&w, CALLEE);
		assert_true(is_dirty(&w));
	}
	down(&w);
}

static void set_debug(struct world *w, u32 control, u64 breakpoint)
{
	struct kvm_guest_debug d = { .control = control };

	if (breakpoint) {
		d.arch.debugreg[0] = breakpoint;
		d.arch.debugreg[7] = 0x402;
	}
	assert_ok(kvm_ioctl(w->g.vcpu[0], KVM_SET_GUEST_DEBUG, &d));
}

static void assert_debug_at(struct world *w, u64 rip)
{
	assert_int_equal(guest_run(&w->g, 0), KVM_EXIT_DEBUG);
	assert_int_equal(guest_rip(&w->g, 0), rip);
}

/* Instruction by instruction through what has been translated. */
static void stepped(void **state)
{
	static const u64 at[] = { CALLEE, CALLEE + 5, GUEST_CODE + 2, GUEST_CODE + 10,
				  GUEST_CODE + 13, GUEST_CODE };
	struct world w;

	up(&w, 0);
	assert_int_equal(result(&w), 1);
	begin(&w, GUEST_CODE, ROUNDS, 0);
	set_debug(&w, KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_SINGLESTEP, 0);
	for (u32 i = 0; i < 5 * 6; i++)
		assert_debug_at(&w, at[i % 6]);
	set_debug(&w, 0, 0);
	assert_int_equal(guest_run(&w.g, 0), KVM_EXIT_HLT);
	assert_int_equal(result(&w), 1);
	down(&w);
}

/* RF: it has been seen (SDM vol. 3B 17.3.1.1). */
static void pass_breakpoint(struct world *w)
{
	struct kvm_regs r;

	guest_regs(&w->g, 0, &r);
	r.rflags |= 1 << 16;
	guest_set_regs(&w->g, 0, &r);
}

static void breakpoint(void **state)
{
	struct world w;

	up(&w, 0);
	assert_int_equal(result(&w), 1);
	begin(&w, GUEST_CODE, 5, 0);
	set_debug(&w, KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_USE_HW_BP, CALLEE + 5);
	for (u32 i = 0; i < 5; i++) {
		assert_debug_at(&w, CALLEE + 5);
		pass_breakpoint(&w);
	}
	assert_int_equal(guest_run(&w.g, 0), KVM_EXIT_HLT);
	set_debug(&w, 0, 0);
	assert_int_equal(result(&w), 1);
	down(&w);
}

/* #GP is at the branch, with RSP as before it (AMD64 and Intel64 alike). */
static void branch_to_no_address(void **state)
{
	struct world w;

	up(&w, 0);
	guest_load(&w.g, GUEST_CODE, jit_nowhere);
	guest_load(&w.g, GUEST_CODE + PG, jit_nowhere_handler);
	guest_gate(&w.g, 13, GUEST_CODE + PG);
	begin(&w, GUEST_CODE, ROUNDS, 0);
	assert_int_equal(guest_run(&w.g, 0), KVM_EXIT_HLT);
	assert_int_equal(*guest_word(&w.g, 0x40000), 2 * ROUNDS);
	down(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(changed_between_runs),
		cmocka_unit_test(changed_before_an_interrupt),
		cmocka_unit_test(changed_after_a_doorbell),
		cmocka_unit_test(slot_moved),
		cmocka_unit_test(slot_deleted),
		cmocka_unit_test(changed_by_the_guest),
		cmocka_unit_test(changed_through_an_alias),
		cmocka_unit_test(windows),
		cmocka_unit_test(loops),
		cmocka_unit_test(x87_pointer),
		cmocka_unit_test(dirty_code),
		cmocka_unit_test(stepped),
		cmocka_unit_test(breakpoint),
		cmocka_unit_test(branch_to_no_address),
	};

	setenv("ANYKVM_ENGINE", "jit", 0);
	setenv("ANYKVM_JIT_HOT", "1", 0);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
