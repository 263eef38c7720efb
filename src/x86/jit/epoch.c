/* SPDX-License-Identifier: MIT */
/*
 * For how long translated code is current without being compared with memory.
 *
 * Stores of vCPUs to a page with code are seen as they happen (shared.h).  All
 * other writers - the VMM, its devices, other processes - write unseen.  An
 * epoch begins, for the whole VM, with every event that can tell a guest of
 * such a write, and for a vCPU when its TLB is flushed.  A page that is entered
 * is compared if it has not been in this epoch.
 *
 * An entered page stays so until the guest flushes it from its TLB, for what
 * devices write is reached through new translations, and a frame that is used
 * anew has been flushed.  That is not so for volatile pages, which a new epoch
 * makes enter anew: those of a guest that has not come to CPL 3 since paging was
 * turned on (firmware, loaders), those that the guest may write itself, and
 * those where this has been wrong.  sweep.c has all entered pages compared now
 * and then, and docs/architecture.md says what else does.
 */
#include "api/stats.h"
#include "trace/trace.h"
#include "x86/jit/shared.h"
#include "x86/x86.h"

/* In an epoch's number: it has been asked for, so the next event ends it. */
enum { EPOCH_USED = 1 };

/* -- The jump cache ----------------------------------------------------------------- */

u64 page_key_of(const struct jit *j, u32 class)
{
	u64 generation = j->t->generation[class], flat32 = class / CODE_FLAT32;

	return (generation << 2 | access_class(class)) << 48 | flat32 << 47;
}

void page_key(struct jit *j)
{
	j->t->jump_key = page_key_of(j, j->class);
}

/* Keys of a generation long ago would count again.  0 is that of empty entries. */
static void next_generation(struct jit *j, u32 class)
{
	if (++j->t->generation[class] == NR_GENERATIONS) {
		memset(j->t->jump_rip, 0, sizeof(j->t->jump_rip));
		j->t->generation[class] = 1;
	}
}

/* -- Entered pages ------------------------------------------------------------------- */

/* The classes that had any in @e, a bit each. */
static u32 drop(struct jit *j, struct entered *e)
{
	u32 classes = 0;

	for (u32 i = 0; i < e->count; i++) {
		struct code_page *p = e->page[i];
		u32 slot = page_slot(p->lin, p->class);

		p->entered = false;
		classes |= BIT(p->class);
		if (j->page_at[slot] == p)
			j->t->page_id[slot] = 0;
	}
	e->count = 0;
	return classes;
}

static void end(struct jit *j, u32 classes)
{
	if (!classes)
		return;
	for (u32 class = 0; class < NR_CODE_CLASSES; class++)
		if (classes & BIT(class))
			next_generation(j, class);
	page_key(j);
	jit_changed(j);
}

/* Those whose kind has a bit of @kinds. */
static void forget(struct jit *j, u32 kinds)
{
	u32 classes = 0;

	for (u32 kind = 0; kind < NR_PAGE_KINDS; kind++)
		if (kind & kinds)
			classes |= drop(j, &j->entered[kind]);
	end(j, classes);
}

void page_forget(struct jit *j)
{
	for (u32 kind = 0; kind < NR_PAGE_KINDS; kind++)
		drop(j, &j->entered[kind]);
	end(j, BIT(NR_CODE_CLASSES) - 1);
}

void page_forget_local(struct jit *j)
{
	forget(j, PAGE_LOCAL);
}

static bool has_range(const struct entered *e, u64 lin, u64 size)
{
	bool found = false;

	for (u32 i = 0; i < e->count; i++)
		found |= (e->lin[i] ^ lin) < size;
	return found;
}

void page_forget_range(struct jit *j, u64 lin, u64 size)
{
	for (u32 kind = 0; kind < NR_PAGE_KINDS; kind++) {
		if (has_range(&j->entered[kind], lin, size)) {
			page_forget(j);
			return;
		}
	}
}

/* It stays in its list until that is dropped, and may come into another one. */
void page_leave(struct jit *j, struct code_page *p)
{
	u32 slot = page_slot(p->lin, p->class);

	if (j->page_at[slot] == p)
		j->t->page_id[slot] = 0;
}

