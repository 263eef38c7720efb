#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""libvirt's qemu:///session under anykvm: a domain of type kvm is defined,
started, boots, and is destroyed."""

import os
import shutil
import signal
import subprocess
import sys
import time

import vmm

NOBODY = 65534
DOMAIN = """
<domain type='kvm'>
  <name>anykvm-test</name>
  <memory unit='MiB'>256</memory>
  <vcpu>1</vcpu>
  <os>
    <type arch='x86_64' machine='pc'>hvm</type>
    <kernel>{dir}/vmlinuz</kernel>
    <initrd>{dir}/guest.cpio</initrd>
    <cmdline>console=ttyS0 panic=-1 anykvm=shell</cmdline>
  </os>
  <features><acpi/><apic/></features>
  <cpu mode='host-passthrough'/>
  <devices>
    <emulator>/usr/bin/qemu-system-x86_64</emulator>
    <serial type='file'><source path='{dir}/console'/><target port='0'/></serial>
  </devices>
</domain>
"""


def own_anykvm(directory):
    """A copy that the user of the session can read, wherever the build is."""
    build = os.path.dirname(vmm.ANYKVM)
    for name in "anykvm", "libanykvm-preload.so", "libanykvm.so.0":
        shutil.copy(os.path.join(build, name), directory)
    return os.path.join(directory, "anykvm")


class Session:
    """virsh -c qemu:///session; the daemon that it starts ends with the test."""

    def __init__(self, directory):
        self.directory = directory
        self.anykvm = own_anykvm(directory)
        self.environment = dict(os.environ, HOME=directory)
        for name in "RUNTIME_DIR", "CONFIG_HOME", "CACHE_HOME", "DATA_HOME":
            self.environment["XDG_" + name] = os.path.join(directory, name.lower())
            os.mkdir(os.path.join(directory, name.lower()), 0o700)
        self.user = {}
        if os.getuid() == 0:	# root's session is the system's
            subprocess.check_call(["chown", "-R", f"{NOBODY}:{NOBODY}", directory])
            self.user = {"user": NOBODY, "group": NOBODY, "extra_groups": []}

    def virsh(self, *arguments, check=True):
        process = subprocess.run(
            [self.anykvm, "--", "virsh", "-c", "qemu:///session", *arguments],
            env=self.environment, cwd=self.directory, capture_output=True, text=True,
            timeout=vmm.STEP_TIMEOUT, **self.user)
        print("+ virsh", *arguments, process.stdout, process.stderr, flush=True)
        if check and process.returncode:
            raise vmm.Failure(f"virsh {arguments[0]} ended with {process.returncode}")
        return process.stdout

    def log(self, path):
        try:
            with open(os.path.join(self.directory, path), errors="replace") as file:
                return file.read()
        except FileNotFoundError:
            return ""

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        self.virsh("destroy", "anykvm-test", check=False)
        for name in "libvirtd", "virtlogd":
            pid = self.log(f"runtime_dir/libvirt/{name}.pid").strip()
            if pid:
                os.kill(int(pid), signal.SIGTERM)


def wait_for(session, path, text):
    deadline = time.monotonic() + vmm.BOOT_TIMEOUT
    while text not in session.log(path):
        if time.monotonic() > deadline:
            raise vmm.Failure(f"no {text!r} in\n" + session.log(path)[-3000:])
        time.sleep(0.2)


def test(directory):
    if not shutil.which("libvirtd", path=os.environ["PATH"] + ":/usr/sbin"):
        sys.exit(vmm.SKIPPED)
    os.chmod(directory, 0o755)
    shutil.copy(os.path.join(vmm.guest_kernel(), "vmlinuz"), directory)
    vmm.initramfs(os.path.join(directory, "guest.cpio"))
    with open(os.path.join(directory, "domain.xml"), "w") as file:
        file.write(DOMAIN.format(dir=directory))
    with Session(directory) as session:
        if "<domain>kvm</domain>" not in session.virsh("domcapabilities",
                                                       "--virttype", "kvm"):
            raise vmm.Failure("libvirt sees no KVM")
        session.virsh("define", "domain.xml")
        session.virsh("start", "anykvm-test")
        wait_for(session, "console", "anykvm-guest: shell")
        if "running" not in session.virsh("domstate", "anykvm-test"):
            raise vmm.Failure("the domain does not run")
        session.virsh("destroy", "anykvm-test")
        if "shut off" not in session.virsh("domstate", "anykvm-test"):
            raise vmm.Failure("the domain still runs")
        session.virsh("undefine", "anykvm-test")
        wait_for(session, "cache_home/libvirt/qemu/log/anykvm-test.log", vmm.SERVED)


vmm.main(test)
