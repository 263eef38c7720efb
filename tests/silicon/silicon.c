/* SPDX-License-Identifier: MIT */
/* The loop over the cases, and what is said of one that differs. */
#include "silicon.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "lib/host.h"

enum { SKIPPED = 77 };

static struct {
	u64 seed, first, cases;
	u32 family, shown;
	int code, user;		/* -1: all */
	bool verbose, known_host, guest_only;
} options = { .seed = 1, .cases = 100000, .family = ALL_FAMILIES, .shown = 10,
	      .code = -1, .user = -1 };

static u64 differences, unsteady;
/* Cases with an instruction of the family, and of those what differed. */
static struct { u64 cases, insns, differ; } counts[NR_FAMILIES];

static const char usage[] =
	"silicon: random instructions on the host's CPU and in a guest\n"
	"  --seed N      another sequence of cases (1)\n"
	"  --first N     begin with this one (0)\n"
	"  --cases N     how many (100000)\n"
	"  --family NAME instructions of one family only\n"
	"  --code 16|32|64 of this size only\n"
	"  --cpl 0|3     in the guest at this level only\n"
	"  --show N      differences printed in full, the others in a line (10)\n"
	"  --undefined   compare flags that are documented as undefined, too\n"
	"  --known-host  skip (exit status 77) on processors that were never compared\n"
	"  --guest       the guest's side only, for sanitizers\n"
	"  --verbose     print every case\n"
	"  --families    list them\n";

static void die(const char *text)
{
	fputs(text, stderr);
	exit(2);
}

static void list_families(void)
{
	for (u32 i = 0; i < NR_FAMILIES; i++)
		puts(family_names[i]);
	exit(0);
}

static void list_forms(void)
{
	forms_list();
	exit(0);
}

static bool take_flag(const char *arg)
{
	if (!strcmp(arg, "--verbose"))
		options.verbose = true;
	else if (!strcmp(arg, "--known-host"))
		options.known_host = true;
	else if (!strcmp(arg, "--guest"))
		options.guest_only = true;
	else if (!strcmp(arg, "--undefined"))
		compare_undefined = true;
	else if (!strcmp(arg, "--families"))
		list_families();
	else if (!strcmp(arg, "--forms"))
		list_forms();
	else
		return false;
	return true;
}

static void take_option(const char *name, const char *arg)
{
	u64 n = strtoull(arg, NULL, 0);

	if (!strcmp(name, "--seed")) {
		options.seed = n;
	} else if (!strcmp(name, "--first")) {
		options.first = n;
	} else if (!strcmp(name, "--cases")) {
		options.cases = n;
	} else if (!strcmp(name, "--show")) {
		options.shown = n;
	} else if (!strcmp(name, "--code")) {
		options.code = n == 64 ? CODE64 : n == 32 ? CODE32 : CODE16;
	} else if (!strcmp(name, "--cpl")) {
		options.user = n == 3;
	} else if (!strcmp(name, "--family")) {
		options.family = family_by_name(arg);
		if (options.family == NR_FAMILIES)
			die("silicon: no such family (--families lists them)\n");
	} else {
		die(usage);
	}
}

static void take_arguments(char **argv)
{
	while (*++argv) {
		if (take_flag(*argv))
			continue;
		if (!argv[1])
			die(usage);
		take_option(argv[0], argv[1]);
		argv++;
	}
}

static void count(const struct sequence *s, bool differs)
{
	bool has[NR_FAMILIES] = { false };

	for (u32 i = 0; i < s->nr; i++) {
		has[s->insn[i].family] = true;
		counts[s->insn[i].family].insns += !differs;
	}
	for (u32 f = 0; f < NR_FAMILIES; f++) {
		counts[f].cases += has[f] && !differs;
		counts[f].differ += has[f] && differs;
	}
}

static void print_table(void)
{
	printf("family      forms: 16   32   64-bit       cases  instructions  differences\n");
	for (u32 f = 0; f < NR_FAMILIES; f++)
		if (counts[f].cases)
			printf("%-12s %8u %5u %5u %15llu %13llu %12llu\n", family_names[f],
			       forms_of(f, CODE16), forms_of(f, CODE32), forms_of(f, CODE64),
			       (long long)counts[f].cases, (long long)counts[f].insns,
			       (long long)counts[f].differ);
}

