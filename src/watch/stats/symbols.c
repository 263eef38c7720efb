/* SPDX-License-Identifier: MIT */
#include "watch/stats/symbols.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define TABLE_MAX	(256ul << 20)	/* of one file or table: more is garbage */
#define FAR		(1ul << 20)	/* no function is as long */

/* By how much KASLR moves a kernel: a multiple, and less than (KERNEL_IMAGE_SIZE). */
#define MOVE_ALIGN	(2ul << 20)
#define MOVE_MAX	(1ul << 30)

struct symbol {
	u64 addr;
	const char *name;
};

/* @text has the names, and lives as long. */
struct symbols {
	struct symbol *list;
	size_t n, room;
	char *text;
	u64 entry;		/* of entry_SYSCALL_64; 0: there is none */
	u64 moved;
};

static bool say(char why[SYMBOLS_WHY_MAX], const char *text)
{
	snprintf(why, SYMBOLS_WHY_MAX, "%s", text);
	return false;
}

/* Terminals and JSON are told the names. */
static bool is_printable(const char *name)
{
	while (*name > ' ' && *name < 0x7f)
		name++;
	return !*name;
}

static bool push(struct symbols *s, u64 addr, const char *name)
{
	if (!is_printable(name))
		return true;
	if (s->n == s->room) {
		size_t room = s->room ? 2 * s->room : 4096;
		struct symbol *list = realloc(s->list, room * sizeof(*list));

		if (!list)
			return false;
		s->list = list;
		s->room = room;
	}
	if (!strcmp(name, "entry_SYSCALL_64"))
		s->entry = addr;
	s->list[s->n++] = (struct symbol){ .addr = addr, .name = name };
	return true;
}

/* @n bytes at @at of the file and a zero; NULL if it has them not. */
static char *load(int fd, u64 at, u64 n)
{
	char *data;
	u64 done = 0;

	if (n > TABLE_MAX || !(data = malloc(n + 1)))
		return NULL;
	while (done < n) {
		ssize_t got = pread(fd, data + done, n - done, at + done);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0) {
			free(data);
			return NULL;
		}
		done += got;
	}
	data[n] = 0;
	return data;
}

/* -- ELF ------------------------------------------------------------------------- */

struct elf {
	int fd;
	u32 nr_sections;
	Elf64_Shdr *sections;
};

static bool is_code(const struct elf *e, const Elf64_Sym *sym)
{
	u32 type = ELF64_ST_TYPE(sym->st_info), section = sym->st_shndx;

	return (type == STT_FUNC || type == STT_NOTYPE) && section &&
	       section < e->nr_sections &&
	       e->sections[section].sh_flags & SHF_EXECINSTR;
}

static bool take_symbols(struct symbols *s, const struct elf *e, const Elf64_Sym *sym, u64 n,
			 u64 names)
{
	for (u64 i = 0; i < n; i++) {
		if (is_code(e, &sym[i]) && sym[i].st_name < names && s->text[sym[i].st_name] &&
		    !push(s, sym[i].st_value, s->text + sym[i].st_name))
			return false;
	}
	return true;
}

static bool read_symtab(struct symbols *s, const struct elf *e, const Elf64_Shdr *table)
{
	const Elf64_Shdr *names;
	Elf64_Sym *sym;
	bool done;

	if (table->sh_link >= e->nr_sections)
		return false;
	names = &e->sections[table->sh_link];
	s->text = load(e->fd, names->sh_offset, names->sh_size);
	sym = (Elf64_Sym *)load(e->fd, table->sh_offset, table->sh_size);
	done = s->text && sym &&
	       take_symbols(s, e, sym, table->sh_size / sizeof(*sym), names->sh_size);
	free(sym);
	return done;
}

static bool read_sections(struct symbols *s, struct elf *e, char *why)
{
	bool done;

	for (u32 i = 0; i < e->nr_sections; i++) {
		if (e->sections[i].sh_type != SHT_SYMTAB)
			continue;
		done = read_symtab(s, e, &e->sections[i]);
		return done ? true : say(why, "its symbol table is damaged");
	}
	return say(why, "an ELF file without symbol table");
}

static bool read_elf(struct symbols *s, int fd, const Elf64_Ehdr *head, char *why)
{
	struct elf e = { .fd = fd, .nr_sections = head->e_shnum };
	bool done;

	if (head->e_ident[EI_CLASS] != ELFCLASS64 || head->e_ident[EI_DATA] != ELFDATA2LSB ||
	    head->e_machine != EM_X86_64)
		return say(why, "an ELF file of another machine");
	if (!e.nr_sections)
		return say(why, "an ELF file without symbol table");
	if (head->e_shentsize == sizeof(Elf64_Shdr))
		e.sections = (Elf64_Shdr *)load(fd, head->e_shoff,
						e.nr_sections * sizeof(Elf64_Shdr));
	if (!e.sections)
		return say(why, "its table of sections is damaged");
	done = read_sections(s, &e, why);
	free(e.sections);
	return done;
}

