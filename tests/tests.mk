# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# Test programs: tests/unit_*.c run natively under ASan and UBSan, tests/prog_*.c
# run the BPF programs through BPF_PROG_TEST_RUN. All speak TAP (see tests/run).

SANITIZERS := -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
UNIT_FLAGS := -std=gnu17 -O1 -g $(WARNINGS) -Iinclude -Ibpf -Itests -D_GNU_SOURCE \
	$(SANITIZERS) -MMD -MP
PROG_FLAGS := $(C_FLAGS) -Ibpf -Itests

UNIT_TESTS := $(patsubst tests/%.c,$(BUILD)/tests/%,$(wildcard tests/unit_*.c))
PROG_TESTS := $(patsubst tests/%.c,$(BUILD)/tests/%,$(wildcard tests/prog_*.c))

# A second compiler, where it is installed: its test is skipped by name otherwise.
SECOND_OBJECT := $(if $(shell command -v clang-19),$(BUILD)/tests/ftpfix-clang-19.bpf.o)

tests: $(UNIT_TESTS) $(PROG_TESTS) $(SECOND_OBJECT) $(BUILD)/tests/ftpfix-sanitized

$(BUILD)/tests/unit_%: tests/unit_%.c | $(BUILD)/tests
	$(say) CC $@
	$(quiet)$(CC) $(UNIT_FLAGS) -o $@ $< -lcmocka

$(BUILD)/tests/prog_%: tests/prog_%.c $(BUILD)/ftpfix.skel.h | $(BUILD)/tests
	$(say) CC $@
	$(quiet)$(CC) $(PROG_FLAGS) -o $@ $< -lcmocka -lbpf -lelf -lz

# The loader under the sanitizers, for the tests of the command line.
$(BUILD)/tests/ftpfix-sanitized: $(wildcard loader/*.c loader/*.h) include/ftpfix.h \
		$(BUILD)/ftpfix.skel.h | $(BUILD)/tests
	$(say) CC $@
	$(quiet)$(CC) $(filter-out -MMD -MP,$(C_FLAGS)) -O1 $(SANITIZERS) -o $@ \
		$(filter %.c,$^) $(LIBRARIES)

# The newest supported compiler builds the same object; a test loads it.
$(BUILD)/tests/ftpfix-clang-19.bpf.o: bpf/ftpfix.bpf.c | $(BUILD)/tests
	$(say) BPF $@
	$(quiet)clang-19 $(BPF_FLAGS) -c -o $@ $<

# What the closing figures are taken with: see tools/cost.c, tools/throughput.
$(BUILD)/tests/cost: tools/cost.c $(BUILD)/ftpfix.skel.h | $(BUILD)/tests
	$(say) CC $@
	$(quiet)$(CC) $(PROG_FLAGS) -o $@ $< -lbpf -lelf -lz

measure: needed
	$(MAKE) --no-print-directory all $(BUILD)/tests/cost
	$(BUILD)/tests/cost
	tools/throughput

.PHONY: measure
