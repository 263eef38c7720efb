/* SPDX-License-Identifier: MIT */
/*
 * What the calls are made on.  All that guests can write lies above all that
 * the fuzzer needs, and nothing lies within the size of a slot above it.
 */
#include "fuzz.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "util/guard.h"

#define BASE		0x200000000000ul
#define GAP		(64ul << 20)
#define PG		4096ul

struct world world;

static u8 *next_area;

/* @size bytes and nothing behind them. */
static u8 *area(size_t size, int prot)
{
	u8 *p = next_area;

	next_area += size + GAP;
	if (mmap(p, size, prot, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED)
		finding("the fuzzer has no memory");
	return p;
}

static void areas_create(void)
{
	/* The same addresses in each process, or else anywhere. */
	next_area = mmap((void *)BASE, 64 * GAP, PROT_NONE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (next_area == MAP_FAILED)
		finding("the fuzzer has no addresses");
	for (u32 i = 0; i < NR_VMS * NR_VCPUS; i++) {
		struct vm_slot *vm = &world.vm[i / NR_VCPUS];

		vm->run[i % NR_VCPUS] = (void *)area(RUN_PAGES * PG, PROT_READ | PROT_WRITE);
		vm->ring[i % NR_VCPUS] = area(RING_PAGES * PG, PROT_READ | PROT_WRITE);
	}
	for (u32 i = 0; i < MAX_THREADS; i++)
		world.args[i] = area(ARGS_SIZE, PROT_READ | PROT_WRITE);
	world.nothing = area(PG, PROT_NONE);
	world.readonly = area(PG, PROT_READ);
	world.zone = area(ZONE_SIZE, PROT_READ | PROT_WRITE);
	for (u32 i = 0; i < NR_VMS; i++)
		world.vm[i].ram = area(RAM_SIZE, PROT_READ | PROT_WRITE);
}

bool world_repair(void *address)
{
	u8 *page = (u8 *)((u64)address & ~(PG - 1));

	return (options.threads > 1 || options.hostile) && page >= (u8 *)world.vm[0].run[0] &&
	       page < world.args[0] &&
	       mmap(page, PG, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != MAP_FAILED;
}

/* -- Descriptors of another process -------------------------------------------- */

static void send_fds(int socket, int fds[2])
{
	char control[CMSG_SPACE(2 * sizeof(int))] = { 0 }, byte = 0;
	struct iovec iov = { &byte, 1 };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1,
			    .msg_control = control, .msg_controllen = sizeof(control) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(2 * sizeof(int));
	memcpy(CMSG_DATA(c), fds, 2 * sizeof(int));
	if (sendmsg(socket, &m, 0) < 0)
		_exit(1);
}

static void receive_fds(int socket, int fds[2])
{
	char control[CMSG_SPACE(2 * sizeof(int))], byte;
	struct iovec iov = { &byte, 1 };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1,
			    .msg_control = control, .msg_controllen = sizeof(control) };

	fds[0] = fds[1] = -1;
	if (recvmsg(socket, &m, 0) > 0 && CMSG_FIRSTHDR(&m))
		memcpy(fds, CMSG_DATA(CMSG_FIRSTHDR(&m)), 2 * sizeof(int));
}

static void foreign_create(void)
{
	int pair[2], fds[2];
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair))
		finding("no socket pair");
	pid = fork();
	if (!pid) {
		fds[0] = anykvm_ioctl(anykvm_open(O_RDWR), KVM_CREATE_VM, 0);
		fds[1] = anykvm_ioctl(fds[0], KVM_CREATE_VCPU, 0);
		send_fds(pair[0], fds);
		_exit(0);
	}
	receive_fds(pair[1], fds);
	world.foreign_vm = fds[0];
	world.foreign_vcpu = fds[1];
	waitpid(pid, NULL, 0);
	close(pair[0]);
	close(pair[1]);
}

/* -- Descriptors ------------------------------------------------------------------- */

void put_fd(int *place, int fd)
{
	int old = __atomic_exchange_n(place, fd, __ATOMIC_ACQ_REL);

	if (old < 0)
		return;
	world.closed = old;
	if (options.hints)
		anykvm_fd_closed(old);
	close(old);
}

struct vm_slot *any_vm(struct thread *t)
{
	return &world.vm[pick(t, NR_VMS)];
}

static int odd_fd(struct thread *t)
{
	const int odd[] = {
		world.sys, world.foreign_vm, world.foreign_vcpu, world.file, world.closed,
		PICK(t, world.eventfd), PICK(t, world.stray), PICK(t, world.stray),
		any_vm(t)->fd, any_vm(t)->vcpu[0], -1, -100, 1 << 20, INT32_MAX, INT32_MIN,
	};

	return PICK(t, odd);
}

static int any_vcpu(struct thread *t, struct vm_slot *vm)
{
	const int fd = READ_ONCE(PICK(t, vm->vcpu));

	return fd >= 0 ? fd : READ_ONCE(vm->vcpu[0]);
}

int any_fd(struct thread *t, enum scope scope, struct vm_slot *vm)
{
	if (one_in(t, 50))
		return odd_fd(t);
	switch (scope) {
	case SCOPE_SYSTEM: return world.sys;
	case SCOPE_VM: return READ_ONCE(vm->fd);
	case SCOPE_VCPU: return any_vcpu(t, vm);
	default: return READ_ONCE(PICK(t, world.stray));
	}
}

static void eventfd_renew(struct thread *t, u32 i)
{
	put_fd(&world.eventfd[i],
	       eventfd(pick(t, 2), (one_in(t, 2) ? EFD_NONBLOCK : 0) |
				   (one_in(t, 4) ? EFD_SEMAPHORE : 0)));
}

/* -- VMs and vCPUs -------------------------------------------------------------------- */

/*
 * What is not there must not be seen by those who write the pages meanwhile:
 * beyond the end of a ring, and without one, they would raise SIGBUS.
 */
static void map_over(u8 *at, u32 pages, int fd, off_t offset)
{
	for (u32 i = 0; i < pages; i++, at += PG, offset += PG) {
		void *map = MAP_FAILED;
		u8 byte;

		if (fd >= 0)
			map = anykvm_mmap(NULL, PG, PROT_READ | PROT_WRITE, MAP_SHARED,
					  fd, offset);
		if (map != MAP_FAILED && copy_from_user(&byte, map, 1)) {
			munmap(map, PG);
			map = MAP_FAILED;
		}
		if (map == MAP_FAILED)
			mmap(at, PG, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
		else
			mremap(map, PG, PG, MREMAP_MAYMOVE | MREMAP_FIXED, at);
	}
}

void map_vcpu_pages(struct vm_slot *vm, u32 i)
{
	map_over((u8 *)vm->run[i], RUN_PAGES, vm->vcpu[i], 0);
	map_over(vm->ring[i], RING_PAGES, vm->vcpu[i], RING_PAGE * PG);
}

void vcpu_renew(struct thread *t, struct vm_slot *vm, u32 i)
{
	u64 id = one_in(t, 4) ? pick(t, 8) : i;

	put_fd(&vm->vcpu[i], -1);
	put_fd(&vm->vcpu[i], call(t, vm->fd, SCOPE_VM, KVM_CREATE_VCPU, (void *)id));
	if (vm->vcpu[i] < 0)
		return;
	map_vcpu_pages(vm, i);
	call(t, vm->vcpu[i], SCOPE_VCPU, KVM_SET_CPUID2, world.cpuid);
}

static void add_region(struct thread *t, struct vm_slot *vm, u32 slot, u64 at,
		       void *memory, u64 size)
{
	struct kvm_userspace_memory_region r = {
		.slot = slot, .guest_phys_addr = at, .memory_size = size,
		.userspace_addr = (uintptr_t)memory,
		.flags = one_in(t, 4) ? KVM_MEM_LOG_DIRTY_PAGES : 0,
	};

	call(t, vm->fd, SCOPE_VM, KVM_SET_USER_MEMORY_REGION, &r);
}

static void vm_set_up(struct thread *t, struct vm_slot *vm)
{
	struct kvm_enable_cap cap = { .cap = KVM_CAP_SPLIT_IRQCHIP, .args = { 24 } };
	struct kvm_pit_config pit = { .flags = pick(t, 2) };
	const u64 chips = pick(t, 4);

	if (chips == 1)
		call(t, vm->fd, SCOPE_VM, KVM_ENABLE_CAP, &cap);
	if (chips >= 2)
		call(t, vm->fd, SCOPE_VM, KVM_CREATE_IRQCHIP, NULL);
	if (chips == 3)
		call(t, vm->fd, SCOPE_VM, KVM_CREATE_PIT2, &pit);
	if (one_in(t, 4)) {
		cap = (struct kvm_enable_cap){
			.cap = one_in(t, 2) ? KVM_CAP_DIRTY_LOG_RING :
					      KVM_CAP_DIRTY_LOG_RING_ACQ_REL,
			.args = { PG << pick(t, 5) } };
		call(t, vm->fd, SCOPE_VM, KVM_ENABLE_CAP, &cap);
	}
	add_region(t, vm, 0, 0, vm->ram, RAM_SIZE);
	if (one_in(t, 2))
		add_region(t, vm, 1, RAM_SIZE, world.zone, ZONE_SIZE);
}

void vm_renew(struct thread *t, struct vm_slot *vm)
{
	const u32 n = 1 + pick(t, NR_VCPUS);

	for (u32 i = 0; i < NR_VCPUS; i++)
		put_fd(&vm->vcpu[i], -1);
	put_fd(&vm->fd, call(t, world.sys, SCOPE_SYSTEM, KVM_CREATE_VM, NULL));
	vm_set_up(t, vm);
	for (u32 i = 0; i < n; i++)
		vcpu_renew(t, vm, i);
}

/* -- Steps ------------------------------------------------------------------------------ */

static void use_eventfd(struct thread *t)
{
	const u32 i = pick(t, NR_EVENTFDS);
	const u64 n = one_in(t, 8) ? -2ull : 1;
	const int fd = READ_ONCE(world.eventfd[i]), flags = fcntl(fd, F_GETFL);

	if (one_in(t, 8))
		eventfd_renew(t, i);
	else if (flags >= 0 && (flags & O_NONBLOCK) && write(fd, &n, sizeof(n)) < 0)
		(void)!read(fd, (u64[1]){ 0 }, sizeof(u64));
}

/* Memory behind slots goes away, becomes read-only, a truncated file, or RAM. */
static void change_zone(struct thread *t)
{
	static const int prots[] = { PROT_NONE, PROT_READ, PROT_READ | PROT_WRITE };
	u8 *p = world.zone + pick(t, ZONE_SIZE / PG) * PG;
	size_t size = (1 + pick(t, 8)) * PG;
	bool truncated = one_in(t, 4);

	if (p + size > world.zone + ZONE_SIZE)
		size = PG;
	mmap(p, size, PICK(t, prots), MAP_FIXED | (truncated ? MAP_SHARED : MAP_PRIVATE | MAP_ANONYMOUS),
	     truncated ? world.file : -1, 0);
}

static void use_mmap(struct thread *t)
{
	const size_t size = (1 + pick(t, 4)) * PG - (one_in(t, 8) ? 1 : 0);
	const u64 page = one_in(t, 2) ? pick(t, 4) : pick(t, 80);
	void *p = anykvm_mmap(NULL, size, pick(t, 4),
			      one_in(t, 2) ? MAP_SHARED : MAP_PRIVATE,
			      any_fd(t, pick(t, 3), any_vm(t)), page * PG + one_in(t, 16));

	if (p != MAP_FAILED)
		munmap(p, size);
}

static void duplicate(struct thread *t)
{
	int from = any_fd(t, pick(t, 3), any_vm(t)), to = dup(from);

	if (to >= 0 && options.hints)
		anykvm_fd_duped(from, to);
	put_fd(&PICK(t, world.stray), to);
}

void step_of_world(struct thread *t)
{
	struct vm_slot *vm = any_vm(t);
	const u64 what = pick(t, 100);

	if (what < 30)
		use_eventfd(t);
	else if (what < 50)
		change_zone(t);
	else if (what < 65)
		use_mmap(t);
	else if (what < 80)
		duplicate(t);
	else if (what < 92)
		vcpu_renew(t, vm, pick(t, NR_VCPUS));
	else if (what < 98)
		vm_renew(t, vm);
	else
		put_fd(one_in(t, 2) ? &vm->fd : &PICK(t, vm->vcpu), -1);
}

/* -- Beginning and end --------------------------------------------------------------------- */

void world_create(void)
{
	struct thread t = { .rng = options.seed | 1 };

	areas_create();
	foreign_create();
	world.closed = -1;
	world.file = memfd_create("zone", MFD_CLOEXEC);
	world.sys = anykvm_open(O_RDWR | O_CLOEXEC);
	world.cpuid = calloc(1, sizeof(*world.cpuid) + 256 * sizeof(world.cpuid->entries[0]));
	world.cpuid->nent = 256;
	world.msrs = calloc(1, sizeof(*world.msrs) + 1024 * sizeof(world.msrs->indices[0]));
	world.msrs->nmsrs = 1024;
	if (anykvm_ioctl(world.sys, KVM_GET_SUPPORTED_CPUID, world.cpuid) ||
	    anykvm_ioctl(world.sys, KVM_GET_MSR_INDEX_LIST, world.msrs))
		finding("no CPUID or MSR list");
	for (u32 i = 0; i < NR_STRAYS; i++)
		world.stray[i] = -1;
	for (u32 i = 0; i < NR_EVENTFDS; i++) {
		world.eventfd[i] = -1;
		eventfd_renew(&t, i);
	}
	for (u32 i = 0; i < NR_VMS; i++) {
		world.vm[i].fd = -1;
		for (u32 v = 0; v < NR_VCPUS; v++)
			world.vm[i].vcpu[v] = -1;
		vm_renew(&t, &world.vm[i]);
	}
}

void world_destroy(void)
{
	for (u32 i = 0; i < NR_VMS; i++) {
		put_fd(&world.vm[i].fd, -1);
		for (u32 v = 0; v < NR_VCPUS; v++) {
			put_fd(&world.vm[i].vcpu[v], -1);
			map_vcpu_pages(&world.vm[i], v);
		}
	}
	for (u32 i = 0; i < NR_STRAYS; i++)
		put_fd(&world.stray[i], -1);
	for (u32 i = 0; i < NR_EVENTFDS; i++)
		put_fd(&world.eventfd[i], -1);
	put_fd(&world.sys, -1);
	put_fd(&world.foreign_vm, -1);
	put_fd(&world.foreign_vcpu, -1);
	put_fd(&world.file, -1);
	free(world.cpuid);
	free(world.msrs);
}
