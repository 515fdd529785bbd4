//! `check_vip` in its typical faults, with real traffic through a real director.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use weir_lab::{ReleaseRoot, Result};

const FAULTS: &str = r#"
. $GUEST/network.sh
for i in 1 2 3; do
  mkdir -p www$i
  printf '#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXT-X-MEDIA-SEQUENCE:4%s\n#EXTINF:4.0,\nnews4%s.ts\n' $i $i > www$i/live.m3u8
  (cd www$i; exec ip netns exec rs$i python3 -m http.server --bind :: 80) > web$i 2>&1 & eval web$i=$!
done
for i in 1 2 3; do until ip netns exec rs$i ss -ltn | grep -q :80; do sleep 0.1; done; done
ipvsadm -A -t 10.0.0.1:80 -s rr; ipvsadm -A -t 10.0.0.3:80 -s rr
for i in 1 2 3; do ipvsadm -a -t 10.0.0.1:80 -r 192.168.5$i.2:80 -m; ipvsadm -a -t 10.0.0.3:80 -r 192.168.5$i.2:80 -g; done
reals="-r 192.168.51.2=1 -r 192.168.52.2=1 -r 192.168.53.2=1"
try() { local file=$1; shift; "$@" -t 5 > $file || echo "exit code $?" >> $file; }
URL=http://10.0.0.1/live.m3u8

try fine client $VIP $URL $reals
try route client $VIP http://10.0.0.3/live.m3u8 $reals
try director $VIP $URL -v
try slow client $VIP $URL $reals -c 4: -w vip_time=0.0001
try ready ip netns exec rs1 $VIP --real-server tcp://10.0.0.3:80 --tunnel
# A service of UDP, and one whose wildcard is that of IPv6 alone.
ip netns exec rs1 python3 -c "
import socket, time
udp, tcp = socket.socket(type=socket.SOCK_DGRAM), socket.socket(socket.AF_INET6)
udp.bind(('', 9000)); tcp.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1); tcp.bind(('::', 85)); tcp.listen()
time.sleep(999)" &
until ip netns exec rs1 ss -ltn | grep -q :85; do sleep 0.1; done
try udp ip netns exec rs1 $VIP --real-server srt://10.0.0.3:9000
try no-udp ip netns exec rs1 $VIP --real-server srt://10.0.0.3:9001
try only6 ip netns exec rs1 $VIP --real-server tcp://10.0.0.3:85

# What cannot be seen from here: the own service of direct routing, servers without a way to them, a service of a mark.
$VIP http://10.0.0.3/live.m3u8 -t 3 > own || echo "exit code $?" >> own
for i in 1 2 3; do ip -n cl route add blackhole 192.168.5$i.0/24; done
try unseen client $VIP $URL $reals
for i in 1 2 3; do ip -n cl route del blackhole 192.168.5$i.0/24; done
ipvsadm -A -f 7 -s rr; try mark $VIP tcp://10.0.0.1:8554; ipvsadm -D -f 7
# A name with a second address, where nobody serves.
printf '10.0.0.1 vod.example.net\n2001:db8::1 vod.example.net\n' > hosts; mount --bind hosts /etc/hosts
try name client $VIP http://vod.example.net/live.m3u8 $reals
ip netns exec rs1 sysctl -qw net.ipv4.conf.all.arp_ignore=0
ip -n rs1 address del 10.0.0.4/32 dev lo
try arp ip netns exec rs1 $VIP --real-server tcp://10.0.0.3:80
try absent ip netns exec rs1 $VIP --real-server tcp://10.0.0.4:554

