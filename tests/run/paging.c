/* SPDX-License-Identifier: MIT */
/*
 * Paging as guest code sees it: what flushes the TLB (SDM vol. 3A 4.10.4),
 * flags that are set while others change the entry (4.8), protection keys.
 */
#include "guest.h"

GUEST_BLOB(paging_flush);
GUEST_BLOB(paging_store);
GUEST_BLOB(paging_change);
GUEST_BLOB(paging_keys);
GUEST_BLOB(paging_fault);

enum { PD = GUEST_PML4 + 0x2000, TABLE = GUEST_DATA, STOP = 0x60000,
       FRAME = 0x50000, OTHER = 0x51000, FAULT = 0x20000, OTHER_CODE = 0x18000 };
enum { P = 1, W = 2, U = 4, A = 0x20, D = 0x40, G = 0x100, RW = P | W | U };

static struct guest g;

/* The window is the 2 MiB that TABLE maps; its first entry is @pte. */
static void start(u32 nr_vcpus, u64 pte, const u8 *code, const u8 *end)
{
	guest_create(&g, GUEST_PLAIN, nr_vcpus);
	memcpy(g.mem + GUEST_CODE, code, end - code);
	*guest_word(&g, PD + 8) = TABLE | RW;
	*guest_word(&g, TABLE) = pte;
	*guest_word(&g, FRAME) = 0x1111;
	*guest_word(&g, OTHER) = 0x2222;
	guest_long(&g, 0, GUEST_CODE);
}

#define START(nr, pte, name) start(nr, pte, guest_##name, guest_##name##_end)

static int done(void **state)
{
	if (g.mem)
		guest_destroy(&g);
	g.mem = NULL;
	return 0;
}

static bool has_cpuid(u32 leaf, int reg, u32 bit)
{
	struct kvm_cpuid2 *c = calloc(1, sizeof(*c) + 256 * sizeof(c->entries[0]));
	int sys = kvm_open(O_RDWR);
	bool has = false;

	c->nent = 256;
	assert_ok(kvm_ioctl(sys, KVM_GET_SUPPORTED_CPUID, c));
	close(sys);
	for (u32 i = 0; i < c->nent; i++)
		if (c->entries[i].function == leaf && !c->entries[i].index)
			has = (&c->entries[i].eax)[reg] >> bit & 1;
	free(c);
	return has;
}

enum { EBX = 1, ECX = 2 };

/* -- Flushes ------------------------------------------------------------------------ */

static const struct {
	const char *name;
	bool global;	/* global pages go, too */
} flushes[] = {
	{ "INVLPG", true }, { "INVPCID 2", true }, { "CR4.PGE", true }, { "CR4.PCIDE", true },
	{ "MOV to CR3", false }, { "INVPCID 0", false }, { "INVPCID 1", false },
	{ "INVPCID 3", false }, { "INVPCID 1 from another PCID", false },
};

static void flush(u64 op, u64 global)
{
	struct kvm_regs r;

	START(1, FRAME | RW | global, paging_flush);
	guest_regs(&g, 0, &r);
	r.rdi = op;
	r.rsi = OTHER | RW | global;
	guest_set_regs(&g, 0, &r);
	assert_int_equal(guest_run(&g, 0), KVM_EXIT_IO);
	guest_regs(&g, 0, &r);
	assert_int_equal(r.rbx, 0x1111);
	if (r.rcx != 0x2222)
		fail_msg("%s leaves a%s page's translation", flushes[op].name,
			 global ? " global" : "");
	done(NULL);
}

static void flushes_are_seen(void **state)
{
	needs_guest();
	if (!has_cpuid(1, ECX, 17) || !has_cpuid(7, EBX, 10))
		skip();
	for (u32 i = 0; i < sizeof(flushes) / sizeof(flushes[0]); i++) {
		flush(i, 0);
		if (flushes[i].global)
			flush(i, G);
	}
}

/* -- Accessed and dirty --------------------------------------------------------------- */

