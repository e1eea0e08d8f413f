#!/bin/sh
# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Runs in the new root (chroot) as the last step of a build. Arguments: release flavour.
set -eu
release=$1

enable_units() { for unit; do systemctl enable -q "$unit"; done; }
disable_units() { for unit; do systemctl disable -q "$unit" 2> /dev/null || true; done; }

mkdir -p /root/.ssh
chmod 0700 /root/.ssh
enable_units zonal-lab-firstboot.service ssh.service
case $release in
  bookworm) : ;; # ifupdown's networking.service is enabled by its package
  *)
    enable_units systemd-networkd.service
    # This sshd locks out an address that often connects without logging in, as asking a host's state does.
    echo "PerSourcePenalties no" > /etc/ssh/sshd_config.d/zonal-lab.conf
    ;;
esac

# What the product's roles configure and switch on.
disable_units docker.service docker.socket containerd.service libvirtd.service libvirtd.socket libvirtd-ro.socket \
  libvirtd-admin.socket libvirt-guests.service virtlogd.service virtlockd.service machines.target docker-registry.service

# What a lab host never needs; each start of a unit or generator costs 0.1 to 4 s in User-Mode Linux.
for unit in ceph-crash.service apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer e2scrub_reap.service \
  fstrim.timer logrotate.timer man-db.timer xfs_scrub_all.timer getty@tty1.service console-getty.service \
  systemd-pstore.service systemd-hwdb-update.service systemd-random-seed.service sshd-keygen.service \
  modprobe@configfs.service modprobe@drm.service modprobe@fuse.service modprobe@efi_pstore.service \
  kmod-static-nodes.service systemd-tmpfiles-setup-dev-early.service systemd-udev-load-credentials.service \
  systemd-network-generator.service systemd-networkd-persistent-storage.service systemd-binfmt.service \
  proc-sys-fs-binfmt_misc.automount proc-sys-fs-binfmt_misc.mount sys-fs-fuse-connections.mount \
  sys-kernel-debug.mount sys-kernel-tracing.mount; do
  ln -sfn /dev/null "/etc/systemd/system/$unit"
done
mkdir -p /etc/systemd/system-generators
for generator in debug getty gpt-auto hibernate-resume import rc-local ssh system-update tpm2; do
  ln -sfn /dev/null "/etc/systemd/system-generators/systemd-$generator-generator"
done
