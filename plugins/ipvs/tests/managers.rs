//! Drift against the real keepalived and ldirectord, and with a writer that races the check.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use weir_lab::{Guest, ReleaseRoot, Result};

/// A shell function that writes what the check says of `$CONF` to a file, and one that waits for a condition.
const TOOLS: &str = r#"
say() { $CHECK --output human --expect $CONF > $1 || echo "exit code $?" >> $1; }
until_() { for _ in $(seq 200); do if eval "$1"; then return 0; fi; sleep 0.1; done; echo "never: $1"; ipvsadm -Sn; return 1; }
row() { ipvsadm -Sn | grep -q -- "$1"; }
"#;

fn assert_says(guest: &Guest, name: &str, words: &[&str], never: &[&str]) -> Result<()> {
    let text = guest.file(name)?;
    for word in words {
        assert!(text.contains(word), "{name} lacks `{word}`:\n{text}");
    }
    for word in never {
        assert!(!text.contains(word), "{name} holds `{word}`:\n{text}");
    }
    Ok(())
}

const KEEPALIVED: &str = r#"
. $GUEST/network.sh
CONF=$PWD/keepalived.conf
cat > $CONF <<'END'
global_defs {
    router_id lvs-a1
    lvs_sync_daemon vcl id 42
    lvs_timeouts tcp 900 tcpfin 120 udp 300
}
virtual_server 10.0.0.1 80 {
    delay_loop 1
    lvs_sched wlc
    lvs_method NAT
    protocol TCP
    real_server 192.168.51.2 80 {
        weight 3
        TCP_CHECK {
            connect_timeout 1
        }
    }
    real_server 192.168.52.2 80 {
        TCP_CHECK {
            connect_timeout 1
        }
    }
    real_server 192.168.53.2 80 {
        weight 2
        inhibit_on_failure
        TCP_CHECK {
            connect_timeout 1
        }
    }
}
virtual_server 10.0.0.4 554 {
    delay_loop 1
    lb_algo wrr
    lb_kind TUN
    persistence_timeout 360
    protocol TCP
    sorry_server 192.168.53.2 554
    real_server 192.168.51.2 554 {
        TCP_CHECK {
            connect_timeout 1
        }
    }
}
END
for i in 1 2; do ip netns exec rs$i python3 $GUEST/traffic.py serve 80 554 > serve$i & eval serve$i=$!; done
for i in 1 2; do until_ "grep -q ready serve$i"; done
keepalived --check --dont-fork --log-console -f $CONF -p /run/k.pid -c /run/c.pid > keepalived.log 2>&1 &
until_ "row '51.2:80 -m -w 3' && row '52.2:80 -m -w 1' && row '53.2:80 -m -w 0' && row '51.2:554 -i -w 1'"
say as-made
kill $serve1
until_ "! row '51.2:80' && row '53.2:554 -i'"
say one-down
ipvsadm -e -t 10.0.0.1:80 -r 192.168.52.2:80 -m -w 9
ipvsadm -a -t 10.0.0.1:80 -r 192.168.59.2:80 -m
ipvsadm -E -t 10.0.0.1:80 -s rr
ipvsadm -A -u 10.0.0.1:53 -s rr
say by-hand
ipvsadm -Sn > rules; ipvsadm -d -t 10.0.0.1:80 -r 192.168.59.2:80; ipvsadm -E -t 10.0.0.1:80 -s wlc
CONF=rules say against-rules
printf 'TELNET|10.0.0.1|80|80|0|*|192.168.51.2|192.168.52.2|192.168.53.2\n' > dispatcher
$CHECK --output human --expect dispatcher -s '10.0.0.1:80' > against-dispatcher || true
ipvsadm -C
say gone
"#;

#[test]
fn the_table_of_the_real_keepalived() -> Result<()> {
    keepalived(None)
}

#[test]
fn the_table_of_a_newer_keepalived() -> Result<()> {
    let Some(root) = common::newer_kernel()? else { return Ok(()) };
    keepalived(Some(&root))
}

