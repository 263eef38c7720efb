/* SPDX-License-Identifier: MIT */
/*
 * Descriptors.  Each is a memfd, so it has a number, flags, copies and an
 * inode that the kernel keeps true, and /proc shows its name.
 *
 * How we learn of their ends: api/fd_end.c.
 *
 * From number to object: table[fd] holds {generation, index} of the kfile.
 * Structs are reused but never unmapped, so a reader may try to take a
 * reference of one that has just died; the generation tells.  A number that
 * is not in the table is identified by its inode.
 *
 * Without hints (anykvm_fd_closed) a number may have changed hands behind our
 * back, and a hit is confirmed with fstat.
 */
#include "api/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "api/fd_internal.h"
#include "api/vm.h"
#include "watch/watch.h"

#define MAX_FDS		(1u << 20)
#define MAX_KFILES	(1u << 18)
#define NR_BUCKETS	1024

static u64 *table;
static struct kfile *pool;

pthread_mutex_t fd_lock = PTHREAD_MUTEX_INITIALIZER;
static u32 pool_used;
static struct kfile *free_list;			/* through next_ino */
static struct kfile *by_ino[NR_BUCKETS];
static bool hinted;

/* What belongs to another process: answers EIO, is never torn down. */
static struct vm foreign_vm = { .refs = 1, .dead = true };

