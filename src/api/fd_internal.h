/* SPDX-License-Identifier: MIT */
/* Between api/fd.c and api/fd_end.c.  All functions: caller holds fd_lock. */
#ifndef ANYKVM_API_FD_INTERNAL_H
#define ANYKVM_API_FD_INTERNAL_H

#include "api/kvm.h"

#define PROC_PATH_MAX	40

extern pthread_mutex_t fd_lock;

/* Path of a descriptor of this process; needs no lock. */
void fd_proc_path(char path[PROC_PATH_MAX], int fd);

/* fd_end.c: @f ends when the inode of @fd, or the open file, does.  -ENOMEM. */
int fd_watch_locked(struct kfile *f, int fd);
void fd_unwatch_locked(struct kfile *f);
/* In a forked child. */
void fd_watches_reinit_child(void);

/* fd.c: nobody finds @f any more, except by a number that is in the table. */
void fd_forget_locked(struct kfile *f);

#endif
