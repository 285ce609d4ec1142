# Poplar. `make` builds build/poplard and build/poplarctl.
# VARIANT picks a build of its own below build/ (see "variants").

VERSION = 0.1
CC = gcc
PKG_CONFIG = pkg-config
prefix = /usr/local
sysconfdir = /etc
sbindir = $(prefix)/sbin
mandir = $(prefix)/share/man
docdir = $(prefix)/share/doc/poplar
unitdir = $(prefix)/lib/systemd/system
DESTDIR =

PACKAGES = libmd libbsd-overlay libssl libcrypto libseccomp libxxhash
WARNINGS = -Wall -Wextra -Wshadow -Wconversion -Wformat=2 -Wstrict-prototypes \
	-Wmissing-prototypes -Wundef -Wwrite-strings $(WERROR)
# -Werror in the tests; what a later compiler warns of does not keep it from being built
WERROR =
# CET exists on x86 only; asked of the compiler, which may be a cross compiler
target := $(shell $(CC) -dumpmachine 2>/dev/null)
CET = $(if $(filter x86_64-% i%86-%,$(target)),-fcf-protection=full)
HARDEN = -D_FORTIFY_SOURCE=3 -fstack-protector-strong -fstack-clash-protection \
	$(CET) -ftrivial-auto-var-init=$(if $(findstring clang,$(cc)),pattern,zero)
HARDEN_LINK = -Wl,-z,relro,-z,now,-z,noexecstack
OPTIMISE = -O2 -g

# variants: one row each; the compiler and flags that differ, and the files of
# src/ (FOLDER/NAME) in whose place tests/seam/NAME.c is compiled
VARIANT = default
out = build
ifneq ($(VARIANT),default)
out = build/$(VARIANT)
endif

CPPFLAGS_default =
CFLAGS_sanitize = -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
CPPFLAGS_sanitize = -DPOPLAR_SANITIZED
HARDEN_sanitize = -fstack-protector-strong
CC_coverage = clang
CFLAGS_coverage = -fprofile-instr-generate -fcoverage-mapping \
	-mllvm -runtime-counter-relocation=true -O0
LINK_coverage = -fprofile-instr-generate
HARDEN_coverage = -fstack-protector-strong
CC_clang = clang
CC_fuzz = clang
CFLAGS_fuzz = -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all
CPPFLAGS_fuzz = -DPOPLAR_SANITIZED
HARDEN_fuzz = -fstack-protector-strong
SEAM_fastclock = base/clock
SEAM_unsynced = mbox/disk

cc = $(or $(CC_$(VARIANT)),$(CC))
harden = $(or $(HARDEN_$(VARIANT)),$(HARDEN))

CPPFLAGS_ALL = -D_GNU_SOURCE -DLIBBSD_OPENBSD_VIS -DPOPLAR_VERSION='"$(VERSION)"' \
	-DPOPLAR_CONF='"$(sysconfdir)/poplar/poplar.conf"' -Iinclude \
	$(CPPFLAGS_$(VARIANT)) $(shell $(PKG_CONFIG) --cflags $(PACKAGES)) $(CPPFLAGS)
CFLAGS_ALL = -std=c17 -fPIE $(OPTIMISE) $(WARNINGS) $(harden) $(CFLAGS_$(VARIANT)) $(CFLAGS)
LDFLAGS_ALL = -pie $(HARDEN_LINK) $(or $(LINK_$(VARIANT)),$(CFLAGS_$(VARIANT))) $(LDFLAGS)
LIBS = $(shell $(PKG_CONFIG) --libs $(PACKAGES)) -lcrypt

folders = base mbox session priv
archives = $(folders:%=$(out)/lib%.a)
# the order in which the layers use each other
link = $(out)/libpriv.a $(out)/libsession.a $(out)/libmbox.a $(out)/libbase.a

