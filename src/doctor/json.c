/* SPDX-License-Identifier: MIT */
/*
 * The report for programs.  Members may be added to schema 1; those that are
 * there keep name, type and meaning.  A number that is not known is null.
 */
#include <string.h>
#include <unistd.h>

#include "doctor/doctor.h"
#include "doctor/features.h"

#define SCHEMA_VERSION	1

/* -- Values --------------------------------------------------------------------- */

/* Names of files are bytes: what is not ASCII is passed on if it is UTF-8. */
static int utf8_length(const unsigned char *s)
{
	int n = *s >= 0xc2 && *s < 0xe0 ? 2 : *s >= 0xe0 && *s < 0xf0 ? 3 :
		*s >= 0xf0 && *s < 0xf5 ? 4 : 0;

	for (int i = 1; i < n; i++)
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	if ((*s == 0xe0 && s[1] < 0xa0) || (*s == 0xed && s[1] > 0x9f) ||
	    (*s == 0xf0 && s[1] < 0x90) || (*s == 0xf4 && s[1] > 0x8f))
		return 0;
	return n;
}

static void print_string(FILE *out, const char *text)
{
	const unsigned char *s = (const unsigned char *)text;

	fputc('"', out);
	while (*s) {
		int n = utf8_length(s);

		if (n) {
			fwrite(s, 1, n, out);
			s += n;
			continue;
		}
		if (*s == '"' || *s == '\\')
			fprintf(out, "\\%c", *s);
		else if (*s < 0x20)
			fprintf(out, "\\u%04x", *s);
		else if (*s < 0x7f)
			fputc(*s, out);
		else
			fputs("\\ufffd", out);
		s++;
	}
	fputc('"', out);
}

static void print_bool(FILE *out, bool value)
{
	fputs(value ? "true" : "false", out);
}

static void member_string(FILE *out, const char *name, const char *text)
{
	fprintf(out, "\"%s\": ", name);
	if (text && *text)
		print_string(out, text);
	else
		fputs("null", out);
}

static void member_bool(FILE *out, const char *name, bool value)
{
	fprintf(out, "\"%s\": ", name);
	print_bool(out, value);
}

static void member_number(FILE *out, const char *name, long n)
{
	if (n < 0)
		fprintf(out, "\"%s\": null", name);
	else
		fprintf(out, "\"%s\": %ld", name, n);
}

/* Unlimited is null. */
static void member_limit(FILE *out, const char *name, rlim_t n)
{
	if (n == RLIM_INFINITY)
		fprintf(out, "\"%s\": null", name);
	else
		fprintf(out, "\"%s\": %llu", name, (unsigned long long)n);
}

/* -- Parts ----------------------------------------------------------------------- */

static void print_engines(FILE *out, const struct report *r)
{
	fputs("  \"engines\": {", out);
	member_bool(out, "interp", trial_has_engine(r->trial, ENGINE_INTERP));
	fputs(", ", out);
	member_bool(out, "jit", trial_has_engine(r->trial, ENGINE_JIT));
	fputs(", ", out);
	member_string(out, "auto", r->trial[ENGINE_AUTO].engine);
	fputs("},\n", out);
}

static void print_guest(FILE *out, const struct report *r)
{
	const struct trial *t = &r->trial[ENGINE_AUTO];
	const char *feature, *separator = "";
	char name[49];

	fputs("  \"guest_cpu\": {", out);
	member_string(out, "name", feature_processor(t, name));
	fputs(", ", out);
	member_string(out, "level", feature_level(t));
	fputs(", \"features\": [", out);
	for (unsigned int i = 0; (feature = feature_next(t, &i, name)); ) {
		fprintf(out, "%s\"%s\"", separator, feature);
		separator = ", ";
	}
	fputs("]},\n", out);
}

static void print_limits(FILE *out, const struct limits *l)
{
	const struct {
		const char *name;
		long n;
	} numbers[] = {
		{ "max_map_count", l->max_map_count },
		{ "overcommit_memory", l->overcommit },
		{ "inotify_instances", l->inotify_instances },
		{ "inotify_watches", l->inotify_watches },
		{ "memfd_noexec", l->memfd_noexec },
		{ "pids_max", l->pids_max },
		{ "seccomp", l->seccomp },
	};

	fputs("  \"host\": {", out);
	member_string(out, "kernel", l->kernel);
	fputs(", ", out);
	member_number(out, "uid", geteuid());
	fputs(", ", out);
	member_bool(out, "selinux_enforcing", l->selinux);
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		fputs(", ", out);
		member_number(out, numbers[i].name, numbers[i].n);
	}
	fputs("},\n  \"rlimits\": {", out);
	member_limit(out, "as", l->as);
	fputs(", ", out);
	member_limit(out, "nofile", l->nofile);
	fputs(", ", out);
	member_limit(out, "fsize", l->fsize);
	fputs(", ", out);
	member_limit(out, "nproc", l->nproc);
	fputs("},\n", out);
}

static void print_program(FILE *out, const struct report *r)
{
	if (!r->program)
		return;
	fputs("  \"program\": {", out);
	member_string(out, "name", r->program);
	fputs(", ", out);
	member_string(out, "path", r->program_path);
	fputs(", ", out);
	member_bool(out, "served", r->program_served);
	fputs("},\n", out);
}

static void print_findings(FILE *out, const struct findings *all)
{
	static const char *const effects[NR_EFFECTS] = {
		"soft", "real", "program", "limit",
	};
	char name[32];

	fputs("  \"findings\": [", out);
	for (unsigned int i = 0; i < all->n; i++) {
		const struct finding *f = &all->list[i];

		fprintf(out, "%s\n    {", i ? "," : "");
		member_string(out, "id", check_name(f->check, name));
		fputs(", ", out);
		member_string(out, "effect", effects[check_effect(f->check)]);
		fputs(", ", out);
		member_string(out, "text", f->text);
		fputs(", ", out);
		member_string(out, "fix", f->fix);
		fputs("}", out);
	}
	fputs(all->n ? "\n  ]\n" : "]\n", out);
}

void doctor_json(const struct report *r, FILE *out)
{
	fprintf(out, "{\n  \"schema\": \"anykvm-doctor\",\n  \"schema_version\": %d,\n",
		SCHEMA_VERSION);
	fprintf(out, "  \"version\": \"%s\",\n  ", ANYKVM_VERSION);
	member_bool(out, "usable", r->usable);
	fputs(",\n  ", out);
	member_string(out, "mode", r->mode);
	fputs(",\n  ", out);
	member_bool(out, "soft", r->soft);
	fputs(",\n  ", out);
	member_bool(out, "real", r->real);
	fputs(",\n", out);
	print_engines(out, r);
	print_guest(out, r);
	print_limits(out, &r->limits);
	fputs("  \"files\": {", out);
	member_string(out, "preload", r->preload);
	fputs(", ", out);
	member_string(out, "library", r->library);
	fputs("},\n", out);
	print_program(out, r);
	print_findings(out, &r->findings);
	fputs("}\n", out);
}
