/* SPDX-License-Identifier: MIT */
/* What --stats counts, in the process that it counts. */
#include <sys/wait.h>

#include "run/guest.h"

#include "watch/stats/symbols.h"
#include "watch/stats/sum.h"
#include "watch/stats/stats.h"

static const u8 out_hlt[] = {
	0xb9, 100, 0, 0, 0,		/* 0: mov ecx, 100 */
	0xe6, 0x80,			/* 5: out 0x80, al */
	0xff, 0xc9,			/* 7: dec ecx */
	0x75, 0xfa,			/* 9: jnz 5 */
	0xf4,				/* b: hlt */
};

static void load(struct guest *g, u64 gpa, const void *code, size_t n)
{
	memcpy(g->mem + gpa, code, n);
}

static u64 pc_count(u64 pc, u32 reason)
{
	for (u32 i = 0; i < STATS_PCS; i++)
		if (stats_page->pcs[i].key == stats_key(pc, reason))
			return stats_page->pcs[i].count;
	return 0;
}

static u64 reason_count(u32 reason)
{
	struct stats_sum sum;

	stats_sum(&sum, stats_page);
	return sum.by_reason[reason].count;
}

static u64 insns_now(void)
{
	struct stats_sum sum;

	slots_publish_all();
	stats_sum(&sum, stats_page);
	return sum.insns;
}

static void run_to_hlt(struct guest *g, u32 i)
{
	int reason;

	do
		reason = guest_run(g, i);
	while (reason == KVM_EXIT_IO || reason == KVM_EXIT_MMIO);
	assert_int_equal(reason, KVM_EXIT_HLT);
}

static void keys_keep_what_they_are_of(void **state)
{
	static const u64 pcs[] = { 0, 0x1000, 0xffffffff81000000, 0xff00000000000000, ~0ull,
				   0x7fffffffffff };

	for (u32 i = 0; i < ARRAY_SIZE(pcs); i++)
		for (u32 reason = 0; reason < STATS_REASONS; reason++) {
			assert_int_equal(stats_key_pc(stats_key(pcs[i], reason)), pcs[i]);
			assert_int_equal(stats_key_reason(stats_key(pcs[i], reason)), reason);
			assert_true(stats_key(pcs[i], reason));
		}
}

static void exits_by_reason_and_address(void **state)
{
	u64 io = reason_count(KVM_EXIT_IO), hlt = reason_count(KVM_EXIT_HLT);
	u64 at = pc_count(GUEST_CODE + 5, KVM_EXIT_IO);
	u64 behind = pc_count(GUEST_CODE + 12, KVM_EXIT_HLT);
	struct guest g;

	guest_create(&g, GUEST_PLAIN, 1);
	load(&g, GUEST_CODE, out_hlt, sizeof(out_hlt));
	guest_long(&g, 0, GUEST_CODE);
	run_to_hlt(&g, 0);
	assert_int_equal(reason_count(KVM_EXIT_IO), io + 100);
	assert_int_equal(reason_count(KVM_EXIT_HLT), hlt + 1);
	assert_int_equal(pc_count(GUEST_CODE + 5, KVM_EXIT_IO), at + 100);
	assert_int_equal(pc_count(GUEST_CODE + 12, KVM_EXIT_HLT), behind + 1);
	guest_destroy(&g);
}

static void mmio_at_the_instruction(void **state)
{
	/* nop; mov eax, [GUEST_MMIO]; hlt */
	static const u8 code[] = { 0x90, 0x8b, 0x04, 0x25, 0, 0, 0, 0x40, 0xf4 };
	u64 mmio = reason_count(KVM_EXIT_MMIO);
	struct guest g;

	guest_create(&g, GUEST_PLAIN, 1);
	load(&g, GUEST_CODE + 0x100, code, sizeof(code));
	guest_long(&g, 0, GUEST_CODE + 0x100);
	run_to_hlt(&g, 0);
	assert_int_equal(reason_count(KVM_EXIT_MMIO), mmio + 1);
	assert_int_equal(pc_count(GUEST_CODE + 0x101, KVM_EXIT_MMIO), 1);
	guest_destroy(&g);
}

