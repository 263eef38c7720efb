# SPDX-License-Identifier: MIT
# Forwards only: Meson builds, the scripts do the rest.

.PHONY: all demo check check-full check-kvm check-selftests check-silicon soak bench docs install uninstall deb clean help

all:
	@scripts/install-deps build
	@scripts/build build -Dtests=false

demo:
	@scripts/install-deps build demo
	@scripts/build build -Dtests=false
	@scripts/demo

check:
	@scripts/install-deps build test demo selftests
	@scripts/check

check-full:
	@scripts/install-deps build test demo selftests
	@scripts/check --full

check-kvm:
	@scripts/install-deps build test
	@scripts/check-kvm

check-selftests:
	@scripts/install-deps build selftests
	@scripts/build build -Dtests=false
	@scripts/check-selftests

check-silicon:
	@scripts/install-deps build test
	@scripts/build build -Dtests=true
	@build/tests/silicon/silicon --cases 10000000

soak:
	@scripts/install-deps build demo
	@scripts/build build -Dtests=false
	@scripts/soak

bench:
	@scripts/install-deps build test demo
	@scripts/bench $(ARGS)

docs:
	@scripts/install-deps build test
	@scripts/build build
	@scripts/docs

install:
	@meson install -C build

uninstall:
	@ninja -C build uninstall

deb:
	@scripts/install-deps build deb
	@scripts/deb

clean:
	rm -rf build build-asan build-tsan

help:
	@echo "make            build build/anykvm"
	@echo "make demo       boot a Debian guest (INTERACTIVE=1: into a shell)"
	@echo "make check      build and run all tests"
	@echo "make check-full the same with every variant of a guest"
	@echo "make check-kvm  run the API tests here and on the host's /dev/kvm, and compare"
	@echo "make check-selftests  run KVM's own selftests (five minutes)"
	@echo "make check-silicon  ten million random sequences here and on the host's CPU"
	@echo "make soak       boot the demo's guest a hundred times in a row"
	@echo "make bench      compare with the host and with TCG (15 minutes; ARGS=--quick: 3)"
	@echo "make docs       write docs/generated from the lists of the source"
	@echo "make install    install what make has built (DESTDIR=DIR: below DIR)"
	@echo "make uninstall  take that away again"
	@echo "make deb        Debian packages, in build/deb"
	@echo "make clean      remove the build directories"