static void *map_table(size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

int fd_init(void)
{
	/* Both are kept if it is tried again. */
	if (!table)
		table = map_table(MAX_FDS * sizeof(*table));
	if (!pool)
		pool = map_table(MAX_KFILES * sizeof(*pool));
	return table && pool ? 0 : -ENOMEM;
}

void fd_proc_path(char path[PROC_PATH_MAX], int fd)
{
	snprintf(path, PROC_PATH_MAX, "/proc/self/fd/%d", fd);
}

/* -- References ------------------------------------------------------------ */

static u64 table_entry(const struct kfile *f)
{
	return (u64)READ_ONCE(f->gen) << 32 | (u32)(f - pool + 1);
}

static bool try_ref(struct kfile *f)
{
	u32 refs = __atomic_load_n(&f->refs, __ATOMIC_RELAXED);

	while (refs) {
		if (__atomic_compare_exchange_n(&f->refs, &refs, refs + 1, true,
						__ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
			return true;
	}
	return false;
}

static void chain_remove(struct kfile **head, const struct kfile *f)
{
	for (; *head; head = &(*head)->next_ino) {
		if (*head == f) {
			*head = f->next_ino;
			return;
		}
	}
}

void fd_forget_locked(struct kfile *f)
{
	fd_unwatch_locked(f);
	chain_remove(&by_ino[f->ino % NR_BUCKETS], f);
}

static void recycle(struct kfile *f)
{
	pthread_mutex_lock(&fd_lock);
	fd_forget_locked(f);
	__atomic_store_n(&f->gen, f->gen + 1, __ATOMIC_RELEASE);
	f->next_ino = free_list;
	free_list = f;
	pthread_mutex_unlock(&fd_lock);
}

void kfile_put(struct kfile *f)
{
	struct vm *vm = f->vm;

	if (__atomic_sub_fetch(&f->refs, 1, __ATOMIC_ACQ_REL))
		return;
	if (watched())
		watch_ended(f);
	if (f->scope == SCOPE_VM && vm != &foreign_vm)
		vm_fd_released(vm);
	recycle(f);
	if (vm && vm != &foreign_vm)
		vm_put(vm);
}

/* -- Look-up --------------------------------------------------------------- */

static struct kfile *find_inode_locked(ino_t ino)
{
	for (struct kfile *f = by_ino[ino % NR_BUCKETS]; f; f = f->next_ino) {
		if (f->ino == ino && try_ref(f))
			return f;
	}
	return NULL;
}

static bool is_memfd(const struct stat *st)
{
	return S_ISREG(st->st_mode) && st->st_nlink == 0;
}

static void table_set(int fd, const struct kfile *f)
{
	if ((u32)fd < MAX_FDS)
		__atomic_store_n(&table[fd], f ? table_entry(f) : 0, __ATOMIC_RELEASE);
}

static struct kfile *adopt(int fd, const struct stat *st);

static struct kfile *get_by_inode(int fd)
{
	struct stat st;
	struct kfile *f;

	if (fstat(fd, &st) < 0 || !is_memfd(&st))
		return NULL;
	pthread_mutex_lock(&fd_lock);
	f = find_inode_locked(st.st_ino);
	pthread_mutex_unlock(&fd_lock);
	if (!f)
		f = adopt(fd, &st);
	if (f)
		table_set(fd, f);
	return f;
}

static bool still_same(int fd, const struct kfile *f)
{
	struct stat st;

	return __atomic_load_n(&hinted, __ATOMIC_RELAXED) ||
	       (fstat(fd, &st) == 0 && is_memfd(&st) && st.st_ino == f->ino);
}

struct kfile *kfile_get(int fd)
{
	struct kfile *f;
	u64 entry;

	if (fd < 0 || !table)
		return NULL;
	entry = (u32)fd < MAX_FDS ? __atomic_load_n(&table[fd], __ATOMIC_ACQUIRE) : 0;
	if (!entry)
		return get_by_inode(fd);

	f = &pool[(u32)entry - 1];
	if (likely(try_ref(f))) {
		if (likely(READ_ONCE(f->gen) == entry >> 32 && still_same(fd, f)))
			return f;
		kfile_put(f);
	}
	__atomic_compare_exchange_n(&table[fd], &entry, 0, false,
				    __ATOMIC_RELAXED, __ATOMIC_RELAXED);
	return get_by_inode(fd);
}

void fd_hint_closed(int fd)
{
	__atomic_store_n(&hinted, true, __ATOMIC_RELAXED);
	if (table && (u32)fd < MAX_FDS && __atomic_load_n(&table[fd], __ATOMIC_RELAXED))
		table_set(fd, NULL);
}

void fd_hint_duped(int from, int to)
{
	__atomic_store_n(&hinted, true, __ATOMIC_RELAXED);
	if (table && (u32)from < MAX_FDS && (u32)to < MAX_FDS)
		__atomic_store_n(&table[to],
				 __atomic_load_n(&table[from], __ATOMIC_ACQUIRE),
				 __ATOMIC_RELEASE);
}

/* -- Births ---------------------------------------------------------------- */

int kfile_memfd(const char *name, size_t size)
{
	int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0)
		return -errno;
	if ((size && ftruncate(fd, size) < 0) ||
	    fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0) {
		int err = -errno;

		close(fd);
		return err;
	}
	return fd;
}

static struct kfile *alloc_locked(void)
{
	struct kfile *f = free_list;

	if (f)
		free_list = f->next_ino;
	else if (pool_used < MAX_KFILES)
		f = &pool[pool_used++];
	return f;
}

/* -ENFILE or -ENOMEM. */
static int create_locked(enum scope scope, struct vm *vm, struct vcpu *vcpu,
			 int fd, int memfd, ino_t ino, u32 refs, struct kfile **out)
{
	struct kfile *f = alloc_locked();

	if (!f)
		return -ENFILE;
	f->scope = scope;
	f->vm = vm;
	f->vcpu = vcpu;
	f->memfd = memfd;
	f->ino = ino;
	f->watch = -1;
	if (fd_watch_locked(f, fd) < 0) {
		f->next_ino = free_list;
		free_list = f;
		return -ENOMEM;
	}
	f->next_ino = by_ino[ino % NR_BUCKETS];
	__atomic_store_n(&f->refs, refs, __ATOMIC_RELEASE);
	by_ino[ino % NR_BUCKETS] = f;
	*out = f;
	return 0;
}

/*
 * Another thread may have asked about the number before it was handed out, and
 * adopted what it found there.  That is forgotten: it was nobody's.
 */
static void drop_adopted(struct kfile *adopted)
{
	if (!adopted)
		return;
	kfile_put(adopted);
	kfile_put(adopted);	/* the descriptor's */
}

static int create_kfile(enum scope scope, struct vm *vm, struct vcpu *vcpu, int fd,
			struct kfile **out)
{
	struct kfile *adopted;
	struct stat st;
	int ret;

	if (fstat(fd, &st) < 0)
		return -errno;
	pthread_mutex_lock(&fd_lock);
	adopted = find_inode_locked(st.st_ino);
	if (adopted)
		fd_forget_locked(adopted);
	ret = create_locked(scope, vm, vcpu, fd, -1, st.st_ino, 1, out);
	pthread_mutex_unlock(&fd_lock);
	drop_adopted(adopted);
	return ret;
}

/* The open file the VMM gets; see the head of this file. */
static int reopen(int memfd, int flags)
{
	char path[PROC_PATH_MAX];
	int fd;

	fd_proc_path(path, memfd);
	fd = open(path, (flags & O_ACCMODE) | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT)	/* no /proc here */
		fd = fcntl(memfd, F_DUPFD_CLOEXEC, 0);
	return fd < 0 ? -errno : fd;
}

/* The object of all open files of that inode, with a reference. */
static int shared_kfile(enum scope scope, struct vm *vm, int memfd, int fd,
			struct kfile **out)
{
	struct kfile *adopted = NULL;
	struct stat st;
	int ret = 0;

	if (fstat(fd, &st) < 0)
		return -errno;
	pthread_mutex_lock(&fd_lock);
	*out = find_inode_locked(st.st_ino);
	if (*out && (*out)->vm != vm) {
		adopted = *out;
		fd_forget_locked(adopted);
		*out = NULL;
	}
	if (!*out) {
		ret = create_locked(scope, vm, NULL, fd, memfd, st.st_ino, 2, out);
		if (!ret)
			vm_get(vm);
	}
	pthread_mutex_unlock(&fd_lock);
	drop_adopted(adopted);
	return ret;
}

/* @fd is a new open file; the object of it and the others, with a reference. */
static int lock_shared(enum scope scope, struct vm *vm, int memfd, int fd,
		       struct kfile **out)
{
	struct flock lock = { .l_type = F_RDLCK, .l_whence = SEEK_SET };

	if (fcntl(fd, F_OFD_SETLK, &lock) < 0)
		return -errno;
	return shared_kfile(scope, vm, memfd, fd, out);
}

static int reopen_shared(enum scope scope, struct vm *vm, int memfd, int mode)
{
	int fd = reopen(memfd, mode), ret;
	struct kfile *f;

	if (fd < 0)
		return fd;
	ret = lock_shared(scope, vm, memfd, fd, &f);
	if (ret < 0) {
		close(fd);
		return ret;
	}
	if (scope == SCOPE_STATS)
		table_set(fd, f);
	kfile_put(f);
	return fd;
}

int kfile_reopen(struct vm *vm, int memfd)
{
	return reopen_shared(SCOPE_STATS, vm, memfd, O_RDONLY);
}

int kfile_open_to_map(struct vm *vm, int memfd)
{
	return reopen_shared(SCOPE_MAPPING, vm, memfd, O_RDWR);
}

int kfile_install(enum scope scope, struct vm *vm, struct vcpu *vcpu,
		  int memfd, int flags)
{
	struct kfile *f;
	int fd = memfd, ret;

	if (scope == SCOPE_VCPU || (flags & O_ACCMODE) != O_RDWR)
		fd = reopen(memfd, flags);
	if (fd != memfd)
		close(memfd);
	if (fd < 0)
		return fd;
	if (!(flags & O_CLOEXEC))
		fcntl(fd, F_SETFD, 0);
	/* KVM's descriptors cannot be read: nothing follows the end of ours. */
	if (scope != SCOPE_STATS)
		lseek(fd, 0, SEEK_END);
	ret = create_kfile(scope, vm, vcpu, fd, &f);
	if (ret < 0) {
		close(fd);
		return ret;
	}
	if (vm)
		vm_get(vm);
	table_set(fd, f);
	if (watched())
		watch_opened(fd, f);
	return fd;
}

/* With a reference for the caller; two threads may come at the same time. */
static struct kfile *adopt_as(enum scope scope, struct vm *vm, int fd, ino_t ino)
{
	struct kfile *f;

	pthread_mutex_lock(&fd_lock);
	f = find_inode_locked(ino);
	if (!f)
		create_locked(scope, vm, NULL, fd, -1, ino, 2, &f);
	pthread_mutex_unlock(&fd_lock);
	return f;
}

/*
 * A descriptor of ours that this process did not make: inherited through exec,
 * or received.  System descriptors work as they would with the kernel, others
 * belong to another address space.
 */
static struct kfile *adopt(int fd, const struct stat *st)
{
	static const char prefix[] = "/memfd:anon_inode:kvm";
	char path[PROC_PATH_MAX], name[64] = "";
	const char *rest = name + sizeof(prefix) - 1;

	fd_proc_path(path, fd);
	if (readlink(path, name, sizeof(name) - 1) < 0 ||
	    strncmp(name, prefix, sizeof(prefix) - 1))
		return NULL;
	if (!*rest || *rest == ' ')
		return adopt_as(SCOPE_SYSTEM, NULL, fd, st->st_ino);
	if (!strncmp(rest, "-vm ", 4))
		return adopt_as(SCOPE_VM, &foreign_vm, fd, st->st_ino);
	if (!strncmp(rest, "-vfio ", 6))
		return adopt_as(SCOPE_DEVICE, &foreign_vm, fd, st->st_ino);
	if (!strncmp(rest, "-vcpu:", 6))
		return adopt_as(SCOPE_VCPU, &foreign_vm, fd, st->st_ino);
	if (!strncmp(rest, "-vm-stats ", 10) || !strncmp(rest, "-vcpu-stats:", 12))
		return adopt_as(SCOPE_STATS, &foreign_vm, fd, st->st_ino);
	return NULL;
}

/* -- Fork ------------------------------------------------------------------ */

void fd_reinit_child(void)
{
	pthread_mutex_init(&fd_lock, NULL);
	fd_watches_reinit_child();
	for (u32 i = 0; i < pool_used; i++) {
		struct kfile *f = &pool[i];

		f->watch = -1;
		if (f->refs && f->vm)
			f->vm->dead = true;
	}
}
