/* SPDX-License-Identifier: MIT */
#include "api/eventfds.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

int eventfds_create(struct vm *vm)
{
	vm->eventfds = calloc(1, sizeof(*vm->eventfds));
	if (!vm->eventfds)
		return -ENOMEM;
	pthread_mutex_init(&vm->eventfds->irqfd_lock, NULL);
	return 0;
}

void eventfds_destroy(struct vm *vm)
{
	ioeventfds_destroy(vm->eventfds);
	pthread_mutex_destroy(&vm->eventfds->irqfd_lock);
	free(vm->eventfds);
	vm->eventfds = NULL;
}

int eventfd_identify(int fd, u32 *id)
{
	char path[48], text[512];
	const char *line;
	int info;
	ssize_t n;

	if (fcntl(fd, F_GETFD) < 0)
		return -EBADF;
	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	info = open(path, O_RDONLY | O_CLOEXEC);
	if (info < 0)
		return errno == ENOENT ? -EBADF : -errno;
	n = read(info, text, sizeof(text) - 1);
	close(info);
	text[MAX(n, 0)] = '\0';
	line = strstr(text, "eventfd-id:");
	if (!line)
		return -EINVAL;
	*id = strtoul(line + strlen("eventfd-id:"), NULL, 10);
	return 0;
}

int eventfd_take(int fd, u32 *id)
{
	int own = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	int ret;

	if (own < 0)
		return -errno;
	ret = eventfd_identify(own, id);
	if (ret < 0) {
		close(own);
		return ret;
	}
	return own;
}

int eventfd_take_out(struct eventfd_out *out, int fd, u32 *id)
{
	int own = eventfd_take(fd, id);

	if (own < 0)
		return own;
	out->fd = own;
	out->waits = !(fcntl(own, F_GETFL) & O_NONBLOCK);
	return 0;
}

static bool has_room(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLOUT };

	return syscall(SYS_poll, &p, 1, 0) == 1 && p.revents & POLLOUT;
}

/*
 * The system calls themselves: write() and poll() are cancellation points, and
 * the caller may hold locks.  If it is full the reader has been told long since.
 */
void eventfd_fire(const struct eventfd_out *out)
{
	const u64 one = 1;
	int err = errno;

	if (likely(!out->waits) || has_room(out->fd))
		syscall(SYS_write, out->fd, &one, sizeof(one));
	errno = err;
}
