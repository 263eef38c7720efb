/* SPDX-License-Identifier: MIT */
/* x87, MMX and SSE control: control words, environments, MXCSR, emptying. */
#include <string.h>

#include "x86/cpu/xsave.h"
#include "x86/cpu/protect.h"
#include "x86/interp/exec.h"
#include "x86/interp/ops.h"
#include "x86/mmu/access.h"
#include "x86/native/check.h"

#define FSW_EXCEPTIONS	0x80ffu		/* what FNCLEX clears */

static u16 fx16(const struct cpu *c, u32 at)
{
	u16 v;

	memcpy(&v, c->fpu.fxsave + at, 2);
	return v;
}

static void set_fx16(struct cpu *c, u32 at, u16 v)
{
	memcpy(c->fpu.fxsave + at, &v, 2);
	c->fpu.xinuse |= XFEATURE_X87;
}

enum step op_fwait(struct cpu *c, const struct insn *in)
{
	const u64 both = X86_CR0_MP | X86_CR0_TS;

	if ((c->cr0 & both) == both)
		return cpu_raise(c, EXC_NM);
	return x87_pending(&c->fpu) ? cpu_raise(c, EXC_MF) : STEP_NEXT;
}

/* The registers keep their contents, but are empty (SDM vol. 2A, FINIT). */
static void fninit(struct cpu *c)
{
	const u64 use = c->fpu.xinuse;	/* nothing that was initial is less so */

	x87_set_top(&c->fpu, 0);
	c->fpu.xinuse = use;
	memset(c->fpu.fxsave, 0, FXSAVE_MXCSR);
	c->fpu.fcs = c->fpu.fds = 0;
	set_fx16(c, FXSAVE_FCW, FCW_INIT);
}

enum step exec_fninit(struct cpu *c, const struct insn *in)
{
	fninit(c);
	return STEP_NEXT;
}

enum step exec_fnclex(struct cpu *c, const struct insn *in)
{
	set_fx16(c, FXSAVE_FSW, fx16(c, FXSAVE_FSW) & ~FSW_EXCEPTIONS);
	return STEP_NEXT;
}

/* FNENI, FNDISI, FNSETPM: of the 8087 and 287 (SDM vol. 3B 23.18.9). */
enum step exec_fnop_no_wait(struct cpu *c, const struct insn *in)
{
	return STEP_NEXT;
}

enum step exec_fnstcw(struct cpu *c, const struct insn *in)
{
	u64 lin;

	TRY(insn_linear(c, in, 2, true, &lin));
	return mem_write16(c, lin, fx16(c, FXSAVE_FCW));
}

enum step exec_fnstsw(struct cpu *c, const struct insn *in)
{
	u64 lin;

	if (!(in->flags & INSN_MEM)) {
		*gpr16(c, GPR_OFF(RAX)) = fx16(c, FXSAVE_FSW);
		return STEP_NEXT;
	}
	TRY(insn_linear(c, in, 2, true, &lin));
	return mem_write16(c, lin, fx16(c, FXSAVE_FSW));
}

enum step exec_emms(struct cpu *c, const struct insn *in)
{
	mmx_enter(&c->fpu);
	set_fx16(c, FXSAVE_FTW, 0);
	return STEP_NEXT;
}

/* -- Environment (SDM vol. 1 figures 8-9 to 8-12) -------------------------------- */

enum { TAG_VALID, TAG_ZERO, TAG_SPECIAL, TAG_EMPTY };

static u32 tag_of(const u8 *st)
{
	u64 mantissa;
	u16 exponent;

	memcpy(&mantissa, st, 8);
	memcpy(&exponent, st + 8, 2);
	exponent &= 0x7fff;
	if (exponent == 0)
		return mantissa ? TAG_SPECIAL : TAG_ZERO;
	if (exponent == 0x7fff || !(mantissa >> 63))
		return TAG_SPECIAL;
	return TAG_VALID;
}

