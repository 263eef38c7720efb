/* SPDX-License-Identifier: MIT */
/*
 * The doctor's judgement of facts that a test cannot bring about: sysctls of
 * the whole host, processors, what the host's KVM does.
 */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "doctor/features.h"
#include "doctor/host.h"
#include "doctor/real.h"

static struct findings told;

/* A host without a fault. */
static const struct limits good = {
	.as = RLIM_INFINITY, .nofile = 1024, .fsize = RLIM_INFINITY,
	.nproc = RLIM_INFINITY, .max_map_count = 65530, .commit_left = 1 << 20,
	.inotify_instances = 128, .inotify_watches = 65536, .pids_max = -1,
	.pids_now = -1, .proc = true, .kernel = "6.1.0",
};

static int setup(void **state)
{
	told.n = 0;
	return 0;
}

static void assert_told(enum check check)
{
	assert_int_equal(told.n, 1);
	assert_int_equal(told.list[0].check, check);
	assert_true(told.list[0].text[0] && told.list[0].fix[0]);
	told.n = 0;
}

static void good_limits_are_silent(void **state)
{
	limits_judge(&good, &told);
	assert_int_equal(told.n, 0);
}

static void unknown_limits_are_silent(void **state)
{
	struct limits l = good;

	l.max_map_count = l.overcommit = l.inotify_instances = -1;
	limits_judge(&l, &told);
	assert_int_equal(told.n, 0);
}

static void few_mappings(void **state)
{
	struct limits l = good;

	l.max_map_count = 1000;
	limits_judge(&l, &told);
	assert_told(CHECK_MAP_COUNT);
}

static void strict_overcommit(void **state)
{
	struct limits l = good;

	l.overcommit = 2;
	limits_judge(&l, &told);
	assert_non_null(strstr(told.list[0].text, "1024 MiB"));
	assert_told(CHECK_OVERCOMMIT);
	l.commit_left = 64 << 20;
	limits_judge(&l, &told);
	assert_int_equal(told.n, 0);
	l.commit_left = -5;
	limits_judge(&l, &told);
	assert_non_null(strstr(told.list[0].text, "0 MiB"));
}

static void a_full_control_group_is_not_rlimit_nproc(void **state)
{
	const struct call_result no_fork = { .no_process = EAGAIN };
	struct limits l = good;

	l.pids_max = l.pids_now = 10;
	host_judge(NEED_THREAD, &no_fork, &l, &told);
	assert_told(CHECK_PIDS_LIMIT);
	l.pids_now = 9;
	host_judge(NEED_THREAD, &no_fork, &l, &told);
	assert_told(CHECK_THREADS_LIMIT);
}

static void refused_executable_memory_has_three_causes(void **state)
{
	const struct call_result refused = { .error = EACCES };
	struct limits l = good;

	l.memfd_noexec = 2;
	host_judge(NEED_EXEC_MEMFD, &refused, &l, &told);
	assert_told(CHECK_MEMFD_NOEXEC);
	host_judge(NEED_EXEC_MAP, &refused, &l, &told);
	assert_told(CHECK_EXEC_REFUSED);
	l.selinux = true;
	host_judge(NEED_EXEC_MAP, &refused, &l, &told);
	assert_told(CHECK_EXEC_SELINUX);
	l.memfd_noexec = 1;
	host_judge(NEED_EXEC_MEMFD, &refused, &l, &told);
	assert_told(CHECK_CALL_REFUSED);
}

static void the_same_is_said_once(void **state)
{
	const struct call_result refused = { .error = ENOSYS };

	host_judge(NEED_MEMFD, &refused, &good, &told);
	host_judge(NEED_EXEC_MEMFD, &refused, &good, &told);
	assert_told(CHECK_CALL_REFUSED);
}

static void findings_do_not_overflow(void **state)
{
	char text[32];

	for (int i = 0; i < 2 * MAX_FINDINGS; i++) {
		snprintf(text, sizeof(text), "%d", i);
		finding_add(&told, CHECK_FILES_LOW, text, NULL);
	}
	assert_int_equal(told.n, MAX_FINDINGS);
}

/* -- The host's device ---------------------------------------------------------- */

static void tell_real(struct real_facts facts)
{
	if (real_judge(&facts, &told.list[0]))
		told.n = 1;
}

static void a_missing_device_has_three_causes(void **state)
{
	tell_real((struct real_facts){ .in_sysfs = true });
	assert_told(CHECK_KVM_NOT_PASSED);
	tell_real((struct real_facts){ .vmx = true });
	assert_non_null(strstr(told.list[0].fix, "modprobe kvm_intel"));
	assert_told(CHECK_KVM_NO_MODULE);
	tell_real((struct real_facts){ .svm = true });
	assert_non_null(strstr(told.list[0].fix, "modprobe kvm_amd"));
	assert_told(CHECK_KVM_NO_MODULE);
	tell_real((struct real_facts){ .present = false });
	assert_told(CHECK_KVM_NO_CPU);
}