static void refused_run_is_counted_as_eintr(void **state)
{
	u64 intr = reason_count(KVM_EXIT_INTR);
	struct guest g;

	guest_create(&g, GUEST_PLAIN, 1);
	guest_long(&g, 0, GUEST_CODE);
	g.run[0]->immediate_exit = 1;
	assert_int_equal(guest_run(&g, 0), -EINTR);
	assert_int_equal(reason_count(KVM_EXIT_INTR), intr + 1);
	guest_destroy(&g);
}

/* 1000 rounds, every other of which has a jump out of the middle of its code. */
static void instructions(void **state)
{
	static const u8 code[] = {
		0xb9, 0xe8, 3, 0, 0,		/* 0: mov ecx, 1000 */
		0xf6, 0xc1, 1,			/* 5: test cl, 1 */
		0x74, 2,			/* 8: jz c */
		0xff, 0xc0,			/* a: inc eax */
		0x50,				/* c: push rax */
		0x5a,				/* d: pop rdx */
		0xff, 0xc9,			/* e: dec ecx */
		0x75, 0xf3,			/* 10: jnz 5 */
		0xf4,				/* 12: hlt */
	};
	struct guest g;
	u64 before;

	guest_create(&g, GUEST_PLAIN, 1);
	load(&g, GUEST_CODE, code, sizeof(code));
	guest_long(&g, 0, GUEST_CODE);
	before = insns_now();
	run_to_hlt(&g, 0);
	assert_int_equal(insns_now() - before, 1 + 1000 * 6 + 500 + 1);
	guest_destroy(&g);
}

/* Exits in the middle of a block: what is behind them is not counted twice. */
static void instructions_around_exits(void **state)
{
	struct guest g;
	u64 before;

	guest_create(&g, GUEST_PLAIN, 1);
	load(&g, GUEST_CODE, out_hlt, sizeof(out_hlt));
	guest_long(&g, 0, GUEST_CODE);
	before = insns_now();
	run_to_hlt(&g, 0);
	assert_int_equal(insns_now() - before, 1 + 3 * 100 + 1);
	guest_destroy(&g);
}

static const struct stats_vcpu *slot_of(u32 vm, u32 id)
{
	for (u32 i = 0; i < STATS_VCPUS - 1; i++) {
		const struct stats_vcpu *v = &stats_page->vcpu[i];

		if (v->used && v->vm == vm && v->id == id)
			return v;
	}
	return NULL;
}

static void vcpus_are_told_apart(void **state)
{
	u32 vm = stats_page->vms;
	const struct stats_vcpu *v;
	struct guest g;

	guest_create(&g, GUEST_PLAIN, 2);
	load(&g, GUEST_CODE, out_hlt, sizeof(out_hlt));
	guest_long(&g, 0, GUEST_CODE);
	guest_long(&g, 1, GUEST_CODE + 11);
	run_to_hlt(&g, 0);
	run_to_hlt(&g, 1);
	v = slot_of(vm, 0);
	assert_non_null(v);
	assert_int_equal(v->exits[KVM_EXIT_IO].count, 100);
	assert_int_equal(v->exits[KVM_EXIT_HLT].count, 1);
	v = slot_of(vm, 1);
	assert_non_null(v);
	assert_int_equal(v->exits[KVM_EXIT_IO].count, 0);
	assert_int_equal(v->exits[KVM_EXIT_HLT].count, 1);
	guest_destroy(&g);
}

static void time_is_somewhere(void **state)
{
	struct stats_sum before, after;
	struct guest g;

	stats_sum(&before, stats_page);
	guest_create(&g, GUEST_PLAIN, 1);
	load(&g, GUEST_CODE, out_hlt, sizeof(out_hlt));
	guest_long(&g, 0, GUEST_CODE);
	assert_int_equal(guest_run(&g, 0), KVM_EXIT_IO);
	usleep(20000);
	run_to_hlt(&g, 0);
	stats_sum(&after, stats_page);
	assert_true(after.guest_ns > before.guest_ns);
	assert_true(after.vmm_ns - before.vmm_ns >= 20000000);
	assert_true(after.by_reason[KVM_EXIT_IO].vmm_ns -
		    before.by_reason[KVM_EXIT_IO].vmm_ns >= 20000000);
	guest_destroy(&g);
}

