/* SPDX-License-Identifier: MIT */
/*
 * The 8254 (Intel 231164): three 16-bit counters at 1.19 MHz, and the bits of
 * port 61h that drive and show channel 2.
 *
 * Counters are not counted: what a read sees follows from the time since the
 * count was loaded.  As in KVM, BCD is recorded but counted in binary, and a
 * gate that is low does not stop modes 0 and 4.  Channel 0's interrupts are
 * pit_tick.c's.
 */
#include "x86/irqchip/pit_internal.h"

#include <stdlib.h>
#include <string.h>

#include "x86/x86.h"

#define NSEC_PER_SEC	1000000000ull

enum pit_port {
	PIT_COUNTER0 = 0x40, PIT_CONTROL = 0x43, PIT_PORT_B = 0x61,
};

/* Control word (8254 "Control Word Format"). */
#define CW_CHANNEL(v)	((v) >> 6)
#define CW_ACCESS(v)	(((v) >> 4) & 3)
#define CW_MODE(v)	(((v) >> 1) & 7)
#define CW_BCD		0x01u
#define CW_READ_BACK	3u		/* in place of a channel */
#define READ_BACK_NO_COUNT	0x20u
#define READ_BACK_NO_STATUS	0x10u

/* kvm_pit_channel_state: rw_mode, read_state, write_state, count_latched. */
enum access { ACCESS_LATCH, ACCESS_LSB, ACCESS_MSB, ACCESS_WORD0, ACCESS_WORD1 };

/* Port 61h. */
#define PORT_B_GATE2	0x01u
#define PORT_B_SPEAKER	0x02u
#define PORT_B_REFRESH	0x10u
#define PORT_B_OUT2	0x20u

/* -- Counting -------------------------------------------------------------------- */

static u64 channel_clocks(const struct kvm_pit_channel_state *c)
{
	u64 ns = worker_now_ns() - (u64)c->count_load_time;

	return (u128)ns * PIT_HZ / NSEC_PER_SEC;
}

static u32 channel_period(const struct kvm_pit_channel_state *c)
{
	return c->count ? c->count : PIT_COUNT_MAX;
}

static u16 channel_count(const struct kvm_pit_channel_state *c)
{
	u64 d = channel_clocks(c);
	u32 n = channel_period(c);

	switch (c->mode) {
	case 0: case 1: case 4: case 5:
		return n - d;
	case 3:		/* square wave: counts by two */
		return n - (2 * d) % n;
	default:
		return n - d % n;
	}
}

static bool channel_out(const struct kvm_pit_channel_state *c)
{
	u64 d = channel_clocks(c);
	u32 n = channel_period(c);

	switch (c->mode) {
	case 1:
		return d < n;
	case 2:
		return d % n == 0 && d != 0;
	case 3:
		return d % n < (n + 1) / 2;
	case 4: case 5:
		return d == n;
	default:
		return d >= n;
	}
}

void pit_load_count_locked(struct pit *p, u32 channel, u32 count)
{
	struct kvm_pit_channel_state *c = &p->channel[channel];

	c->count = count ? count : PIT_COUNT_MAX;
	c->count_load_time = worker_now_ns();
	if (channel == 0)
		pit_tick_start_locked(p);
}

/* A rising edge of the gate starts modes 1, 2, 3 and 5 again. */
static void channel_set_gate(struct kvm_pit_channel_state *c, bool gate)
{
	if (gate && !c->gate && c->mode != 0 && c->mode != 4)
		c->count_load_time = worker_now_ns();
	c->gate = gate;
}

/* -- Control word -------------------------------------------------------------------- */

static void channel_latch_count(struct kvm_pit_channel_state *c)
{
	if (c->count_latched)
		return;
	c->latched_count = channel_count(c);
	c->count_latched = c->rw_mode;
}

static void channel_latch_status(struct kvm_pit_channel_state *c)
{
	if (c->status_latched)
		return;
	c->status = (u8)(channel_out(c) << 7 | c->rw_mode << 4 | c->mode << 1 | c->bcd);
	c->status_latched = 1;
}

static void pit_read_back(struct pit *p, u8 v)
{
	for (u32 i = 0; i < PIT_CHANNELS; i++) {
		if (!(v & (2u << i)))
			continue;
		if (!(v & READ_BACK_NO_COUNT))
			channel_latch_count(&p->channel[i]);
		if (!(v & READ_BACK_NO_STATUS))
			channel_latch_status(&p->channel[i]);
	}
}

static void pit_write_control(struct pit *p, u8 v)
{
	struct kvm_pit_channel_state *c;

	if (CW_CHANNEL(v) == CW_READ_BACK) {
		pit_read_back(p, v);
		return;
	}
	c = &p->channel[CW_CHANNEL(v)];
	if (CW_ACCESS(v) == ACCESS_LATCH) {
		channel_latch_count(c);
		return;
	}
	c->rw_mode = c->read_state = c->write_state = CW_ACCESS(v);
	/* Modes 6 and 7 are 2 and 3. */
	c->mode = CW_MODE(v) > 5 ? CW_MODE(v) - 4 : CW_MODE(v);
	c->bcd = v & CW_BCD;
}

/* -- Counters ------------------------------------------------------------------------ */

static void pit_write_counter(struct pit *p, u32 i, u8 v)
{
	struct kvm_pit_channel_state *c = &p->channel[i];

	switch (c->write_state) {
	case ACCESS_MSB:
		pit_load_count_locked(p, i, v << 8);
		break;
	case ACCESS_WORD0:
		c->write_latch = v;
		c->write_state = ACCESS_WORD1;
		break;
	case ACCESS_WORD1:
		c->write_state = ACCESS_WORD0;
		pit_load_count_locked(p, i, c->write_latch | v << 8);
		break;
	default:
		pit_load_count_locked(p, i, v);
		break;
	}
}

