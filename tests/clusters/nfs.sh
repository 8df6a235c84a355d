#!/bin/sh
# shared_disk.py on NFS, in user-mode Linux, whose kernel has an NFS server and client where that of
# the machine may not: `PYTHON=.venv/bin/python tests/clusters/nfs.sh [4.1 4.2]`, as root.
# Needs Debian's user-mode-linux, nfs-kernel-server and nfs-common. Inside, the machine's own disk is
# there as it is, read-only; all that is written is gone at the end. Two versions of NFS are two
# clients to the server, like two machines; two mounts of one version would share what is cached.
set -e
here=$(cd "$(dirname "$0")" && pwd)
if [ "$$" != 1 ]; then
    PYTHON=$(command -v "${PYTHON:-python}")
    exec linux.uml mem="${MEMORY:-2500M}" root=/dev/root rootfstype=hostfs rootflags=/ ro quiet \
        con=null con0=null,fd:1 init="$here/nfs.sh" FIRST="${1:-4.1}" SECOND="${2:-4.2}" PYTHON="$PYTHON"
fi

export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/run TMPDIR=/run/tmp LANG=C.UTF-8
mount -t proc proc /proc
mount -t sysfs sys /sys
for place in /run /var/lib/nfs; do mount -t tmpfs tmpfs "$place"; done
mount --bind /usr/lib/uml/modules /lib/modules
ip link set lo up
mkdir -p /run/tmp /run/disk /run/a /run/b /run/rpc_pipefs /var/lib/nfs/sm /var/lib/nfs/sm.bak /run/sendsigs.omit.d
touch /var/lib/nfs/etab /var/lib/nfs/rmtab /var/lib/nfs/state
modprobe nfsd
mount -t nfsd nfsd /proc/fs/nfsd
rpcbind
rpc.statd --no-notify
exportfs -o rw,no_root_squash,no_subtree_check,fsid=0 127.0.0.1:/run/disk
echo 10 > /proc/fs/nfsd/nfsv4gracetime
echo 10 > /proc/fs/nfsd/nfsv4leasetime
rpc.nfsd 4
rpc.mountd
mount -t nfs -o "vers=$FIRST" 127.0.0.1:/ /run/a
mount -t nfs -o "vers=$SECOND" 127.0.0.1:/ /run/b
grep nfs /proc/mounts
sleep 12 # no lock is given before the server's time of grace is over
(cd /run && "$PYTHON" "$here/shared_disk.py" /run/a /run/b) || echo FAILED
sync
halt -f
