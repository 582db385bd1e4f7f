# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# Test programs: tests/unit_*.c run natively under ASan and UBSan, tests/prog_*.c
# run the BPF programs through BPF_PROG_TEST_RUN. All speak TAP (see tests/run).
# tests/fuzz_*.c are for make fuzz alone.

SANITIZERS := -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
UNIT_FLAGS := -std=gnu17 -O1 -g $(WARNINGS) -Iinclude -Ibpf -Itests -D_GNU_SOURCE \
	$(SANITIZERS) -MMD -MP
PROG_FLAGS := $(C_FLAGS) -Itests

UNIT_TESTS := $(patsubst tests/%.c,$(BUILD)/tests/%,$(wildcard tests/unit_*.c))
PROG_TESTS := $(patsubst tests/%.c,$(BUILD)/tests/%,$(wildcard tests/prog_*.c))

# A second compiler, where it is installed: its test is skipped by name otherwise.
SECOND_OBJECT := $(if $(shell command -v clang-19),$(BUILD)/tests/ftpfix-clang-19.bpf.o)

tests: $(UNIT_TESTS) $(PROG_TESTS) $(SECOND_OBJECT) $(BUILD)/tests/ftpfix-sanitized

$(BUILD)/tests/unit_%: tests/unit_%.c | $(BUILD)/tests
	$(say) CC $@
	$(quiet)$(CC) $(UNIT_FLAGS) -o $@ $< -lcmocka $(UNIT_LIBRARIES)

$(BUILD)/tests/unit_xdp_plan $(BUILD)/tests/unit_route_change: UNIT_LIBRARIES := -lmnl

$(BUILD)/tests/prog_%: tests/prog_%.c $(BUILD)/ftpfix.skel.h | $(BUILD)/tests
	$(say) CC $@
	$(quiet)$(CC) $(PROG_FLAGS) -o $@ $< -lcmocka -lbpf -lelf -lz

# What makes notes go while a program has them.
$(BUILD)/tests/reuse.bpf.o: tests/reuse.bpf.c | $(BUILD)/tests
	$(say) BPF $@
	$(quiet)$(BPF_CLANG) $(BPF_FLAGS) -c -o $@ $<

$(BUILD)/tests/reuse.skel.h: $(BUILD)/tests/reuse.bpf.o
	$(say) SKELETON $@
	$(quiet)$(BPFTOOL) gen skeleton $< name reuse > $@.new
	$(quiet)mv $@.new $@

$(BUILD)/tests/prog_seen: $(BUILD)/tests/reuse.skel.h

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

# tests/fuzz_*.c run under libFuzzer, one after the other, without root. They start
# from tests/corpus, which they do not write to; what they find goes to build/fuzz,
# and with it a later run goes on. A failure leaves build/fuzz/NAME-crash-…, which
# build/tests/NAME reads again.
FUZZ_SECONDS ?= 600
FUZZERS := $(patsubst tests/%.c,%,$(wildcard tests/fuzz_*.c))

$(BUILD)/tests/fuzz_%: tests/fuzz_%.c | $(BUILD)/tests
	$(say) CC $@
	$(quiet)$(CC) $(UNIT_FLAGS) -fsanitize=fuzzer -o $@ $<

fuzz: $(FUZZERS)

$(FUZZERS): %: $(BUILD)/tests/%
	$(quiet)mkdir -p $(BUILD)/fuzz/$@
	$(quiet)$< -max_total_time=$(FUZZ_SECONDS) -max_len=1024 -timeout=10 -print_final_stats=1 \
		-dict=tests/fuzz.dict -artifact_prefix=$(BUILD)/fuzz/$@- \
		$(BUILD)/fuzz/$@ tests/corpus

.PHONY: fuzz $(FUZZERS)
