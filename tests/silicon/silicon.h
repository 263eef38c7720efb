/* SPDX-License-Identifier: MIT */
/*
 * Random instruction sequences, executed by the host's CPU (host.c) and in a
 * guest by KVM_RUN (vm.c), on the same initial state at the same linear
 * addresses; everything that comes out is compared (compare.c).
 */
#ifndef ANYKVM_TESTS_SILICON_H
#define ANYKVM_TESTS_SILICON_H

#include <stdbool.h>
#include <stdint.h>

#include <Zydis/Zydis.h>

#include "undefined.h"

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int32_t s32;
typedef int64_t s64;

#define COUNT(a)	(sizeof(a) / sizeof((a)[0]))

/* -- The window: 2 MiB of linear addresses, mapped alike on both sides ----------- */

enum {
	PAGE = 4096,
	WINDOW = 0x20000000,
	CODE = WINDOW + 0x10 * PAGE,	/* read and execute; behind it nothing */
	CODE_PAGES = 2,
	DATA = WINDOW + 0x20 * PAGE,
	DATA_PAGES = 7,			/* as data_access[] has it */
	MAX_INSNS = 8,
	MAX_LEN = 15,
};

enum access { ABSENT, READ_ONLY, READ_WRITE };
extern const enum access data_access[DATA_PAGES];
/* The present pages, one behind the other. */
enum { NR_MEM = 4, MEM_BYTES = NR_MEM * PAGE };
u64 mem_address(u32 offset);	/* linear address of a byte of them */
u32 mem_offset(u64 linear);	/* and back; MEM_BYTES: of none */

/* -- A case ------------------------------------------------------------------------ */

enum { RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI };

enum {
	FLAG_CF = 1, FLAG_PF = 4, FLAG_AF = 0x10, FLAG_ZF = 0x40, FLAG_SF = 0x80,
	FLAG_TF = 0x100, FLAG_DF = 0x400, FLAG_OF = 0x800, FLAG_NT = 0x4000,
	FLAG_RF = 0x10000, FLAG_AC = 0x40000, FLAG_ID = 0x200000,
	FLAGS_STATUS = FLAG_CF | FLAG_PF | FLAG_AF | FLAG_ZF | FLAG_SF | FLAG_OF,
	FLAGS_COMPARED = FLAGS_STATUS | FLAG_TF | FLAG_DF | FLAG_NT | FLAG_RF | FLAG_AC | FLAG_ID,
};

/* The size of code: CS.D and CS.L. */
enum code { CODE16, CODE32, CODE64, NR_CODES };
extern const u8 code_bits[NR_CODES];

/* In the order of their encodings. */
enum { ES, CS, SS, DS, FS, GS, NR_SEGS };

/* The standard form of XSAVE (SDM vol. 1, 13.4) as far as we use it. */
struct fpu {
	u8 fx[512];
	u64 xstate_bv, header[7];
	u8 ymm_high[16][16];
};
#define FPU_MXCSR	24
#define FPU_ST		32
#define FPU_XMM		160

struct state {
	u64 gpr[16], rip, flags;
	u64 fs_base, gs_base;
	u16 sel[NR_SEGS];
	struct fpu fpu;
};

/* Where an instruction finds the address that it jumps to, if it is not relative. */
enum where { NOWHERE, IN_BYTES, IN_REGISTER, IN_SLOT };
enum { SLOT_BYTES = 40 };

struct insn {
	u8 bytes[MAX_LEN + 1];
	u8 len;
	u8 rel_at, rel_size;	/* an offset from the next instruction; 0: none */
	u8 skip;		/* of a branch: how many it jumps over */
	u64 rel_target;		/* of an address */
	enum where target;
	u8 target_at, target_size;	/* byte or register */
	u32 target_base;	/* of the code segment jumped to */
	u64 slot_at;		/* linear address; 0: none */
	u8 slot_len, slot[SLOT_BYTES];	/* what memory holds there at first */
	bool vector_operand;	/* of 16 bytes or more, in memory */
	u32 undefined;		/* flags the sequence so far leaves undefined */
	ZydisMnemonic mnemonic;
	u8 family;
};

struct sequence {
	enum code code;
	bool user;		/* CPL 3 in the guest; else CPL 0 */
	u32 nr, at;		/* offset in CODE */
	struct insn insn[MAX_INSNS];
	struct state start;
	const u8 *pool;		/* what memory is made of */
	u64 image_at;		/* of what FXRSTOR and XRSTOR load; 0: none */
	struct fpu image;
	u8 memory[MEM_BYTES];
};

/* Writes the code, with INT3 behind it; its length. */
u32 sequence_layout(const struct sequence *s, u8 *code);
/* Linear. */
u64 sequence_address(const struct sequence *s, u32 insn);
/* Memory and registers, which hold addresses of instructions. */
void sequence_complete(struct sequence *s);

struct outcome {
	struct state end;
	u32 vector, error;
	u64 cr2;		/* of #PF */
	bool single_step;	/* the reason of #DB */
	const u8 *memory;
};

/* The vector of what takes longer than a second. */
#define NEVER_ENDS	0x2000

/* -- Segments (segments.c) ------------------------------------------------------------- */

