# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options that VMs and containers share."""

from __future__ import annotations


class ModuleDocFragment:
    """One instance of either kind."""

    DOCUMENTATION = r"""
options:
  name:
    description:
      - Name of the instance, unique in its zone.
      - 1 to 63 lower-case letters, digits and hyphens (RFC 1123), because it serves as hostname, libvirt domain,
        container and volume name. A container's has at least 2 characters.
    type: str
    required: true
  state:
    description:
      - V(running) creates the instance if needed and starts it; V(stopped) creates it if needed and stops it.
      - V(paused) creates and starts it if needed and lets it hold still, with its memory; after a restart of its host it runs or is
        stopped, as O(autostart) says.
      - V(absent) removes it with its root disk or writable layer, and its snapshots, see M(zonal.cloud.snapshot).
    type: str
    choices: [running, stopped, paused, absent]
    default: running
  zone:
    description: Zone of the instance. Needed to create it.
    type: str
  tenant:
    description: Owner of the instance. When created without one it is V(none).
    type: str
  app:
    description: Application that the instance is part of. When created without one it is V(none).
    type: str
  index:
    description:
      - Which one of its app it is, counted from 1; M(zonal.cloud.zone_plan) gives it. It is written on the instance when that is
        made, so that a lost ledger can be rebuilt from the hosts, and not changed later.
    type: int
  image:
    description:
      - Image C(name:tag), brought to the host before by M(zonal.cloud.image). Needed to create the instance.
      - The instance keeps the content it was made of when the name later means another one.
    type: str
  vcpus:
    description:
      - Number of virtual CPUs, 1 to 255. Needed to create the instance.
      - A container is bound to that many of the host's least used CPUs, of one NUMA node when they fit; it can have no
        more than the host has. Where the kernel has no cpuset controller, it gets a CPU weight instead.
      - For a VM see O(cpu_policy).
    type: int
  memory:
    description:
      - Memory, such as V(4G); units are powers of 1024, no unit means bytes; at least V(6M),
        rounded up to whole MiB. Needed to create the instance.
      - A container gets no swap beside it, so an overflow ends that container and touches no neighbour.
    type: str
  disk:
    description:
      - Size of the root disk, such as V(40G); units as for O(memory).
      - A VM's disk is by default as large as the image; it can be raised, which takes effect at a restart, and is never shrunk.
      - A container is not limited by default; a limit needs overlay2 on XFS with project quota
        (role P(zonal.cloud.docker_engine#role) sets it up).
    type: str
  disks:
    description:
      - Data disks of the instance, which stay with their data when it is removed or made anew; see M(zonal.cloud.disk). When not set,
        what it has is left; an empty list takes all from it.
      - Names and mounts are unique, and there are at most 8. A disk that another instance of the host has is refused; one on Ceph also
        when it is that of another host's instance.
      - A VM gets and loses disks while it runs, and has them as C(vdb), C(vdc) and so on in the order of the list from its next start on.
        A container is made anew for that, and mounts them when it starts.
      - A disk grows while it is in use, also that of a container.
    type: list
    elements: dict
    suboptions:
      name:
        description: Name of the disk.
        type: str
        required: true
      size:
        description:
          - Size such as V(500G). The disk is made with C(ext4) if it is not there, and grows to that; it is never made smaller. One on Ceph
            is made without a file system.
          - Without a size the disk must be there, and is left as large as it is.
        type: str
      mount:
        description: Folder of a container at which it has the disk, an absolute path. Needed for a container, and not used by a VM.
        type: str
      store:
        description:
          - Where the disk is. V(thin), which is the default, is the thin pool of the host; V(rbd) is Ceph, which all hosts of a zone reach,
            and is for VMs only. A disk does not change its store.
        type: str
        choices: [thin, rbd]
  address:
    description: Static IPv4 address. Needed to create the instance. The MAC is C(02:42) and the four octets in hex.
    type: str
  extra_addresses:
    description: More static IPv4 addresses of O(network.cidr) on the network card of a VM. V([]) takes them away.
    type: list
    elements: str
  network:
    description: Network of the zone. Needed to create the instance.
    type: dict
    suboptions:
      bridge:
        description: Linux bridge of the host that the instance is attached to.
        type: str
        required: true
      cidr:
        description: Network with prefix length, such as V(10.20.0.0/16).
        type: str
        required: true
      gateway:
        description: Address of the router. Without it the instance reaches its own network only.
        type: str
      dns:
        description: Addresses of name servers.
        type: list
        elements: str
  hostname:
    description: Hostname inside the guest. When created without one it is O(name).
    type: str
  ssh_keys:
    description: Public ssh keys that may log in as root, written before the first start.
    type: list
    elements: str
  user_data:
    description:
      - User-data for cloud-init, such as V(#cloud-config) and what follows; for VMs whose image has cloud-init. It goes before what
        the other options say. On the VM is only a fingerprint of it.
    type: str
  autostart:
    description:
      - Whether the instance starts with its host. When created without it V(true).
      - What O(state=stopped) has stopped stays stopped then.
    type: bool
  restart_policy:
    description:
      - What happens when the guest ends by itself. V(always) and V(on-failure) start it again, V(never) leaves it.
      - For a container V(always) and V(on-failure) need O(autostart=true), V(never) needs O(autostart=false), since docker has one word
        for both. When not set it is V(always) or V(never), as O(autostart) says. With V(on-failure) a program that ends with 0 stays
        ended, also when it did so because its host went down.
      - A VM has V(on-failure) when not set, which is about guests whose kernel panics; V(always) is refused, as such a VM would not go
        off with its host.
    type: str
    choices: [always, on-failure, never]
  max_vcpus:
    description:
      - Up to so many virtual CPUs a VM that runs gets more without a restart; less needs one. By default as many as O(vcpus).
      - Containers need none of this and of O(max_memory), since their sizes always change while they run.
    type: int
  max_memory:
    description:
      - Up to so much memory a VM that runs gets more without a restart, through its balloon device; units as for O(memory). By default as
        much as O(memory). A guest without a driver for the balloon has all of it from the beginning.
      - It can be no more than the host has, since the VM is started with it.
    type: str
  cpu_shares:
    description:
      - Weight of the instance's CPU time beside others of its kind on the host, 2 to 10000, when they want more than there is.
      - When not set a container has 1024 for each of O(vcpus), and a VM what libvirt gives, 1024 or with cgroups of version 2 100.
      - A container cannot have it where the kernel has no cpuset controller, since the weight stands for O(vcpus) there.
    type: int
  cpu_policy:
    description:
      - V(pinned) binds each CPU of a VM, up to O(max_vcpus), to one of the host's least used ones, of one NUMA node when they fit; it
        can have no more than the host has. V(shared) lets it run on any. When created without it V(shared).
      - A container is bound to CPUs always.
    type: str
    choices: [shared, pinned]
  cpu_model:
    description:
      - What CPU a VM sees. V(host-model) is as near to the host's as libvirt can describe it, V(host-passthrough) is the host's own, and
        C(virsh domcapabilities) tells the names of models that can be had.
      - When created without it V(host-model), or QEMU's own CPU where the VM runs by plain emulation. V(host-passthrough) is refused there.
    type: str
  boot:
    description:
      - What starts a VM. V(kernel), which it is when created without one, is the kernel of its image, by the host; what the guest
        upgrades to does not matter then. V(disk) is a bootloader on its root disk.
      - A disk that has none in its first sector gets one, C(extlinux) of the host, that starts the guest's own kernel; the image must
        have one, not be lent it. A disk that has a bootloader is left as it is.
    type: str
    choices: [kernel, disk]
  hugepages:
    description:
      - Whether a VM's memory is huge pages of its host, all taken at the start by as many threads as it has O(vcpus).
      - The host must keep that much of them, as by the sysctl C(vm.nr_hugepages).
    type: bool
  pci_devices:
    description:
      - Devices of its host that a VM gets for itself, or functions of them (SR-IOV), as C(lspci) writes their addresses, such as
        V(0000:3b:00.0). The host needs an IOMMU that is switched on. One that the host does not have, or that another VM has, whether
        it runs or not, is refused.
      - Which hosts have such devices and how many is what C(devices) of a zone tells; pin the instance to the host with C(host).
    type: list
    elements: str
  io_limits:
    description:
      - The most that may be read from and written to the root disk. What is not given is not limited, and V({}) takes all limits away.
      - For a container the limits are on the device that docker's data lies on.
    type: dict
    suboptions:
      read_bytes:
        description: Bytes per second, such as V(50M); units as for O(memory).
        type: str
      write_bytes:
        description: Bytes per second.
        type: str
      read_iops:
        description: Read operations per second.
        type: int
      write_iops:
        description: Write operations per second.
        type: int
  snapshots:
    description:
      - How often M(zonal.cloud.snapshot) with O(zonal.cloud.snapshot#module:state=current) takes a snapshot of the root disk, and how many
        of these it keeps; V({}) is for never. The playbook C(snapshot.yml) does that, run by a timer; see C(docs/snapshots.md).
    type: dict
    suboptions:
      every:
        description: The least time between two of them, such as V(6h); units are V(s), V(m), V(h), V(d) and V(w); from V(1m) to V(520w).
        type: str
      keep:
        description: How many of them are kept, 1 to 999.
        type: int
  link:
    description: Whether the cable of a VM's network card is plugged in. When created without it V(up).
    type: str
    choices: [up, down]
  bandwidth:
    description:
      - The most that a VM may receive and send per second, by the queues of its host's kernel (C(sch_htb), C(sch_sfq), C(act_police)).
        What is not given is not limited, and V({}) takes both limits away.
    type: dict
    suboptions:
      inbound:
        description: Bytes per second that it receives, such as V(10M); units as for O(memory), rounded up to whole KiB.
        type: str
      outbound:
        description: Bytes per second that it sends.
        type: str
  labels:
    description:
      - Words of your own on the instance, names to text. A container has them as labels of docker too, where other tools find them.
    type: dict
  environment:
    description: Environment variables of a container's command. They are never shown, but anybody who may ask docker can read them.
    type: dict
  command:
    description: Program with its arguments that a container runs in place of the image's own; V([]) is the image's own.
    type: list
    elements: str
  capabilities:
    description:
      - Capabilities of Linux that a container has beside those that docker gives, such as V(SYS_TIME).
      - V(NET_ADMIN) and V(NET_RAW) are taken from all containers, so that none can forge addresses; whoever gives them here, since a
        virtual router needs them, gives up that protection.
    type: list
    elements: str
  allow:
    description:
      - What may be done to mend a difference, beside changes that the running instance does not notice.
      - V(restart) stops and starts it; an instance that does not run, or is to stop, needs no permission for that.
      - V(recreate) removes and makes it again, B(with a fresh root disk and without its snapshots); all options that creating needs must
        be given.
      - A difference that needs more than is allowed is left, warned about, and returned in RV(pending).
    type: list
    elements: str
    choices: [restart, recreate]
    default: []
  restart:
    description: Restart the instance if it runs and nothing else restarts or starts it. Always reports a change then.
    type: bool
    default: false
  stop_timeout:
    description: Seconds that a guest has to shut down before it is cut off; V(0) cuts it off at once. At most V(86400).
    type: int
    default: 60
attributes:
  idempotent:
    description: Run twice in a row with the same options, the second run changes nothing.
    support: partial
    details: Not with O(restart=true).
"""
