#!/bin/sh
# Tries the virtual camera on a machine without v4l2loopback: boots Debian's kernel with the module in QEMU, over this
# machine's own files (read-only), and runs bench/virtual_camera.py, or the command given, there. Debian only; nothing
# is installed. The processor is emulated (about 70 s; delays mean nothing) unless KVM=1 is set. Needs
#   apt install --no-install-recommends qemu-system-x86 gcc make
# and downloads some 90 MB of packages into build/vm, once.
set -eu
cd "$(dirname "$0")/.."
project=$PWD
command=${1:-.venv/bin/python -m bench.virtual_camera}
[ -x .venv/bin/python ] || { echo "make live first: there is no .venv" >&2; exit 2; }
for tool in qemu-system-x86_64 gcc make apt-get dpkg; do
    command -v $tool >/dev/null || { echo "$tool is missing: see the head of $0" >&2; exit 2; }
done

mkdir -p build/vm && cd build/vm
vm=$PWD
if [ ! -f done ]; then
    image=$(apt-cache depends linux-image-amd64 | awk '/Depends: linux-image-/ { print $2; exit }')
    version=${image#linux-image-}
    series=$(echo "$version" | cut -d. -f1,2)
    apt-get download "$image" "linux-headers-$version" "linux-headers-${version%-amd64}-common" \
        "linux-kbuild-$series" v4l2loopback-dkms busybox-static
    for package in ./*.deb; do dpkg -x "$package" root; done
    echo "$version" >version
    # the headers expect to lie under /usr/src
    sed -i "s#^include .*#include $vm/root/usr/src/linux-headers-${version%-amd64}-common/Makefile#" \
        "root/usr/src/linux-headers-$version/Makefile"
    source=$(echo root/usr/src/v4l2loopback-*)
    make -s -C "root/usr/src/linux-headers-$version" M="$vm/$source" modules
    touch done
fi
version=$(cat version)

# A first file system with a shell and the modules; its script turns this machine's files into the root.
rm -rf first && mkdir -p first/bin first/mnt first/proc first/sys first/dev "first/lib/modules/$version/extra"
cp root/bin/busybox first/bin/
for part in drivers/virtio net/9p fs/9p fs/netfs fs/fscache drivers/media/mc drivers/media/v4l2-core; do
    mkdir -p "first/lib/modules/$version/kernel/$part"
    cp -r "root/lib/modules/$version/kernel/$part/." "first/lib/modules/$version/kernel/$part/"
done
cp root/usr/src/v4l2loopback-*/v4l2loopback.ko "first/lib/modules/$version/extra/"
cat >first/init <<END
#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/bin
mount -t proc proc /proc; mount -t sysfs sys /sys; mount -t devtmpfs dev /dev
depmod; modprobe virtio_pci; modprobe 9p; modprobe 9pnet_virtio
modprobe v4l2loopback exclusive_caps=1 card_label=Facet
mount -t 9p -o trans=virtio,version=9p2000.L,ro,cache=loose,msize=262144 host /mnt
mount -t proc proc /mnt/proc; mount -t sysfs sys /mnt/sys; mount -t devtmpfs dev /mnt/dev; mount -t tmpfs tmp /mnt/tmp
cd /mnt
chroot /mnt /bin/sh -c 'cd "$project" && HOME=/tmp PYTHONDONTWRITEBYTECODE=1 $command; echo "status \$?"'
poweroff -f
END
chmod +x first/init
(cd first && find . | ../root/bin/busybox cpio -o -H newc 2>/dev/null | gzip -1) >first.gz

processor="-accel tcg,thread=multi -cpu max"
[ "${KVM:-0}" = 1 ] && processor="-accel kvm -cpu host"
# shellcheck disable=SC2086  # several options
qemu-system-x86_64 $processor -m 2048 -smp 2 -nographic -no-reboot -kernel "root/boot/vmlinuz-$version" -initrd first.gz \
    -virtfs local,path=/,mount_tag=host,security_model=none,readonly=on,multidevs=remap \
    -append "console=ttyS0 quiet panic=-1" | tee log
grep -q "^status 0" log
