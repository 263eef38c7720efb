#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""OVMF from read-only flash reaches its shell, which obeys."""

import os
import shutil

import vmm

CODE = ["/usr/share/OVMF/OVMF_CODE_4M.fd", "/usr/share/OVMF/OVMF_CODE.fd"]


def ovmf(directory, machine):
    code = next((path for path in CODE if os.path.exists(path)), None)
    if not code:
        raise vmm.Failure("OVMF is not installed")
    variables = os.path.join(directory, "vars.fd")
    shutil.copy(code.replace("CODE", "VARS"), variables)
    with vmm.Vm("-drive", f"if=pflash,format=raw,readonly=on,file={code}",
                "-drive", f"if=pflash,format=raw,file={variables}",
                machine=machine, memory=256) as vm:
        vm.expect(r"UEFI Interactive Shell", vmm.BOOT_TIMEOUT)
        vm.expect(r"Shell> ")
        vm.send("set -v answer 6times7\r")
        vm.expect(r"Shell> ")
        vm.send("echo it-is-%answer%\r")
        vm.expect(r"it-is-6times7")
        vm.expect(r"Shell> ")
        vm.send("reset -s\r")
        vm.wait_exit()


vmm.main(ovmf, "q35")
