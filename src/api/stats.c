/* SPDX-License-Identifier: MIT */
/*
 * KVM_GET_STATS_FD (api.rst 4.133).
 *
 * The file is a memfd that holds header, name, descriptors and data; the data
 * is the very memory in which is counted, so that whoever reads the file has
 * the numbers of that moment.  Before somebody asks for a descriptor there is
 * no file, and they are counted in memory of the heap.
 *
 * All descriptors of one VM or vCPU are open files of one inode.
 */
#include "api/stats.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "api/fd.h"
#include "api/handlers.h"
#include "util/alloc.h"

#define NAME_SIZE	48	/* KVM_STATS_NAME_SIZE */

bool stats_count_insns;

/* One descriptor, as in the file. */
struct desc {
	struct kvm_stats_desc head;
	char name[NAME_SIZE];
};

/* Flags and exponent. */
#define KIND_COUNTER	KVM_STATS_TYPE_CUMULATIVE | KVM_STATS_UNIT_NONE, 0
#define KIND_INSTANT	KVM_STATS_TYPE_INSTANT | KVM_STATS_UNIT_NONE, 0
#define KIND_PEAK	KVM_STATS_TYPE_PEAK | KVM_STATS_UNIT_NONE, 0
#define KIND_BOOLEAN	KVM_STATS_TYPE_INSTANT | KVM_STATS_UNIT_BOOLEAN, 0
#define KIND_NSEC	KVM_STATS_TYPE_CUMULATIVE | KVM_STATS_UNIT_SECONDS, -9
#define KIND_NSEC_HISTOGRAM KVM_STATS_TYPE_LOG_HIST | KVM_STATS_UNIT_SECONDS, -9

#define DESC(kind, stat, n, owner) {						\
	{ KVM_STATS_BASE_POW10 | KIND_##kind, n, offsetof(struct owner, stat), 0 }, \
	#stat,									\
},

static const struct desc vm_descs[] = {
#define VM_STAT(kind, name, n) DESC(kind, name, n, vm_stats)
#include "api/stats.def"
};

static const struct desc vcpu_descs[] = {
#define VCPU_STAT(kind, name, n) DESC(kind, name, n, vcpu_stats)
#include "api/stats.def"
};

_Static_assert(sizeof(struct desc) == 16 + NAME_SIZE, "layout of the ABI");

/* The two kinds of files. */
struct format {
	const struct desc *descs;
	u32 nr, data_offset, size;
};

#define DESC_OFFSET	(sizeof(struct kvm_stats_header) + NAME_SIZE)
#define FORMAT(d, owner) {						\
	d, ARRAY_SIZE(d), DESC_OFFSET + sizeof(d),			\
	DESC_OFFSET + sizeof(d) + sizeof(struct owner)			\
}

static const struct format vm_format = FORMAT(vm_descs, vm_stats);
static const struct format vcpu_format = FORMAT(vcpu_descs, vcpu_stats);

/* -- Memory ------------------------------------------------------------------ */

static void data_destroy(const struct format *f, void *data, int fd)
{
	if (fd < 0) {
		free(data);
		return;
	}
	munmap((u8 *)data - f->data_offset, f->size);
	close(fd);
}

int vm_stats_create(struct vm *vm)
{
	vm->stats_fd = -1;
	vm->stats_pid = (pid_t)syscall(SYS_gettid);
	vm->stats = calloc(1, sizeof(*vm->stats));
	return vm->stats ? 0 : -ENOMEM;
}

void vm_stats_destroy(struct vm *vm)
{
	data_destroy(&vm_format, vm->stats, vm->stats_fd);
}

int vcpu_stats_create(struct vcpu *vcpu)
{
	vcpu->stats_fd = -1;
	vcpu->stats_pid = (pid_t)syscall(SYS_gettid);
	vcpu->stats = alloc_lines(sizeof(*vcpu->stats));
	return vcpu->stats ? 0 : -ENOMEM;
}

void vcpu_stats_destroy(struct vcpu *vcpu)
{
	data_destroy(&vcpu_format, vcpu->stats, vcpu->stats_fd);
}

/* -- Files -------------------------------------------------------------------- */

static void fill_head(const struct format *f, u8 *map, const char *id)
{
	const struct kvm_stats_header head = {
		.name_size = NAME_SIZE, .num_desc = f->nr,
		.id_offset = sizeof(head), .desc_offset = DESC_OFFSET,
		.data_offset = f->data_offset,
	};

	memcpy(map, &head, sizeof(head));
	memcpy(map + head.id_offset, id, strlen(id));
	memcpy(map + head.desc_offset, f->descs, f->nr * sizeof(*f->descs));
}

/*
 * Once: the numbers at *@data move into a file.  Nobody counts meanwhile: the
 * caller holds the lock that stat_inc() needs.
 */
static int file_create(const struct format *f, void **data, int *file, const char *name,
		       const char *id)
{
	int fd = kfile_memfd(name, f->size);
	u8 *map;

	if (fd < 0)
		return fd;
	map = mmap(NULL, f->size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED) {
		close(fd);
		return -ENOMEM;
	}
	fill_head(f, map, id);
	memcpy(map + f->data_offset, *data, f->size - f->data_offset);
	free(*data);
	*data = map + f->data_offset;
	*file = fd;
	return 0;
}

static long vm_open_file_locked(struct vm *vm)
{
	void *data = vm->stats;
	char id[NAME_SIZE];
	int ret;

	if (vm->stats_fd < 0) {
		snprintf(id, sizeof(id), "kvm-%d", vm->stats_pid);
		ret = file_create(&vm_format, &data, &vm->stats_fd, "anon_inode:kvm-vm-stats",
				  id);
		if (ret < 0)
			return ret;
		vm->stats = data;
	}
	return kfile_reopen(vm, vm->stats_fd);
}

long vm_get_stats_fd(struct kfile *f, void *arg)
{
	long ret;

	pthread_mutex_lock(&f->vm->slots_lock);
	ret = vm_open_file_locked(f->vm);
	pthread_mutex_unlock(&f->vm->slots_lock);
	return ret;
}

long vcpu_get_stats_fd(struct kfile *f, void *arg)
{
	struct vcpu *vcpu = f->vcpu;
	char id[NAME_SIZE], name[48];
	void *data = vcpu->stats;
	int ret;

	if (vcpu->stats_fd < 0) {
		snprintf(id, sizeof(id), "kvm-%d/vcpu-%u", vcpu->stats_pid, vcpu->id);
		snprintf(name, sizeof(name), "anon_inode:kvm-vcpu-stats:%u", vcpu->id);
		ret = file_create(&vcpu_format, &data, &vcpu->stats_fd, name, id);
		if (ret < 0)
			return ret;
		vcpu->stats = data;
	}
	return kfile_reopen(vcpu->vm, vcpu->stats_fd);
}