/* A vCPU that never leaves KVM_RUN is not silent. */
static void numbers_come_while_it_runs(void **state)
{
	static const u8 spin[] = { 0xeb, 0xfe };
	u32 vm = stats_page->vms;
	const struct stats_vcpu *v;
	struct runner r;
	struct guest g;

	guest_create(&g, GUEST_PLAIN, 1);
	load(&g, GUEST_CODE, spin, sizeof(spin));
	guest_long(&g, 0, GUEST_CODE);
	runner_start(&r, &g, 0);
	v = slot_of(vm, 0);
	assert_non_null(v);
	for (u32 i = 0; i < 500 && !(stats_get(&v->insns) && stats_get(&v->guest_ns)); i++)
		usleep(10000);
	assert_true(stats_get(&v->insns) > 1000);
	assert_true(stats_get(&v->guest_ns) > 1000);
	runner_stop(&r);
	guest_destroy(&g);
}

static void *run_until_cancelled(void *arg)
{
	int type;

	pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, &type);
	guest_run(arg, 0);
	return NULL;
}

static void cancelled_run_takes_no_time_back(void **state)
{
	static const u8 spin[] = { 0xeb, 0xfe, 0xf4 };
	u32 vm = stats_page->vms;
	const struct stats_vcpu *v;
	pthread_t thread;
	struct guest g;

	guest_create(&g, GUEST_PLAIN, 1);
	load(&g, GUEST_CODE, spin, sizeof(spin));
	guest_long(&g, 0, GUEST_CODE);
	v = slot_of(vm, 0);
	assert_non_null(v);
	assert_false(pthread_create(&thread, NULL, run_until_cancelled, &g));
	for (u32 i = 0; i < 500 && !stats_get(&v->guest_ns); i++)
		usleep(10000);
	pthread_cancel(thread);
	pthread_join(thread, NULL);
	guest_long(&g, 0, GUEST_CODE + 2);
	run_to_hlt(&g, 0);
	assert_in_range(stats_get(&v->guest_ns), 1, 100000000000);
	guest_destroy(&g);
}

static void end_of_all(struct guest *g)
{
	guest_destroy(g);
	/* The engine is told by the kernel, a little later. */
	usleep(1000);
}

/* More vCPUs than there are slots, one after the other. */
static void nothing_is_lost_with_the_slots(void **state)
{
	u64 hlt = reason_count(KVM_EXIT_HLT), insns = insns_now();
	struct guest g;

	for (u32 i = 0; i < STATS_VCPUS + 20; i++) {
		guest_create(&g, GUEST_PLAIN, 1);
		g.mem[GUEST_CODE] = 0xf4;
		guest_long(&g, 0, GUEST_CODE);
		run_to_hlt(&g, 0);
		end_of_all(&g);
	}
	assert_int_equal(reason_count(KVM_EXIT_HLT), hlt + STATS_VCPUS + 20);
	for (u32 i = 0; i < 100 && insns_now() != insns + STATS_VCPUS + 20; i++)
		usleep(10000);
	assert_int_equal(insns_now(), insns + STATS_VCPUS + 20);
}

static void child(struct guest *parents)
{
	struct guest g;

	if (guest_run(parents, 0) != -EIO)
		_exit(2);
	close(parents->vcpu[0]);
	guest_create(&g, GUEST_PLAIN, 1);
	load(&g, GUEST_CODE, out_hlt, sizeof(out_hlt));
	guest_long(&g, 0, GUEST_CODE);
	run_to_hlt(&g, 0);
	_exit(stats_page->pid == (u32)getpid() &&
	      reason_count(KVM_EXIT_IO) == 100 && stats_page->vms == 1 ? 42 : 1);
}