/* The full tag word from the bit per register that is kept. */
static u16 full_tags(const struct cpu *c)
{
	u32 top = fx16(c, FXSAVE_FSW) >> 11 & 7, tags = 0;

	for (u32 phys = 0; phys < 8; phys++) {
		const u8 *st = c->fpu.fxsave + FXSAVE_ST + 16 * ((phys - top) & 7);
		u32 valid = c->fpu.fxsave[FXSAVE_FTW] >> phys & 1;

		tags |= (valid ? tag_of(st) : TAG_EMPTY) << 2 * phys;
	}
	return (u16)tags;
}

static u8 short_tags(u16 tags)
{
	u8 valid = 0;

	for (u32 phys = 0; phys < 8; phys++)
		if ((tags >> 2 * phys & 3) != TAG_EMPTY)
			valid |= 1u << phys;
	return valid;
}

static bool env_is_real(const struct cpu *c)
{
	return !cpu_protected(c) || cpu_vm86(c);
}

static u32 env_size(const struct insn *in)
{
	return in->osz == 2 ? 14 : 28;
}

/* Intel's processors have deprecated them and store 0 (CPUID.7.EBX[13]). */
static u16 selector(const struct cpu *c, u16 sel)
{
	return cpu_amd_like(c) ? sel : 0;
}

/* The seven fields; in the 32-bit format the upper halves read as ones. */
static void make_env(struct cpu *c, const struct insn *in, u8 *env)
{
	u32 fip, fdp, fop = fx16(c, FXSAVE_FOP) & 0x7ff, w[7];

	memcpy(&fip, c->fpu.fxsave + FXSAVE_FIP, 4);
	memcpy(&fdp, c->fpu.fxsave + FXSAVE_FDP, 4);
	w[0] = 0xffff0000u | fx16(c, FXSAVE_FCW);
	w[1] = 0xffff0000u | fx16(c, FXSAVE_FSW);
	w[2] = 0xffff0000u | full_tags(c);
	w[3] = fip;
	w[4] = fop << 16 | selector(c, c->fpu.fcs);
	w[5] = fdp;
	w[6] = 0xffff0000u | selector(c, c->fpu.fds);
	if (env_is_real(c)) {
		w[3] = 0xffff0000u | (fip & 0xffff);
		w[4] = (fip >> 16) << 12 | fop;
		w[5] = 0xffff0000u | (fdp & 0xffff);
		w[6] = (fdp >> 16) << 12;
	}
	if (in->osz != 2) {
		memcpy(env, w, 28);
		return;
	}
	for (u32 i = 0; i < 7; i++)
		memcpy(env + 2 * i, &w[i], 2);
}

static void load_env(struct cpu *c, const struct insn *in, const u8 *env)
{
	u32 w[7] = { 0 }, step = in->osz == 2 ? 2 : 4;
	u64 fip, fdp;
	u16 fop;

	for (u32 i = 0; i < 7; i++)
		memcpy(&w[i], env + step * i, step);
	fip = w[3];
	fdp = w[5];
	fop = step == 4 ? w[4] >> 16 & 0x7ff : 0;
	c->fpu.fcs = (u16)w[4];
	c->fpu.fds = (u16)w[6];
	if (env_is_real(c)) {
		fip = (w[3] & 0xffff) | (u32)(w[4] >> 12 << 16);
		fdp = (w[5] & 0xffff) | (u32)(w[6] >> 12 << 16);
		fop = w[4] & 0x7ff;
		c->fpu.fcs = c->fpu.fds = 0;
	}
	x87_set_top(&c->fpu, w[1] >> 11 & 7);
	set_fx16(c, FXSAVE_FCW, (u16)w[0]);
	set_fx16(c, FXSAVE_FSW, (u16)w[1]);
	set_fx16(c, FXSAVE_FTW, short_tags((u16)w[2]));
	set_fx16(c, FXSAVE_FOP, fop);
	memcpy(c->fpu.fxsave + FXSAVE_FIP, &fip, 8);
	memcpy(c->fpu.fxsave + FXSAVE_FDP, &fdp, 8);
	fpu_update_es(&c->fpu);
}