fn keepalived(root: Option<&ReleaseRoot>) -> Result<()> {
    let Some((_lab, guest)) = common::guest(root, &format!("{TOOLS}{KEEPALIVED}"))? else { return Ok(()) };
    let drift = ["E-IPVS-WRONG", "E-IPVS-EXTRA", "E-IPVS-MISSING", "E-IPVS-SERVICE-"];
    assert_says(
        &guest,
        "as-made",
        &["192.168.53.2:80 is down: weight 0 instead of 2", "exit code 1"],
        &drift,
    )?;
    let down = [
        "192.168.51.2:80 is down: removed from the table",
        "the sorry server 192.168.53.2:554 answers",
        "exit code 2",
    ];
    assert_says(&guest, "one-down", &down, &drift)?;
    let by_hand = [
        "192.168.52.2:80: the weight is 9, the file says 1",
        "192.168.59.2:80 with weight 1 is not in keepalived.conf",
        "the scheduler is rr, the file says wlc",
        "UDP 10.0.0.1:53: the service is not in keepalived.conf",
    ];
    assert_says(&guest, "by-hand", &by_hand, &[])?;
    let rules = [
        "192.168.59.2:80 is in ipvsadm rules and not in the table",
        "the scheduler is wlc, the file says rr",
    ];
    assert_says(&guest, "against-rules", &rules, &["E-IPVS-DOWN"])?;
    let dispatcher = ["192.168.51.2:80 is down: removed", "192.168.53.2:80 is down: weight 0"];
    assert_says(&guest, "against-dispatcher", &dispatcher, &drift)?;
    assert_says(
        &guest,
        "gone",
        &["the service is in keepalived.conf and not in the table", "exit code 2"],
        &[],
    )
}

const LDIRECTORD: &str = r#"
. $GUEST/network.sh
CONF=$PWD/ldirectord.cf
cat > $CONF <<'END'
checktimeout=2
checkinterval=1
quiescent=yes
logfile="/run/ldirectord.log"
virtual=10.0.0.1:80
        real=192.168.51.2:80 masq 3
        real=192.168.52.2:80 masq
        fallback=127.0.0.1:80 gate
        service=none
        scheduler=wlc
        protocol=tcp
        checktype=connect
virtual=7
        real=192.168.51.2->192.168.51.4 gate 2
        service=none
        scheduler=sh
        protocol=fwm
        checktype=on
END
ip netns exec rs1 python3 $GUEST/traffic.py serve 80 > serve1 &
serve1=$!
until_ "grep -q ready serve1"
mkdir -p /run/lock
ldirectord -d $CONF start > ldirectord.log 2>&1 &
until_ "row '51.2:80 -m -w 3' && row '52.2:80 -m -w 0' && row 'f 7 -r 192.168.51.4:0 -g -w 2'"
say as-made
kill $serve1
until_ "row '51.2:80 -m -w 0' && row 'r 127.0.0.1:80'"
say all-down
"#;

#[test]
fn the_table_of_the_real_ldirectord() -> Result<()> {
    ldirectord(None)
}

#[test]
fn the_table_of_a_newer_ldirectord() -> Result<()> {
    let Some(root) = common::newer_kernel()? else { return Ok(()) };
    ldirectord(Some(&root))
}

fn ldirectord(root: Option<&ReleaseRoot>) -> Result<()> {
    let Some((_lab, guest)) = common::guest(root, &format!("{TOOLS}{LDIRECTORD}"))? else { return Ok(()) };
    let drift = ["E-IPVS-WRONG", "E-IPVS-EXTRA", "E-IPVS-MISSING", "E-IPVS-SERVICE-"];
    assert_says(
        &guest,
        "as-made",
        &["192.168.52.2:80 is down: weight 0 instead of 1", "exit code 1"],
        &drift,
    )?;
    let down = [
        "the sorry server 127.0.0.1:80 answers",
        "192.168.51.2:80 is down: weight 0 instead of 3",
        "exit code 2",
    ];
    assert_says(&guest, "all-down", &down, &drift)
}

const RACE: &str = r#"
load ip_vs ip_vs_rr
{ echo "-A -t 192.0.2.1:80 -s rr"
  for i in $(seq 600); do echo "-a -t 192.0.2.1:80 -r 198.51.100.1:$((1000 + i)) -m -w 1"; done; } > stable
ipvsadm -R < stable
for i in $(seq 20); do echo "-a -t 192.0.2.1:80 -r 203.0.113.1:$i -m"; done > some
for n in $(seq 50); do cat some; sed 's/^-a/-d/; s/ -m$//' some; done > more
until [ -e enough ]; do ipvsadm -R < more; done &
# At least 15 looks, and until one of them came while the writer's rows were there.
for i in $(seq 300); do
  $CHECK --output human --expect stable >> said || true
  $CHECK -c 600: >> counted || true # by another interface
  if [ $i -ge 15 ] && grep -q 203.0.113.1: said; then break; fi
done
touch enough; wait
"#;

#[test]
fn rows_that_were_there_all_the_time_are_never_missed() -> Result<()> {
    let Some((_lab, guest)) = common::guest(None, RACE)? else { return Ok(()) };
    let said = guest.file("said")?;
    assert!(said.contains("203.0.113.1:"), "the check saw the writer's rows: {said}");
    assert!(!said.contains("198.51.100.1:"), "{said}");
    let counted = guest.file("counted")?;
    assert!(
        counted.lines().count() >= 15 && counted.lines().all(|line| line.starts_with("IPVS OK")),
        "{counted}"
    );
    Ok(())
}