static void forked_child_has_its_own(void **state)
{
	u64 io = reason_count(KVM_EXIT_IO);
	struct guest g;
	int status;
	pid_t pid;

	guest_create(&g, GUEST_PLAIN, 1);
	pid = fork();
	if (!pid)
		child(&g);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 42);
	assert_int_equal(reason_count(KVM_EXIT_IO), io);
	guest_destroy(&g);
}

static void symbols_move_with_the_kernel(void **state)
{
	static const char lines[] = "ffffffff81000000 T _text\n"
				    "ffffffff81a00080 T entry_SYSCALL_64\n"
				    "0000000000001000 T low\n";
	char path[] = "/tmp/anykvm-symbols-XXXXXX", why[SYMBOLS_WHY_MAX];
	int fd = mkstemp(path);
	struct symbols *s;
	u64 off;

	assert_int_equal(write(fd, lines, sizeof(lines) - 1), sizeof(lines) - 1);
	close(fd);
	s = symbols_read(path, why);
	unlink(path);
	assert_non_null(s);
	assert_string_equal(symbols_find(s, 0xffffffff81000010, &off), "_text");
	assert_null(symbols_find(s, 0xffffffffb8200010, &off));
	symbols_move(s, 0xffffffffb8c00080);
	assert_string_equal(symbols_find(s, 0xffffffffb8200010, &off), "_text");
	assert_int_equal(off, 0x10);
	assert_string_equal(symbols_find(s, 0x1010, &off), "low");
	/* Backwards, and what KASLR does not do. */
	symbols_move(s, 0xffffffff80c00080);
	assert_string_equal(symbols_find(s, 0xffffffff80200010, &off), "_text");
	symbols_move(s, 0xffffffffb8c00084);
	assert_string_equal(symbols_find(s, 0xffffffff81000010, &off), "_text");
	symbols_move(s, 0x1080);
	assert_string_equal(symbols_find(s, 0xffffffff81000010, &off), "_text");
	symbols_free(s);
}

/* More addresses than the table has; comes last. */
static void full_table_counts_what_it_lacks(void **state)
{
	enum { N = STATS_PCS + 1000 };
	u64 io = reason_count(KVM_EXIT_IO), in_table = 0, in_table_before = 0, lost;
	struct guest g;

	for (u32 i = 0; i < STATS_PCS; i++)
		in_table_before += stats_page->pcs[i].count;
	lost = stats_page->pc_lost;
	guest_create(&g, GUEST_PLAIN, 1);
	for (u32 i = 0; i < N; i++)
		memcpy(g.mem + 0x100000 + i * 2, "\xe6\x80", 2);
	g.mem[0x100000 + N * 2] = 0xf4;
	guest_long(&g, 0, 0x100000);
	run_to_hlt(&g, 0);
	for (u32 i = 0; i < STATS_PCS; i++)
		in_table += stats_page->pcs[i].count;
	assert_int_equal(reason_count(KVM_EXIT_IO), io + N);
	assert_int_equal(in_table - in_table_before + stats_page->pc_lost - lost, N + 1);
	assert_true(stats_page->pc_lost > lost);
	guest_destroy(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keys_keep_what_they_are_of),
		cmocka_unit_test(exits_by_reason_and_address),
		cmocka_unit_test(mmio_at_the_instruction),
		cmocka_unit_test(refused_run_is_counted_as_eintr),
		cmocka_unit_test(instructions),
		cmocka_unit_test(instructions_around_exits),
		cmocka_unit_test(vcpus_are_told_apart),
		cmocka_unit_test(time_is_somewhere),
		cmocka_unit_test(numbers_come_while_it_runs),
		cmocka_unit_test(cancelled_run_takes_no_time_back),
		cmocka_unit_test(nothing_is_lost_with_the_slots),
		cmocka_unit_test(forked_child_has_its_own),
		cmocka_unit_test(symbols_move_with_the_kernel),
		cmocka_unit_test(full_table_counts_what_it_lacks),
	};
	struct guest g;

	if (on_kernel())
		return 77;
	/* The page is made with the first descriptor. */
	kick_prepare();
	guest_create(&g, GUEST_PLAIN, 1);
	guest_destroy(&g);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
