/* SPDX-License-Identifier: MIT */
/* The descriptors handed out, and how a number leads to its object. */
#ifndef ANYKVM_API_FD_H
#define ANYKVM_API_FD_H

#include "api/kvm.h"

/* Once per process; -errno. */
int fd_init(void);

/*
 * First thing in a forked child: the objects of the parent are dead here,
 * whatever state its threads left the locks in.  System descriptors live on.
 */
void fd_reinit_child(void);

/* The object behind @fd with a reference, or NULL if it is not ours. */
struct kfile *kfile_get(int fd);
void kfile_put(struct kfile *f);

/* A sealed memfd of @size bytes, named so that /proc shows KVM's names. */
int kfile_memfd(const char *name, size_t size);

/*
 * Makes @memfd (which it consumes, also on failure) a descriptor of ours with
 * the access mode and O_CLOEXEC of @flags, and takes a reference of @vm for
 * it.  The descriptor, or -errno.
 *
 * A vCPU's memfd may already be mapped by us: such a mapping does not count.
 */
int kfile_install(enum scope scope, struct vm *vm, struct vcpu *vcpu,
		  int memfd, int flags);

/*
 * One more open file of @memfd, which stays the caller's.  All that are open or
 * mapped at one time are one object, which holds a reference of @vm.
 *   kfile_reopen	a read-only descriptor for the VMM, O_CLOEXEC, SCOPE_STATS
 *   kfile_open_to_map	one to be mapped and closed at once; SCOPE_MAPPING
 * The descriptor, or -errno.
 */
int kfile_reopen(struct vm *vm, int memfd);
int kfile_open_to_map(struct vm *vm, int memfd);

/* The hints of anykvm.h.  From the first one on, numbers are trusted. */
void fd_hint_closed(int fd);
void fd_hint_duped(int from, int to);

#endif
