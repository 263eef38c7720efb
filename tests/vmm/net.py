#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""virtio-net: DHCP and a file transfer with QEMU's own user network."""

import hashlib
import os

import vmm

MODULES = ["virtio_pci", "virtio_net"]
HOST = "10.0.2.2"	# QEMU itself: DHCP, TFTP and echo services


def net(directory):
    data = os.urandom(1 << 20)
    with open(os.path.join(directory, "file"), "wb") as file:
        file.write(data)
    arguments = vmm.linux(directory, modules=MODULES)
    arguments += ["-netdev",
                  f"user,id=n,restrict=on,tftp={directory}",
                  "-device", "virtio-net-pci,netdev=n"]
    with vmm.Vm(*arguments, smp=2) as vm:
        vm.boot_to_shell()
        vm.sh("ifconfig eth0 up")
        lease = vm.sh("udhcpc -i eth0 -n -q -s /bin/dhcp-event")
        if "lease: 10.0.2.15" not in lease:
            raise vmm.Failure("no lease: " + lease)
        vm.sh(f"tftp -g -r file -l /tmp/file {HOST}")
        if hashlib.md5(data).hexdigest() not in vm.sh("md5sum /tmp/file"):
            raise vmm.Failure("the file changed on its way")
        vm.send("poweroff -f\n")
        vm.wait_exit()


vmm.main(net)
