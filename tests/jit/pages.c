/* SPDX-License-Identifier: MIT */
/* Translated code in pages that lead elsewhere, and code written by others than vCPUs. */
#include "guest.h"

#include "api/fd.h"
#include "api/stats.h"

GUEST_BLOB(page_calls);
GUEST_BLOB(page_data);
GUEST_BLOB(page_polls);
GUEST_BLOB(page_ports);
GUEST_BLOB(page_reloads);
GUEST_BLOB(page_remaps);

enum {
	CALLEE	= 0x1000000,	/* linear, by a page table of its own */
	PT	= 0x20000,
	FRAME	= 0x30000,	/* two of them */
	ROUNDS	= 100,
};
enum { P = 1, W = 2, U = 4 };

/* mov eax, @v; ret */
static void set_constant(struct guest *g, u64 frame, u32 v)
{
	u8 *code = g->mem + frame;

	code[0] = 0xb8;
	memcpy(code + 1, &v, sizeof(v));
	code[5] = 0xc3;
}

static volatile u64 *pte(struct guest *g)
{
	return guest_word(g, PT);
}

static void up(struct guest *g, u64 flags)
{
	u64 *pd;

	needs_guest();
	guest_create(g, GUEST_PLAIN, 1);
	guest_long(g, 0, GUEST_CODE);
	pd = (u64 *)(g->mem + (*guest_word(g, (*guest_word(g, GUEST_PML4) & -PG)) & -PG));
	pd[CALLEE >> 21] = PT | P | W | U;
	*pte(g) = FRAME | flags;
	set_constant(g, FRAME, 1);
	set_constant(g, FRAME + PG, 2);
}

static void remapped(void **state)
{
	struct kvm_regs r;
	struct guest g;

	up(&g, P);
	guest_load(&g, GUEST_CODE, page_remaps);
	guest_regs(&g, 0, &r);
	r.rbx = CALLEE;
	r.rsi = PT;
	r.rdi = ROUNDS;
	r.r8 = FRAME | P;
	r.rbp = (FRAME + PG) | P;
	guest_set_regs(&g, 0, &r);
	assert_int_equal(guest_run(&g, 0), KVM_EXIT_HLT);
	guest_regs(&g, 0, &r);
	assert_int_equal(r.rax, 2);
	assert_int_equal(r.rdi, 0);
	guest_destroy(&g);
}

/* -- Code that is written by others ----------------------------------------------- */

static void set_cpl(struct guest *g, u8 cpl)
{
	struct kvm_sregs s;

	assert_ok(kvm_ioctl(g->vcpu[0], KVM_GET_SREGS, &s));
	s.cs.dpl = s.ss.dpl = cpl;
	s.cs.selector = (s.cs.selector & ~3) | cpl;
	s.ss.selector = (s.ss.selector & ~3) | cpl;
	assert_ok(kvm_ioctl(g->vcpu[0], KVM_SET_SREGS, &s));
}

static void begin(struct guest *g)
{
	struct kvm_regs r;

	guest_regs(g, 0, &r);
	r.rip = GUEST_CODE;
	r.rbx = CALLEE;
	r.rdi = ROUNDS;
	r.rsi = PT;
	r.r8 = FRAME | P;
	r.rflags = 2 | 3 << 12;		/* IOPL 3 */
	guest_set_regs(g, 0, &r);
}

/* What the page's function returns now. */
static u32 next(struct guest *g)
{
	u32 v;

	assert_io(g, KVM_EXIT_IO_OUT, 4, 0x10, 1);
	memcpy(&v, guest_pio(g, 0), sizeof(v));
	return v;
}

/* In a loop of calls, after so many that it is translated. */
static void up_ports(struct guest *g, u64 flags, u8 cpl)
{
	up(g, flags);
	set_cpl(g, cpl);
	guest_load(g, GUEST_CODE, page_ports);
	begin(g);
	for (u32 i = 0; i < 20; i++)
		assert_int_equal(next(g), 1);
}

/* Data that is elsewhere since the TLB was flushed, for code that has used it. */
static void data_moves(u8 cpl)
{
	struct guest g;

	up(&g, P | W | U);
	set_cpl(&g, cpl);
	guest_load(&g, GUEST_CODE, page_data);
	begin(&g);
	for (u32 i = 0; i < 50; i++) {
		u64 frame = FRAME + i % 2 * PG;

		*(u64 *)(g.mem + frame) = i;
		*pte(&g) = frame | P | W | U;
		set_cpl(&g, cpl);
		for (u32 k = 0; k < 3 * 5; k++)
			assert_int_equal(next(&g), i);
	}
	guest_destroy(&g);
}

static void data_moved(void **state)
{
	data_moves(0);
	data_moves(3);
}

static void assert_seen_at_once(struct guest *g)
{
	for (u32 i = 2; i < 50; i++) {
		set_constant(g, FRAME, i);
		assert_int_equal(next(g), i);
	}
}

/* The guest may write the page itself; it has never come to CPL 3. */
static void volatile_page(void **state)
{
	struct guest g;

	up_ports(&g, P | W | U, 3);
	assert_seen_at_once(&g);
	guest_destroy(&g);

	up_ports(&g, P, 0);
	assert_seen_at_once(&g);
	guest_destroy(&g);
}

static void paging_was_off(void **state)
{
	struct guest g;

	up_ports(&g, P | U, 3);
	guest_prot32(&g, 0, GUEST_CODE);
	guest_long(&g, 0, GUEST_CODE);
	begin(&g);
	for (u32 i = 0; i < 20; i++)
		assert_int_equal(next(&g), 1);
	assert_seen_at_once(&g);
	guest_destroy(&g);
}

static void strict(void **state)
{
	struct guest g;

	setenv("ANYKVM_JIT_STRICT", "1", 1);
	up_ports(&g, P | U, 3);
	unsetenv("ANYKVM_JIT_STRICT");
	assert_seen_at_once(&g);
	guest_destroy(&g);
}

static void set_registers(struct guest *g)
{
	struct kvm_regs r;

	guest_regs(g, 0, &r);
	guest_set_regs(g, 0, &r);
}

static void set_system_registers(struct guest *g)
{
	set_cpl(g, 3);
}

static void set_debug(struct guest *g)
{
	struct kvm_guest_debug d = { 0 };

	assert_ok(kvm_ioctl(g->vcpu[0], KVM_SET_GUEST_DEBUG, &d));
}

static void stop(struct guest *g)
{
	g->run[0]->immediate_exit = 1;
	assert_int_equal(guest_run(g, 0), -EINTR);
	g->run[0]->immediate_exit = 0;
}

static void change_slots(struct guest *g)
{
	void *ram = guest_ram(PG);

	assert_ok(set_region(g->vm, 5, 0, 2 * CALLEE, PG, ram));
	assert_ok(set_region(g->vm, 5, 0, 2 * CALLEE, 0, ram));
	munmap(ram, PG);
}

/* What a debugger or a loader of snapshots does besides writing. */
static void announced(void **state)
{
	void (*const how[])(struct guest *g) = {
		set_registers, set_system_registers, set_debug, stop, change_slots,
	};
	struct guest g;

	up_ports(&g, P | U, 3);
	for (u32 i = 0; i < 50; i++) {
		set_constant(&g, FRAME, i);
		how[i % ARRAY_SIZE(how)](&g);
		for (u32 k = 0; k < 5; k++)
			assert_int_equal(next(&g), i);
	}
	guest_destroy(&g);
}

static u64 unseen_writes(struct guest *g)
{
	struct kfile *f = kfile_get(g->vcpu[0]);
	u64 n = f->vcpu->stats->anykvm_unseen_writes[0];

	kfile_put(f);
	return n;
}

/* Nothing tells, but it is found soon; the page is not trusted any more. */
static void unannounced(void **state)
{
	struct runner r;
	struct guest g;

	kick_prepare();
	up_ports(&g, P | U, 3);
	guest_load(&g, GUEST_CODE, page_calls);
	begin(&g);
	runner_start(&r, &g, 0);
	for (u32 i = 1; i < 5; i++) {
		set_constant(&g, FRAME, i);
		assert_soon(*guest_word(&g, 0x40000) == i);
	}
	assert_int_equal(runner_stop(&r), -EINTR);
	assert_int_equal(unseen_writes(&g), 1);
	guest_load(&g, GUEST_CODE, page_ports);
	begin(&g);
	assert_int_equal(next(&g), 4);
	assert_seen_at_once(&g);
	guest_destroy(&g);
}

/* A device, of which the guest learns by polling memory. */
static void polled(struct guest *g)
{
	struct runner r;

	begin(g);
	runner_start(&r, g, 0);
	for (u32 i = 1; i <= ROUNDS; i++) {
		assert_soon(*guest_word(g, 0x40000) == i || r.done);
		if (r.done)
			break;
		set_constant(g, FRAME, i);
		__atomic_store_n(guest_word(g, 0x40008), i, __ATOMIC_RELEASE);
	}
	assert_int_equal(runner_join(&r), KVM_EXIT_HLT);
	assert_int_equal(guest_rax(g, 0), ROUNDS);
}

static void frame_used_anew(void **state)
{
	struct guest g;

	up_ports(&g, P | U, 3);
	set_cpl(&g, 0);
	guest_load(&g, GUEST_CODE, page_polls);
	polled(&g);
	guest_destroy(&g);
}

/* As after kexec, or when a hibernated system resumes. */
static void cr3_loaded(void **state)
{
	struct guest g;

	up_ports(&g, P | U, 3);
	set_cpl(&g, 0);
	guest_load(&g, GUEST_CODE, page_reloads);
	polled(&g);
	guest_destroy(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(remapped),
		cmocka_unit_test(data_moved),
		cmocka_unit_test(volatile_page),
		cmocka_unit_test(paging_was_off),
		cmocka_unit_test(strict),
		cmocka_unit_test(announced),
		cmocka_unit_test(unannounced),
		cmocka_unit_test(frame_used_anew),
		cmocka_unit_test(cr3_loaded),
	};

	setenv("ANYKVM_ENGINE", "jit", 0);
	setenv("ANYKVM_JIT_HOT", "1", 0);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
