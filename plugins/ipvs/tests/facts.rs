//! What is inferred, named and limited: each option of `check_ipvs` and `--real-server` that needs a real kernel to be seen.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use common::says;
use weir_lab::Result;

const FACTS: &str = r#"
. $GUEST/network.sh
for i in 1 2 3; do ip netns exec rs$i python3 $GUEST/traffic.py serve 80 554 > serve$i & done
for i in 1 2 3; do until grep -q ready serve$i; do sleep 0.1; done; done
say() { local file=$1; shift; "$@" > $file || echo "exit code $?" >> $file; }

# A server takes three connections at most, and gets none before it is below two again.
ipvsadm -A -t 10.0.0.1:80 -s rr
ipvsadm -a -t 10.0.0.1:80 -r 192.168.51.2:80 -m -x 3 -y 2
ipvsadm -a -t 10.0.0.1:80 -r 192.168.52.2:80 -m
say idle $CHECK -v
client python3 $GUEST/traffic.py talk tcp 10.0.0.1 80 8 60 > talk &
until grep -q 'of 8' talk; do sleep 0.1; done
say overload $CHECK
ipvsadm -Ln > listing
say load $CHECK -s '*:81' -c table_load=0.01
say more $CHECK -w overloaded=1
# The other takes no more either.
ipvsadm -e -t 10.0.0.1:80 -r 192.168.52.2:80 -m -x 1 -y 1
client python3 $GUEST/traffic.py talk tcp 10.0.0.1 80 3 0 > refused
say full $CHECK -s '*:80' -c servers=1:

# Two of three live, by weight and by number.
ipvsadm -A -t 10.0.0.1:554 -s wrr
for i in 1 2 3; do ipvsadm -a -t 10.0.0.1:554 -r 192.168.5$i.2:554 -m -w $i; done
ipvsadm -Sn > rules
ipvsadm -e -t 10.0.0.1:554 -r 192.168.53.2:554 -m -w 0
say share $CHECK -s '*:554' -w zero_weight=2 -w share=80:
say share-of-weight $CHECK -s '*:554' -w share=80: --expect rules --problem-state E-IPVS-WRONG=ok

# Names: of hosts, of channels, of the DNS.
printf '192.168.53.2 media3.example.net media3\nnews rtsp://10.0.0.1/news\nfilms rtsp://vod.example.net/films\n' > site
say names $CHECK -s news --names site
printf 'nameserver 127.0.0.1\n' > resolv.conf; mount --bind resolv.conf /etc/resolv.conf
say silent $CHECK -s '*:554' --names site --dns
dnsmasq -d -p 53 --no-resolv --no-hosts --listen-address=127.0.0.1 --host-record=vod.example.net,10.0.0.1 \
  --host-record=media1.example.net,192.168.51.2 --log-facility=/run/dnsmasq > dnsmasq 2>&1 &
until grep -q ':0035 ' /proc/net/udp; do sleep 0.1; done
say dns $CHECK -s news --names site --dns -v
say director $CHECK -s films --names site --dns --output json

# What fits into a tunnel.
on_tunnel() { ip netns exec rs1 $VIP --real-server tcp://10.0.0.4:554 --tunnel "$@"; }
say large on_tunnel --min-mtu 1500
say fitting on_tunnel --min-mtu 1480
ip -n rs1 link set eth0 mtu 1400; ip -n rs1 link set eth1 mtu 1400
say smaller on_tunnel --min-mtu 1400
"#;

#[test]
fn what_the_kernel_does_not_say_itself_is_inferred_and_named() -> Result<()> {
    let Some((_lab, guest)) = common::guest(None, FACTS)? else { return Ok(()) };
    let says = |name: &str, words: &[&str]| says(&guest, name, words);
    says("idle", &["IPVS OK", "overloaded=0"])?;
    says("overload", &["E-IPVS-OVERLOAD", "at the upper threshold: 192.168.51.2:80", "exit code 1"])?;
    says("listing", &["192.168.51.2:80"])?;
    says("more", &["IPVS OK", "overloaded=1;1"])?;
    says("load", &["E-IPVS-TABLE", "no service in the table is `*:81`"])?;
    says("refused", &["Connection refused", "of 3"])?;
    says("full", &["all 2 live servers are at their upper threshold", "E-IPVS-OVERLOAD", "exit code 2"])?;

    says("share", &["2 of 3 servers live (66.7 % of the servers), expected at least 80.0 %", "exit code 1"])?;
    says("share-of-weight", &["(50.0 % of the weight)", "exit code 1"])?;

    says(
        "names",
        &["TCP 10.0.0.1:554 (news): weight 0: media3.example.net:554", "tcp_10_0_0_1_554_servers=2"],
    )?;
    says("silent", &["TCP 10.0.0.1:554 (news): weight 0: media3.example.net:554"])?;
    says(
        "dns",
        &[
            "TCP vod.example.net:554 (news, films)",
            "  media1.example.net:554 Masq",
            "tcp_10_0_0_1_554_servers",
        ],
    )?;
    says("director", &["TCP vod.example.net:554 (news, films)"])?;

    says("large", &["an MTU of 1500 leaves ipip 1480", "E-VIP-MTU", "exit code 1"])?;
    says("fitting", &["VIP OK - "])?;
    says("smaller", &["an MTU of 1400 leaves ipip 1380", "E-VIP-MTU"])
}

/// In the newer kernel, because programs with rights of their own forget the variable that keeps them from using registers which the
/// older one does not save (see the lab's guest).
#[test]
fn one_capability_on_the_file_shows_everything() -> Result<()> {
    let script = r#"
load ip_vs ip_vs_rr
ipvsadm -A -t 192.0.2.1:80 -s rr
ipvsadm -a -t 192.0.2.1:80 -r 192.0.2.7:80 -m -w 2
for name in CHECK:check_ipvs GRAPH:ipvs_; do
  from=${name%:*}; cp ${!from} /run/${name#*:}; chmod 755 /run/${name#*:}
done
nobody() { setpriv --reuid=65534 --regid=65534 --clear-groups "$@"; }
nobody /run/check_ipvs -v > without
MUNIN_PLUGSTATE=/run nobody /run/ipvs_ fetch > graph-without
setcap cap_net_admin+ep /run/check_ipvs; setcap cap_net_admin+ep /run/ipvs_
nobody /run/check_ipvs -v > with
MUNIN_PLUGSTATE=/run nobody /run/ipvs_ fetch > graph-with
"#;
    let Some(root) = common::newer_kernel()? else { return Ok(()) };
    let Some((_lab, guest)) = common::guest(Some(&root), script)? else { return Ok(()) };
    says(&guest, "without", &["CAP_NET_ADMIN is missing", "source: /proc/net/ip_vs", "weight 2"])?;
    says(&guest, "with", &["source: netlink", "conn_rate=0", "weight 2 active 0 inactive 0 conns 0"])?;
    says(&guest, "graph-without", &["tcp_192_0_2_1_80_conns.value U", "tcp_192_0_2_1_80_servers.value 1"])?;
    says(&guest, "graph-with", &["tcp_192_0_2_1_80_conns.value 0"])
}
