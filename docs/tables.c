/* SPDX-License-Identifier: MIT */
/*
 * The .def lists as lines of tab-separated fields, the table's name first.
 * scripts/docs makes the documents of docs/generated from them.  With --forms
 * the output of silicon --forms is read.
 */
#include <linux/kvm.h>
#include <stdio.h>
#include <string.h>

#include "instructions.h"

static void ioctls(void)
{
#define IOCTL(scope, cmd, arg, fn) \
	printf("ioctls\t%s\t%08x\t%s\t%s\t%s\n", #scope, (unsigned)(cmd), #cmd, #arg, #fn);
#include "api/ioctls.def"
#define IOCTL(scope, cmd, arg, fn) \
	printf("ioctls\t%s\t%08x\t%s\t%s\t%s\n", #scope, (unsigned)(cmd), #cmd, #arg, #fn);
#include "arch_ioctls.def"
}

static void caps(void)
{
#define CAP(name, value) printf("caps\t%d\t%s\t%s\n", name, #name, #value);
#include "api/caps.def"
#define CAP(name, value) printf("arch_caps\t%d\t%s\t%s\n", KVM_CAP_##name, "KVM_CAP_" #name, #value);
#include "x86/api/arch_caps.def"
}

static void exits(void)
{
#define EXIT(name, when) printf("exits\t%d\t%s\tyes\t%s\n", KVM_EXIT_##name, "KVM_EXIT_" #name, when);
#define EXIT_NEVER(name, why) printf("exits\t%d\t%s\tno\t%s\n", KVM_EXIT_##name, "KVM_EXIT_" #name, why);
#include "api/exits.def"
}

static void msrs(void)
{
#define MSR(name, index, count, lists, vendor, field, reset, mask, rd, wr) \
	printf("msrs\t%08x\t%s\t%d\t%s\t%s\t%s\n", index, #name, count, #lists, #vendor, #reset);
#include "x86/api/msr.def"
}

static void cpuid(void)
{
#define CPUID(leaf, subleaf, reg, bit, name, how) \
	printf("cpuid\t%08x\t%d\t%s\t%d\t%s\t%s\n", leaf, subleaf, #reg, bit, #name, #how);
#include "x86/api/cpuid.def"
}

static void checks(void)
{
#define CHECK(name, effect, sentence, fix) \
	printf("checks\t%s\t%s\t%s\t%s\n", #name, #effect, sentence, fix);
#include "doctor/checks.def"
}

static void rules(void)
{
#define RULE(id, level, section, sentence, advice) \
	printf("rules\t%s\t%s\t%s\t%s\t%s\n", #id, #level, section, sentence, advice);
#include "watch/check/rules.def"
}

int main(int argc, char **argv)
{
	ioctls();
	caps();
	exits();
	msrs();
	cpuid();
	checks();
	rules();
	instructions();
	refused_instructions();
	requirements_list();
	handlers_list();
	if (argc > 1 && !strcmp(argv[1], "--forms"))
		forms_read();
	return 0;
}
