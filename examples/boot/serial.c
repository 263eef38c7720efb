/* SPDX-License-Identifier: MIT */
/* The console: a 16550A whose FIFOs hold one byte, with the terminal behind it. */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "boot.h"

enum { RBR, IER, IIR, LCR, MCR, LSR, MSR, SCR };

#define IER_RECEIVED	0x01
#define IER_EMPTY	0x02
#define IIR_NONE	0x01
#define IIR_EMPTY	0x02
#define IIR_RECEIVED	0x04
#define IIR_FIFOS	0xc0
#define FCR_ENABLE	0x01
#define FCR_CLEAR	0x02
#define LCR_DIVISOR	0x80
#define MCR_OUT2	0x08		/* lets interrupts through */
#define MCR_LOOP	0x10
#define LSR_RECEIVED	0x01
#define LSR_EMPTY	0x60
#define MSR_CONNECTED	0xb0

static struct {
	pthread_mutex_t lock;
	pthread_cond_t room;
	uint8_t ier, lcr, mcr, scr, divisor[2], received;
	int has_fifos, is_full, is_empty;	/* is_empty: not told yet */
	int irq;
} serial = { .lock = PTHREAD_MUTEX_INITIALIZER, .room = PTHREAD_COND_INITIALIZER };

static int serial_cause(void)
{
	if (serial.is_full && (serial.ier & IER_RECEIVED))
		return IIR_RECEIVED;
	return serial.is_empty && (serial.ier & IER_EMPTY) ? IIR_EMPTY : IIR_NONE;
}

static void serial_update(void)
{
	int irq = serial_cause() != IIR_NONE && (serial.mcr & MCR_OUT2);
	struct kvm_irq_level line = { .irq = SERIAL_IRQ, .level = irq };

	if (irq != serial.irq)
		CALL(vm, KVM_IRQ_LINE, &line);
	serial.irq = irq;
}

static void serial_receive(uint8_t byte)
{
	serial.received = byte;
	serial.is_full = 1;
}

static uint8_t serial_take(void)
{
	serial.is_full = 0;
	pthread_cond_signal(&serial.room);
	return serial.received;
}

static void serial_send(uint8_t byte)
{
	if (serial.mcr & MCR_LOOP)
		serial_receive(byte);
	else if (write(STDOUT_FILENO, &byte, 1) < 0)
		finish(1, strerror(errno));
	serial.is_empty = 1;
}

/* In loop mode the lines of MCR come back. */
static uint8_t modem_status(void)
{
	static const uint8_t back[] = { 0, 0x20, 0x10, 0x30 };

	if (!(serial.mcr & MCR_LOOP))
		return MSR_CONNECTED;
	return back[serial.mcr & 3] | (serial.mcr & 0x0c) << 4;
}

static uint8_t serial_read(int reg)
{
	int cause = serial_cause();

	if (reg <= IER && (serial.lcr & LCR_DIVISOR))
		return serial.divisor[reg];
	switch (reg) {
	case RBR:
		return serial_take();
	case IER:
		return serial.ier;
	case IIR:
		if (cause == IIR_EMPTY)
			serial.is_empty = 0;
		return cause | (serial.has_fifos ? IIR_FIFOS : 0);
	case LCR:
		return serial.lcr;
	case MCR:
		return serial.mcr;
	case LSR:
		return LSR_EMPTY | (serial.is_full ? LSR_RECEIVED : 0);
	case MSR:
		return modem_status();
	default:
		return serial.scr;
	}
}

static void serial_write(int reg, uint8_t value)
{
	if (reg <= IER && (serial.lcr & LCR_DIVISOR)) {
		serial.divisor[reg] = value;
		return;
	}
	switch (reg) {
	case RBR:
		serial_send(value);
		break;
	case IER:
		if (value & ~serial.ier & IER_EMPTY)
			serial.is_empty = 1;
		serial.ier = value & 0x0f;
		break;
	case IIR:	/* FCR */
		serial.has_fifos = value & FCR_ENABLE;
		if (value & FCR_CLEAR)
			serial_take();
		break;
	case LCR:
		serial.lcr = value;
		break;
	case MCR:
		serial.mcr = value & 0x1f;
		break;
	case SCR:
		serial.scr = value;
		break;
	}
}

uint8_t serial_port(int reg, int is_write, uint8_t value)
{
	pthread_mutex_lock(&serial.lock);
	if (is_write)
		serial_write(reg, value);
	else
		value = serial_read(reg);
	serial_update();
	pthread_mutex_unlock(&serial.lock);
	return value;
}

/* -- The terminal ------------------------------------------------------------ */

static struct termios terminal;

static void terminal_restore(void)
{
	tcsetattr(STDIN_FILENO, TCSANOW, &terminal);
}

static void terminal_make_raw(void)
{
	struct termios raw;

	if (tcgetattr(STDIN_FILENO, &terminal))
		return;
	raw = terminal;
	cfmakeraw(&raw);
	atexit(terminal_restore);
	tcsetattr(STDIN_FILENO, TCSANOW, &raw);
}

static void *read_terminal(void *is_terminal)
{
	uint8_t byte;

	while (read(STDIN_FILENO, &byte, 1) == 1) {
		if (is_terminal && byte == (']' & 0x1f))
			finish(0, "ended");
		pthread_mutex_lock(&serial.lock);
		while (serial.is_full)
			pthread_cond_wait(&serial.room, &serial.lock);
		serial_receive(byte);
		serial_update();
		pthread_mutex_unlock(&serial.lock);
	}
	return NULL;
}

void serial_start(void)
{
	int is_terminal = isatty(STDIN_FILENO);
	pthread_t thread;

	if (is_terminal)
		terminal_make_raw();
	errno = pthread_create(&thread, NULL, read_terminal, is_terminal ? &terminal : NULL);
	if (errno)
		err(1, "pthread_create");
}
