//! Rows that are measured by a distribution's kernel in an emulator: what user-mode Linux makes dear (a page fault costs it as much as
//! fifty lines of a table) costs here what it costs elsewhere, only that everything is slow. KVM is not always to be had.

use std::fmt::Write;
use std::fs;

use anyhow::{Context, Result};
use weir_lab::Lab;

use super::guest::{costs_of, turns};
use super::rows::Comparison;
use super::{Cost, Programs};
use crate::sh;

/// Makes a folder `root` with what the guest needs, packs it, and lets it run. `$1` is the folder that holds `script` and the rules, the
/// rest are programs. The kernel's package is unpacked, not installed.
const BUILD: &str = r#"
lab=$1; shift; cd "$lab"
need() { command -v "$1" > /dev/null || apt-get install -qy --no-install-recommends "$2" > /dev/null; }
need qemu-system-x86_64 qemu-system-x86; need cpio cpio; [ -e /bin/busybox ] || apt-get install -qy busybox-static > /dev/null
apt-get download -qq "$(apt-cache depends linux-image-cloud-amd64 | sed -n 's/.*Depends: //p' | head -1)" 2> /dev/null
dpkg -x linux-image-*.deb kernel
mkdir -p root/bin root/usr/sbin root/usr/bin root/proc root/sys root/dev root/run root/modules "root$lab"
cp -L /bin/busybox root/bin/; cp -L rules script "root$lab"
for program; do
  mkdir -p "root${program%/*}"; cp -L "$program" "root$program"
  for library in $(ldd "$program" 2> /dev/null | grep -o '/[^ ]*'); do mkdir -p "root${library%/*}"; cp -L "$library" "root$library"; done
done
for name in nf_defrag_ipv4 nf_defrag_ipv6 libcrc32c crc32c-intel crc32c_generic nf_conntrack ip_vs ip_vs_wlc; do
  find kernel -name "$name.ko*" -exec cp {} root/modules/ \;
done
{
  echo '#!/bin/busybox sh'
  echo '/bin/busybox --install -s /bin; mount -t proc proc /proc; mount -t sysfs sys /sys; mount -t devtmpfs dev /dev; mount -t tmpfs run /run'
  echo 'ip link set lo up; for turn in 1 2 3 4; do for module in /modules/*; do insmod $module 2> /dev/null; done; done'
  echo "load() { :; }; cd $lab; . ./script; cat costs; poweroff -f"
} > root/init
chmod 755 root/init
(cd root; find . | cpio -o -H newc 2> /dev/null | gzip -1) > root.gz
timeout 900 qemu-system-x86_64 -accel tcg -cpu max -m 768 -nographic -nodefaults -no-reboot -kernel kernel/boot/vmlinuz-* -initrd root.gz \
  -append "console=ttyS0 panic=-1 quiet" -serial stdio < /dev/null > console
"#;

/// The costs of each row, ours and theirs, run by run, as [`guest::measure`](super::guest::measure) gives them.
pub(super) fn measure(
    lab: &Lab,
    programs: &Programs,
    ready: &str,
    rows: &[Comparison],
    runs: usize,
) -> Result<Vec<[Vec<Cost>; 2]>> {
    let (script, mut paths) = turns(programs, ready, rows, runs)?;
    fs::write(lab.dir().join("script"), script)?;
    paths.push("/usr/sbin/ipvsadm".into());
    paths.sort();
    paths.dedup();
    sh::run(sh::program("sh").args(["-euc", BUILD, "build"]).arg(lab.dir()).args(paths))?;
    let console = fs::read(lab.dir().join("console")).context("what the guest said")?;
    let mut text = String::new();
    // The first lines of a serial console hold control characters of its firmware.
    for line in String::from_utf8_lossy(&console).lines() {
        let line = line.trim();
        if line.split(' ').count() == 6 && line.bytes().all(|b| b.is_ascii_digit() || b == b' ') {
            writeln!(text, "{line}")?;
        }
    }
    costs_of(&text, rows.len())
}
