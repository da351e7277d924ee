#!/bin/sh
# Runs a command in an emulated userland as on a board: enter.sh ROOT BOARD COMMAND...
# Everything it mounts and registers is in namespaces of its own and gone when the command ends.
#   COUNT=FILE PLUGIN=FILE.so   the command, an aarch64 program, runs with that plugin of QEMU, which writes to FILE
set -eu
if [ "${INSIDE:-}" = "" ]; then
    INSIDE=1 exec unshare --user --map-root-user --mount --pid --fork --kill-child --propagation private "$0" "$@"
fi
root=$1 board=$2
shift 2

# Linux 6.7 and later: a user namespace has its own handlers of foreign programs.
mount -t binfmt_misc none /proc/sys/fs/binfmt_misc
for handler in qemu-aarch64 qemu-arm; do
    cat "/usr/lib/binfmt.d/$handler.conf" >/proc/sys/fs/binfmt_misc/register
done

mkdir -p "$root/proc" "$root/sys" "$root/dev" "$root/tmp" "$root/cache" "$root/host"
mount -t proc proc "$root/proc"
mount --bind "$board/cpuinfo" "$root/proc/cpuinfo"
mount -t tmpfs none "$root/sys"
mkdir -p "$root/sys/devices/system" "$root/sys/firmware/devicetree/base"
cp -r "$board/cpu" "$root/sys/devices/system/cpu"
cp "$board/model" "$root/sys/firmware/devicetree/base/model"
mount --rbind /dev "$root/dev"
mount --bind "${root%/*}/cache" "$root/cache"

cpu=$(cat "$board/qemu-cpu")
# Compiling modules when they are first imported, rather than all when they are installed, saves half a minute.
clean="HOME=/home/pi PATH=/usr/bin:/bin LC_ALL=C.UTF-8 TMPDIR=/tmp OPENBLAS_NUM_THREADS=1 PIP_NO_COMPILE=1 \
PIP_CACHE_DIR=/cache PIP_CERT=/etc/ssl/certs/ca-certificates.crt PIP_CONSTRAINT=/etc/pins.txt PIP_ROOT_USER_ACTION=ignore"
if [ "${COUNT:-}" = "" ]; then
    exec env -i $clean QEMU_CPU="$cpu" /usr/sbin/chroot "$root" "$@"
fi
# Only the dynamically linked QEMU takes plugins; it runs from the PC's own libraries, seen at /host.
mount --rbind / "$root/host"
libraries=/usr/lib/x86_64-linux-gnu
exec env -i $clean PYTHONHASHSEED=0 COUNT="/host$COUNT" /usr/sbin/chroot "$root" \
    "/host$libraries/ld-linux-x86-64.so.2" --library-path "/host$libraries:/host/lib/x86_64-linux-gnu" \
    /host/usr/bin/qemu-aarch64 -cpu "$cpu" -plugin "/host$PLUGIN" "$@"
