/* SPDX-License-Identifier: MIT */
/*
 * What users of KVM rely on and no single ioctl's description says, one test a
 * sentence.  GROUP.def lists the sentences of a group,
 *	SEMANTIC(number, name, "sentence")
 * and GROUP.c holds a function of that name for each.  Before the functions:
 *	#define SEMANTICS "GROUP.def"
 *	#include "semantics.h"
 * The numbers run through all groups.
 */
#include "run/guest.h"

#define SEMANTIC(number, name, sentence) static void name(void **state);
#include SEMANTICS
#undef SEMANTIC

static const struct CMUnitTest semantics[] = {
#define SEMANTIC(number, name, sentence) \
	{ #number " " #name, name, NULL, NULL, NULL },
#include SEMANTICS
#undef SEMANTIC
};

int main(void)
{
	return cmocka_run_group_tests_name(SEMANTICS, semantics, NULL, NULL);
}
