//! Two directors with synchronisation daemons, and how new connections are spread.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use weir_lab::{ReleaseRoot, Result};

const PAIR: &str = r#"
. $GUEST/network.sh
ip netns add b; ip -n b link set lo up
ip link add syA type veth peer name syB netns b
ip link set syA up; ip addr add 10.77.0.1/24 dev syA
ip -n b link set syB up; ip -n b addr add 10.77.0.2/24 dev syB
other() { ip netns exec b "$@"; }
for d in "" other; do
  $d ipvsadm -A -t 10.0.0.1:80 -s rr
  $d ipvsadm -A -t 10.0.0.1:443 -s sh
  for i in 1 2; do $d ipvsadm -a -t 10.0.0.1:80 -r 192.168.5$i.2:80 -m; $d ipvsadm -a -t 10.0.0.1:443 -r 192.168.5$i.2:443 -m; done
done
ipvsadm --start-daemon master --mcast-interface syA --syncid 7
other ipvsadm --start-daemon backup --mcast-interface syB --syncid 7
for i in 1 2; do ip netns exec rs$i python3 $GUEST/traffic.py serve 80 443 > serve$i & done
for i in 1 2; do until grep -q ready serve$i; do sleep 0.1; done; done
say() { local file=$1; shift; "$@" > $file || echo "exit code $?" >> $file; }
kept="--state-dir $PWD"
watch="$kept -w imbalance=20 --imbalance-volume 20"
other ipvsadm -Ln > /dev/null
say idle other $CHECK $kept --sync backup
say first $CHECK $watch
client python3 $GUEST/traffic.py talk tcp 10.0.0.1 443 30 0
client python3 $GUEST/traffic.py talk tcp 10.0.0.1 80 60 100 &
for _ in $(seq 100); do [ $(held other) -ge 60 ] && break; sleep 0.1; done
# Some packets for the moving average of the last seconds.
client python3 $GUEST/traffic.py talk tcp 10.0.0.1 80 20 0
sleep 2.5
say master $CHECK $kept --sync master --role active
say second $CHECK $watch
say backup other $CHECK $kept --sync backup --role standby -v
say wrong-role other $CHECK $kept --sync master --role active
# Another measure of the same director keeps its own counters, and so does another namespace.
say holder $CHECK $kept --role vip
say other-role other $CHECK $kept --role vip
say third $CHECK $kept --sync any --role active
client python3 $GUEST/traffic.py talk tcp 10.0.0.1 443 30 0
sleep 2.5
say fourth $CHECK $watch
say unkept $CHECK --state-dir /nonexistent -w imbalance=20
NOBODY="setpriv --reuid=65534 --regid=65534 --clear-groups $CHECK --state-dir /nonexistent"
say nobody $NOBODY --sync any -w sync_drops=5
say blind $NOBODY -w imbalance=20
other $CHECK $kept --sync backup --role standby > /dev/null
# The master speaks with another number: what the backup holds only grows old.
ipvsadm --stop-daemon master
ipvsadm --start-daemon master --mcast-interface syA --syncid 8
client python3 $GUEST/traffic.py talk tcp 10.0.0.1 80 20 0
# Seven minutes pass.
python3 - check_ipvs-sync_* <<END
import re, sys
for name in sys.argv[1:]:
    text = open(name).read()
    text = re.sub(r"(?m)^(at|heard) (\d+)", lambda found: f"{found[1]} {int(found[2]) - 400}", text)
    text = re.sub(r"(?m)^(left .*) (\d+)", lambda found: f"{found[1]} {int(found[2]) + 400}", text)
    open(name, "w").write(text)
END
say deaf other $CHECK $kept --sync backup --role standby
ipvsadm --stop-daemon master
ipvsadm --start-daemon master --mcast-interface syA --mcast-port 9999 --mcast-group 224.0.0.90
say elsewhere $NOBODY --sync master
say elsewhere-root $CHECK --sync master
other ip link set syB down
say carrier $CHECK --sync master
say down other $CHECK --sync backup
say down-nobody other $NOBODY --sync backup
other ip link del syB
say gone other $CHECK --sync any
say gone-nobody other $NOBODY --sync backup
"#;

#[test]
fn both_directors_are_told_apart_and_a_daemon_without_interface_is_dead() -> Result<()> {
    pair(None)
}

#[test]
fn so_they_are_by_a_newer_kernel() -> Result<()> {
    let Some(root) = common::newer_kernel()? else { return Ok(()) };
    pair(Some(&root))
}

fn pair(root: Option<&ReleaseRoot>) -> Result<()> {
    let Some((_lab, guest)) = common::guest(root, PAIR)? else { return Ok(()) };
    let says = |name: &str, words: &[&str]| -> Result<()> {
        let text = guest.file(name)?;
        for word in words {
            assert!(text.contains(word), "{name} lacks `{word}`: {text}");
        }
        Ok(())
    };
    says("idle", &["E-IPVS-SYNC-SILENT", "exit code 1"])?;
    says("first", &["IPVS OK"])?;
    says("master", &["IPVS OK", "packets/s through this director"])?;
    says(
        "second",
        &[
            "E-IPVS-IMBALANCE",
            "TCP 10.0.0.1:443: 192.168.5",
            "of 30 new connections, its weight is 50 % of all",
        ],
    )?;
    says(
        "backup",
        &["IPVS OK", "60 active connections", "idle or on standby", "connections received", "sync_drops=0"],
    )?;
    says("wrong-role", &["no master daemon runs", "E-IPVS-ROLE", "exit code 2"])?;
    says("holder", &["IPVS OK"])?;
    says("other-role", &["IPVS OK"])?;
    says("third", &["IPVS OK"])?;
    says("fourth", &["E-IPVS-IMBALANCE", "exit code 1"])?;
    says("unkept", &["IPVS UNKNOWN", "nothing can be kept in /nonexistent", "E-IPVS-UNSEEN", "exit code 3"])?;
    says("nobody", &["IPVS OK", "CAP_NET_ADMIN is missing"])?;
    says("blind", &["not known here: imbalance: CAP_NET_ADMIN is missing", "exit code 3"])?;
    says("deaf", &["has heard nothing for", "E-IPVS-SYNC-SILENT", "exit code 1"])?;
    says("elsewhere", &["only those of the usual port are", "E-IPVS-UNSEEN", "exit code 3"])?;
    says("elsewhere-root", &["IPVS OK"])?;
    says("carrier", &["its interface syA has no carrier", "exit code 2"])?;
    says("down-nobody", &["its interface syB is down", "exit code 2"])?;
    says("gone-nobody", &["no interface has its address or group", "exit code 2"])?;
    says("down", &["its interface syB is down", "E-IPVS-SYNC]", "exit code 2"])?;
    says("gone", &["its interface syB does not exist", "exit code 2"])
}