/* -- Lines ----------------------------------------------------------------------- */

/* "ffffffff81000000 T _text", and of a module "\t[name]" behind; 0: not so. */
static int read_line(struct symbols *s, char *line)
{
	char *end, *name;
	u64 addr;

	if (!strchr("0123456789abcdefABCDEF", *line))
		return 0;
	errno = 0;
	addr = strtoull(line, &end, 16);
	if (errno || end == line || end[0] != ' ' || !end[1] || end[2] != ' ' || !end[3])
		return 0;
	name = end + 3;
	name[strcspn(name, "\t ")] = 0;
	if (!strchr("tTwW", end[1]))
		return 1;
	return push(s, addr, name) ? 1 : -1;
}

static bool read_lines(struct symbols *s, char *why)
{
	char *line = s->text, *next;
	char text[64];

	for (u64 number = 1; *line; line = next, number++) {
		next = line + strcspn(line, "\n");
		if (*next)
			*next++ = 0;
		switch (*line ? read_line(s, line) : 1) {
		case 0:
			snprintf(text, sizeof(text), "line %lu is no address, type and name",
				 (unsigned long)number);
			return say(why, number > 1 ? text : "neither ELF nor a list of symbols");
		case -1:
			return say(why, "out of memory");
		}
	}
	return true;
}

static bool read_text(struct symbols *s, int fd, char *why)
{
	char *text = NULL, *more;
	size_t n = 0, room = 0;
	ssize_t got;

	/* Files of /proc do not tell their size. */
	do {
		if (n + 1 >= room) {
			room = room ? 2 * room : 1 << 20;
			more = room > TABLE_MAX ? NULL : realloc(text, room);
			if (!more) {
				free(text);
				return say(why, "too large");
			}
			text = more;
		}
		got = read(fd, text + n, room - n - 1);
		n += got > 0 ? got : 0;
	} while (got > 0 || (got < 0 && errno == EINTR));
	text[n] = 0;
	s->text = text;
	if (got < 0)
		return say(why, strerror(errno));
	if (memchr(text, 0, n))
		return say(why, "neither ELF nor a list of symbols");
	return read_lines(s, why);
}

/* -- All ------------------------------------------------------------------------- */

static int by_address(const void *a, const void *b)
{
	const struct symbol *x = a, *y = b;

	return x->addr < y->addr ? -1 : x->addr > y->addr;
}

static bool check(struct symbols *s, char *why)
{
	if (!s->n)
		return say(why, "no function in it");
	qsort(s->list, s->n, sizeof(*s->list), by_address);
	if (!s->list[s->n - 1].addr)
		return say(why, "all addresses are 0 (kernel.kptr_restrict hides them)");
	return true;
}

static bool read_file(struct symbols *s, int fd, char *why)
{
	struct stat st;
	Elf64_Ehdr head;

	if (fstat(fd, &st) < 0)
		return say(why, strerror(errno));
	if (S_ISDIR(st.st_mode))
		return say(why, strerror(EISDIR));
	if (pread(fd, &head, sizeof(head), 0) == sizeof(head) &&
	    !memcmp(head.e_ident, ELFMAG, SELFMAG))
		return read_elf(s, fd, &head, why) && check(s, why);
	return read_text(s, fd, why) && check(s, why);
}

struct symbols *symbols_read(const char *path, char why[SYMBOLS_WHY_MAX])
{
	struct symbols *s = calloc(1, sizeof(*s));
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);

	if (s && fd >= 0 && read_file(s, fd, why)) {
		close(fd);
		return s;
	}
	if (!s || fd < 0)
		say(why, strerror(errno));
	if (fd >= 0)
		close(fd);
	symbols_free(s);
	return NULL;
}

void symbols_free(struct symbols *s)
{
	if (!s)
		return;
	free(s->list);
	free(s->text);
	free(s);
}

void symbols_move(struct symbols *s, u64 entry)
{
	u64 by;

	if (!s || !s->entry || !entry)
		return;
	by = entry - s->entry;
	s->moved = by % MOVE_ALIGN || MIN(by, -by) >= MOVE_MAX ? 0 : by;
}

const char *symbols_find(const struct symbols *s, u64 pc, u64 *offset)
{
	size_t low = 0, high = s ? s->n : 0;

	if (s && pc >> 63)
		pc -= s->moved;
	while (low < high) {
		size_t mid = (low + high) / 2;

		if (s->list[mid].addr <= pc)
			low = mid + 1;
		else
			high = mid;
	}
	if (!low || pc - s->list[low - 1].addr >= FAR)
		return NULL;
	*offset = pc - s->list[low - 1].addr;
	return s->list[low - 1].name;
}