static enum step env_linear(struct cpu *c, const struct insn *in, u32 n, bool write, u64 *lin)
{
	TRY(insn_linear(c, in, n, write, lin));
	return mem_check_alignment(c, *lin, in->osz == 2 ? 2 : 4);
}

enum step exec_fnstenv(struct cpu *c, const struct insn *in)
{
	u32 n = env_size(in);
	u8 env[28];
	u64 lin;

	TRY(env_linear(c, in, n, true, &lin));
	make_env(c, in, env);
	TRY(mem_write(c, lin, env, n));
	set_fx16(c, FXSAVE_FCW, fx16(c, FXSAVE_FCW) | FCW_MASKS);
	fpu_update_es(&c->fpu);
	return STEP_NEXT;
}

enum step exec_fldenv(struct cpu *c, const struct insn *in)
{
	u32 n = env_size(in);
	u8 env[28];
	u64 lin;

	TRY(env_linear(c, in, n, false, &lin));
	TRY(mem_read(c, lin, env, n));
	load_env(c, in, env);
	return STEP_NEXT;
}

enum step exec_fnsave(struct cpu *c, const struct insn *in)
{
	u32 n = env_size(in);
	u8 area[28 + 80];
	u64 lin;

	TRY(env_linear(c, in, n + 80, true, &lin));
	TRY(mem_probe(c, lin, n + 80, true));
	make_env(c, in, area);
	for (u32 i = 0; i < 8; i++)
		memcpy(area + n + 10 * i, c->fpu.fxsave + FXSAVE_ST + 16 * i, 10);
	TRY(mem_write(c, lin, area, 64));
	TRY(mem_write(c, lin + 64, area + 64, n + 80 - 64));
	fninit(c);
	return STEP_NEXT;
}

enum step exec_frstor(struct cpu *c, const struct insn *in)
{
	u32 n = env_size(in);
	u8 area[28 + 80];
	u64 lin;

	TRY(env_linear(c, in, n + 80, false, &lin));
	TRY(mem_read(c, lin, area, 64));
	TRY(mem_read(c, lin + 64, area + 64, n + 80 - 64));
	load_env(c, in, area);
	for (u32 i = 0; i < 8; i++)
		memcpy(c->fpu.fxsave + FXSAVE_ST + 16 * i, area + n + 10 * i, 10);
	return STEP_NEXT;
}

/* -- MXCSR and the upper halves ---------------------------------------------------- */

static enum step load_mxcsr(struct cpu *c, const struct insn *in)
{
	u64 lin;
	u32 v;

	TRY(insn_linear(c, in, 4, false, &lin));
	TRY(mem_read32(c, lin, &v));
	if (v & ~fpu_mxcsr_mask())
		return cpu_raise_gp0(c);
	c->fpu.mxcsr = v;
	c->fpu.xinuse |= XFEATURE_SSE;
	return STEP_NEXT;
}

static enum step store_mxcsr(struct cpu *c, const struct insn *in)
{
	u64 lin;

	TRY(insn_linear(c, in, 4, true, &lin));
	return mem_write32(c, lin, c->fpu.mxcsr);
}

enum step exec_ldmxcsr(struct cpu *c, const struct insn *in)
{
	return load_mxcsr(c, in);
}

enum step exec_stmxcsr(struct cpu *c, const struct insn *in)
{
	return store_mxcsr(c, in);
}

enum step exec_vldmxcsr(struct cpu *c, const struct insn *in)
{
	return load_mxcsr(c, in);
}

enum step exec_vstmxcsr(struct cpu *c, const struct insn *in)
{
	return store_mxcsr(c, in);
}

enum step exec_vzeroall(struct cpu *c, const struct insn *in)
{
	memset(c->fpu.vec, 0, 64 * cpu_vec_regs(c));
	return STEP_NEXT;
}

enum step exec_vzeroupper(struct cpu *c, const struct insn *in)
{
	for (u32 n = 0; n < cpu_vec_regs(c); n++)
		memset(c->fpu.vec[n] + 16, 0, 48);
	return STEP_NEXT;
}
