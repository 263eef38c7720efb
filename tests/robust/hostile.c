/* SPDX-License-Identifier: MIT */
/* A VMM that writes what it shares with the engine while guests run. */
#include "fuzz.h"

#include <sched.h>
#include <unistd.h>

#define COALESCED_PAGE	2

static void scribble_run(struct kvm_run *run, u64 x)
{
	u8 *b = (u8 *)run;

	switch (x >> 60) {
	case 0:
		WRITE_ONCE(run->kvm_dirty_regs, x >> 40 & 31);
		break;
	case 1:
		WRITE_ONCE(run->kvm_valid_regs, x >> 40 & 31);
		break;
	case 2:
		WRITE_ONCE(run->cr8, x >> 40 & 0x1f);
		break;
	case 3:
		WRITE_ONCE(run->immediate_exit, x >> 40 & 1);
		WRITE_ONCE(run->request_interrupt_window, x >> 41 & 1);
		break;
	case 4: case 5:		/* the ring's header */
		WRITE_ONCE(*(u32 *)(b + COALESCED_PAGE * 4096 + (x >> 40 & 4)), x >> 24 & 0xff);
		break;
	case 6: case 7: case 8:
		WRITE_ONCE(b[COALESCED_PAGE * 4096 + (x >> 40) % 4096], x >> 24);
		break;
	case 9: case 10: case 11:	/* the synced registers and what follows */
		WRITE_ONCE(b[288 + (x >> 40) % 2100], x >> 24);
		break;
	case 12:
		WRITE_ONCE(b[4096 + (x >> 40) % 4096], x >> 24);
		break;
	default:		/* the exit */
		WRITE_ONCE(b[(x >> 40) % 288], x >> 24);
	}
}

/* Entries of the dirty ring: flags, slot, offset. */
static void scribble_ring(u8 *ring, u64 x)
{
	u32 *word = (u32 *)ring;

	WRITE_ONCE(word[(x >> 32) % (RING_PAGES * 1024)],
		   x >> 62 ? x >> 60 & 3 : (u32)x);
}

void *hostile_main(void *stop)
{
	u64 x = options.seed | 1;

	while (!READ_ONCE(*(bool *)stop)) {
		for (int i = 0; i < 2000; i++) {
			struct vm_slot *vm;

			x = x * 6364136223846793005 + 1442695040888963407;
			vm = &world.vm[(x >> 20 & 0xff) % NR_VMS];
			if (x >> 30 & 15)
				scribble_run(vm->run[(x >> 10 & 0xff) % NR_VCPUS], x);
			else
				scribble_ring(vm->ring[(x >> 10 & 0xff) % NR_VCPUS], x);
		}
		usleep(50);
	}
	return NULL;
}
