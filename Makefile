# Kontor: one non-recursive Makefile. `make help` lists the targets.
#
#   MODE=release|debug      default release
#   SAN=address,undefined   or SAN=thread: sanitizer build in its own directory
#   CC=gcc|clang            each compiler has its own directory
#   V=1                     show the commands
#
# Sources are found by folder, so that a new file needs no change here. Objects live under
# build/<compiler>-<mode>[-<sanitizers>]/; build/bin is a link to the programs built last.

MODE ?= release
SAN  ?=
LINT :=
V    ?= 0
ifeq ($(origin CC),default)
CC := gcc
endif

comma := ,
variant := $(notdir $(firstword $(CC)))-$(MODE)$(if $(SAN),-$(subst $(comma),-,$(SAN)))
O := build/$(variant)
Q := $(if $(filter 1,$(V)),,@)

VERSION := 0.1.0

# Where `make install` puts things.
PREFIX  ?= /usr
DESTDIR ?=
UNITDIR ?= $(PREFIX)/lib/systemd/system

# ---- Compiler flags --------------------------------------------------------------------------

WARN := -Wall -Wextra -Wshadow -Wconversion -Wcast-qual -Wwrite-strings -Wformat=2 -Wvla -Wundef \
        -Wstrict-prototypes -Wmissing-prototypes -Wnull-dereference -Wimplicit-fallthrough
HARDEN := -fstack-protector-strong -fstack-clash-protection -fcf-protection=full \
          -ftrivial-auto-var-init=zero -fPIE
HARDEN_LD := -pie -Wl,-z,relro,-z,now,-z,noexecstack

# `make fuzz` calls make again with FUZZ=1: instrumented objects in a directory of their own.
FUZZ ?=
FUZZ_SECONDS ?= 60
ifneq ($(FUZZ),)
O := build/fuzz
endif

# Keeps only the flags this compiler knows.
probe = $(foreach f,$(1),$(shell $(CC) -Werror $(f) -x c -c /dev/null -o /dev/null 2>/dev/null && echo $(f)))

CFLAGS_release := -O2 -g -D_FORTIFY_SOURCE=2
CFLAGS_debug   := -O0 -g3
SAN_FLAGS := $(if $(SAN),-fsanitize=$(SAN) -fno-omit-frame-pointer -fno-sanitize-recover=all) \
             $(if $(FUZZ),-fsanitize=fuzzer-no-link)
ifneq ($(SAN),)
CFLAGS_release := -O1 -g
endif

PKGS_LIB := libevent_core libevent_pthreads libssl libcrypto jansson sqlite3 libsodium yaml-0.1
PKG_CFLAGS := $(shell pkg-config --cflags $(PKGS_LIB) 2>/dev/null)
PKG_LIBS   := $(shell pkg-config --libs $(PKGS_LIB) 2>/dev/null)

# Nothing is handed on when there is no compiler yet: `make test` has still to install it.
ifndef flags_probed
HARDEN_OK := $(call probe,$(HARDEN))
ifneq ($(HARDEN_OK),)
export HARDEN_OK
export flags_probed := 1
endif
endif

KO_CFLAGS = -std=c17 -D_GNU_SOURCE -DKO_VERSION='"$(VERSION)"' -I. $(WARN) \
            $(CFLAGS_$(MODE)) $(HARDEN_OK) $(SAN_FLAGS) $(WERROR) $(PKG_CFLAGS) -pthread \
            -include common/base/banned.h $(CFLAGS)
KO_LDFLAGS = $(HARDEN_LD) $(SAN_FLAGS) -pthread $(LDFLAGS)

# ---- Sources ---------------------------------------------------------------------------------

