/* SPDX-License-Identifier: MIT */
/*
 * The dynamic linker ignores LD_PRELOAD for programs that gain privileges, and
 * a static program has no dynamic linker; such a program would quietly find no
 * /dev/kvm, or the host's.  The file may be anything: what does not add up is
 * left to execve().
 */
#include "doctor/elf.h"

#include <elf.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#define GLIBC_LOADER	"/ld-linux-x86-64.so.2"
#define MUSL_LOADER	"/ld-musl"
#define MAX_NOTES	4096
#define MAX_DYNAMIC	512
#define NT_GO_BUILDID	4

struct elf {
	int fd;
	Elf64_Ehdr eh;
	char loader[PATH_MAX];	/* PT_INTERP; "": static */
	bool go;		/* has the note of the Go linker */
	bool libc;		/* needs libc.so.6 */
};

static bool read_at(int fd, void *out, size_t size, off_t at)
{
	return pread(fd, out, size, at) == (ssize_t)size;
}

static bool read_phdr(const struct elf *e, unsigned int i, Elf64_Phdr *ph)
{
	return read_at(e->fd, ph, sizeof(*ph), e->eh.e_phoff +
		       (off_t)i * e->eh.e_phentsize);
}

/* -- Notes: who linked it ------------------------------------------------------- */

static void read_notes(struct elf *e, const Elf64_Phdr *ph)
{
	char notes[MAX_NOTES];
	ssize_t n = pread(e->fd, notes, ph->p_filesz < sizeof(notes) ?
			  ph->p_filesz : sizeof(notes), ph->p_offset);
	ssize_t at = 0;

	while (at + (ssize_t)sizeof(Elf64_Nhdr) + 4 <= n) {
		Elf64_Nhdr nh;

		memcpy(&nh, notes + at, sizeof(nh));
		if (nh.n_namesz == 4 && nh.n_type == NT_GO_BUILDID &&
		    !memcmp(notes + at + sizeof(nh), "Go\0", 4))
			e->go = true;
		if (nh.n_namesz > MAX_NOTES || nh.n_descsz > MAX_NOTES)
			return;
		at += sizeof(nh) + ((nh.n_namesz + 3) & ~3u) +
		      ((nh.n_descsz + 3) & ~3u);
	}
}

/* -- The dynamic section: what it needs ----------------------------------------- */

static off_t file_offset(const struct elf *e, Elf64_Addr addr)
{
	Elf64_Phdr ph;

	for (unsigned int i = 0; i < e->eh.e_phnum && read_phdr(e, i, &ph); i++)
		if (ph.p_type == PT_LOAD && addr >= ph.p_vaddr &&
		    addr - ph.p_vaddr < ph.p_filesz)
			return ph.p_offset + (addr - ph.p_vaddr);
	return -1;
}

static bool find_needed(const struct elf *e, const Elf64_Phdr *ph, const char *prefix,
			char name[ELF_NAME_MAX])
{
	Elf64_Dyn dyn[MAX_DYNAMIC];
	ssize_t n = pread(e->fd, dyn, ph->p_filesz < sizeof(dyn) ?
			  ph->p_filesz : sizeof(dyn), ph->p_offset);
	off_t strings = -1;

	n /= (ssize_t)sizeof(dyn[0]);
	for (ssize_t i = 0; i < n; i++)
		if (dyn[i].d_tag == DT_STRTAB)
			strings = file_offset(e, dyn[i].d_un.d_ptr);
	for (ssize_t i = 0; i < n && strings >= 0; i++) {
		if (dyn[i].d_tag != DT_NEEDED)
			continue;
		memset(name, 0, ELF_NAME_MAX);
		if (pread(e->fd, name, ELF_NAME_MAX - 1,
			  strings + (off_t)dyn[i].d_un.d_val) > 0 &&
		    !strncmp(name, prefix, strlen(prefix)))
			return true;
	}
	return false;
}

