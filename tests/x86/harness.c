/* SPDX-License-Identifier: MIT */
#include "harness.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "anykvm.h"
#include "api/fd.h"
#include "api/vm.h"
#include "util/guard.h"

/* cmocka takes these signals for itself in every test. */
static void on_fault(int sig, siginfo_t *info, void *ucontext)
{
	if (!guard_fault(sig, info, ucontext))
		signal(sig, SIG_DFL);
}

long call(struct kfile *f, u32 cmd, void *arg)
{
	struct sigaction sa = { .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO }, old;
	long ret;

	guard_prepare_thread();
	sigaction(SIGSEGV, &sa, &old);
	ret = ioctl_call(f, cmd, (uintptr_t)arg);
	sigaction(SIGSEGV, &old, NULL);
	return ret;
}

struct kfile *machine_add_vcpu(struct machine *m)
{
	int fd = call(m->vm_file, KVM_CREATE_VCPU, (void *)(uintptr_t)m->nr);
	struct kfile *f = kfile_get(fd);

	assert_non_null(f);
	m->fd[2 + m->nr] = fd;
	return m->vcpu_file[m->nr++] = f;
}

struct cpu *machine_cpu(struct machine *m)
{
	return m->vcpu_file[0]->vcpu->cpu;
}

static void add_memory(struct machine *m)
{
	struct kvm_userspace_memory_region r = { .memory_size = GUEST_PAGES * PAGE_SIZE };

	m->ram = mmap(NULL, r.memory_size, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_true(m->ram != MAP_FAILED);
	r.userspace_addr = (uintptr_t)m->ram;
	assert_int_equal(call(m->vm_file, KVM_SET_USER_MEMORY_REGION, &r), 0);
}

static int up(void **state, bool irqchip)
{
	struct machine *m = calloc(1, sizeof(*m));

	m->fd[0] = anykvm_open(O_RDWR);
	m->system = kfile_get(m->fd[0]);
	assert_non_null(m->system);
	m->fd[1] = call(m->system, KVM_CREATE_VM, NULL);
	m->vm_file = kfile_get(m->fd[1]);
	assert_non_null(m->vm_file);
	m->vm = m->vm_file->vm;
	add_memory(m);
	if (irqchip)
		assert_int_equal(call(m->vm_file, KVM_CREATE_IRQCHIP, NULL), 0);
	machine_add_vcpu(m);
	m->run = m->vcpu_file[0]->vcpu->run;
	*state = m;
	return 0;
}

int machine_up(void **state)
{
	return up(state, false);
}

int machine_up_irqchip(void **state)
{
	return up(state, true);
}

int machine_down(void **state)
{
	struct machine *m = *state;

	for (u32 i = 0; i < m->nr; i++)
		kfile_put(m->vcpu_file[i]);
	kfile_put(m->vm_file);
	kfile_put(m->system);
	for (u32 i = 0; i < 2 + m->nr; i++)
		close(m->fd[i]);
	munmap(m->ram, GUEST_PAGES * PAGE_SIZE);
	free(m);
	/* The worker hears of the last close() and frees the VM. */
	for (u32 ms = 0; vm_count() && ms < 2000; ms++)
		usleep(1000);
	return vm_count() != 0;
}
