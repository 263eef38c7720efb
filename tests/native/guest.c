/* SPDX-License-Identifier: MIT */
/* A vCPU without an engine around it. */
#include "fakes.h"

#include <stdlib.h>
#include <string.h>

#include "x86/decode/decode.h"
#include "x86/interp/ops.h"
#include "x86/mmu/tlb.h"

struct cpu *guest_create(void)
{
	struct cpu *c = aligned_alloc(64, (sizeof(*c) + 63) & ~63ul);

	memset(c, 0, sizeof(*c));
	c->tlb = malloc(sizeof(*c->tlb));
	memset(c->tlb, 0xff, sizeof(*c->tlb));
	c->code_size = c->stack_size = 8;
	c->cr0 = X86_CR0_PE | X86_CR0_PG | X86_CR0_NE | X86_CR0_ET | X86_CR0_MP;
	c->cr4 = X86_CR4_OSFXSR | X86_CR4_OSXMMEXCPT | X86_CR4_OSXSAVE | X86_CR4_PAE;
	c->efer = EFER_LME | EFER_LMA;
	c->xcr0 = fpu_supported_xcr0();
	c->rip = 0x400000;
	fpu_reset(&c->fpu);
	c->native = native_create();
	return c;
}

void guest_destroy(struct cpu *c)
{
	native_destroy(c->native);
	free(c->tlb);
	free(c);
}

static op_fn listed(ZydisMnemonic m)
{
	switch (m) {
#define OP(mnemonic, handler, flags) case ZYDIS_MNEMONIC_##mnemonic: return handler;
#include "x86/interp/ops_fpu.def"
#undef OP
	default:
		return NULL;
	}
}

/* What the interpreter executes although it is of a set that runs natively. */
static bool is_integer(ZydisMnemonic m)
{
	switch (m) {
#define FAMILY(mnemonic, name, flags) case ZYDIS_MNEMONIC_##mnemonic:
#define OP(mnemonic, handler, flags) case ZYDIS_MNEMONIC_##mnemonic:
#include "x86/interp/ops_integer.def"
#undef OP
		return true;
	default:
		return false;
	}
}

static void set_memory(struct decoded *d, const ZydisDecodedOperand *o)
{
	struct insn *in = &d->in;

	in->flags |= INSN_MEM;
	in->seg = o->mem.segment - ZYDIS_REGISTER_ES;
	in->base = o->mem.base ? GPR_OFF(ZydisRegisterGetId(o->mem.base)) :
				 GPR_OFF_NONE;
	in->index = o->mem.index ? GPR_OFF(ZydisRegisterGetId(o->mem.index)) :
				   GPR_OFF_NONE;
	in->shift = o->mem.scale > 1 ? __builtin_ctz(o->mem.scale) : 0;
	in->disp = (s32)o->mem.disp.value;
	if (in->asz == 8 && in->seg != FS && in->seg != GS)
		in->flags |= INSN_EA64;
}

bool guest_decode(struct cpu *c, const u8 *bytes, u32 n, struct decoded *d)
{
	ZydisDecoder dec;

	memset(&d->in, 0, sizeof(d->in));
	if (c->code_size == 8)
		ZydisDecoderInit(&dec, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
	else if (c->code_size == 4)
		ZydisDecoderInit(&dec, ZYDIS_MACHINE_MODE_LONG_COMPAT_32,
				 ZYDIS_STACK_WIDTH_32);
	else
		ZydisDecoderInit(&dec, ZYDIS_MACHINE_MODE_LONG_COMPAT_16,
				 ZYDIS_STACK_WIDTH_16);
	if (!ZYAN_SUCCESS(ZydisDecoderDecodeFull(&dec, bytes, n, &d->zi, d->ops)))
		return false;
	d->in.mnemonic = d->zi.mnemonic;
	d->in.len = d->zi.length;
	d->in.osz = d->zi.operand_width / 8;
	d->in.asz = d->zi.address_width / 8;
	for (int i = 0; i < d->zi.operand_count_visible; i++)
		if (d->ops[i].type == ZYDIS_OPERAND_TYPE_MEMORY)
			set_memory(d, &d->ops[i]);
	d->in.op = listed(d->zi.mnemonic);
	if (d->in.op || is_integer(d->zi.mnemonic))
		return true;
	if (decode_isa(&d->zi) == ISA_REFUSED)
		d->in.op = op_ud;
	else if (decode_isa(&d->zi) == ISA_NATIVE)
		native_prepare(c->native, &d->zi, d->ops, bytes, &d->in);
	return true;
}

enum step guest_step(struct cpu *c, const u8 *bytes, u32 n)
{
	struct decoded d;

	if (!guest_decode(c, bytes, n, &d) || !d.in.op)
		return STEP_EXIT;
	return d.in.op(c, &d.in);
}

void guest_map(struct cpu *c, u64 lin, bool mapped)
{
	struct tlb_entry *e = tlb_entry(c->tlb, lin);

	e->tag_read = e->tag_write = mapped ? lin & PAGE_MASK : ~0ull;
	e->addend = 0;
}