void page_remember(struct jit *j, struct code_page *p, u32 kind)
{
	u32 slot = page_slot(p->lin, p->class);
	struct entered *e = &j->entered[kind];

	if (!p->entered || p->kind != kind) {
		if (e->count == ENTERED_MAX)
			page_forget(j);
		e->lin[e->count] = p->lin;
		e->page[e->count++] = p;
		p->entered = true;
		p->kind = kind;
	}
	j->t->page_id[slot] = p->id;
	j->page_at[slot] = p;
}

/* -- Epochs --------------------------------------------------------------------------- */

/*
 * Those that this vCPU has begun, and the VM's number, which the others change
 * if somebody has asked for it.  Both only grow, and so the sum is another one
 * if either has.  Of a VM with one vCPU nobody else's matter; the first entry
 * of another one begins an epoch whoever has asked.
 */
u64 epoch_now(struct jit *j)
{
	u64 e = __atomic_load_n(j->epoch, __ATOMIC_SEQ_CST);

	if (!(e & EPOCH_USED) &&
	    __atomic_load_n(&j->vcpu->vm->nr_vcpus, __ATOMIC_SEQ_CST) > 1)
		e = __atomic_fetch_or(j->epoch, EPOCH_USED, __ATOMIC_SEQ_CST) | EPOCH_USED;
	return j->own_epochs + e;
}

/* If another vCPU is faster, its epoch has begun after this call, too. */
static void epoch_next(struct jit *j)
{
	u64 e = __atomic_load_n(j->epoch, __ATOMIC_SEQ_CST);

	j->own_epochs++;
	if (e & EPOCH_USED)
		__atomic_compare_exchange_n(j->epoch, &e, e + 1, false, __ATOMIC_SEQ_CST,
					    __ATOMIC_RELAXED);
}

void epoch_begin(struct jit *j)
{
	epoch_next(j);
	if (j->entered[PAGE_VOLATILE].count + j->entered[PAGE_VOLATILE | PAGE_LOCAL].count) {
		j->epoch_due = true;
		j->left = true;
	}
}

void epoch_begin_all(struct jit *j)
{
	__atomic_fetch_add(j->epoch, 2 * EPOCH_USED, __ATOMIC_SEQ_CST);
	page_forget(j);
}

/* The only volatile page, or NULL. */
static struct code_page *only_volatile(struct jit *j)
{
	const struct entered *global = &j->entered[PAGE_VOLATILE];
	const struct entered *local = &j->entered[PAGE_VOLATILE | PAGE_LOCAL];

	if (global->count + local->count != 1)
		return NULL;
	return global->count ? global->page[0] : local->page[0];
}

/* A loop that waits for a device is often all the volatile code there is. */
void epoch_enter(struct cpu *c)
{
	struct jit *j = c->jit;
	struct code_page *p = only_volatile(j);

	j->epoch_due = false;
	if (!p || p->lin != (c->rip & PAGE_MASK) || p->class != code_class(c) ||
	    !page_is_current(j, p->host))
		forget(j, PAGE_VOLATILE);
}

/* -- The sweep ------------------------------------------------------------------------- */

static void unexpected(struct jit *j, struct code_page *p)
{
	struct vm *vm = j->vcpu->vm;

	stat_inc(j->vcpu, anykvm_unseen_writes);
	p->host->suspect = true;
	if (!jit_vm_first_unseen(vm->arch->jit))
		return;
	log_warn("code at %#llx has been written by another process or device, and executed "
		 "since; ANYKVM_JIT_STRICT=1 compares more often", (unsigned long long)p->lin);
}

void epoch_sweep(struct jit *j)
{
	epoch_next(j);
	for (u32 kind = 0; kind < NR_PAGE_KINDS; kind++) {
		struct entered *e = &j->entered[kind];

		for (u32 i = 0; i < e->count; i++) {
			struct code_page *p = e->page[i];

			if (p->kind != kind || page_is_unchanged(j, p->host))
				continue;
			if (!(kind & PAGE_VOLATILE))
				unexpected(j, p);
			tu_kill_all(j, p->host);
		}
	}
}