# The director lost its service.
ipvsadm -D -t 10.0.0.1:80
try dead client $VIP $URL $reals
ipvsadm -A -t 10.0.0.1:80 -s rr
for i in 1 2 3; do ipvsadm -a -t 10.0.0.1:80 -r 192.168.5$i.2:80 -m; done
# A server serves another channel; the virtual address leads there only; then one names another.
sed -i s/news/sport/ www3/live.m3u8
try different client $VIP $URL $reals
ipvsadm -A -t 10.0.0.4:80 -s rr; ipvsadm -a -t 10.0.0.4:80 -r 192.168.53.2:80 -m
try stranger client $VIP http://10.0.0.4/live.m3u8 -r 192.168.51.2=1 -r 192.168.52.2=1
echo http://192.168.52.2/news45.ts >> www1/live.m3u8
try leak client $VIP $URL $reals
# A server is dead and nobody has noticed.
sed -i '$d' www1/live.m3u8; sed -i s/sport/news/ www3/live.m3u8
kill $web2; wait $web2 || true
try blind client $VIP $URL $reals
kill $web1 $web3
try pool client $VIP $URL $reals
"#;

#[test]
fn the_culprit_is_named() -> Result<()> {
    faults(None)
}

#[test]
fn so_he_is_by_a_newer_kernel() -> Result<()> {
    let Some(root) = common::newer_kernel()? else { return Ok(()) };
    faults(Some(&root))
}

fn faults(root: Option<&ReleaseRoot>) -> Result<()> {
    let Some((_lab, guest)) = common::guest(root, FAULTS)? else { return Ok(()) };
    let says = |name: &str, words: &[&str]| -> Result<()> {
        let text = guest.file(name)?;
        for word in words {
            assert!(text.contains(word), "{name} lacks `{word}`: {text}");
        }
        Ok(())
    };
    says("fine", &["VIP OK - ", "3 of 3 real servers too"])?;
    says("route", &["VIP OK - ", "3 of 3 real servers too"])?;
    says("director", &["VIP OK - ", "3 of 3 real servers too", "192.168.53.2:80 weight 1: fine"])?;
    says("ready", &["VIP OK - ", "10.0.0.3 on lo, quiet, and served"])?;
    says(
        "slow",
        &[
            "number of servers that answer is 3, expected at least 4",
            "E-IPVS-SERVERS",
            "E-VIP-SLOW",
            "exit code 2",
        ],
    )?;
    says("udp", &["VIP OK - ", "10.0.0.3 on lo, quiet, and served"])?;
    says("no-udp", &["nobody listens on 10.0.0.3:9001", "known: 10.0.0.3 is on lo", "exit code 2"])?;
    says(
        "only6",
        &["10.0.0.3:85 refuses connections: [::]:85 is for IPv6 alone", "E-VIP-BIND", "exit code 2"],
    )?;
    says(
        "own",
        &["a director cannot look at its own service of direct routing", "E-VIP-UNSEEN", "exit code 3"],
    )?;
    says("unseen", &["none of 3 real servers does when asked directly", "E-VIP-UNSEEN", "exit code 3"])?;
    says("mark", &["its real servers are not known", "a firewall mark", "E-VIP-DEAD", "exit code 2"])?;
    says("name", &["2001:db8::1: the virtual address fails", "answers at 10.0.0.1 in", "exit code 2"])?;
    says("stranger", &["answers what no real server answers", "E-VIP-STRANGER", "exit code 2"])?;
    says(
        "arp",
        &["eth0 answers ARP requests for 10.0.0.3: its arp_ignore is 0", "E-VIP-ARP", "exit code 2"],
    )?;
    says("absent", &["does not have the virtual address 10.0.0.4", "nobody listens on 10.0.0.4:554"])?;
    says("dead", &["E-VIP-DEAD", "3 of 3 real servers are fine: director or ARP", "exit code 2"])?;
    says("different", &["another answer comes from: 192.168.53.2:80 [E-VIP-DIFFERENT]", "exit code 1"])?;
    says("leak", &["by their own address: 192.168.52.2 [E-VIP-LEAK]", "exit code 2"])?;
    says("blind", &["E-VIP-BLIND", "real server 192.168.52.2:80", "weight 1", "exit code 2"])?;
    says("pool", &["E-VIP-POOL", "all 3 real servers fail"])
}
