/* SPDX-License-Identifier: MIT */
/* ioctls of the system descriptor. */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "api/caps.h"
#include "api/fd.h"
#include "api/handlers.h"
#include "api/vm.h"
#include "api/worker.h"

long system_get_api_version(struct kfile *f, void *arg)
{
	return KVM_API_VERSION;
}

long system_get_vcpu_mmap_size(struct kfile *f, void *arg)
{
	return VCPU_MMAP_SIZE;
}

long system_check_extension(struct kfile *f, void *arg)
{
	return caps_check(NULL, (long)arg);
}

static int create_vm_on(int memfd, const void *type)
{
	struct vm *vm;
	int ret = type ? -EINVAL : vm_create(&vm);

	if (ret < 0) {
		close(memfd);
		return ret;
	}
	ret = kfile_install(SCOPE_VM, vm, NULL, memfd, O_RDWR | O_CLOEXEC);
	vm_put(vm);
	return ret;
}

/* The descriptor is reserved first: without one, any type is EMFILE. */
long system_create_vm(struct kfile *f, void *type)
{
	/* Again, because a forked child has none yet. */
	int ret = worker_start();

	if (!ret)
		ret = kfile_memfd("anon_inode:kvm-vm", 0);
	return ret < 0 ? ret : create_vm_on(ret, type);
}

/* Tracing by ioctl is long gone, but Linux 6.1 still knows the requests. */
long system_trace(struct kfile *f, void *arg)
{
	return -EOPNOTSUPP;
}
