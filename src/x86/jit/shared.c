/* SPDX-License-Identifier: MIT */
#include "x86/jit/shared.h"

#include <pthread.h>
#include <sys/mman.h>

#include "util/spare.h"
#include "x86/mmu/mmu.h"
#include "x86/x86.h"

enum {
	NR_SHARED	= 1 << 22,	/* 16 GiB that have ever had code */
	REGION		= 512,		/* pages whose entries are neighbours */
	NR_FILTER	= 1 << 18,	/* neighbours in memory are neighbours in it */
};

struct jit_vm {
	pthread_mutex_t lock;	/* innermost: nothing is called under it */
	u32 used;
	u32 turn;		/* lockstep.c */
	bool unseen;		/* epoch.c: said once.  Atomic */
	u64 epoch __attribute__((aligned(64)));	/* epoch.c; atomic */
	u64 filter[NR_FILTER / 64] __attribute__((aligned(64)));	/* a bit for each page in @page */
	struct shared_page page[NR_SHARED];
};

static struct spares spares;

static struct jit_vm *jit_vm_map(void)
{
	struct jit_vm *jv = mmap(NULL, sizeof(*jv), PROT_READ | PROT_WRITE,
				 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (jv == MAP_FAILED)
		return NULL;
	pthread_mutex_init(&jv->lock, NULL);
	return jv;
}

struct jit_vm *jit_vm_create(void)
{
	return spare_take(&spares) ?: jit_vm_map();
}

/* One that has had no code is as new. */
void jit_vm_destroy(struct jit_vm *jv)
{
	if (!jv || (!jv->used && spare_keep(&spares, jv)))
		return;
	pthread_mutex_destroy(&jv->lock);
	munmap(jv, sizeof(*jv));
}

u32 *jit_vm_turn(struct jit_vm *jv)
{
	return &jv->turn;
}

u64 *jit_vm_epoch(struct jit_vm *jv)
{
	return &jv->epoch;
}

bool jit_vm_first_unseen(struct jit_vm *jv)
{
	return !__atomic_exchange_n(&jv->unseen, true, __ATOMIC_RELAXED);
}

static u64 page_of(const u8 *host)
{
	return (u64)host & PAGE_MASK;
}

static u32 hash(u64 page)
{
	u64 nr = page >> PAGE_SHIFT;

	return (nr / REGION * 0x9e3779b97f4a7c15ull >> 51) * REGION | nr % REGION;
}

_Static_assert(NR_SHARED / REGION == 1 << (64 - 51), "what is left of a product");

/* The entry of @page, or the free one where it would be. */
static struct shared_page *slot_of(struct jit_vm *jv, u64 page)
{
	for (u32 i = hash(page);; i += REGION) {
		struct shared_page *s = &jv->page[i % NR_SHARED];
		u64 host = __atomic_load_n(&s->host, __ATOMIC_ACQUIRE);

		if (host == page || !host)
			return s;
	}
}

static u64 *filter_of(struct jit_vm *jv, u64 page)
{
	return &jv->filter[page / PAGE_SIZE % NR_FILTER / 64];
}

static u64 filter_bit(u64 page)
{
	return BIT_ULL(page / PAGE_SIZE % 64);
}

/* Each fill of a TLB asks, nearly always for a page that is none. */
struct shared_page *shared_find(struct jit_vm *jv, const u8 *host)
{
	u64 word = __atomic_load_n(filter_of(jv, page_of(host)), __ATOMIC_SEQ_CST);
	struct shared_page *s;

	if (likely(!(word & filter_bit(page_of(host)))))
		return NULL;
	s = slot_of(jv, page_of(host));
	return __atomic_load_n(&s->host, __ATOMIC_ACQUIRE) ? s : NULL;
}

static struct shared_page *insert(struct jit_vm *jv, u64 page)
{
	struct shared_page *s = slot_of(jv, page);

	if (s->host)
		return s;
	if (jv->used >= NR_SHARED / 4 * 3)
		return NULL;
	jv->used++;
	__atomic_store_n(&s->host, page, __ATOMIC_RELEASE);
	__atomic_fetch_or(filter_of(jv, page), filter_bit(page), __ATOMIC_SEQ_CST);
	return s;
}

static bool has_others(struct cpu *c)
{
	struct vcpu *v;
	u32 i;

	vm_for_each_vcpu(c->vcpu->vm, i, v) {
		if (v != c->vcpu)
			return true;
	}
	return false;
}

static void drop_write_tags(struct cpu *c, const u8 *host)
{
	struct vcpu *v;
	u32 i;

	mmu_write_protect(c, host);
	recent_forget(c);
	if (!has_others(c))
		return;
	vm_for_each_vcpu(c->vcpu->vm, i, v) {
		if (v != c->vcpu)
			vcpu_request(v, REQ_TLB_FLUSH);
	}
	vm_wait_taken(c->vcpu, REQ_TLB_FLUSH);
}

struct shared_page *shared_register(struct cpu *c, const u8 *host)
{
	struct jit_vm *jv = c->vcpu->vm->arch->jit;
	struct shared_page *s;
	u32 gen = 0;

	pthread_mutex_lock(&jv->lock);
	s = insert(jv, page_of(host));
	if (s && s->state == SHARED_CODE) {
		pthread_mutex_unlock(&jv->lock);
		return s;
	}
	if (s) {
		gen = s->gen;
		__atomic_store_n(&s->state, SHARED_WANTED, __ATOMIC_SEQ_CST);
	}
	pthread_mutex_unlock(&jv->lock);
	if (!s)
		return NULL;

	drop_write_tags(c, host);

	pthread_mutex_lock(&jv->lock);
	if (s->gen == gen && s->state == SHARED_WANTED)
		__atomic_store_n(&s->state, SHARED_CODE, __ATOMIC_RELEASE);
	pthread_mutex_unlock(&jv->lock);
	return s;
}

bool shared_written(struct cpu *c, struct shared_page *s)
{
	struct jit_vm *jv = c->vcpu->vm->arch->jit;
	struct vcpu *v;
	bool was_code;
	u32 i;

	if (__atomic_load_n(&s->state, __ATOMIC_SEQ_CST) == SHARED_DATA)
		return false;
	pthread_mutex_lock(&jv->lock);
	was_code = s->state != SHARED_DATA;
	if (was_code) {
		__atomic_store_n(&s->gen, s->gen + 1, __ATOMIC_SEQ_CST);
		__atomic_store_n(&s->state, SHARED_DATA, __ATOMIC_SEQ_CST);
	}
	pthread_mutex_unlock(&jv->lock);
	if (!was_code)
		return false;
	/* They see it at their next poll, after the store that this announces. */
	vm_for_each_vcpu(c->vcpu->vm, i, v) {
		if (v != c->vcpu)
			vcpu_request(v, REQ_CODE);
	}
	return true;
}