static void read_segments(struct elf *e)
{
	char name[ELF_NAME_MAX];
	Elf64_Phdr ph;

	for (unsigned int i = 0; i < e->eh.e_phnum && read_phdr(e, i, &ph); i++) {
		if (ph.p_type == PT_INTERP && ph.p_filesz < sizeof(e->loader) &&
		    pread(e->fd, e->loader, ph.p_filesz, ph.p_offset) < 0)
			e->loader[0] = '\0';
		if (ph.p_type == PT_NOTE)
			read_notes(e, &ph);
		if (ph.p_type == PT_DYNAMIC)
			e->libc = find_needed(e, &ph, "libc.so.6", name);
	}
}

/* -- Judgement ------------------------------------------------------------------- */

static enum check judge_privileges(int fd)
{
	struct stat st;

	if (fstat(fd, &st))
		return CHECK_OK;
	if (((st.st_mode & S_ISUID) && st.st_uid != getuid()) ||
	    ((st.st_mode & S_ISGID) && (st.st_mode & S_IXGRP) &&
	     st.st_gid != getgid()))
		return CHECK_SETUID;
	if (getuid() && fgetxattr(fd, "security.capability", NULL, 0) > 0)
		return CHECK_CAPABILITIES;
	return CHECK_OK;
}

static const char *machine_name(unsigned int machine, char number[32])
{
	static const struct {
		unsigned int machine;
		const char *name;
	} names[] = {
		{ EM_386, "i386" }, { EM_AARCH64, "arm64" }, { EM_ARM, "arm" },
		{ EM_PPC64, "ppc64" }, { EM_S390, "s390" },
		{ EM_RISCV, "riscv" }, { EM_MIPS, "mips" },
		{ EM_LOONGARCH, "loongarch" },
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (names[i].machine == machine)
			return names[i].name;
	snprintf(number, 32, "ELF machine %u", machine);
	return number;
}

static enum check judge_machine(const Elf64_Ehdr *eh)
{
	bool ours = eh->e_machine == EM_X86_64 || eh->e_machine == EM_386;

	if (ours && eh->e_ident[EI_CLASS] == ELFCLASS32)
		return CHECK_BITS32;
	if (eh->e_machine != EM_X86_64 || eh->e_ident[EI_CLASS] != ELFCLASS64)
		return CHECK_MACHINE;
	return CHECK_OK;
}

static enum check judge_loader(const struct elf *e)
{
	const char *base = strrchr(e->loader, '/');

	if (!base)
		return e->go ? CHECK_STATIC_GO : CHECK_STATIC;
	if (!strncmp(base, MUSL_LOADER, strlen(MUSL_LOADER)))
		return CHECK_MUSL;
	if (access(e->loader, F_OK))
		return CHECK_NO_INTERPRETER;
	if (strcmp(base, GLIBC_LOADER))
		return CHECK_OTHER_LOADER;
	if (e->go)
		return CHECK_GO_DYNAMIC;
	return e->libc ? CHECK_OK : CHECK_RAW_CALLS;
}

static bool read_header(struct elf *e)
{
	return read_at(e->fd, &e->eh, sizeof(e->eh), 0) &&
	       !memcmp(e->eh.e_ident, ELFMAG, SELFMAG);
}

bool elf_needs(int fd, const char *prefix, char name[ELF_NAME_MAX])
{
	struct elf e = { .fd = fd };
	Elf64_Phdr ph;

	if (!read_header(&e))
		return false;
	for (unsigned int i = 0; i < e.eh.e_phnum && read_phdr(&e, i, &ph); i++)
		if (ph.p_type == PT_DYNAMIC)
			return find_needed(&e, &ph, prefix, name);
	return false;
}

enum check elf_judge(int fd, struct finding *f)
{
	struct elf e = { .fd = fd };
	enum check check;
	char number[32];

	if (!read_header(&e))
		return CHECK_OK;
	check = judge_privileges(fd);
	if (!check)
		check = judge_machine(&e.eh);
	if (!check) {
		read_segments(&e);
		check = judge_loader(&e);
	}
	if (check)
		finding_set(f, check, check == CHECK_MACHINE ?
			    machine_name(e.eh.e_machine, number) : e.loader, NULL);
	return check;
}
