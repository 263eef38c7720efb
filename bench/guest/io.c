/* SPDX-License-Identifier: MIT */
/*
 * Files, and a compiler that works on them, in the current directory: an ext4
 * on virtio-blk in guests, the same tree of files on the host.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "workload.h"

enum { BLOCK = 64 << 10, BLOCKS = 64 };
static u8 block[BLOCK];

static u64 file_unit(void)
{
	int fd = open("file.tmp", O_RDWR | O_CREAT | O_TRUNC, 0600);
	u64 sum = MIX_START;

	if (fd < 0)
		die("file.tmp");
	for (int i = 0; i < BLOCKS; i++) {
		memset(block, i, BLOCK);
		if (write(fd, block, BLOCK) != BLOCK)
			die("write");
	}
	/* Only what is on the disk leaves the page cache. */
	if (fdatasync(fd) || posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED))
		die("fdatasync");
	lseek(fd, 0, SEEK_SET);
	for (int i = 0; i < BLOCKS; i++) {
		if (read(fd, block, BLOCK) != BLOCK)
			die("read");
		sum = mix(sum, block[i]);
	}
	close(fd);
	unlink("file.tmp");
	return sum;
}

static bool has_compiler(void)
{
	return !access("bin/cc1", X_OK);
}

static void compile(void)
{
	execl("lib/ld-linux-x86-64.so.2", "ld.so", "--library-path", "lib", "bin/cc1",
	      "-quiet", "-fpreprocessed", "-O1", "source.i", "-o", "source.s", NULL);
	_exit(127);
}

/* GCC's cc1, from the tree, with the tree's own C library. */
static u64 compile_unit(void)
{
	u64 sum = MIX_START;
	int status, fd;
	ssize_t n;
	pid_t pid = fork();

	if (pid < 0)
		die("fork");
	if (!pid)
		compile();
	if (waitpid(pid, &status, 0) != pid || status)
		die("cc1");
	fd = open("source.s", O_RDONLY);
	if (fd < 0)
		die("source.s");
	while ((n = read(fd, block, BLOCK)) > 0)
		for (ssize_t i = 0; i < n; i++)
			sum = mix(sum, block[i]);
	close(fd);
	return sum;
}

const struct workload io_workloads[] = {
	{ "file on disk", "system", 30, file_unit },
	{ "compile", "system", 10, compile_unit, NULL, has_compiler },
	{ 0 }
};
