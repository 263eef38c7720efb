/* SPDX-License-Identifier: MIT */
#include "doctor/program.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define DEFAULT_PATH	"/bin:/usr/bin"
#define SHELL		"/bin/sh"	/* of execvp(), for what is no format */
#define MAX_SCRIPTS	5		/* as execve(2) follows them */

/* 0, or the errno that execve() would give; @there if there is such a file. */
static int try_path(const char *path, bool *there)
{
	struct stat st;

	*there = !stat(path, &st);
	if (!*there)
		return errno;
	if (S_ISDIR(st.st_mode) || access(path, X_OK))
		return EACCES;
	return 0;
}

static int search_path(const char *program, char path[PATH_MAX])
{
	const char *dir = getenv("PATH");
	int found = ENOENT;
	bool there = false;

	if (!dir)
		dir = DEFAULT_PATH;
	for (;; dir++) {
		int len = (int)strcspn(dir, ":");
		int n = snprintf(path, PATH_MAX, "%.*s%s%s", len, dir,
				 len ? "/" : "./", program);
		int err = n < PATH_MAX ? try_path(path, &there) : ENAMETOOLONG;

		if (!err)
			return 0;
		/* A directory that may not be searched says nothing. */
		if (there && err == EACCES)
			found = EACCES;
		dir += len;
		if (!*dir)
			return found;
	}
}

int program_find(const char *program, char path[PATH_MAX])
{
	bool there;

	if (!*program)
		return ENOENT;
	if (!strchr(program, '/'))
		return search_path(program, path);
	if (snprintf(path, PATH_MAX, "%s", program) >= PATH_MAX)
		return ENAMETOOLONG;
	return try_path(path, &there);
}

bool program_sanitizer(const char *path, char name[ELF_NAME_MAX])
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	bool found = fd >= 0 && (elf_needs(fd, "libasan.so", name) ||
				 elf_needs(fd, "libclang_rt.asan", name));

	if (fd >= 0)
		close(fd);
	return found;
}

enum check program_judge(const char *path, struct finding *f)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	enum check check;

	/* Executable but not readable: nothing more to learn. */
	if (fd < 0) {
		finding_set(f, CHECK_UNREADABLE, NULL, path);
		return CHECK_UNREADABLE;
	}
	check = elf_judge(fd, f);
	close(fd);
	return check;
}

/* -- Scripts ------------------------------------------------------------------ */

/* The "#!" line of the file: 1; 0 if the shell is to run it; -1 if it is ELF. */
static int read_first_line(const char *path, char line[PATH_MAX])
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = read(fd, line, PATH_MAX - 1);

	close(fd);
	if (n < 0)
		return -1;
	line[n] = '\0';
	line[strcspn(line, "\n")] = '\0';
	if (!strncmp(line, "\177ELF", 4))
		return -1;
	return !strncmp(line, "#!", 2);
}

/* What runs a script: the interpreter, or what env(1) is told to find. */
static int find_interpreter(char *line, char path[PATH_MAX])
{
	char *name = strtok(line + 2, " \t");
	char *word = strtok(NULL, " \t");
	char *base = name ? strrchr(name, '/') : NULL;
	bool there;

	if (!name)
		return ENOENT;
	if (base && !strcmp(base, "/env")) {
		while (word && (*word == '-' || strchr(word, '=')))
			word = strtok(NULL, " \t");
		if (word) {
			snprintf(line, PATH_MAX, "%s", strdupa(word));
			return program_find(line, path);
		}
	}
	snprintf(line, PATH_MAX, "%s", strdupa(name));
	snprintf(path, PATH_MAX, "%s", line);
	return try_path(path, &there);
}

static enum check follow_scripts(char path[PATH_MAX], struct finding *f)
{
	char line[PATH_MAX];

	for (int i = 0; i < MAX_SCRIPTS; i++) {
		int script = read_first_line(path, line);

		if (script < 0)
			break;
		if (!script) {
			strcpy(path, SHELL);
		} else if (find_interpreter(line, path)) {
			finding_set(f, CHECK_NO_INTERPRETER, line, NULL);
			return f->check;
		}
	}
	return CHECK_OK;
}

enum check program_examine(const char *name, char path[PATH_MAX],
			   struct finding *f)
{
	int err = program_find(name, path);
	struct stat st;

	if (err == EACCES) {
		bool is_dir = !stat(path, &st) && S_ISDIR(st.st_mode);

		finding_set(f, CHECK_NOT_EXECUTABLE, is_dir ? "it is a directory" :
			    strerror(err), NULL);
		return f->check;
	}
	if (err) {
		snprintf(path, PATH_MAX, "%s", name);
		finding_set(f, CHECK_NOT_FOUND, NULL, NULL);
		return f->check;
	}
	if (follow_scripts(path, f))
		return f->check;
	return program_judge(path, f);
}
