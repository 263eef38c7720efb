/* SPDX-License-Identifier: MIT */
/*
 * Handlers that share a mnemonic with another operation: no row of ops.def
 * names them, decode_special.c picks them by the form of the instruction.
 */
#ifndef ANYKVM_X86_INTERP_OPS_FAR_H
#define ANYKVM_X86_INTERP_OPS_FAR_H

#include "x86/decode/insn.h"

/* Far pointers: imm = selector << 32 | offset. RETF: imm bytes to drop. */
enum step op_jmp_far_imm(struct cpu *c, const struct insn *in);
enum step op_jmp_far_mem(struct cpu *c, const struct insn *in);
enum step op_call_far_imm(struct cpu *c, const struct insn *in);
enum step op_call_far_mem(struct cpu *c, const struct insn *in);
enum step op_ret_far(struct cpu *c, const struct insn *in);

/* sub = CR or DR number, rm = the general register. */
enum step op_mov_to_cr(struct cpu *c, const struct insn *in);
enum step op_mov_from_cr(struct cpu *c, const struct insn *in);
enum step op_mov_to_dr(struct cpu *c, const struct insn *in);
enum step op_mov_from_dr(struct cpu *c, const struct insn *in);

/* sub = enum seg; the other operand is rm or memory. */
enum step op_mov_to_seg(struct cpu *c, const struct insn *in);
enum step op_mov_from_seg(struct cpu *c, const struct insn *in);
enum step op_push_seg(struct cpu *c, const struct insn *in);
enum step op_pop_seg(struct cpu *c, const struct insn *in);

#endif
