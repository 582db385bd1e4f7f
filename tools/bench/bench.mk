# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# make bench: what it needs besides ftpfix itself, in build/bench. See tools/bench/bench.

BENCH_TOOLS := $(patsubst tools/bench/%.c,$(BUILD)/bench/%,\
	$(filter-out %.bpf.c,$(wildcard tools/bench/*.c)))

$(BUILD)/bench/packets.bpf.o: tools/bench/packets.bpf.c | $(BUILD)/bench
	$(say) BPF $@
	$(quiet)$(BPF_CLANG) $(BPF_FLAGS) -c -o $@ $<

$(BUILD)/bench/packets.skel.h: $(BUILD)/bench/packets.bpf.o
	$(say) SKELETON $@
	$(quiet)$(BPFTOOL) gen skeleton $< name packets > $@.new
	$(quiet)mv $@.new $@

$(BUILD)/bench/%: tools/bench/%.c $(BUILD)/bench/packets.skel.h $(BUILD)/ftpfix.skel.h
	$(say) CC $@
	$(quiet)$(CC) $(C_FLAGS) -Ibpf -I$(BUILD)/bench -o $@ $< -lbpf -lelf -lz

$(BUILD)/bench:
	$(quiet)mkdir -p $@

bench: needed
	$(quiet)$(MAKE) --no-print-directory all $(BENCH_TOOLS)
	$(quiet)tools/bench/bench

.PHONY: bench