/* Linux's selectors. */
enum {
	KERNEL32_CS = 0x08, KERNEL_CS = 0x10, KERNEL_DS = 0x18,
	USER32_CS = 0x23, USER_DS = 0x2b, USER_CS = 0x33,
	TSS = 0x40, LDT = 0x50, CPU_NUMBER = 0x78,
};
enum { GDT_SLOTS = 16, LDT_SLOTS = 32 };
extern u64 gdt[GDT_SLOTS], ldt[LDT_SLOTS];

/* Fills them; false if the host has no LDT or no RDFSBASE. */
bool segments_create(void);
extern bool segments_available;
/* The limit of one of Linux's is the number of the processor it runs on. */
void segments_follow_cpu(void);
u64 descriptor_of(u16 sel);	/* 0: none */
u64 segment_base(u16 sel);
u32 segment_limit(u16 sel);
bool segment_is_big(u16 sel);	/* D/B */
bool segment_is_code(u16 sel, enum code code);	/* that CPL 3 can jump to */
/* Those a case begins with. */
void segments_generate(struct state *s, enum code code);
/* One to load; of code that may be jumped to more often than not. */
u16 any_selector(void);
u16 any_code_selector(void);
u16 any_data_selector(void);

/* -- Random numbers ------------------------------------------------------------------- */

extern u64 seed;
u64 rnd(void);
u32 below(u32 n);
u64 value(void);		/* often one at which carries, signs and sizes change */
void rnd_seed(u64 from, u64 nr);

/* -- Encodings (families.c) ---------------------------------------------------------- */

/* An encoding without its operands: prefix, map, opcode and ModRM.reg. */
struct form {
	u8 vex;			/* 0, or C4 */
	u8 prefix;		/* 66, F3, F2 or 0; of VEX: pp */
	u8 map, opcode;
	u8 modrm;		/* reg and, where it is part of the opcode, rm */
	u8 w, l;
	bool has_modrm, fixed_rm, mem;
	bool user;		/* the same at CPL 3 only */
	u8 family;
};

enum family {
	INTEGER, SHIFT, MULDIV, BIT, BCD, STRING, STACK, BRANCH, FAR, TRAP, ATOMIC, FLAG, SEGMENT,
	FSGS, VERIFY, PRIVILEGED, CACHE, SAVE, BMI, MMX, SSE, SSE2, SSE3, SSE4, SSE4A, AES, SHA,
	GFNI, AVX, AVX2, GATHER, FMA, F16C, VAES, VNNI, X87,
	NR_FAMILIES, NONE,
};

extern const char *const family_names[NR_FAMILIES];
#define ALL_FAMILIES	0xff
u32 family_by_name(const char *name);	/* NR_FAMILIES: none such */
/* NONE: it cannot run as a case. */
extern bool any_host;		/* as if the host had everything */
enum family family_of(const ZydisDecodedInstruction *zi, const ZydisDecodedOperand *ops);
/* The host's user mode and the guest's CPL 0 need not agree. */
bool needs_user(const ZydisDecodedInstruction *zi, enum family f);

/* forms.c */
void forms_collect(void);
void forms_list(void);		/* families, sizes of code and bytes, for scripts/docs */
bool form_is_gather(const struct form *f);	/* they have a SIB byte */
u32 forms_of(u32 family, enum code code);
const struct form *form_choose(u32 family, enum code code, bool user);
const ZydisDecoder *decoder_of(enum code code);

/* -- Generation --------------------------------------------------------------------------- */

struct generator {
	struct sequence *s;
	u32 written;		/* general registers that no longer have their first value */
	u32 pinned;		/* or have to keep it, as something depends on it */
	u32 undefined;		/* flags */
	u64 code_base;		/* of the instruction under way */
	bool branched, mxcsr_loaded, segments_loaded;
	u8 asz;
};

struct operands {
	u8 rex, modrm, sib, disp_size;
	bool has_sib;
	s64 disp;
};

void sequence_generate(struct sequence *s, u32 family, enum code code, bool user);

/* operands.c */
void choose_operands(struct generator *g, const struct form *f, struct operands *o);
s32 displacement(u8 size);
bool operand_address(const struct generator *g, const ZydisDecodedInstruction *zi,
		     const ZydisDecodedOperand *op, u64 *linear);

/*
 * targets.c: sees to what memory and registers must hold for the instruction to
 * do something.  False if it might jump just anywhere.
 */
bool provide(struct generator *g, struct insn *in, const ZydisDecodedInstruction *zi,
	     const ZydisDecodedOperand *ops);

/* states.c */
void pool_create(void);
void state_generate(struct state *s, enum code code, bool user);
void random_fpu(struct fpu *f);
u32 random_mxcsr(void);
const u8 *pool_memory(void);

/* -- The two sides ----------------------------------------------------------------------- */

extern volatile u32 ticks;	/* seconds that the case has taken */
bool host_create(void);
void host_run(const struct sequence *s, struct outcome *out);
void ours_create(void);
void ours_run(const struct sequence *s, struct outcome *out);
void ours_destroy(void);

/* -- Comparison --------------------------------------------------------------------------- */

/* What differs, or NULL. */
const char *difference(const struct sequence *s, const struct outcome *host,
		       const struct outcome *guest);
extern bool compare_undefined;	/* flags that are documented as undefined, too */
/* Components in their initial state may be left out of the image. */
void fpu_complete(struct fpu *f);

/* show.c */
void print_sequence(const struct sequence *s);
void print_outcomes(const struct sequence *s, const struct outcome *host,
		    const struct outcome *guest);

#endif
