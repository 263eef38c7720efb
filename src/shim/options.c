/* SPDX-License-Identifier: MIT */
/* The options of the launcher: env.def says which there are. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "doctor/doctor.h"
#include "launcher.h"

extern char **environ;

struct option_desc {
	const char *env;	/* or NULL: an action */
	const char *option;	/* "name", "name=VALUES", "name[=VALUES]"; or NULL */
	const char *value;	/* of a variable without option */
	const char *help;
	int debug;		/* for who works on the engine */
};

static const struct option_desc options[] = {
#define ENV(name, option, help)		{ name, option, NULL, help, 0 },
#define ENV_ONLY(name, value, help)	{ name, NULL, value, help, 0 },
#define ENV_DEBUG(name, value, help)	{ name, NULL, value, help, 1 },
#define ACTION(option, help)		{ NULL, option, NULL, help, 0 },
#include "trace/env.def"
};

#define N_OPTIONS	(sizeof(options) / sizeof(options[0]))

#define OPTION_WIDTH	24

static void print_option(const struct option_desc *opt)
{
	int wide = strlen(opt->option) > OPTION_WIDTH;

	printf("  --%-*s%s%*s%s\n", OPTION_WIDTH, opt->option, wide ? "\n" : " ",
	       wide ? OPTION_WIDTH + 5 : 0, "", opt->help);
}

static void print_help(void)
{
	int first = 1;

	printf("Usage: anykvm [options] [--] program [args]\n"
	       "Runs a program that uses the Linux KVM API; its /dev/kvm is "
	       "ours.\n\n"
	       "Options; --mode=soft is also ANYKVM_MODE=soft, --quiet "
	       "ANYKVM_QUIET=1:\n");
	for (size_t i = 0; i < N_OPTIONS; i++)
		if (options[i].option && options[i].env)
			print_option(&options[i]);
	for (size_t i = 0; i < N_OPTIONS; i++)
		if (options[i].option && !options[i].env)
			print_option(&options[i]);
	printf("\nEnvironment only");
	for (size_t i = 0; i < N_OPTIONS; i++)
		if (!options[i].option && !options[i].debug)
			printf("%c %s", first ? ':' : ',', options[i].env), first = 0;
	printf("; anykvm-env(7)\n"
	       "\nThe exit status is the program's; 125 if anykvm itself "
	       "failed,\n126 if the program cannot be run, 127 if there is no "
	       "such program.\n");
}

static size_t name_length(const struct option_desc *opt)
{
	return strcspn(opt->option, "=[");
}

static int may_lack_value(const struct option_desc *opt)
{
	return opt->option[name_length(opt)] == '[';
}

static int has_value(const struct option_desc *opt)
{
	return opt->option[name_length(opt)];
}

/* What is behind the "=": "FILE", "A|B" or "A,B". */
static const char *choices_of(const struct option_desc *opt)
{
	return strchr(opt->option, '=') + 1;
}

/* True if the @n bytes at @value are one of the choices. */
static int is_choice(const char *choice, const char *value, size_t n)
{
	for (;;) {
		size_t len = strcspn(choice, "|,]");

		if (len == n && !memcmp(choice, value, n))
			return 1;
		if (!choice[len] || choice[len] == ']')
			return 0;
		choice += len + 1;
	}
}

/* What a wrong option exits with; the doctor has its own. */
static int usage_status = EXIT_ANYKVM;

static void check_value(const struct option_desc *opt, const char *value)
{
	const char *choices = choices_of(opt);
	const char *end = strchr(choices, ',') ? "," : "";

	if (isupper(*choices))
		return;
	if (may_lack_value(opt) && !strcmp(value, "1"))
		return;
	for (;; value++) {
		size_t n = strcspn(value, end);

		if (!is_choice(choices, value, n))
			fail(usage_status, "unknown %.*s '%.*s'; known are: %.*s",
			     (int)name_length(opt), opt->option, (int)n, value,
			     (int)strcspn(choices, "]"), choices);
		value += n;
		if (!*value)
			return;
	}
}

static const struct option_desc *find_option(const char *name, size_t len)
{
	for (size_t i = 0; i < N_OPTIONS; i++)
		if (options[i].option && name_length(&options[i]) == len &&
		    !memcmp(options[i].option, name, len))
			return &options[i];
	return NULL;
}

