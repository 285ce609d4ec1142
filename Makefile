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

PACKAGES = libbsd-overlay libcrypto libseccomp libxxhash
WARNINGS = -Wall -Wextra -Wshadow -Wconversion -Wformat=2 -Wstrict-prototypes \
	-Wmissing-prototypes -Wundef -Wwrite-strings -Werror
# CET exists on x86 only; asked of the compiler, which may be a cross compiler
target := $(shell $(CC) -dumpmachine 2>/dev/null)
CET = $(if $(filter x86_64-% i%86-%,$(target)),-fcf-protection=full)
HARDEN = -D_FORTIFY_SOURCE=3 -fstack-protector-strong -fstack-clash-protection \
	$(CET) -ftrivial-auto-var-init=zero
HARDEN_LINK = -Wl,-z,relro,-z,now,-z,noexecstack
OPTIMISE = -O2 -g

# variants: one row each; the compiler and flags that differ
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
HARDEN_coverage = -fstack-protector-strong
CC_clang = clang

cc = $(or $(CC_$(VARIANT)),$(CC))
harden = $(or $(HARDEN_$(VARIANT)),$(HARDEN))

CPPFLAGS_ALL = -D_GNU_SOURCE -DLIBBSD_OPENBSD_VIS -DPOPLAR_VERSION='"$(VERSION)"' \
	-DPOPLAR_CONF='"$(sysconfdir)/poplar/poplar.conf"' -Iinclude \
	$(CPPFLAGS_$(VARIANT)) $(shell $(PKG_CONFIG) --cflags $(PACKAGES)) $(CPPFLAGS)
CFLAGS_ALL = -std=c17 -fPIE $(OPTIMISE) $(WARNINGS) $(harden) $(CFLAGS_$(VARIANT)) $(CFLAGS)
LDFLAGS_ALL = -pie $(HARDEN_LINK) $(CFLAGS_$(VARIANT)) $(LDFLAGS)
LIBS = $(shell $(PKG_CONFIG) --libs $(PACKAGES)) -lcrypt -lpam

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

$(out)/obj/%.o: src/%.c
	@mkdir -p $(@D)
	$(cc) $(CPPFLAGS_ALL) $(CFLAGS_ALL) -MMD -MP -c -o $@ $<

# a unit test: tests/unit/FOLDER/NAME.c, linked with the archives; what it
# defines itself wins over the archive (that is how a fake disk comes in)
unit_sources = $(wildcard tests/unit/*/*.c)
units = $(unit_sources:tests/unit/%.c=$(out)/unit/%)

$(out)/unit/%: tests/unit/%.c $(archives)
	@mkdir -p $(@D)
	$(cc) $(CPPFLAGS_ALL) -Isrc $(CFLAGS_ALL) -MMD -MP $(LDFLAGS_ALL) -o $@ $< \
		$(link) $(LIBS) $(shell $(PKG_CONFIG) --libs cmocka)

units: $(units)

check: all units
	tests/check.sh $(out)

clean:
	rm -rf build

# ---- install. Configuration that is there is never touched; uninstall leaves
# it where it was changed. Installed text names the paths of this installation.
manuals = $(wildcard man/*.[1-9])
contributed = $(wildcard contrib/*/*)
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
	for f in $(manuals); do put $$f $(mandir)/man$${f\#\#*.}; done; \
	for f in $(contributed:contrib/%=%); do put contrib/$$f $(docdir)/$${f%/*}; done; \
	put contrib/systemd/poplard.service $(unitdir)
	@set -e; $(keep); keep etc/poplar.conf $(etc)/poplar/poplar.conf; \
	keep etc/pam.d/poplar $(etc)/pam.d/poplar
	@test -n "$(DESTDIR)" || getent passwd poplar >/dev/null || printf '%s\n' \
		'Next, the user that sessions run as:' \
		'  useradd --system --user-group --home-dir /nonexistent --shell /usr/sbin/nologin poplar'

uninstall:
	rm -f $(DESTDIR)$(sbindir)/poplard $(DESTDIR)$(sbindir)/poplarctl \
		$(DESTDIR)$(unitdir)/poplard.service
	rm -rf $(DESTDIR)$(docdir)
	@for f in $(manuals:man/%=%); do rm -f $(DESTDIR)$(mandir)/man$${f\#\#*.}/$$f; done
	@$(unkeep); unkeep etc/poplar.conf $(etc)/poplar/poplar.conf; \
	unkeep etc/pam.d/poplar $(etc)/pam.d/poplar
	@rmdir $(etc)/poplar 2>/dev/null || :

# ---- for the developer
demo: all
	sh contrib/demo.sh

.PHONY: all units check clean install uninstall demo
.SECONDARY:

-include $(wildcard $(out)/obj/*.d $(out)/obj/*/*.d $(out)/unit/*/*.d)
