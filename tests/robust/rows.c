/* SPDX-License-Identifier: MIT */
/*
 * Calls.  The lists of ioctls are the engine's own, so a new one is called
 * with arguments of its kind and size from the day it is listed.
 */
#include "fuzz.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "inject.h"

#define POOR_ONE_IN	20	/* calls to the host that fail */

#define NONE		ARG_NONE, 0
#define ZERO		ARG_ZERO, 0
#define VALUE		ARG_VALUE, 0
#define RAW		ARG_RAW, 0
#define IN(s)		ARG_IN, sizeof(struct s)
#define OUT(s)		ARG_OUT, sizeof(struct s)
#define INOUT(s)	ARG_INOUT, sizeof(struct s)

const struct row all_rows[] = {
#define IOCTL(scope, cmd, kind, fn) { (u32)cmd, #cmd, SCOPE_##scope, kind },
#include "api/ioctls.def"
#define IOCTL(scope, cmd, kind, fn) { (u32)cmd, #cmd, SCOPE_##scope, kind },
#include "arch_ioctls.def"
};

const u32 nr_rows = ARRAY_SIZE(all_rows);

static struct { u64 calls, good; } counts[ARRAY_SIZE(all_rows)];

const struct row *find_row(enum scope scope, u32 cmd)
{
	for (u32 i = 0; i < nr_rows; i++) {
		if (all_rows[i].scope == scope && all_rows[i].cmd == cmd)
			return &all_rows[i];
	}
	return NULL;
}

void print_rows(void)
{
	for (u32 i = 0; i < nr_rows; i++)
		printf("%-34s %9lu calls, %9lu without error\n", all_rows[i].name,
		       counts[i].calls, counts[i].good);
}

/* -- Numbers --------------------------------------------------------------------- */

u64 gpa(struct thread *t)
{
	static const u64 bases[] = {
		0, 0, 0, GPA_CODE, GPA_DATA, RAM_SIZE, RAM_SIZE + ZONE_SIZE, GPA_MMIO,
		0xfee00000, 0xfec00000, 0xfffbc000, 1ull << 32, 1ull << 36, 1ull << 40,
		(1ull << 52) - 4096, 1ull << 52, 0xfffffffffffff000,
	};

	return PICK(t, bases) + (pick(t, 64) << 12) * pick(t, 2);
}

/* Never one at which guest or engine could write what the fuzzer lives on. */
u64 address(struct thread *t)
{
	switch (pick(t, 8)) {
	case 0:
		return (u64)world.nothing;
	case 1:
		return (u64)world.readonly;
	case 2: case 3:
		return (u64)world.zone + pick(t, ZONE_SIZE / 4096) * 4096;
	default:
		return (u64)any_vm(t)->ram + pick(t, RAM_SIZE / 4096) * 4096;
	}
}

u64 word(struct thread *t)
{
	switch (pick(t, 14)) {
	case 0: return 0;
	case 1: return 1;
	case 2: return -1ull;
	case 3: return 1ull << pick(t, 64);
	case 4: return (1ull << pick(t, 64)) - 1;
	case 5: return -pick(t, 4096);
	case 6: return rnd(t);
	case 7: return gpa(t);
	case 8: return gpa(t) + pick(t, 4096);
	case 9: return address(t);
	case 10: return UINT32_MAX - pick(t, 2);
	case 11: return pick(t, 5000);
	default: return pick(t, 16);
	}
}

void fill(struct thread *t, void *p, size_t n)
{
	const u32 kind = pick(t, 4);

	memset(p, 0, n);
	for (size_t i = 0; i < n; i += 4) {
		u64 w = 0;

		if (kind == 0)
			w = rnd(t);
		else if (kind == 1 || one_in(t, 8))
			w = word(t);
		memcpy((u8 *)p + i, &w, MIN(n - i, kind ? 8 : 4));
	}
}

/* -- The call itself ---------------------------------------------------------------- */

