#!/bin/sh
# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# First process of a node: a host of its own in fresh mount, network, uts and pid namespaces. Everything that engines write
# lies below FOLDER; the kernel ends and unmounts everything when this process ends.
set -eu
folder=$1

mount --make-rprivate /
mkdir -p "$folder/cgroup" "$folder/var/lib/libvirt/qemu" "$folder/var/log/libvirt/qemu" "$folder/var/cache" "$folder/var/tmp" "$folder/etc"
ln -sfn /run "$folder/var/run"
cp -a /etc/. "$folder/etc"
mkdir -p "$folder/etc/libvirt"
# A new sysfs shows the interfaces of this network; the cgroups are those of the machine.
mount --rbind /sys/fs/cgroup "$folder/cgroup"
mount -t sysfs sysfs /sys
mount --rbind "$folder/cgroup" /sys/fs/cgroup
mount -t tmpfs run /run
mount --bind "$folder/etc" /etc
mount --bind "$folder/var" /var
# No name server is reached from here: who asked that of the machine for the node's own name would wait for seconds.
rm -f /etc/resolv.conf
: >/etc/resolv.conf
# libvirtd does not start without the user that Debian's libvirt-daemon-system makes.
id libvirt-qemu >/dev/null 2>&1 || {
    echo 'libvirt-qemu:x:64055:64055::/var/lib/libvirt:/usr/sbin/nologin' >>/etc/passwd
    echo 'libvirt-qemu:x:64055:' >>/etc/group
}
mkdir -p /run/libvirt /run/lock
hostname node
ip link set lo up
touch "$folder/ready"
# The shell reaps what is orphaned here.
while :; do sleep 3600; done