objects = $(patsubst src/%.c,$(out)/obj/%.o,$(wildcard src/$(1)/*.c))

all: $(out)/poplard $(out)/poplarctl

$(out)/poplard: $(out)/obj/main.o $(link)
	$(cc) $(LDFLAGS_ALL) -o $@ $^ $(LIBS)

$(out)/poplarctl: $(call objects,ctl) $(out)/libpriv.a $(out)/libbase.a
	$(cc) $(LDFLAGS_ALL) -o $@ $^ $(LIBS)

define archive
$(out)/lib$(1).a: $(call objects,$(1))
	rm -f $$@
	ar rcs $$@ $$^
endef
$(foreach f,$(folders),$(eval $(call archive,$(f))))

seamed = $(if $(filter $(1),$(SEAM_$(VARIANT))),tests/seam/$(notdir $(1)).c,$(2))

$(out)/obj/%.o: src/%.c
	@mkdir -p $(@D)
	$(cc) $(CPPFLAGS_ALL) $(CFLAGS_ALL) -MMD -MP -c -o $@ $(call seamed,$*,$<)

# a unit test: tests/unit/FOLDER/NAME.c, linked with the archives; what it
# defines itself wins over the archive (that is how a fake disk comes in)
unit_sources = $(wildcard tests/unit/*/*.c)
units = $(unit_sources:tests/unit/%.c=$(out)/unit/%)

# the tests on a simulated disk share its files
$(out)/unit/mbox/model $(out)/unit/mbox/damage: $(wildcard tests/model/*.c)

$(out)/unit/%: tests/unit/%.c $(archives)
	@mkdir -p $(@D)
	$(cc) $(CPPFLAGS_ALL) -Isrc $(CFLAGS_ALL) -MMD -MP $(LDFLAGS_ALL) -o $@ $(filter %.c,$^) \
		$(link) $(LIBS) $(shell $(PKG_CONFIG) --libs cmocka)

# a fuzz entry: tests/fuzz/NAME.c, which defines LLVMFuzzerTestOneInput(); in
# every build but VARIANT=fuzz its main replays the files it is given
fuzz_sources = $(wildcard tests/fuzz/*.c)
fuzzers = $(fuzz_sources:tests/fuzz/%.c=$(out)/fuzz/%)
fuzz_main = $(if $(filter fuzz,$(VARIANT)),-fsanitize=fuzzer,tests/lib/replay.c)

$(out)/fuzz/%: tests/fuzz/%.c tests/lib/replay.c $(archives)
	@mkdir -p $(@D)
	$(cc) $(CPPFLAGS_ALL) -Isrc $(CFLAGS_ALL) $(LDFLAGS_ALL) -o $@ $< \
		$(fuzz_main) $(link) $(LIBS)

# a tool of the system tests: tests/system/NAME.c
tool_sources = $(wildcard tests/system/*.c)
tools = $(tool_sources:tests/system/%.c=$(out)/tools/%)

$(out)/tools/%: tests/system/%.c
	@mkdir -p $(@D)
	$(cc) $(CPPFLAGS_ALL) $(CFLAGS_ALL) $(LDFLAGS_ALL) -o $@ $< $(LIBS) $(more)

$(out)/tools/volatile: more = $(shell $(PKG_CONFIG) --cflags --libs fuse3)

# what bench measures with: tests/bench/NAME.c
bench_tools = $(addprefix $(out)/bench/,mkmbox load loop loop_tls)

$(out)/bench/%: tests/bench/%.c $(wildcard tests/bench/*.h)
	@mkdir -p $(@D)
	$(cc) $(CPPFLAGS_ALL) $(CFLAGS_ALL) -O3 $(LDFLAGS_ALL) -o $@ $(filter %.c,$^) $(LIBS)

$(out)/bench/load: $(addprefix tests/bench/,pop.c crowd.c sums.c)
$(out)/bench/loop $(out)/bench/loop_tls: tests/bench/canned.c

# the server's own code under callgrind (tests/guard.sh)
$(out)/bench/guard: tests/bench/guard.c $(archives)
	@mkdir -p $(@D)
	$(cc) $(CPPFLAGS_ALL) -Isrc $(CFLAGS_ALL) $(LDFLAGS_ALL) -o $@ $< $(link) $(LIBS)

units: $(units) $(fuzzers) $(tools) $(out)/bench/guard

check: all units
	tests/check.sh $(out)

clean:
	rm -rf build

# ---- install. Configuration that is there is never touched; uninstall leaves
# it where it was changed. Installed text names the paths of this installation.
manuals = $(wildcard man/*.[1-9])
contributed = $(filter-out contrib/debian/%,$(wildcard contrib/*/*))
etc = $(DESTDIR)$(sysconfdir)
paths = -e 's,/usr/local/sbin/,$(sbindir)/,g' \
	-e 's,/etc/poplar/poplar.conf,$(sysconfdir)/poplar/poplar.conf,g'

# shell functions: a text to a folder; a file where none is; away if unchanged
put = put() { install -d "$(DESTDIR)$$2" && sed $(paths) "$$1" \
	>"$(DESTDIR)$$2/$${1\#\#*/}" && chmod 644 "$(DESTDIR)$$2/$${1\#\#*/}"; }
keep = keep() { test -e "$$2" || install -D -m 644 "$$1" "$$2"; }
unkeep = unkeep() { if cmp -s "$$1" "$$2"; then rm -f "$$2"; fi; }

