/* SPDX-License-Identifier: MIT */
/*
 * anykvm.h - the KVM API in user space, without any interposition.
 *
 * The request numbers, structures and semantics are those of <linux/kvm.h>
 * and of the kernel's Documentation/virt/kvm/api.rst.  Every descriptor handed
 * out here is a real file descriptor of the calling process: poll, dup, fork
 * and close behave as they do with the kernel's.  Manual: libanykvm(3).
 *
 * Threading: every function may be called from any thread at any time, unless
 * its comment says otherwise.  Not async-signal-safe, unless it says so.
 * Errors: -1 and errno, as the system call would.  Sizes and offsets are in bytes.
 * Ownership: what the caller gets (descriptors, mappings) the caller ends, with
 * close() and munmap(); strings are static.
 */
#ifndef ANYKVM_H
#define ANYKVM_H

#include <signal.h>
#include <stdbool.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

#define ANYKVM_API __attribute__((visibility("default")))

/* "anykvm 0.1.0": what this library calls itself. */
ANYKVM_API const char *anykvm_version(void);

/*
 * What executes guest code in this process: "interp", "jit" or "lockstep",
 * with the reason if it is not what the environment (ANYKVM_ENGINE) asks for.
 * NULL if the engine cannot work here; anykvm_open() then tells why by errno.
 */
ANYKVM_API const char *anykvm_engine(void);

/*
 * Opens the system descriptor, as open("/dev/kvm", flags) would (api.rst
 * section 2).  Only O_CLOEXEC and the access mode of @flags matter.  The caller
 * closes it; a VM lives until its last descriptor and mapping are gone.
 *
 * The first call in a process reads the environment (anykvm-env(7)), installs
 * handlers (see "Signals") and starts a thread for timers and events, which
 * blocks all signals.  EMFILE, ENFILE, ENOMEM, EAGAIN (no thread); EPERM, EACCES
 * or ENOSYS if a sandbox is in the way.
 */
ANYKVM_API int anykvm_open(int flags);

/*
 * True if @fd is one of ours (system, VM, vCPU, device or stats descriptor),
 * however it came to this number: dup, fork and SCM_RIGHTS included.  Never
 * changes errno.
 */
ANYKVM_API bool anykvm_owns(int fd);

/*
 * The ioctl of @fd, which must be ours.  Only the low 32 bits of @request
 * count, as in the kernel.  @arg is what the third argument of ioctl() is, a
 * number or a pointer; memory that it points to is used until the call returns,
 * that of memslots until the slot is gone.  KVM_RUN runs the guest on the calling
 * thread.  EBADF, ENOTTY if @fd is somebody else's, EIO in a process that the VM
 * is not of (fork), and whatever api.rst says of the request.
 * No cancellation point, but KVM_RUN may be cancelled.
 */
ANYKVM_API int anykvm_ioctl(int fd, unsigned long request, void *arg);

/*
 * mmap of one of our descriptors.  Needed for the coalesced ring, one page per
 * VM seen through every vCPU, and for dirty rings; otherwise the same as plain
 * mmap().  MAP_FAILED and errno; ENODEV for what is not a vCPU's.
 */
ANYKVM_API void *anykvm_mmap(void *addr, size_t length, int prot, int flags,
			     int fd, off_t offset);

/*
 * Optional hints that keep the descriptor table warm.  The table is right
 * without them: an unknown or reused number is identified by its inode, at the
 * cost of a system call per ioctl.  From the first hint on the table is
 * trusted, so whoever gives one reports every close and dup of our descriptors:
 * a close before it, a dup after it.
 */
ANYKVM_API void anykvm_fd_closed(int fd);
ANYKVM_API void anykvm_fd_duped(int from, int to);

/*
 * -- Signals -----------------------------------------------------------------
 * Ending KVM_RUN: in the kernel any signal does.  Here a handler runs on top of
 * the guest, and KVM_RUN returns EINTR only if the handler has said so with
 * anykvm_signalled().  (Signals that KVM_SET_SIGNAL_MASK opens need no handler.)
 *
 * Faults: by default the first anykvm_open() installs handlers for SIGSEGV and
 * SIGBUS that recover guest accesses to host memory which is not there, and chain
 * whatever was installed before.  A host that installs handlers of its own for
 * these later calls anykvm_manage_signals() before the first anykvm_open() and
 * begins its handlers with anykvm_fault(); from then on it also asks
 * anykvm_signal_is_masked() in each handler, as the preload object does.
 */
ANYKVM_API void anykvm_manage_signals(void);

/*
 * True if the engine raised this SIGSEGV or SIGBUS and has dealt with it: the
 * handler returns at once.  May not return (it unwinds to the engine).
 * Async-signal-safe.
 */
ANYKVM_API bool anykvm_fault(int sig, siginfo_t *info, void *ucontext);

/*
 * A handler for @sig has run on this thread: KVM_RUN, if the thread is in it,
 * returns EINTR.  Async-signal-safe.
 */
ANYKVM_API void anykvm_signalled(int sig);

/*
 * True if @sig arrived inside KVM_RUN although the thread blocks it: it is
 * open only in the vCPU's mask (KVM_SET_SIGNAL_MASK).  The handler must then
 * return without running the program's; the signal is made pending again when
 * KVM_RUN returns EINTR.  Async-signal-safe.
 */
ANYKVM_API bool anykvm_signal_is_masked(int sig);

#ifdef __cplusplus
}
#endif

#endif
