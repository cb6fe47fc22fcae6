#!/usr/bin/env bash
# Runs tests of the CPU kernels on an emulated processor with AVX-512, for machines that have none:
# a Linux with nothing else in it, booted in Bochs, some fifty times slower than a real one.
#
#   crates/cpu/emulate-avx512.sh [TEST...]
#
# The processor is a Skylake-X: AVX-512 F, CD, BW, DQ and VL, without products of bf16 and without the
# matrix unit, which Linux cannot use on the processors of Bochs that have it.
# Without names of tests those that take long are left out. TEST_BINARY=... saves the build.
set -euo pipefail

slow=(
  gemm::tests::some_rows_meet_large_operands_by_slices
  gemm::tests::panels_of_every_number_of_rows_are_packed
  kernels::contract::convolution::tests::winograd_tiles_are_nearly_exact
  kernels::contract::convolution::tests::large_kernels_as_in_gradients_of_weights
  kernels::contract::convolution::tests::many_taps_of_single_channels_in_turns
)

bios=/usr/share/bochs/BIOS-bochs-latest
screen=/usr/share/vgabios/vgabios.bin
loader=(/usr/lib/ISOLINUX/isolinux.bin /usr/lib/syslinux/modules/bios/ldlinux.c32)
kernel=$(find /boot -name 'vmlinuz-*-cloud-amd64' | sort -V | tail -1)
for needed in bochs xorriso cpio busybox "$bios" "$screen" "${loader[@]}" "${kernel:-/boot/vmlinuz}"; do
  if ! command -v "$needed" > /dev/null && ! [ -e "$needed" ]; then
    echo "$0 needs $needed; Debian 13: apt-get install bochs bochs-term bochsbios vgabios" \
      "isolinux syslinux-common xorriso cpio busybox-static linux-image-cloud-amd64"
    exit 1
  fi
done

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
binary=${TEST_BINARY:-$(MLX_OXIDE_AVX512=1 cargo test -p mlx-oxide-cpu --lib --no-run --message-format=json |
  sed -n 's/.*"executable":"\([^"]*\)".*/\1/p' | tail -1)}

# the memory disk: the tests, the libraries that they load and a shell
root=$work/root
mkdir -p "$root"/{bin,dev,proc,tmp} "$work"/disk/isolinux
cp "$(command -v busybox)" "$root/bin/busybox"
strip --strip-debug -o "$root/tests" "$binary"
for library in $(ldd "$binary" | grep -o '/[^ ]*'); do
  mkdir -p "$root$(dirname "$library")"
  cp -L "$library" "$root$library"
done
if [ $# -gt 0 ]; then printf '%s\n' "$@"; else printf -- '--skip %s\n' "${slow[@]}"; fi > "$root/names"
cat > "$root/init" << 'END'
#!/bin/busybox sh
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t devtmpfs dev /dev
echo "-- $(/bin/busybox grep -om1 'avx512f .*' /proc/cpuinfo)"
/tests --test-threads=1 $(/bin/busybox cat /names)
echo "-- exit $?"
/bin/busybox sleep 1 # the line is slow
/bin/busybox poweroff -f
END
chmod +x "$root/init"
(cd "$root" && find . | cpio --quiet -o -H newc) > "$work/disk/memory"
cp "$kernel" "$work/disk/linux"
cp "${loader[@]}" "$work/disk/isolinux"
# the emulated high-precision timer has a frequency that Linux divides by zero with
cat > "$work/disk/isolinux/isolinux.cfg" << END
DEFAULT tests
LABEL tests
  KERNEL /linux
  APPEND initrd=/memory console=ttyS0 quiet hpet=disable mitigations=off nokaslr nosmp panic=-1
END
xorriso -as mkisofs -quiet -o "$work/disk.iso" -b isolinux/isolinux.bin -c isolinux/boot.cat \
  -no-emul-boot -boot-load-size 4 -boot-info-table "$work/disk" 2> "$work/xorriso"

cat > "$work/machine" << END
megs: 1024
cpu: model=corei7_skylake_x, count=1, ips=100000000, reset_on_triple_fault=0
romimage: file=$bios
vgaromimage: file=$screen
ata0-master: type=cdrom, path=$work/disk.iso, status=inserted
boot: cdrom
com1: enabled=1, mode=file, dev=$work/serial
display_library: rfb, options="timeout=0"
log: $work/log
panic: action=fatal
error: action=ignore
info: action=ignore
END
echo continue > "$work/commands"
: > "$work/serial"
tail -f "$work/serial" &
reader=$!
bochs -q -f "$work/machine" -rc "$work/commands" < /dev/null > "$work/output" 2>&1 || true
sleep 1
kill "$reader"
grep -q '^-- exit 0' "$work/serial"
