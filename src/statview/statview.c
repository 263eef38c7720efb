/* SPDX-License-Identifier: MIT */
#include "statview/statview.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "shim/launcher.h"

enum {
	REFRESH_MS	= 1000,
	LOOK_MS		= 50,	/* has the program come to its end? */
	FIND_MS		= 100,	/* has it opened /dev/kvm? */
};

static struct symbols *symbols;

void statview_check_symbols(void)
{
	const char *path = getenv("ANYKVM_SYMBOLS");
	char why[SYMBOLS_WHY_MAX];

	if (!path || !*path)
		return;
	symbols = symbols_read(path, why);
	if (!symbols)
		fail(EXIT_ANYKVM, "cannot use the symbols of '%s': %s", path, why);
}

static bool wants_live(void)
{
	const char *stats = getenv("ANYKVM_STATS");

	return stats && !strcmp(stats, "live");
}

pid_t statview_pid(int argc, char **argv)
{
	char *end;
	long pid;

	if (!wants_live() || argc != 1 || !*argv[0] || strspn(argv[0], "0123456789") !=
	    strlen(argv[0]))
		return 0;
	errno = 0;
	pid = strtol(argv[0], &end, 10);
	if (errno || pid <= 0 || pid > 0x7fffffff)
		fail(EXIT_ANYKVM, "'%s' is no process", argv[0]);
	return (pid_t)pid;
}

static int open_pidfd(pid_t pid)
{
	int fd = syscall(SYS_pidfd_open, pid, 0);

	return fd < 0 && errno == ESRCH ? -2 : fd;
}

/* -- The loop -------------------------------------------------------------------------- */

static u64 now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000ull + t.tv_nsec / 1000000;
}

static bool take_key(struct table *t, int key)
{
	switch (key) {
	case 'p':
		t->by_pc = true;
		return true;
	case 'r':
		t->by_pc = false;
		return true;
	case ' ':
		t->paused = !t->paused;
		return true;
	default:
		return key == KEY_RESIZED;
	}
}

/* Until the program ends, or somebody wants to. */
static void view(struct screen *s, struct table *t, int pidfd)
{
	u64 next = now_ms();
	int key = NO_KEY;

	for (;;) {
		u64 now = now_ms();

		if (now >= next) {
			if (!t->paused)
				table_sample(t);
			table_draw(s, t);
			next = MAX(next + REFRESH_MS, now);
		}
		key = screen_wait(s, pidfd, (int)MIN((u64)LOOK_MS, next - MIN(next, now)));
		if (key == KEY_QUIT || __atomic_load_n(&t->page->end_ns, __ATOMIC_ACQUIRE))
			return;
		if (take_key(t, key) && s->full)
			table_draw(s, t);
	}
}

static struct table *make_table(const struct stats_page *page)
{
	struct table *t = calloc(1, sizeof(*t));

	if (!t)
		fail(EXIT_ANYKVM, "out of memory");
	t->page = page;
	t->symbols = symbols;
	return t;
}

int statview_attach(pid_t pid)
{
	char why[WHY_MAX];
	struct stats_page *page;
	int pidfd = open_pidfd(pid);
	struct screen s;

	page = pidfd == -2 ? NULL : page_find(pid, why);
	if (pidfd == -2)
		fail(EXIT_ANYKVM, "process %d: there is no such process", (int)pid);
	if (!page)
		fail(EXIT_ANYKVM, "process %d: %s", (int)pid, why);
	screen_open(&s, false);
	view(&s, make_table(page), pidfd);
	screen_close(&s);
	return EXIT_SUCCESS;
}

/* -- Beside the program ------------------------------------------------------------------ */

static void let_go_of_stdio(void)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (null < 0)
		return;
	dup2(null, STDIN_FILENO);
	dup2(null, STDOUT_FILENO);
	close(null);
}

static struct stats_page *wait_for_page(pid_t pid, int pidfd)
{
	const struct timespec pause = { .tv_nsec = FIND_MS * 1000000 };
	struct stats_page *page;
	char why[WHY_MAX];

	while (!(page = page_find(pid, why))) {
		if (pidfd < 0 || syscall(SYS_pidfd_send_signal, pidfd, 0, NULL, 0) < 0)
			return NULL;
		nanosleep(&pause, NULL);
	}
	return page;
}

static void view_beside(pid_t pid)
{
	int pidfd = open_pidfd(pid);
	struct stats_page *page;
	struct screen s;

	let_go_of_stdio();
	page = wait_for_page(pid, pidfd);
	if (!page)
		return;
	__atomic_store_n(&page->viewer, getpid(), __ATOMIC_SEQ_CST);
	screen_open(&s, true);
	view(&s, make_table(page), pidfd);
	screen_close(&s);
	__atomic_store_n(&page->viewer_done, 1, __ATOMIC_SEQ_CST);
}

void statview_begin(void)
{
	pid_t program = getpid(), child;

	if (!wants_live())
		return;
	child = fork();
	if (!child) {
		if (!fork())
			view_beside(program);
		_exit(0);
	}
	if (child < 0 || waitpid(child, NULL, 0) < 0)
		fail(EXIT_ANYKVM, "cannot start the live view: %s", strerror(errno));
	/* A launcher that the program runs has no view of its own. */
	setenv("ANYKVM_STATS", "1", 1);
}
