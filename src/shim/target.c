/* SPDX-License-Identifier: MIT */
/*
 * The program to run: where it is, and whether LD_PRELOAD can reach it.  The
 * dynamic linker ignores LD_PRELOAD for programs that gain privileges, and a
 * static program has no dynamic linker; such a program would quietly find no
 * /dev/kvm, or the host's, so it is refused.
 */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "launcher.h"

#define DEFAULT_PATH	"/bin:/usr/bin"

/* 0, or the errno that execve() would give. */
static int try_path(const char *path)
{
	struct stat st;

	if (stat(path, &st))
		return errno;
	if (S_ISDIR(st.st_mode) || access(path, X_OK))
		return EACCES;
	return 0;
}

static int search_path(const char *program, char path[PATH_MAX])
{
	const char *dir = getenv("PATH");
	int found = ENOENT;

	if (!dir)
		dir = DEFAULT_PATH;
	for (;; dir++) {
		int len = (int)strcspn(dir, ":");
		int n = snprintf(path, PATH_MAX, "%.*s%s%s", len, dir,
				 len ? "/" : "./", program);
		int err = n < PATH_MAX ? try_path(path) : ENAMETOOLONG;

		if (!err)
			return 0;
		if (err == EACCES)
			found = EACCES;
		dir += len;
		if (!*dir)
			return found;
	}
}

void target_find(const char *program, char path[PATH_MAX])
{
	int err = ENAMETOOLONG;

	if (!*program)
		err = ENOENT;
	else if (!strchr(program, '/'))
		err = search_path(program, path);
	else if (snprintf(path, PATH_MAX, "%s", program) < PATH_MAX)
		err = try_path(path);
	if (err)
		fail(err == EACCES ? EXIT_NO_EXEC : EXIT_NOT_FOUND,
		     "cannot run '%s': %s", program, strerror(err));
}

__attribute__((noreturn))
static void unreachable(const char *path, const char *why)
{
	fail(EXIT_ANYKVM, "cannot serve '%s': %s", path, why);
}

static void check_privileges(const char *path, int fd)
{
	struct stat st;

	if (fstat(fd, &st))
		return;
	if (((st.st_mode & S_ISUID) && st.st_uid != getuid()) ||
	    ((st.st_mode & S_ISGID) && (st.st_mode & S_IXGRP) &&
	     st.st_gid != getgid()))
		unreachable(path, "it is setuid or setgid, and the dynamic "
			    "linker ignores LD_PRELOAD for such programs");
	if (getuid() && fgetxattr(fd, "security.capability", NULL, 0) > 0)
		unreachable(path, "it has file capabilities, and the dynamic "
			    "linker ignores LD_PRELOAD for such programs");
}

static void check_interpreter(const char *path, int fd, const Elf64_Phdr *ph)
{
	char interp[PATH_MAX] = "";
	const char *name;

	if (ph->p_filesz >= sizeof(interp) ||
	    pread(fd, interp, ph->p_filesz, ph->p_offset) < 0)
		return;
	name = strrchr(interp, '/');
	if (name && !strncmp(name, "/ld-musl", 8))
		unreachable(path, "it uses musl, and the preload object needs "
			    "the GNU C library");
}

static void check_elf(const char *path, int fd, const Elf64_Ehdr *eh)
{
	if (eh->e_ident[EI_CLASS] != ELFCLASS64 || eh->e_machine != EM_X86_64)
		unreachable(path, "it is not an x86-64 program");
	for (unsigned int i = 0; i < eh->e_phnum; i++) {
		Elf64_Phdr ph;

		if (pread(fd, &ph, sizeof(ph), eh->e_phoff +
			  (off_t)i * eh->e_phentsize) != sizeof(ph))
			return;
		if (ph.p_type == PT_INTERP) {
			check_interpreter(path, fd, &ph);
			return;
		}
	}
	unreachable(path, "it is statically linked, so LD_PRELOAD cannot "
		    "reach it");
}

void target_check(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	Elf64_Ehdr eh;

	/* Executable but not readable: nothing more to learn. */
	if (fd < 0)
		return;
	check_privileges(path, fd);
	if (pread(fd, &eh, sizeof(eh), 0) == sizeof(eh) &&
	    !memcmp(eh.e_ident, ELFMAG, SELFMAG))
		check_elf(path, fd, &eh);
	close(fd);
}
