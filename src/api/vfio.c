/* SPDX-License-Identifier: MIT */
/*
 * The VFIO device keeps the group files that the VMM names open until they are
 * taken from it or the VM ends.  The rest of what KVM does with them, telling
 * the host's VFIO who the guest is and caring for DMA that bypasses caches, has
 * no counterpart here: groups reach the guest's memory through the VMM's
 * mappings.
 */
#include "api/vfio.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "api/fd.h"
#include "api/handlers.h"
#include "util/guard.h"

struct group {
	struct group *next;
	dev_t rdev;
	int fd;			/* our own descriptor of the VMM's open file */
};

struct vfio {
	struct group *groups;	/* under vm->lock */
};

/* -- KVM_CREATE_DEVICE (api.rst 4.79) ---------------------------------------------- */

static long create_locked(struct vm *vm)
{
	long fd;

	if (vm->vfio)
		return -EBUSY;
	vm->vfio = calloc(1, sizeof(*vm->vfio));
	if (!vm->vfio)
		return -ENOMEM;
	fd = kfile_memfd("anon_inode:kvm-vfio", 0);
	if (fd >= 0)
		fd = kfile_install(SCOPE_DEVICE, vm, NULL, fd, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		vfio_destroy(vm);
	return fd;
}

/* x86 has this one type; flags that are not known are not looked at. */
long vm_create_device(struct kfile *f, void *arg)
{
	struct kvm_create_device *d = arg;
	long fd;

	if (d->type != KVM_DEV_TYPE_VFIO)
		return -ENODEV;
	if (d->flags & KVM_CREATE_DEVICE_TEST)
		return 0;
	pthread_mutex_lock(&f->vm->lock);
	fd = create_locked(f->vm);
	pthread_mutex_unlock(&f->vm->lock);
	if (fd < 0)
		return fd;
	d->fd = fd;
	return 0;
}

static void group_free(struct group *g)
{
	close(g->fd);
	free(g);
}

void vfio_destroy(struct vm *vm)
{
	struct group *g;

	if (!vm->vfio)
		return;
	while ((g = vm->vfio->groups)) {
		vm->vfio->groups = g->next;
		group_free(g);
	}
	free(vm->vfio);
	vm->vfio = NULL;
}

/* -- KVM_DEV_VFIO_GROUP -------------------------------------------------------------- */

static bool has_group_name(int fd)
{
	char path[40], name[64] = "", rest;
	unsigned int group;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (readlink(path, name, sizeof(name) - 1) < 0)
		return false;
	return sscanf(name, "/dev/vfio/%u%c", &group, &rest) == 1 ||
	       sscanf(name, "/dev/vfio/noiommu-%u%c", &group, &rest) == 1;
}

/* Our own descriptor of that group: -EBADF, or -EINVAL if it is something else. */
static int group_take(int fd, dev_t *rdev)
{
	int own = fcntl(fd, F_DUPFD_CLOEXEC, 0), ret = 0;
	struct stat st;

	if (own < 0)
		return -errno;
	if (fcntl(own, F_GETFL) & O_PATH)
		ret = -EBADF;
	else if (fstat(own, &st) < 0 || !S_ISCHR(st.st_mode) || !has_group_name(own))
		ret = -EINVAL;
	if (ret < 0) {
		close(own);
		return ret;
	}
	*rdev = st.st_rdev;
	return own;
}

/* VFIO lets a group be open once, so its number stands for the open file. */
static struct group **find_locked(struct vfio *v, dev_t rdev)
{
	struct group **at = &v->groups;

	while (*at && (*at)->rdev != rdev)
		at = &(*at)->next;
	return at;
}

static long add_locked(struct vfio *v, int fd, dev_t rdev)
{
	struct group **at = find_locked(v, rdev);

	if (*at)
		return -EEXIST;
	*at = malloc(sizeof(**at));
	if (!*at)
		return -ENOMEM;
	**at = (struct group){ .rdev = rdev, .fd = fd };
	return 0;
}

static long group_add(struct vm *vm, int fd)
{
	dev_t rdev;
	long ret;

	fd = group_take(fd, &rdev);
	if (fd < 0)
		return fd;
	pthread_mutex_lock(&vm->lock);
	ret = add_locked(vm->vfio, fd, rdev);
	pthread_mutex_unlock(&vm->lock);
	if (ret < 0)
		close(fd);
	return ret;
}

static long group_del(struct vm *vm, int fd)
{
	struct group **at, *g;
	dev_t rdev;

	fd = group_take(fd, &rdev);
	if (fd < 0)
		return fd == -EINVAL ? -ENOENT : fd;
	close(fd);
	pthread_mutex_lock(&vm->lock);
	at = find_locked(vm->vfio, rdev);
	g = *at;
	if (g)
		*at = g->next;
	pthread_mutex_unlock(&vm->lock);
	if (!g)
		return -ENOENT;
	group_free(g);
	return 0;
}

/* -- Attributes (api.rst 4.80, 4.81) --------------------------------------------------- */

long device_has_device_attr(struct kfile *f, void *arg)
{
	const struct kvm_device_attr *a = arg;

	return a->group == KVM_DEV_VFIO_GROUP && (a->attr == KVM_DEV_VFIO_GROUP_ADD ||
						  a->attr == KVM_DEV_VFIO_GROUP_DEL) ?
	       0 : -ENXIO;
}

long device_set_device_attr(struct kfile *f, void *arg)
{
	const struct kvm_device_attr *a = arg;
	long err = device_has_device_attr(f, arg);
	s32 fd;

	if (err)
		return err;
	if (copy_from_user(&fd, a->addr, sizeof(fd)))
		return -EFAULT;
	return a->attr == KVM_DEV_VFIO_GROUP_ADD ? group_add(f->vm, fd) : group_del(f->vm, fd);
}

/* It has none that can be read, which is said before the argument is looked at. */
long device_get_device_attr(struct kfile *f, void *arg)
{
	return -EPERM;
}
