//! `check_ipvs` on real kernels with real traffic: what it sees is what `ipvsadm` sees, also without rights, and it loads nothing.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use common::{guest, newer_kernel, table_of};
use weir_lab::{ReleaseRoot, Result};

/// Traffic of every kind, then the same table by the check and by ipvsadm.
const TABLES: &str = r#"
. $GUEST/network.sh; . $GUEST/services.sh
for i in 1 2 3; do ip netns exec rs$i python3 $GUEST/traffic.py serve 53 80 554 1755 5004 8443 8554 > serve$i & done
for i in 1 2 3; do until grep -q ready serve$i; do sleep 0.1; done; done
client python3 $GUEST/traffic.py talk tcp 10.0.0.1 80 12 60 &
client python3 $GUEST/traffic.py talk tcp 10.0.0.1 443 6 60 &
client python3 $GUEST/traffic.py talk tcp 10.0.0.1 8554 6 60 &
client python3 $GUEST/traffic.py talk tcp 2001:db8::1 8554 3 60 &
client python3 $GUEST/traffic.py talk tcp 10.0.0.3 1755 6 60 &
client python3 $GUEST/traffic.py talk tcp 10.0.0.4 554 3 60 &
client python3 $GUEST/traffic.py talk udp 10.0.0.1 53 10 0
client python3 $GUEST/traffic.py talk one-way 10.0.0.1 5004 10 0 # no answer finds back from a service of single packets
client python3 $GUEST/traffic.py talk tcp 2001:db8::1 80 5 0
until [ $(held) -ge 36 ]; do sleep 0.3; done
sleep 3 # the kernel sums counters every two seconds
$CHECK --output human -v > root.txt || true
ipvsadm -Ln --stats --exact > stats.txt
ipvsadm -Ln > counts.txt
ln -s $GRAPH ipvs_all
MUNIN_PLUGSTATE=$PWD top=3 ./ipvs_all config > config.txt
MUNIN_PLUGSTATE=$PWD top=3 ./ipvs_all > fetch.txt
sysctl -qw net.ipv4.vs.run_estimation=0
$CHECK --output json > frozen.json || true
$CHECK -c 'conn_rate=1' > blind.txt || true
setpriv --reuid=65534 --regid=65534 --clear-groups $CHECK --output human -v > nobody.txt || true
$CHECK -s 'TCP 10.0.0.1:80' > one.txt || true
$CHECK -s '192.0.2.99' > none.txt || true
cp /proc/net/ip_vs proc.txt
# The cheap ways to the same rows: the text with limits by socket options, and all of a table with large pools by these.
numbers() { $CHECK --output openmetrics "$@" | grep -E '_(servers|share|active|inactive|zero_weight|overloaded)[{ ]' || true; }
ipvsadm -e -t 10.0.0.1:80 -r 192.168.51.2:80 -m -w 3 -x 2
numbers > cheap.txt; numbers -v > dear.txt
for n in $(seq 600); do echo "-a -t 10.0.0.1:9999 -r 198.51.100.1:$n -m -w 2 -x $((n % 2))"; done | ipvsadm -R
numbers > cheap-large.txt; numbers -v > dear-large.txt
"#;

#[test]
fn the_table_is_that_of_ipvsadm_for_every_kind_of_service() -> Result<()> {
    same_table(None)
}

#[test]
fn the_table_is_that_of_ipvsadm_on_a_kernel_of_7_x_too() -> Result<()> {
    let Some(root) = newer_kernel()? else { return Ok(()) };
    same_table(Some(&root))
}

