# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
#   make             builds build/ftpfix, without root
#   make check       builds and runs every test (root; installs what is missing)
#   make check-long  the same, then 100,000 random sessions of the oracle (root)
#   make demo        shows the failure without ftpfix and the cure with it (root)
#   make fuzz        fuzzes scanner, reader and editor, each for FUZZ_SECONDS (600)
#   make bench       compares speed and cost, side by side in one run (root)
#   make install     puts the program and its manual page under $(DESTDIR)$(PREFIX)

PREFIX ?= /usr/local
CC := clang-14
BPF_CLANG ?= clang-14
BPFTOOL ?= $(firstword $(wildcard /usr/sbin/bpftool) bpftool)
BUILD := build
VERSION := 0.1.0

# Debian keeps asm/ in a multiarch directory, which -target bpf does not search.
BPF_INCLUDES := -Iinclude -idirafter /usr/include/$(shell uname -m)-linux-gnu
WARNINGS := -Wall -Wextra -Werror
BPF_FLAGS := -std=gnu17 -O2 -g -target bpf -mcpu=v3 $(WARNINGS) $(BPF_INCLUDES) -MMD -MP
C_FLAGS := -std=gnu17 -O2 -g $(WARNINGS) -Iinclude -Ibpf -I$(BUILD) -D_GNU_SOURCE \
	-DFTPFIX_VERSION='"$(VERSION)"' -MMD -MP
LIBRARIES := -lbpf -lelf -lz -lmicrohttpd -ljansson -lmnl -lsystemd

# One short line for each step; make V=1 shows the commands.
quiet := $(if $(V),,@)
say := @printf '  %-8s %s\n'

LOADER_OBJECTS := $(patsubst loader/%.c,$(BUILD)/loader/%.o,$(wildcard loader/*.c))

all: $(BUILD)/ftpfix

$(BUILD)/ftpfix: $(LOADER_OBJECTS)
	$(say) LINK $@
	$(quiet)$(CC) $(C_FLAGS) -o $@ $^ $(LIBRARIES)

$(BUILD)/loader/%.o: loader/%.c $(BUILD)/ftpfix.skel.h | $(BUILD)/loader
	$(say) CC $@
	$(quiet)$(CC) $(C_FLAGS) -c -o $@ $<

$(BUILD)/ftpfix.bpf.o: bpf/ftpfix.bpf.c | $(BUILD)
	$(say) BPF $@
	$(quiet)$(BPF_CLANG) $(BPF_FLAGS) -c -o $@ $<

$(BUILD)/ftpfix.skel.h: $(BUILD)/ftpfix.bpf.o
	$(say) SKELETON $@
	$(quiet)$(BPFTOOL) gen skeleton $< name ftpfix > $@.new
	$(quiet)mv $@.new $@

$(BUILD) $(BUILD)/loader $(BUILD)/tests:
	$(quiet)mkdir -p $@

# Tests and tools: see tests/tests.mk.
include tests/tests.mk tools/bench/bench.mk

demo: needed
	$(quiet)$(MAKE) --no-print-directory all
	$(quiet)tools/demo

check: needed
	$(quiet)$(MAKE) --no-print-directory all tests
	$(quiet)tests/run

check-long: check
	$(quiet)tests/oracle.py --sessions 100000

needed:
	$(quiet)tools/install-needed

install: all
	install -D -m 755 $(BUILD)/ftpfix $(DESTDIR)$(PREFIX)/sbin/ftpfix
	install -D -m 644 man/ftpfix.8 $(DESTDIR)$(PREFIX)/share/man/man8/ftpfix.8

clean:
	rm -rf $(BUILD)

-include $(wildcard $(BUILD)/*.d $(BUILD)/*/*.d)

.PHONY: all demo check check-long needed install clean tests
.DELETE_ON_ERROR:
