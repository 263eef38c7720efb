/* SPDX-License-Identifier: MIT */
#include "watch/trace/structs.h"

static const struct msr_name {
	u32 index, count;
	const char *name;
} msr_names[] = {
#define MSR(name, index, count, lists, vendor, field, reset, mask, read, write) \
	{ index, count, #name },
#include "x86/api/msr.def"
};

void out_msr(struct out *o, u32 index)
{
	for (u32 i = 0; i < ARRAY_SIZE(msr_names); i++) {
		const struct msr_name *m = &msr_names[i];
		char name[64] = "", *end;

		if (index - m->index >= m->count)
			continue;
		end = stpncpy(name, m->name, sizeof(name) - 16);
		if (index != m->index) {
			struct out number = { .p = end, .end = name + sizeof(name) - 1 };

			out_lit(&number, "+");
			out_digits(&number, index - m->index, 1);
		}
		out_string(o, name);
		return;
	}
	out_hex(o, index);
}