static bool is_kvm_errno(int err)
{
	static const int known[] = {
		EINVAL, EFAULT, ENXIO, ENOENT, EEXIST, ENOTTY, EBUSY, ENOMEM, EINTR,
		EAGAIN, E2BIG, EPERM, EIO, ENODEV, EBADF, ENOSPC, EOPNOTSUPP,
	};

	if (options.poor && err == EMFILE)
		return true;

	for (size_t i = 0; i < ARRAY_SIZE(known); i++) {
		if (known[i] == err)
			return true;
	}
	return false;
}

static u64 now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ull + ts.tv_nsec;
}

int call(struct thread *t, int fd, enum scope scope, u32 cmd, void *arg)
{
	const struct row *row = find_row(scope, cmd);
	int ret;

	t->row = row;
	t->ioctls++;
	__atomic_store_n(&t->since_ns, now(), __ATOMIC_RELAXED);
	__atomic_store_n(&t->running, cmd == (u32)KVM_RUN, __ATOMIC_RELAXED);
	errno = 0;
	inject_random(options.poor ? POOR_ONE_IN : 0, t->rng);
	ret = anykvm_ioctl(fd, cmd, arg);
	inject_random(0, 0);
	__atomic_store_n(&t->running, false, __ATOMIC_RELAXED);
	/* That result is a number of 32 bits. */
	if (ret < 0 && cmd != (u32)KVM_GET_NR_MMU_PAGES && (ret != -1 || !is_kvm_errno(errno)))
		finding("%s gives %d, errno %d", row ? row->name : "?", ret, errno);
	if (row) {
		__atomic_fetch_add(&counts[row - all_rows].calls, 1, __ATOMIC_RELAXED);
		__atomic_fetch_add(&counts[row - all_rows].good, ret >= 0, __ATOMIC_RELAXED);
	}
	return ret;
}

/* -- Arguments ------------------------------------------------------------------------ */

static u8 *bad_pointer(struct thread *t)
{
	u8 *const bad[] = {
		NULL, (u8 *)8, (u8 *)-1ul, (u8 *)-4096ul, (u8 *)(1ul << 63),
		(u8 *)0x800000000000, (u8 *)0xffff800000000000, world.nothing,
		world.readonly, t->args + ARGS_SIZE,
	};

	return PICK(t, bad);
}

/* Mostly the last byte of the argument is the last before nothing. */
static u8 *place(struct thread *t, size_t size)
{
	u8 *const end = t->args + ARGS_SIZE;
	u8 *p = end - size;
	const u64 way = pick(t, 40);

	if (way == 0)
		return bad_pointer(t);
	if (way == 1)
		p = end - pick(t, size + 1);
	else if (way < 6)
		p = t->args + pick(t, 64);
	memcpy(p, t->stage, MIN(size, end - p));
	return p;
}

static void flip(struct thread *t, u8 *p, size_t n)
{
	for (u64 i = pick(t, 4); i; i--) {
		const u64 w = word(t);
		const size_t at = pick(t, n);

		if (one_in(t, 2))
			p[at] ^= 1 << pick(t, 8);
		else
			memcpy(p + (at & ~3ul), &w, MIN(n - (at & ~3ul), 1u << pick(t, 4)));
	}
}

/* KVM_SET_X from what KVM_GET_X says, with little changed. */
static size_t gen_from_get(struct thread *t, const struct row *row, int fd)
{
	char name[64] = "KVM_GET_";
	size_t size = row->size ?: _IOC_SIZE(row->cmd);

	if (strncmp(row->name, "KVM_SET_", 8) || !size || one_in(t, 4))
		return 0;
	strncat(name, row->name + 8, sizeof(name) - 9);
	for (u32 i = 0; i < nr_rows; i++) {
		if (all_rows[i].scope != row->scope || strcmp(all_rows[i].name, name))
			continue;
		fill(t, t->stage, 8);
		if (call(t, fd, row->scope, all_rows[i].cmd, t->stage) < 0)
			return 0;
		flip(t, t->stage, size);
		return size;
	}
	return 0;
}

/* Makes descriptors, memory, or a KVM_RUN that no signal ends. */
static bool is_delicate(u32 cmd)
{
	return cmd == (u32)KVM_CREATE_VM || cmd == (u32)KVM_CREATE_VCPU ||
	       cmd == (u32)KVM_GET_STATS_FD || cmd == (u32)KVM_CREATE_DEVICE ||
	       cmd == (u32)KVM_SET_USER_MEMORY_REGION || cmd == (u32)KVM_SET_SIGNAL_MASK;
}