static void what_the_device_answers(void **state)
{
	struct real_facts facts = {
		.present = true, .mode = S_IFCHR | 0660, .api_version = 12,
	};

	tell_real(facts);
	assert_int_equal(told.n, 0);
	facts.vm_error = EBUSY;
	tell_real(facts);
	assert_told(CHECK_KVM_BUSY);
	facts.vm_error = ENOMEM;
	tell_real(facts);
	assert_told(CHECK_KVM_NO_VM);
	facts.api_version = 11;
	tell_real(facts);
	assert_told(CHECK_KVM_API);
	facts.api_version = -1;
	tell_real(facts);
	assert_told(CHECK_KVM_NOT_DEVICE);
}

static void permission_has_three_causes(void **state)
{
	struct real_facts facts = {
		.present = true, .mode = S_IFCHR | 0660, .gid = 4242,
		.open_error = EACCES,
	};

	tell_real(facts);
	assert_non_null(strstr(told.list[0].fix, "usermod -aG 4242 "));
	assert_told(CHECK_KVM_GROUP);
	facts.gid_promised = true;
	tell_real(facts);
	assert_told(CHECK_KVM_RELOGIN);
	facts.mode = S_IFCHR | 0640;
	tell_real(facts);
	assert_told(CHECK_KVM_MODE);
}

/* -- Engines and guests ------------------------------------------------------------ */

static struct trial trials[NR_ENGINES];

static void trials_work(void)
{
	memset(trials, 0, sizeof(trials));
	for (int i = 0; i < NR_ENGINES; i++) {
		trials[i].done = true;
		strcpy(trials[i].engine, i == ENGINE_JIT ? "jit" : "interp");
	}
}

static void a_processor_without_bmi2(void **state)
{
	trials_work();
	engines_judge(trials, &told);
	assert_int_equal(told.n, 0);
	strcpy(trials[ENGINE_JIT].engine, "interp: the processor has no BMI2");
	engines_judge(trials, &told);
	assert_non_null(strstr(told.list[0].text, "no BMI2"));
	assert_told(CHECK_NO_TRANSLATOR);
	assert_false(trial_has_engine(trials, ENGINE_JIT));
	assert_true(trial_has_engine(trials, ENGINE_INTERP));
	assert_true(trial_has_engine(trials, ENGINE_AUTO));
}

static void a_processor_of_the_first_level(void **state)
{
	struct trial *t = &trials[ENGINE_AUTO];

	trials_work();
	assert_null(feature_level(t));
	t->nr_cpuid = 1;
	t->cpuid[0] = (struct kvm_cpuid_entry2){ .function = 1, .edx = ~0u };
	assert_string_equal(feature_level(t), "x86-64");
	engines_judge(trials, &told);
	assert_told(CHECK_CPU_LEVEL);
	t->nr_cpuid = 2;
	t->cpuid[0].ecx = ~0u;
	t->cpuid[1] = (struct kvm_cpuid_entry2){ .function = 0x80000001, .ecx = ~0u };
	assert_string_equal(feature_level(t), "x86-64-v2");
	t->nr_cpuid = 3;
	t->cpuid[2] = (struct kvm_cpuid_entry2){ .function = 7, .ebx = ~0u };
	assert_string_equal(feature_level(t), "x86-64-v3");
}

static void a_trial_that_is_killed(void **state)
{
	const struct trial t = { .step = "KVM_RUN", .signal = SIGILL };

	trial_judge(&t, &good, &told);
	assert_non_null(strstr(told.list[0].text, "KVM_RUN ended by signal 4"));
	assert_told(CHECK_TRIAL_FAILED);
}

static void a_known_cause_explains_the_trial(void **state)
{
	const struct trial t = { .step = "KVM_CREATE_VM", .error = EPERM };

	finding_add(&told, CHECK_CALL_REFUSED, "x", NULL);
	trial_judge(&t, &good, &told);
	assert_told(CHECK_CALL_REFUSED);
}

#define TEST(name)	cmocka_unit_test_setup(name, setup)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(good_limits_are_silent),
		TEST(unknown_limits_are_silent),
		TEST(few_mappings),
		TEST(strict_overcommit),
		TEST(a_full_control_group_is_not_rlimit_nproc),
		TEST(refused_executable_memory_has_three_causes),
		TEST(the_same_is_said_once),
		TEST(findings_do_not_overflow),
		TEST(a_missing_device_has_three_causes),
		TEST(what_the_device_answers),
		TEST(permission_has_three_causes),
		TEST(a_processor_without_bmi2),
		TEST(a_processor_of_the_first_level),
		TEST(a_trial_that_is_killed),
		TEST(a_known_cause_explains_the_trial),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