/* -- One case --------------------------------------------------------------------------- */

static const char *run_case(struct sequence *s, struct outcome *host,
			    struct outcome *guest)
{
	sequence_complete(s);
	if (options.guest_only) {
		ours_run(s, guest);
		return NULL;
	}
	host_run(s, host);
	ours_run(s, guest);
	return difference(s, host, guest);
}

/* Leaves out what the difference does not need. */
static void minimise(struct sequence *s)
{
	struct outcome host, guest;

	for (u32 i = s->nr; i-- > 0 && s->nr > 1;) {
		struct sequence less = *s;

		memmove(&less.insn[i], &less.insn[i + 1], (s->nr - i - 1) * sizeof(less.insn[0]));
		less.nr--;
		if (run_case(&less, &host, &guest))
			*s = less;
	}
}

static void print_command(u64 nr)
{
	printf("again: silicon --seed %llu --first %llu --cases 1", (long long)options.seed,
	       (long long)nr);
	if (options.family != ALL_FAMILIES)
		printf(" --family %s", family_names[options.family]);
	if (options.code >= 0)
		printf(" --code %u", code_bits[options.code]);
	if (options.user >= 0)
		printf(" --cpl %u", options.user ? 3 : 0);
	printf("%s\n", compare_undefined ? " --undefined" : "");
}

static void report(u64 nr, struct sequence *s)
{
	struct outcome host, guest;

	const char *why;

	minimise(s);
	count(s, true);
	why = run_case(s, &host, &guest);
	printf("case %llu differs in %s:", (long long)nr, why);
	for (u32 i = 0; i < s->nr; i++)
		printf(" %s", ZydisMnemonicGetString(s->insn[i].mnemonic));
	printf("\n");
	if (differences++ >= options.shown)
		return;
	print_sequence(s);
	print_outcomes(s, &host, &guest);
	print_command(nr);
}

static enum code choose_code(void)
{
	u32 n = below(8);

	return n < 5 ? CODE64 : n < 7 || !segments_available ? CODE32 : CODE16;
}

static void one_case(u64 nr)
{
	static struct sequence s;
	static struct outcome host, guest;
	enum code code;
	bool user;

	rnd_seed(options.seed, nr);
	code = options.code < 0 ? choose_code() : (enum code)options.code;
	user = options.user < 0 ? below(2) : options.user;
	sequence_generate(&s, options.family, code, user);
	if (options.verbose) {
		printf("\ncase %llu: ", (long long)nr);
		print_sequence(&s);
		fflush(stdout);
	}
	count(&s, false);
	if (!run_case(&s, &host, &guest)) {
		if (options.verbose && !options.guest_only)
			print_outcomes(&s, &host, &guest);
		return;
	}
	/* What the host's kernel does between two instructions may be seen, once. */
	if (!run_case(&s, &host, &guest)) {
		unsteady++;
		return;
	}
	report(nr, &s);
}

int main(int argc, char **argv)
{
	bool progress = isatty(STDERR_FILENO);
	u64 end;

	take_arguments(argv);
	if (options.known_host && !host_is_zen4())
		return SKIPPED;
	if (!segments_create() && options.code == CODE16)
		die("silicon: the host has no 16-bit code\n");
	ours_create();
	if (!options.guest_only && !host_create()) {
		fputs("silicon: the host refuses the addresses of the window\n", stderr);
		return SKIPPED;
	}
	forms_collect();
	pool_create();
	end = options.first + options.cases;
	for (u64 nr = options.first; nr < end; nr++) {
		one_case(nr);
		if (!(nr & 0xfff))
			fflush(stdout);
		if (progress && !(nr & 0xfff))
			fprintf(stderr, "\r%llu of %llu, %llu differ ", (long long)(nr - options.first),
				(long long)options.cases, (long long)differences);
	}
	if (progress)
		fputc('\n', stderr);
	print_table();
	if (unsteady)
		printf("%llu cases differed once and not again\n", (long long)unsteady);
	printf("%llu cases, %llu differ\n", (long long)options.cases, (long long)differences);
	ours_destroy();
	return differences != 0;
}
