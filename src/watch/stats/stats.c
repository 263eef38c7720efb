/* SPDX-License-Identifier: MIT */
/* The watcher of --stats: one KVM_RUN at a time. */
#include "watch/stats/stats.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "api/arch.h"
#include "api/stats.h"
#include "api/worker.h"
#include "trace/env.h"
#include "watch/output.h"
#include "watch/stats/report.h"
#include "watch/stats/symbols.h"
#include "watch/watch.h"

#define VIEWER_NS	500000000ull	/* its time to leave the terminal */

static struct symbols *symbols;

static void add(u64 *v, u64 n)
{
	__atomic_fetch_add(v, n, __ATOMIC_RELAXED);
}

/* -- Exits ------------------------------------------------------------------------ */

/* NULL: another descriptor, or that of another process's vCPU. */
static struct vcpu *vcpu_of(const struct kfile *file)
{
	return file->scope == SCOPE_VCPU ? file->vcpu : NULL;
}

/* The vCPU's, if the call runs one. */
static struct tally *tally_of(const struct watch_call *call)
{
	struct vcpu *vcpu = call->cmd == KVM_RUN ? vcpu_of(call->file) : NULL;

	return vcpu ? READ_ONCE(vcpu->tally) : NULL;
}

static u32 reason_of(const struct vcpu *vcpu, long ret)
{
	u32 reason;

	if (ret == -EINTR)
		return KVM_EXIT_INTR;
	if (ret < 0)
		return STATS_FAILED;
	reason = READ_ONCE(vcpu->run->exit_reason);
	return MIN(reason, STATS_FAILED - 1);
}

/* The place of @key in the table; NULL if there is no room near it. */
static struct stats_pc *find_pc(u64 key)
{
	u64 hash = key * 0x9e3779b97f4a7c15ull >> 40;

	for (u32 i = 0; i < STATS_PROBES; i++) {
		struct stats_pc *p = &stats_page->pcs[(hash + i) % STATS_PCS];
		u64 there = stats_get(&p->key);

		if (there == key)
			return p;
		if (!there && (__atomic_compare_exchange_n(&p->key, &there, key, false,
							   __ATOMIC_RELAXED,
							   __ATOMIC_RELAXED) || there == key))
			return p;
	}
	add(&stats_page->pc_lost, 1);
	return NULL;
}

/* The VMM has been at work since the last exit. */
static void count_vmm_time(struct tally *t, u64 start)
{
	u64 last = READ_ONCE(t->last_end);
	struct stats_exit *e = READ_ONCE(t->last_exit);
	struct stats_pc *p = READ_ONCE(t->last_pc);

	if (!last || start <= last)
		return;
	add(&e->vmm_ns, start - last);
	if (p)
		add(&p->vmm_ns, start - last);
}

static void count_exit(struct tally *t, const struct watch_call *call)
{
	const struct vcpu *vcpu = call->file->vcpu;
	u32 reason = reason_of(vcpu, call->ret);
	struct stats_exit *e = &t->slot->exits[reason];
	struct stats_pc *p = find_pc(stats_key(arch_vcpu_pc(vcpu), reason));

	add(&e->count, 1);
	if (p)
		add(&p->count, 1);
	WRITE_ONCE(t->last_exit, e);
	WRITE_ONCE(t->last_pc, p);
	WRITE_ONCE(t->last_end, call->end);
}

/* The last KVM_RUN may not have come back: its thread was cancelled. */
static void before(struct watch_call *call)
{
	struct tally *t = tally_of(call);

	if (!t)
		return;
	WRITE_ONCE(t->counted, 0);
	WRITE_ONCE(t->since, 0);
	WRITE_ONCE(t->running, true);
}

static void after(struct watch_call *call)
{
	struct tally *t = tally_of(call);

	if (call->cmd != KVM_RUN)
		add(&stats_page->ioctls, 1);
	if (!t)
		return;
	count_vmm_time(t, call->start);
	add(&t->slot->guest_ns, call->end - call->start - READ_ONCE(t->counted));
	WRITE_ONCE(t->running, false);
	count_exit(t, call);
}

/* -- Descriptors ------------------------------------------------------------------- */

static void opened(int fd, const struct kfile *file)
{
	if (!file)
		return;
	if (file->scope == SCOPE_VM)
		slots_add_vm(file->vm);
	else if (vcpu_of(file))
		slots_add(file->vcpu);
}

static void ended(const struct kfile *file)
{
	if (file->scope == SCOPE_VM)
		slots_end_vm(file->vm);
	else if (vcpu_of(file))
		slots_end(file->vcpu);
}

/* -- The end ------------------------------------------------------------------------ */

/* The view may have the program's terminal; what is printed comes behind it. */
static void wait_for_viewer(void)
{
	const struct timespec pause = { .tv_nsec = 2000000 };
	u64 until = worker_now_ns() + VIEWER_NS;

	while (READ_ONCE(stats_page->viewer) && !READ_ONCE(stats_page->viewer_done) &&
	       worker_now_ns() < until)
		nanosleep(&pause, NULL);
}

static void print_report(void)
{
	char *text = NULL;
	size_t n = 0;
	FILE *out = open_memstream(&text, &n);

	if (!out)
		return;
	symbols_move(symbols, stats_page->syscall_entry);
	if (env_is_on("ANYKVM_JSON"))
		report_json(out, stats_page, symbols);
	else
		report_text(out, stats_page, symbols);
	if (!fclose(out))
		output_append(text, n);
	output_flush();
	free(text);
}

static void finish(void)
{
	/* Not of a child that has never come here. */
	if (!stats_page || stats_page->pid != (u32)getpid())
		return;
	slots_publish_all();
	__atomic_store_n(&stats_page->end_ns, worker_now_ns(), __ATOMIC_RELEASE);
	wait_for_viewer();
	if (output_works())
		print_report();
}

/* Without a page for the child there is nothing to count in, nor a vCPU that would. */
static void forked(void)
{
	static struct stats_page nowhere;

	if (stats_page)
		slots_forked();
	if (!stats_page)
		stats_page = &nowhere;
}

static const struct watcher watcher = {
	.name = "stats",
	.before = before,
	.after = after,
	.opened = opened,
	.ended = ended,
	.forked = forked,
	.tick = slots_tick,
	.finish = finish,
};

/* The launcher has told what is wrong with the file, if anything is. */
static void read_symbols(void)
{
	const char *path = getenv("ANYKVM_SYMBOLS");
	char why[SYMBOLS_WHY_MAX];

	if (path && *path)
		symbols = symbols_read(path, why);
}

void stats_init(void)
{
	if (!env_is_on("ANYKVM_STATS") || !slots_init())
		return;
	output_open();
	read_symbols();
	stats_count_insns = true;
	watch_add(&watcher);
}