/* No change that another CPU makes to the entry is lost, nor is the flag. */
static void flags_are_set_atomically(void **state)
{
	enum { TIMES = 1 << 21 };	/* a multiple of 2048: ignored bits end as they began */
	struct runner store, change;
	struct kvm_regs r;

	needs_guest();
	START(2, FRAME | RW, paging_store);
	guest_load(&g, OTHER_CODE, paging_change);
	guest_long(&g, 1, OTHER_CODE);
	guest_regs(&g, 1, &r);
	r.rdi = TIMES;
	guest_set_regs(&g, 1, &r);
	runner_start(&store, &g, 0);
	runner_start(&change, &g, 1);
	assert_int_equal(runner_join(&change), KVM_EXIT_IO);
	assert_int_equal(runner_join(&store), KVM_EXIT_IO);
	assert_int_equal(*guest_word(&g, TABLE),
			 FRAME | RW | A | D);
}

/* -- Protection keys (SDM vol. 3A 4.6.2) ------------------------------------------------ */

enum { KEY = 3, AD = 1 << 2 * KEY, WD = 2 << 2 * KEY };
enum { PF_P = 1, PF_W = 2, PF_PK = 32 };

static void key_fault(u32 pkru, u64 pte, u32 error)
{
	struct kvm_regs r;

	START(1, pte | (u64)KEY << 59, paging_keys);
	guest_load(&g, FAULT, paging_fault);
	guest_gate(&g, 14, FAULT);
	guest_regs(&g, 0, &r);
	r.rax = pkru;
	guest_set_regs(&g, 0, &r);
	assert_int_equal(guest_run(&g, 0), KVM_EXIT_IO);
	guest_regs(&g, 0, &r);
	assert_int_equal(g.run[0]->io.port, error ? 0x81 : 0x80);
	assert_int_equal(r.rbx, error ? error : 0x1111);
	if (!error)
		assert_int_equal((u32)r.rax, pkru);
}

static void keys_restrict_user_pages(void **state)
{
	const u64 user = FRAME | RW, kernel = FRAME | P | W;
	static const struct { u32 pkru; bool user; u32 error; } t[] = {
		{ 0, true, 0 }, { ~(AD | WD), true, 0 }, { AD | WD, false, 0 },
		{ AD, true, PF_P | PF_PK }, { WD, true, 0 },	/* CR0.WP is clear */
	};

	needs_guest();
	if (!has_cpuid(7, ECX, 3))
		skip();
	for (u32 i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		key_fault(t[i].pkru, t[i].user ? user : kernel, t[i].error);
		done(NULL);
	}
}

static u32 pkru_offset(void)
{
	struct kvm_cpuid2 *c = calloc(1, sizeof(*c) + 256 * sizeof(c->entries[0]));
	int sys = kvm_open(O_RDWR);
	u32 offset = 0;

	c->nent = 256;
	assert_ok(kvm_ioctl(sys, KVM_GET_SUPPORTED_CPUID, c));
	close(sys);
	for (u32 i = 0; i < c->nent; i++)
		if (c->entries[i].function == 0xd && c->entries[i].index == 9)
			offset = c->entries[i].ebx;
	free(c);
	return offset;
}

/* PKRU moves with KVM_GET_XSAVE and KVM_SET_XSAVE, and counts at once. */
static void keys_migrate(void **state)
{
	static struct kvm_xsave x;
	u32 at = pkru_offset(), pkru = AD;
	struct kvm_regs r;

	needs_guest();
	if (!has_cpuid(7, ECX, 3))
		skip();
	key_fault(WD, FRAME | RW, 0);
	assert_ok(kvm_ioctl(g.vcpu[0], KVM_GET_XSAVE, &x));
	assert_int_equal(x.region[at / 4], WD);
	assert_true(x.region[128] & 1 << 9);
	x.region[at / 4] = pkru;
	assert_ok(kvm_ioctl(g.vcpu[0], KVM_SET_XSAVE, &x));
	guest_regs(&g, 0, &r);
	r.rip = GUEST_CODE + 18;	/* behind WRPKRU */
	guest_set_regs(&g, 0, &r);
	assert_int_equal(guest_run(&g, 0), KVM_EXIT_IO);
	guest_regs(&g, 0, &r);
	assert_int_equal(r.rbx, PF_P | PF_PK);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(flushes_are_seen, done),
		cmocka_unit_test_teardown(flags_are_set_atomically, done),
		cmocka_unit_test_teardown(keys_restrict_user_pages, done),
		cmocka_unit_test_teardown(keys_migrate, done),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
