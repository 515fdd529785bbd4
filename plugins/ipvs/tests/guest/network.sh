# A director with a client and three real servers, in namespaces of one guest. The client lies at 10.0.0.2 and 2001:db8::2, the
# virtual addresses at 10.0.0.1, .3, .4 and 2001:db8::1, real server N at 192.168.5N.2 and 2001:db8:5N::2. Real servers have a
# second way to the client, on which answers of direct routing and tunnels go back.
load ipv6 ip_vs ip_vs_rr ip_vs_wrr ip_vs_wlc ip_vs_lc ip_vs_sh ip_vs_mh dummy veth ipip sch_ingress cls_flower act_skbedit ip_vs_pe_sip
quiet_ways() { # rp_filter off, no duplicate address detection
  sysctl -qw net.ipv4.conf.{all,default}.rp_filter=0 net.ipv6.conf.{all,default}.accept_dad=0
}
quiet_ways
sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
export -f quiet_ways
for n in cl rs1 rs2 rs3; do ip netns add $n; ip -n $n link set lo up; ip netns exec $n bash -c quiet_ways; done
wire() { # device here, namespace, device there, network of IPv4, of IPv6
  ip link add "$1" type veth peer name "$3" netns "$2"; ip link set "$1" up; ip -n "$2" link set "$3" up
  ip addr add "$4.1/24" dev "$1"; ip -n "$2" addr add "$4.2/24" dev "$3"
  ip -6 addr add "$5::1/64" dev "$1" nodad; ip -n "$2" -6 addr add "$5::2/64" dev "$3" nodad
  ip -n "$2" route add default via "$4.1"; ip -n "$2" -6 route add default via "$5::1"
}
wire vcl cl eth0 10.0.0 2001:db8
ip addr add 10.0.0.3/32 dev lo; ip addr add 10.0.0.4/32 dev lo
for i in 1 2 3; do
  wire vrs$i rs$i eth0 192.168.5$i 2001:db8:5$i
  ip -n rs$i link add eth1 type veth peer name d$i netns cl; ip -n rs$i link set eth1 up; ip -n cl link set d$i up
  ip -n rs$i addr add 10.9.$i.2/24 dev eth1; ip -n cl addr add 10.9.$i.1/24 dev d$i
  ip netns exec rs$i sysctl -qw net.ipv4.conf.all.arp_ignore=1 net.ipv4.conf.all.arp_announce=2
  for vip in 10.0.0.3 10.0.0.4; do
    ip -n rs$i addr add $vip/32 dev lo; ip -n rs$i rule add from $vip lookup 100
  done
  ip -n rs$i route add default via 10.9.$i.1 table 100
  ip -n rs$i link set tunl0 up; ip netns exec rs$i sysctl -qw net.ipv4.conf.tunl0.rp_filter=0
done
sysctl -qw net.ipv4.vs.conntrack=1
# The client reaches real servers directly through the director.
client() { ip netns exec cl "$@"; }
# Active connections of the whole table, of the namespace that a command in front leads to.
held() {
  "$@" ipvsadm -Ln | { n=0; while read -r arrow _ _ _ active _; do case $arrow$active in "->"[0-9]*) n=$((n + active)); esac; done; echo $n; }
}