LIB_DIRS := common/base common/loop common/http common/oci storage auth
LIB_SRC  := $(sort $(wildcard $(addsuffix /*.c,$(LIB_DIRS))))
SRV_SRC  := $(sort $(filter-out server/main.c,$(wildcard server/*.c)))

LIB_OBJ := $(LIB_SRC:%.c=$(O)/%.o)
SRV_OBJ := $(SRV_SRC:%.c=$(O)/%.o)

PROGRAMS := $(O)/bin/kontor-registry

# ---- Main targets ----------------------------------------------------------------------------

.PHONY: all
all: $(PROGRAMS) man ## build the programs (also left at build/bin)
	$(Q)mkdir -p build && ln -sfn $(variant)/bin build/bin

.PHONY: help
help: ## list the targets
	@sed -n 's/^\([a-z][a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | sort | awk -F'\t' '{printf "  make %-12s %s\n", $$1, $$2}'

$(O)/libkontor.a: $(LIB_OBJ)
$(O)/libserver.a: $(SRV_OBJ)
$(O)/%.a: # an archive may be empty
	@echo "  AR    $@"
	$(Q)mkdir -p $(@D) && rm -f $@ && $(AR) rcs $@ $^

$(O)/bin/kontor-registry: $(O)/server/main.o $(O)/libserver.a $(O)/libkontor.a
	@echo "  LD    $@"
	$(Q)mkdir -p $(@D) && $(CC) $(KO_LDFLAGS) -o $@ $^ $(PKG_LIBS)

# Documents made from the tables of conf/.
DOCS := $(O)/share/man/man8/kontor-registry.8 $(O)/share/doc/kontor/kontor-registry.yaml.example

$(O)/conf/gen: $(O)/conf/gen.o $(O)/libkontor.a
	@echo "  LD    $@"
	$(Q)$(CC) $(KO_LDFLAGS) -o $@ $^ $(PKG_LIBS)

$(O)/share/man/man8/kontor-registry.8: $(O)/conf/gen
	$(Q)mkdir -p $(@D) && $< man > $@.new && mv $@.new $@

$(O)/share/doc/kontor/kontor-registry.yaml.example: $(O)/conf/gen
	$(Q)mkdir -p $(@D) && $< example > $@.new && mv $@.new $@

.PHONY: man
man: $(DOCS) ## manual pages and the annotated example configuration (build/*/share)

$(O)/%.o: %.c
	@echo "  CC    $<"
	$(Q)mkdir -p $(@D) && $(CC) $(KO_CFLAGS) -MMD -MP -c -o $@ $<

# The schema is built into this object by the assembler, which -MMD does not see.
$(O)/storage/migrate.o: $(wildcard storage/migrations/*.sql)

# ---- Tests -----------------------------------------------------------------------------------

UNIT_SRC := $(sort $(shell find tests/unit -name 'test_*.c' 2>/dev/null))
UNIT_BIN := $(UNIT_SRC:%.c=$(O)/%)

$(O)/tests/unit/%: $(O)/tests/unit/%.o $(O)/libserver.a $(O)/libkontor.a
	@echo "  LD    $@"
	$(Q)$(CC) $(KO_LDFLAGS) -o $@ $^ $(PKG_LIBS) -lcmocka

.PHONY: unit
unit: $(UNIT_BIN) ## unit tests (cmocka)
	$(Q)tests/run-unit $(UNIT_BIN)

FUZZ_SRC := $(sort $(wildcard tests/fuzz/fuzz_*.c))
# The oracle of the differential target is not in every release of the distributions.
ifeq ($(wildcard /usr/include/http_parser.h),)
FUZZ_SRC := $(filter-out tests/fuzz/fuzz_http1_diff.c,$(FUZZ_SRC))
endif
FUZZ_BIN := $(FUZZ_SRC:%.c=$(O)/%)

# Without a fuzzer, replay.c is the main program of a target.
$(O)/tests/fuzz/fuzz_%: $(O)/tests/fuzz/fuzz_%.o $(if $(FUZZ),,$(O)/tests/fuzz/replay.o) \
                        $(O)/libserver.a $(O)/libkontor.a
	@echo "  LD    $@"
	$(Q)$(CC) $(KO_LDFLAGS) $(if $(FUZZ),-fsanitize=fuzzer) -o $@ $^ $(PKG_LIBS) $(FUZZ_LIBS)

# The oracle of the differential target.
$(O)/tests/fuzz/fuzz_http1_diff: FUZZ_LIBS := -lhttp_parser

.PHONY: corpus
corpus: $(FUZZ_BIN) ## fuzz targets over their corpora, without a fuzzer
	$(Q)tests/run-corpus $(FUZZ_BIN)

.PHONY: fuzz
fuzz: ## libFuzzer (clang), FUZZ_SECONDS=60 for each target; FUZZ_ONLY='ref url' picks
	$(Q)$(MAKE) --no-print-directory FUZZ=1 CC=clang SAN=address,undefined flags_probed= fuzz-run

.PHONY: fuzz-run
fuzz-run: $(FUZZ_BIN)
	$(Q)FUZZ_SECONDS=$(FUZZ_SECONDS) tests/run-fuzz $(FUZZ_BIN)

.PHONY: it
it: all ## integration tests with real processes; IT='10_* 30_*' picks files
	$(Q)tests/it/run $(IT)

.PHONY: lint
lint: ## format, layers, banned words, spelling, clang-tidy; LINT='format tidy' picks checks
	$(Q)tests/lint/run $(LINT)

# What clang-tidy needs to know of the compile line: no code generation.
.PHONY: lint-flags
lint-flags:
	@echo $(filter-out -f% -O% -D_FORTIFY_SOURCE=%,$(KO_CFLAGS))

.PHONY: format
format: ## clang-format all sources in place
	$(Q)git ls-files '*.c' '*.h' | xargs clang-format -i

.PHONY: deps
deps: ## install the Debian packages that are missing
	$(Q)deploy/deps build test clients

.PHONY: test
test: ## install what is missing, then run every test and the lint
	$(Q)deploy/deps build test clients
	$(Q)tests/run-all

# ---- Benchmark -------------------------------------------------------------------------------

$(O)/bench/load: $(O)/bench/load.o $(O)/bench/wire.o $(O)/libkontor.a
	@echo "  LD    $@"
	$(Q)$(CC) $(KO_LDFLAGS) -o $@ $^ $(PKG_LIBS)

.PHONY: bench
bench: ## compare with other servers, write docs/performance.md; BENCH='--quick'
	$(Q)deploy/deps build bench
	$(Q)$(MAKE) --no-print-directory all $(O)/bench/load
	$(Q)bench/run --bin $(O)/bin --load $(O)/bench/load $(BENCH)

.PHONY: run
run: ## install what is missing, build, start a registry and walk once through its use
	$(Q)deploy/deps build
	$(Q)$(MAKE) --no-print-directory -j"$$(nproc)" all
	$(Q)deploy/run

# ---- Installing ------------------------------------------------------------------------------

# The unit names the program by its path and is made to fit PREFIX.
.PHONY: install
install: all ## install programs, man page, unit and example; PREFIX=/usr, DESTDIR= for packages
	$(Q)install -D -m 755 -t $(DESTDIR)$(PREFIX)/bin $(PROGRAMS)
	$(Q)install -D -m 644 -t $(DESTDIR)$(PREFIX)/share/man/man8 $(O)/share/man/man8/*
	$(Q)install -D -m 644 -t $(DESTDIR)$(PREFIX)/share/doc/kontor $(O)/share/doc/kontor/* \
	    README.md LICENSE deploy/nginx.conf.example
	$(Q)install -d $(DESTDIR)$(UNITDIR)
	$(Q)sed 's|/usr/bin/|$(PREFIX)/bin/|' deploy/kontor-registry.service \
	    > $(DESTDIR)$(UNITDIR)/kontor-registry.service

.PHONY: uninstall
uninstall: ## remove what install put there; configuration and data stay
	rm -f $(addprefix $(DESTDIR)$(PREFIX)/bin/,$(notdir $(PROGRAMS))) \
	    $(addprefix $(DESTDIR)$(PREFIX)/,$(DOCS:$(O)/%=%)) $(DESTDIR)$(UNITDIR)/kontor-registry.service
	rm -rf $(DESTDIR)$(PREFIX)/share/doc/kontor

.PHONY: clean
clean: ## remove everything built
	rm -rf build

.SECONDARY:
-include $(shell find build -name '*.d' 2>/dev/null)