/* A count and entries, as most of the flexible ones are. */
static size_t gen_flexible(struct thread *t, const struct row *row)
{
	const size_t head = _IOC_SIZE(row->cmd) & 0x3fff;
	u32 n = pick(t, 64);
	size_t size = head + n * 16;

	fill(t, t->stage, size);
	if (!one_in(t, 8))
		memcpy(t->stage, &n, sizeof(n));
	return size ?: 8;
}

static size_t gen_any(struct thread *t, const struct row *row, int fd)
{
	size_t size = gen_from_get(t, row, fd);

	if (size)
		return size;
	if (row->kind == ARG_RAW)
		return gen_flexible(t, row);
	size = row->size ?: 8;
	fill(t, t->stage, size);
	return size;
}

static size_t generate(struct thread *t, const struct row *row, struct vm_slot *vm, int fd)
{
	size_t size = 0;

	if (one_in(t, 10) && !is_delicate(row->cmd))
		return gen_any(t, row, fd);
	if (row->scope == SCOPE_SYSTEM)
		size = gen_system(t, row);
	else if (row->scope == SCOPE_VM)
		size = gen_vm(t, row, vm) ?: gen_irqchip(t, row) ?: gen_pv(t, row);
	else if (row->scope == SCOPE_VCPU)
		size = gen_vcpu(t, row) ?: gen_pv(t, row);
	return size ?: gen_any(t, row, fd);
}

/* -- Steps --------------------------------------------------------------------------------- */

/* Descriptors that a call has made belong to the world. */
static void adopt(struct thread *t, const struct row *row, struct vm_slot *vm,
		  int ret, const u8 *arg)
{
	struct kvm_create_device d;

	if (row->cmd == (u32)KVM_CREATE_VM) {
		put_fd(&vm->fd, ret);
	} else if (row->cmd == (u32)KVM_CREATE_VCPU) {
		u32 i = pick(t, NR_VCPUS);

		put_fd(&vm->vcpu[i], ret);
		map_vcpu_pages(vm, i);
	} else if (row->cmd == (u32)KVM_GET_STATS_FD) {
		put_fd(&PICK(t, world.stray), ret);
	} else if (row->cmd == (u32)KVM_CREATE_DEVICE) {
		memcpy(&d, arg, sizeof(d));
		if (!(d.flags & KVM_CREATE_DEVICE_TEST))
			put_fd(&PICK(t, world.stray), d.fd);
	}
}

/* A request that its scope may not know. */
static void call_other(struct thread *t, const struct row *row, struct vm_slot *vm)
{
	u32 cmd = row->cmd ^ (pick(t, 2) ? rnd(t) & 0x1ff : 0);

	if (!is_delicate(cmd) && cmd != (u32)KVM_RUN)
		call(t, any_fd(t, pick(t, 3), vm), row->scope, cmd, t->args);
}

void step_of_row(struct thread *t)
{
	const struct row *row = &all_rows[pick(t, nr_rows)];
	struct vm_slot *vm = any_vm(t);
	int fd = any_fd(t, row->scope, vm), ret;
	u8 *arg;

	if (row->cmd == (u32)KVM_RUN && !one_in(t, 4))
		return step_of_run(t);
	switch (row->kind) {
	case ARG_NONE:
		arg = (u8 *)word(t);
		break;
	case ARG_ZERO:
		arg = one_in(t, 8) ? (u8 *)word(t) : NULL;
		break;
	case ARG_VALUE:
		arg = (u8 *)word(t);
		if (generate(t, row, vm, fd) >= 8 && !one_in(t, 8))
			memcpy(&arg, t->stage, sizeof(arg));
		break;
	default:
		arg = place(t, generate(t, row, vm, fd));
	}
	if (one_in(t, 500))
		return call_other(t, row, vm);
	ret = call(t, fd, row->scope, row->cmd, arg);
	if (ret >= 0)
		adopt(t, row, vm, ret, arg);
}