install: all
	install -d $(DESTDIR)$(sbindir)
	install -m 755 $(out)/poplard $(out)/poplarctl $(DESTDIR)$(sbindir)
	@set -e; $(put); put README.md $(docdir); \
	for f in $(manuals); do put $$f $(mandir)/man$${f##*.}; done; \
	for f in $(contributed:contrib/%=%); do put contrib/$$f $(docdir)/$${f%/*}; done; \
	for f in contrib/systemd/*.service; do put $$f $(unitdir); done
	@set -e; $(keep); keep etc/poplar.conf $(etc)/poplar/poplar.conf; \
	keep etc/pam.d/poplar $(etc)/pam.d/poplar
	@test -n "$(DESTDIR)" || getent passwd poplar >/dev/null || printf '%s\n' \
		'Next, the user that sessions run as:' \
		'  useradd --system --user-group --home-dir /nonexistent --shell /usr/sbin/nologin poplar'

uninstall:
	rm -f $(DESTDIR)$(sbindir)/poplard $(DESTDIR)$(sbindir)/poplarctl \
		$(DESTDIR)$(unitdir)/poplard.service $(DESTDIR)$(unitdir)/poplard-recover.service
	rm -rf $(DESTDIR)$(docdir)
	@for f in $(manuals:man/%=%); do rm -f $(DESTDIR)$(mandir)/man$${f##*.}/$$f; done
	@$(unkeep); unkeep etc/poplar.conf $(etc)/poplar/poplar.conf; \
	unkeep etc/pam.d/poplar $(etc)/pam.d/poplar
	@rmdir $(etc)/poplar 2>/dev/null || :

# ---- for the developer
sources = $(wildcard include/*.h src/*.c src/*/*.[ch] tests/*/*.[ch] tests/unit/*/*.[ch])
FUZZ = $(notdir $(fuzzers))
FUZZ_SECONDS = 60
SOAK_ROUNDS = 10
SOAK_MINUTES = 20
SOAK_FUZZ_SECONDS = 3600

demo:
	sh contrib/demo.sh

format:
	clang-format -i $(sources)

lint:
	clang-format --dry-run -Werror $(sources)
	cppcheck --quiet --error-exitcode=1 --std=c11 --inline-suppr \
		--enable=warning,performance,portability \
		--include=$(shell $(PKG_CONFIG) --variable=includedir libbsd)/bsd/sys/queue.h \
		-D_GNU_SOURCE -Iinclude src
	clang-tidy --quiet $(filter src/%.c,$(sources)) -- -std=c17 $(CPPFLAGS_ALL)
	sh tests/docs.sh

sanitize:
	$(MAKE) VARIANT=sanitize check

coverage:
	sh tests/coverage.sh

# each fuzz entry of FUZZ for FUZZ_SECONDS; new inputs stay below build/, a crash
# is told and stays as a file there, to be put into tests/fuzz/corpus/NAME
fuzz:
	$(MAKE) VARIANT=fuzz fuzzers
	set -e; for f in $(FUZZ); do \
		mkdir -p build/fuzz/found/$$f; \
		build/fuzz/fuzz/$$f -max_total_time=$(FUZZ_SECONDS) -print_final_stats=1 \
			-artifact_prefix=build/fuzz/found/$$f- \
			build/fuzz/found/$$f tests/fuzz/corpus/$$f; done

fuzzers: $(fuzzers)

# 15 to 18 hours on two cores, as it stands: the whole test SOAK_ROUNDS times, plain
# and with the sanitizers (20 to 40 minutes); five delivery storms of SOAK_MINUTES;
# kills and power cuts by the hundred (10 to 25 minutes); each fuzz entry for
# SOAK_FUZZ_SECONDS. Without the rounds SOAK_MINUTES=1 SOAK_FUZZ_SECONDS=10 is half an hour.
soak: all units
	$(MAKE) VARIANT=fastclock all
	$(MAKE) VARIANT=unsynced all
	$(MAKE) VARIANT=sanitize all
	$(MAKE) VARIANT=fuzz fuzzers
	sh tests/soak/soak.sh $(SOAK_ROUNDS) $(SOAK_MINUTES) $(SOAK_FUZZ_SECONDS)

bench bench-quick: all $(bench_tools)
	PYTHONDONTWRITEBYTECODE=1 POPLAR_BUILD=$(abspath $(out)) \
		/usr/bin/python3 tests/bench/bench.py \
		$(if $(filter bench-quick,$@),--quick) $(BENCH)

.PHONY: all units check clean install uninstall demo format lint sanitize \
	coverage fuzz fuzzers soak bench bench-quick
.SECONDARY:

-include $(wildcard $(out)/obj/*.d $(out)/obj/*/*.d $(out)/unit/*/*.d)
