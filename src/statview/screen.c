/* SPDX-License-Identifier: MIT */
/*
 * The terminal: its alternate screen, keys without Enter.  ^C and ^Z are signals
 * as ever, which others of the foreground get, too.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "statview/statview.h"

#define ENTER	"\033[?1049h\033[?25l"
#define LEAVE	"\033[?25h\033[?1049l"

static struct termios cooked, raw;
static bool entered;
static volatile sig_atomic_t quit, resized, stopped;
static sigset_t open_mask;

static void on_signal(int sig)
{
	if (sig == SIGWINCH)
		resized = 1;
	else if (sig == SIGTSTP)
		stopped = 1;
	else
		quit = 1;
}

static void say(const struct screen *s, const char *text)
{
	if (write(s->out, text, strlen(text)) < 0)
		quit = 1;
}

/* They are taken while poll() waits, and at no other time. */
static void catch_signals(void)
{
	static const int signals[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGWINCH, SIGTSTP };
	struct sigaction sa = { .sa_handler = on_signal };
	sigset_t mask;

	sigemptyset(&mask);
	for (size_t i = 0; i < ARRAY_SIZE(signals); i++)
		sigaddset(&mask, signals[i]);
	sigprocmask(SIG_BLOCK, &mask, &open_mask);
	for (size_t i = 0; i < ARRAY_SIZE(signals); i++) {
		sigdelset(&open_mask, signals[i]);
		sigaction(signals[i], &sa, NULL);
	}
	signal(SIGPIPE, SIG_IGN);
}

void screen_size(struct screen *s)
{
	struct winsize w;

	s->rows = 24;
	s->columns = 80;
	if (!ioctl(s->out, TIOCGWINSZ, &w) && w.ws_col && w.ws_row) {
		s->rows = w.ws_row;
		s->columns = w.ws_col;
	}
}

static void enter(struct screen *s)
{
	raw = cooked;
	raw.c_lflag &= ~(ICANON | ECHO);
	raw.c_cc[VMIN] = 0;
	raw.c_cc[VTIME] = 0;
	tcsetattr(s->in, TCSADRAIN, &raw);
	entered = true;
	say(s, ENTER);
}

static bool same_mode(const struct termios *a, const struct termios *b)
{
	return a->c_lflag == b->c_lflag && a->c_iflag == b->c_iflag &&
	       a->c_oflag == b->c_oflag && a->c_cc[VMIN] == b->c_cc[VMIN];
}

/*
 * When the program has died, the terminal may be the shell's again, which has
 * set it as it likes, and by which we shall not be stopped.
 */
static void leave(struct screen *s)
{
	struct termios now;

	signal(SIGTTOU, SIG_IGN);
	if (!tcgetattr(s->in, &now) && same_mode(&now, &raw))
		tcsetattr(s->in, TCSADRAIN, &cooked);
	signal(SIGTTOU, SIG_DFL);
	entered = false;
	say(s, LEAVE);
}

static bool can_address(void)
{
	const char *term = getenv("TERM");

	return term && *term && strcmp(term, "dumb");
}

void screen_open(struct screen *s, bool own)
{
	const char *no_color = getenv("NO_COLOR");
	int tty = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);

	*s = (struct screen){ .in = -1, .out = own ? STDERR_FILENO : STDOUT_FILENO };
	catch_signals();
	if (tty >= 0 && (own || isatty(STDOUT_FILENO))) {
		s->out = tty;
		if (can_address() && !tcgetattr(tty, &cooked)) {
			s->in = tty;
			s->full = true;
			s->colour = !(no_color && *no_color);
			enter(s);
		}
	}
	screen_size(s);
}

void screen_close(struct screen *s)
{
	if (entered)
		leave(s);
}

static void stop(struct screen *s)
{
	stopped = 0;
	if (entered)
		leave(s);
	raise(SIGSTOP);
	if (s->full)
		enter(s);
	resized = 1;
}

static int read_key(struct screen *s)
{
	char key;

	if (read(s->in, &key, 1) != 1)
		return NO_KEY;
	return key == 4 ? KEY_QUIT : key & 0x7f;	/* ^D */
}

int screen_wait(struct screen *s, int pidfd, int ms)
{
	struct pollfd fds[] = { { .fd = s->in, .events = POLLIN },
				{ .fd = pidfd, .events = POLLIN } };
	const struct timespec timeout = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 };
	int n = ppoll(fds, 2, &timeout, &open_mask);

	if (stopped)
		stop(s);
	if (quit || (n > 0 && (fds[1].revents || fds[0].revents & (POLLHUP | POLLERR))))
		return KEY_QUIT;
	if (n > 0 && fds[0].revents)
		return read_key(s);
	if (resized) {
		resized = 0;
		screen_size(s);
		return KEY_RESIZED;
	}
	return NO_KEY;
}
