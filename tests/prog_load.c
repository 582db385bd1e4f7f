// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The verifier takes what either compiler makes of the dataplane, and at a cost
 * that is watched. Nothing is run here.
 */
#include <libgen.h>
#include <limits.h>
#include <sys/utsname.h>

#include "prog_world.h"

/* Of a million that the verifier ever walks (BPF_COMPLEXITY_LIMIT_INSNS). The one of Linux 6.1
 * takes more paths for different from each other. */
#define INSTRUCTIONS_MAX 160000
#define INSTRUCTIONS_MAX_OLD 250000

/* What the options add that are off by default. */
#define OPTIONS_MAX 10000

static unsigned int instructions_max(void)
{
	struct utsname name;
	unsigned int major, minor;

	assert_int_equal(uname(&name), 0);
	assert_int_equal(sscanf(name.release, "%u.%u", &major, &minor), 2);
	return major < 6 || (major == 6 && minor < 6) ? INSTRUCTIONS_MAX_OLD : INSTRUCTIONS_MAX;
}

/* Prints what each program of a loaded object cost; fails above the budget. */
static void programs_cost(const struct bpf_object *object, const char *compiler, unsigned int most)
{
	struct bpf_program *program;
	int programs = 0;

	bpf_object__for_each_program (program, object) {
		struct bpf_prog_info info = {};
		__u32 size = sizeof(info);

		assert_int_equal(bpf_obj_get_info_by_fd(bpf_program__fd(program), &info, &size), 0);
		print_message("# %s by %s: %u instructions verified\n", bpf_program__name(program),
			      compiler, info.verified_insns);
		assert_in_range(info.verified_insns, 1, most);
		programs++;
	}
	assert_int_equal(programs, 10);
}

static void needs_root(void)
{
	if (!geteuid())
		return;
	print_message("# needs root\n");
	skip();
}

static void of_clang_14(void **state)
{
	struct world *world;

	(void)state;
	needs_root();
	world = world_open(0, 0);
	assert_non_null(world);
	programs_cost(world->skeleton->obj, "clang-14", instructions_max());
	world_close(world);
}

/* What is left out by default is verified, too. */
static void every_option(struct ftpfix *skeleton)
{
	skeleton->rodata->path_stack = 1;
	skeleton->rodata->client_address = FTPFIX_CLIENT_ADDRESS_TOA;
	skeleton->rodata->tls_ports = 30000 << 16 | 30009;
}

static void with_every_option(void **state)
{
	struct world *world;

	(void)state;
	needs_root();
	world = world_open_configured(0, 0, every_option);
	assert_non_null(world);
	programs_cost(world->skeleton->obj, "clang-14 with every option",
		      instructions_max() + OPTIONS_MAX);
	world_close(world);
}

/* It stands beside this program; see tests/tests.mk. */
static void of_clang_19(void **state)
{
	char path[PATH_MAX] = "", object_path[PATH_MAX + 32];
	struct bpf_object *object;

	(void)state;
	needs_root();
	assert_in_range(readlink("/proc/self/exe", path, sizeof(path) - 1), 1, PATH_MAX);
	snprintf(object_path, sizeof(object_path), "%s/ftpfix-clang-19.bpf.o", dirname(path));
	if (access(object_path, R_OK)) {
		print_message("# %s: %s\n", object_path, strerror(errno));
		skip();
	}
	object = bpf_object__open_file(object_path, NULL);
	assert_non_null(object);
	assert_int_equal(bpf_object__load(object), 0);
	programs_cost(object, "clang-19", instructions_max());
	bpf_object__close(object);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(of_clang_14),
		cmocka_unit_test(with_every_option),
		cmocka_unit_test(of_clang_19),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