static u8 channel_read_latched(struct kvm_pit_channel_state *c)
{
	switch (c->count_latched) {
	case ACCESS_MSB:
		c->count_latched = 0;
		return c->latched_count >> 8;
	case ACCESS_WORD0:
		c->count_latched = ACCESS_MSB;
		return c->latched_count;
	default:
		c->count_latched = 0;
		return c->latched_count;
	}
}

static u8 channel_read(struct kvm_pit_channel_state *c)
{
	if (c->status_latched) {
		c->status_latched = 0;
		return c->status;
	}
	if (c->count_latched)
		return channel_read_latched(c);
	switch (c->read_state) {
	case ACCESS_MSB:
		return channel_count(c) >> 8;
	case ACCESS_WORD0:
		c->read_state = ACCESS_WORD1;
		return channel_count(c);
	case ACCESS_WORD1:
		c->read_state = ACCESS_WORD0;
		return channel_count(c) >> 8;
	default:
		return channel_count(c);
	}
}

/* -- Port 61h -------------------------------------------------------------------------- */

static u8 pit_read_port_b(const struct pit *p)
{
	const struct kvm_pit_channel_state *c = &p->channel[2];
	u8 v = 0;

	if (c->gate)
		v |= PORT_B_GATE2;
	if (p->flags & KVM_PIT_FLAGS_SPEAKER_DATA_ON)
		v |= PORT_B_SPEAKER;
	if (channel_out(c))
		v |= PORT_B_OUT2;
	/* The refresh clock toggles about every 15 us. */
	if (worker_now_ns() >> 14 & 1)
		v |= PORT_B_REFRESH;
	return v;
}

static void pit_write_port_b(struct pit *p, u8 v)
{
	p->flags &= ~KVM_PIT_FLAGS_SPEAKER_DATA_ON;
	if (v & PORT_B_SPEAKER)
		p->flags |= KVM_PIT_FLAGS_SPEAKER_DATA_ON;
	channel_set_gate(&p->channel[2], v & PORT_B_GATE2);
}

/* -- Ports -------------------------------------------------------------------------------- */

static bool pit_in_range(const struct pit *p, u16 port, u8 size)
{
	if (port == PIT_PORT_B)
		return p->speaker && size == 1;
	return port >= PIT_COUNTER0 && port + size <= PIT_CONTROL + 1;
}

bool pit_pio_read(struct pit *p, u16 port, u8 size, u32 *val)
{
	if (!pit_in_range(p, port, size))
		return false;
	*val = 0;
	pthread_mutex_lock(&p->lock);
	if (port == PIT_PORT_B)
		*val = pit_read_port_b(p);
	else if (port != PIT_CONTROL)
		*val = channel_read(&p->channel[port - PIT_COUNTER0]);
	pthread_mutex_unlock(&p->lock);
	return true;
}

bool pit_pio_write(struct pit *p, u16 port, u8 size, u32 val)
{
	if (!pit_in_range(p, port, size))
		return false;
	pthread_mutex_lock(&p->lock);
	if (port == PIT_PORT_B)
		pit_write_port_b(p, val);
	else if (port == PIT_CONTROL)
		pit_write_control(p, val);
	else
		pit_write_counter(p, port - PIT_COUNTER0, val);
	pthread_mutex_unlock(&p->lock);
	return true;
}

/* -- Saved state ------------------------------------------------------------------------------ */

void pit_get_state(struct pit *p, struct kvm_pit_state2 *out)
{
	memset(out, 0, sizeof(*out));
	pthread_mutex_lock(&p->lock);
	memcpy(out->channels, p->channel, sizeof(out->channels));
	out->flags = p->flags;
	pthread_mutex_unlock(&p->lock);
}

static void pit_set_channels_locked(struct pit *p, const struct kvm_pit_channel_state *in)
{
	memcpy(p->channel, in, sizeof(p->channel));
	/* KVM: the counts start afresh, the load times were another clock's. */
	for (u32 i = 0; i < PIT_CHANNELS; i++)
		pit_load_count_locked(p, i, in[i].count);
}

void pit_set_channels(struct pit *p, const struct kvm_pit_state *in)
{
	pthread_mutex_lock(&p->lock);
	pit_set_channels_locked(p, in->channels);
	pthread_mutex_unlock(&p->lock);
}

void pit_set_state(struct pit *p, const struct kvm_pit_state2 *in)
{
	pthread_mutex_lock(&p->lock);
	p->flags = in->flags & (KVM_PIT_FLAGS_HPET_LEGACY | KVM_PIT_FLAGS_SPEAKER_DATA_ON);
	pit_set_channels_locked(p, in->channels);
	pthread_mutex_unlock(&p->lock);
}

/* -- Life --------------------------------------------------------------------------------------- */

struct pit *pit_create(struct vm *vm, u32 flags)
{
	struct pit *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	pthread_mutex_init(&p->lock, NULL);
	p->vm = vm;
	p->speaker = flags & KVM_PIT_SPEAKER_DUMMY;
	pit_tick_init(p);
	for (u32 i = 0; i < PIT_CHANNELS; i++) {
		p->channel[i].mode = PIT_MODE_NONE;
		p->channel[i].gate = i != 2;
		p->channel[i].count = PIT_COUNT_MAX;
		p->channel[i].count_load_time = worker_now_ns();
	}
	return p;
}

void pit_destroy(struct pit *p)
{
	if (!p)
		return;
	pit_stop(p);
	pthread_mutex_destroy(&p->lock);
	free(p);
}
