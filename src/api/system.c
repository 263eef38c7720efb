/* SPDX-License-Identifier: MIT */
/* ioctls of the system descriptor. */
#include <errno.h>
#include <fcntl.h>

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

long system_create_vm(struct kfile *f, void *type)
{
	struct vm *vm;
	int ret;

	if (type)
		return -EINVAL;
	/* Again, because a forked child has none yet. */
	ret = worker_start();
	if (ret < 0)
		return ret;
	ret = vm_create(&vm);
	if (ret < 0)
		return ret;
	ret = kfile_memfd("anon_inode:kvm-vm", 0);
	if (ret >= 0)
		ret = kfile_install(SCOPE_VM, vm, NULL, ret, O_RDWR | O_CLOEXEC);
	vm_put(vm);
	return ret;
}