fn same_table(root: Option<&ReleaseRoot>) -> Result<()> {
    let Some((_lab, guest)) = guest(root, TABLES)? else { return Ok(()) };
    let talks: Vec<&str> = guest.log.lines().filter(|line| line.contains(" of ")).collect();
    let whole = |line: &&str| {
        line.rsplit_once(": ").and_then(|(_, told)| told.split_once(" of ")).is_some_and(|(a, b)| a == b)
    };
    assert_eq!(talks.len(), 9, "{}", guest.log);
    assert!(talks.iter().all(whole), "every client was answered, also through the tunnel: {talks:#?}");
    let own = table_of(&guest.file("root.txt")?);
    let theirs = common::printed(&guest.file("counts.txt")?, Some(&guest.file("stats.txt")?));
    assert_eq!(own.len(), theirs.len());
    for (own, theirs) in own.iter().zip(&theirs) {
        assert_eq!(own, theirs);
    }
    assert!(own.iter().filter(|line| !line.contains("conns 0")).count() > 15, "traffic flowed: {own:#?}");

    for (cheap, dear) in [("cheap.txt", "dear.txt"), ("cheap-large.txt", "dear-large.txt")] {
        let (cheap, dear) = (guest.file(cheap)?, guest.file(dear)?);
        assert!(dear.lines().count() > 60 && dear.contains("overloaded{"), "{dear}");
        let full = |line: &&str| line.contains("overloaded") && line.ends_with(" 1");
        assert_eq!(dear.lines().filter(full).count(), 1, "{dear}");
        assert_eq!(cheap, dear);
    }

    let nobody = guest.file("nobody.txt")?;
    assert_eq!(table_of(&nobody), common::printed(&guest.file("counts.txt")?, None));
    assert!(nobody.contains("without CAP_NET_ADMIN"), "{nobody}");

    let frozen = guest.file("frozen.json")?;
    assert!(!frozen.contains("conn_rate") && frozen.contains("servers"), "{frozen}");
    assert!(frozen.contains("no counters: net.ipv4.vs.run_estimation is 0"), "{frozen}");
    let blind = guest.file("blind.txt")?;
    let why = "not known here: new connections: net.ipv4.vs.run_estimation is 0 [E-IPVS-UNSEEN]";
    assert!(blind.contains(why), "{blind}");

    let (config, fetch) = (guest.file("config.txt")?, guest.file("fetch.txt")?);
    assert!(config.contains("multigraph ipvs_all.tcp_10_0_0_1_80_bytes"), "{config}");
    for line in [
        "tcp_10_0_0_1_80_conns.value 12",
        "tcp_10_0_0_1_80_servers.value 2",
        "udp_10_0_0_1_53_in_packets.value 10",
    ] {
        assert!(fetch.contains(&format!("\n{line}\n")), "{line}: {fetch}");
    }
    // Of 57 connections, 12, 10 and 10 are of the first three.
    assert!(fetch.contains("\nother_conns.value 29\n"), "{fetch}");

    let one = guest.file("one.txt")?;
    assert!(
        one.starts_with(
            "IPVS WARNING - director TCP 10.0.0.1:80: weight 0: 192.168.53.2:80 [E-IPVS-WEIGHT0]"
        ),
        "{one}"
    );
    let none = guest.file("none.txt")?;
    assert!(none.starts_with("IPVS CRITICAL - director: no service in the table is `192.0.2.99`"), "{none}");
    Ok(())
}

#[test]
fn nothing_is_loaded_where_there_is_no_ipvs() -> Result<()> {
    let script = r#"
[ ! -e /proc/net/ip_vs ]
# From here on the kernel would load what is asked for.
printf '#!/bin/sh\nexport GLIBC_TUNABLES=%s\nexec /sbin/modprobe -d /run/m "$@"\n' "$GLIBC_TUNABLES" > /run/load; chmod +x /run/load
echo /run/load > /proc/sys/kernel/modprobe
code=0; $CHECK > absent.txt || code=$?
[ $code = 3 ] && [ ! -e /proc/net/ip_vs ]
$CHECK --problem-state E-IPVS-ABSENT=ok > fine.txt
[ ! -e /proc/net/ip_vs ]
# Whoever asks for the family makes the kernel load it, which shows that the way was open.
python3 -c 'import socket, struct
s = socket.socket(16, 3, 16)
s.send(struct.pack("=IHHIIBBHHH8s", 32, 16, 5, 1, 0, 3, 1, 0, 9, 2, b"IPVS"))
s.recv(4096)'
[ -e /proc/net/ip_vs ]
"#;
    let Some((_lab, guest)) = guest(None, script)? else { return Ok(()) };
    assert!(guest.file("absent.txt")?.contains("the kernel has no IPVS loaded"));
    assert!(guest.file("fine.txt")?.starts_with("IPVS OK"));
    Ok(())
}

#[test]
fn a_kernel_of_7_0_or_later_tells_how_full_its_table_is() -> Result<()> {
    let script = r"
load ip_vs ip_vs_rr
[ -e /proc/net/ip_vs_status ]
ipvsadm -A -t 192.0.2.1:80 -s rr
ipvsadm -a -t 192.0.2.1:80 -r 192.0.2.7:80 -m -w 2
ipvsadm -a -t 192.0.2.1:80 -r 192.0.2.8:80 -m
$CHECK --output human -v > root.txt
$CHECK -w table_load=50 > load.txt
ipvsadm -Ln --stats --exact > stats.txt
ipvsadm -Ln > counts.txt
";
    let Some((_lab, guest)) = guest(newer_kernel()?.as_ref(), script)? else { return Ok(()) };
    let theirs = common::printed(&guest.file("counts.txt")?, Some(&guest.file("stats.txt")?));
    assert_eq!(table_of(&guest.file("root.txt")?), theirs);
    assert!(guest.file("load.txt")?.contains("table_load=0%;50"), "{}", guest.file("load.txt")?);
    Ok(())
}