static void act(const struct option_desc *opt, struct actions *actions)
{
	if (!strcmp(opt->option, "doctor")) {
		actions->doctor = 1;
	} else if (!strcmp(opt->option, "help")) {
		print_help();
		exit(EXIT_SUCCESS);
	} else {
		printf("anykvm %s\n", ANYKVM_VERSION);
		exit(EXIT_SUCCESS);
	}
}

/* The value of @opt, which the next argument may be. */
static const char *value_of(const struct option_desc *opt, char **argv, int *taken)
{
	const char *value = strchr(argv[0], '=');

	if (value)
		value++;
	if (!has_value(opt)) {
		if (value)
			fail(usage_status, "option '--%s' takes no value", opt->option);
		return "1";
	}
	if (!value && may_lack_value(opt))
		return "1";
	if (!value) {
		value = argv[1];
		*taken = 2;
	}
	if (!value || !*value)
		fail(usage_status, "option '--%.*s' needs a value",
		     (int)name_length(opt), opt->option);
	check_value(opt, value);
	return value;
}

/* Returns how many arguments the option took. */
static int take_option(char **argv, struct actions *actions)
{
	const char *name = argv[0] + 2;
	const struct option_desc *opt = find_option(name, strcspn(name, "="));
	const char *value;
	int taken = 1;

	if (!opt)
		fail(usage_status, "unknown option '%s'; see anykvm --help",
		     argv[0]);
	value = value_of(opt, argv, &taken);
	if (!strcmp(opt->option, "json"))
		actions->json = 1;
	if (opt->env)
		setenv(opt->env, value, 1);
	else
		act(opt, actions);
	return taken;
}

/* The doctor may stand behind the option that is wrong. */
static int asks_doctor(char **argv)
{
	for (; *argv && strcmp(*argv, "--"); argv++) {
		const struct option_desc *opt;

		if (!strncmp(*argv, "--doctor", 8) && strchr("=", (*argv)[8]))
			return 1;
		if (strncmp(*argv, "--", 2))
			return 0;
		opt = find_option(*argv + 2, strlen(*argv + 2));
		if (opt && has_value(opt) && !may_lack_value(opt) && argv[1])
			argv++;
	}
	return 0;
}

static int is_variable(const struct option_desc *opt, const char *name, size_t len)
{
	return opt->env && strlen(opt->env) == len && !memcmp(opt->env, name, len);
}

/* A misspelt variable would otherwise be ignored in silence. */
static void check_environment(void)
{
	for (char **e = environ; *e; e++) {
		size_t len = strcspn(*e, "=");
		size_t i = 0;

		if (strncmp(*e, "ANYKVM_", 7) || !strncmp(*e, "ANYKVM_TEST_", 12))
			continue;
		while (i < N_OPTIONS && !is_variable(&options[i], *e, len))
			i++;
		if (i == N_OPTIONS)
			fprintf(stderr, "anykvm: warning: unknown environment "
				"variable %.*s\n", (int)len, *e);
		else if (options[i].option && has_value(&options[i]) &&
			 (*e)[len] && (*e)[len + 1])
			check_value(&options[i], *e + len + 1);
	}
}

/* Of a short option. */
static char *long_name(char *argument)
{
	static const char *const names[][2] = { { "-h", "--help" }, { "-o", "--output" } };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (!strcmp(argument, names[i][0]))
			return (char *)names[i][1];
	return argument;
}

/* Somebody prints what --json could change. */
static int prints(const struct actions *actions)
{
	return actions->doctor || getenv("ANYKVM_TRACE") || getenv("ANYKVM_CHECK") ||
	       getenv("ANYKVM_STATS");
}

int options_parse(int argc, char **argv, struct actions *actions)
{
	int i = 1;

	if (asks_doctor(argv + 1))
		usage_status = DOCTOR_USAGE;
	while (i < argc && argv[i][0] == '-' && strcmp(argv[i], "--")) {
		argv[i] = long_name(argv[i]);
		if (argv[i][1] != '-')
			fail(usage_status, "unknown option '%s'; see anykvm --help",
			     argv[i]);
		i += take_option(argv + i, actions);
	}
	if (i < argc && !strcmp(argv[i], "--"))
		i++;
	if (actions->json && !prints(actions))
		fail(usage_status, "option '--json' is for --doctor, --trace, --check and "
		     "--stats; see anykvm --help");
	if (i >= argc && !actions->doctor)
		fail(usage_status, "no program given; see anykvm --help");
	check_environment();
	return i;
}
