/* SPDX-License-Identifier: MIT */
#include "harness.h"

#include <sys/mman.h>

#include "api/arch.h"
#include "api/memslot.h"
#include "util/guard.h"

#define IOCTL(scope, cmd, kind, fn) long fn(struct kfile *f, void *arg);
#include "x86/api/arch_ioctls.def"

#define KIND_NONE	ARG_NONE, 0
#define KIND_ZERO	ARG_ZERO, 0
#define KIND_VALUE	ARG_VALUE, 0
#define KIND_RAW	ARG_RAW, 0
#define KIND_IN(s)	ARG_IN, sizeof(struct s)
#define KIND_OUT(s)	ARG_OUT, sizeof(struct s)
#define KIND_INOUT(s)	ARG_INOUT, sizeof(struct s)

static const struct ioctl_desc rows[] = {
#define IOCTL(scope, cmd, kind, fn) { (u32)cmd, #cmd, SCOPE_##scope, KIND_##kind, fn },
#include "x86/api/arch_ioctls.def"
};

static long call_row(const struct ioctl_desc *d, struct kfile *f, void *arg)
{
	u8 buf[8192] = { 0 };
	long ret;

	if (!d->size)
		return d->fn(f, arg);
	assert_true(d->size <= sizeof(buf));
	if (d->kind != ARG_OUT && copy_from_user(buf, arg, d->size))
		return -EFAULT;
	ret = d->fn(f, buf);
	if (ret >= 0 && d->kind != ARG_IN && copy_to_user(arg, buf, d->size))
		return -EFAULT;
	return ret;
}

long call(struct kfile *f, u32 cmd, void *arg)
{
	for (u32 i = 0; i < ARRAY_SIZE(rows); i++)
		if (rows[i].cmd == cmd && rows[i].scope == f->scope)
			return call_row(&rows[i], f, arg);
	fail_msg("no row for %#x", cmd);
	return 0;
}

struct kfile *machine_add_vcpu(struct machine *m)
{
	struct vcpu *v = calloc(1, sizeof(*v));
	struct kfile *f = &m->vcpu_file[m->nr];

	v->vm = m->vm;
	v->id = v->idx = m->nr;
	v->run = m->run;
	assert_int_equal(arch_vcpu_create(v), 0);
	m->vm->vcpus[m->nr++] = v;
	m->vm->nr_vcpus = m->nr;
	arch_vcpu_created(v);
	*f = (struct kfile){ .scope = SCOPE_VCPU, .vm = m->vm, .vcpu = v };
	return f;
}

struct cpu *machine_cpu(struct machine *m)
{
	return m->vcpu_file[0].vcpu->cpu;
}

static void add_memory(struct machine *m)
{
	struct memslots *s = calloc(1, sizeof(*s) + sizeof(s->slot[0]));

	m->ram = mmap(NULL, GUEST_PAGES * PAGE_SIZE, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_true(m->ram != MAP_FAILED);
	s->count = 1;
	s->slot[0] = (struct memslot){ .npages = GUEST_PAGES, .hva = (hva_t)m->ram };
	m->vm->slots[0] = m->vm->slots[1] = s;
}

static int up(void **state, enum irqchip_mode mode)
{
	static bool ready;
	struct machine *m = calloc(1, sizeof(*m));

	if (!ready)
		assert_int_equal(arch_init(), 0);
	ready = true;
	m->vm = calloc(1, sizeof(*m->vm));
	pthread_mutex_init(&m->vm->lock, NULL);
	pthread_mutex_init(&m->vm->slots_lock, NULL);
	m->run = calloc(3, PAGE_SIZE);
	assert_int_equal(arch_vm_create(m->vm), 0);
	m->vm->arch->irqchip.mode = mode;
	add_memory(m);
	m->system = (struct kfile){ .scope = SCOPE_SYSTEM };
	m->vm_file = (struct kfile){ .scope = SCOPE_VM, .vm = m->vm };
	machine_add_vcpu(m);
	*state = m;
	return 0;
}

int machine_up(void **state)
{
	return up(state, IRQCHIP_NONE);
}

int machine_up_irqchip(void **state)
{
	return up(state, IRQCHIP_FULL);
}

int machine_down(void **state)
{
	struct machine *m = *state;

	for (u32 i = 0; i < m->nr; i++) {
		arch_vcpu_destroy(m->vm->vcpus[i]);
		free(m->vm->vcpus[i]);
	}
	arch_vm_destroy(m->vm);
	munmap(m->ram, GUEST_PAGES * PAGE_SIZE);
	free(m->vm->slots[0]);
	free(m->vm);
	free(m->run);
	free(m);
	return 0;
}
