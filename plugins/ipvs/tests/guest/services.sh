# A service of every kind.
add() { local service=$1; shift; ipvsadm -A $service "$@"; }
real() { local service=$1 server=$2; shift 2; ipvsadm -a $service -r $server "$@"; }
add "-t 10.0.0.1:80" -s wlc
real "-t 10.0.0.1:80" 192.168.51.2:80 -m -w 3 -x 100 -y 80
real "-t 10.0.0.1:80" 192.168.52.2:80 -m -w 1
real "-t 10.0.0.1:80" 192.168.53.2:80 -m -w 0
add "-u 10.0.0.1:53" -s rr
for i in 1 2; do real "-u 10.0.0.1:53" 192.168.5$i.2:53 -m; done
add "-t 10.0.0.1:443" -s wrr -p 360 -M 255.255.255.0
for i in 1 2 3; do real "-t 10.0.0.1:443" 192.168.5$i.2:8443 -m -w $i; done
add "-f 7" -s sh -b sh-port,sh-fallback
for i in 1 2; do real "-f 7" 192.168.5$i.2:0 -m; done
add "-t [2001:db8::1]:80" -s rr
for i in 1 2; do real "-t [2001:db8::1]:80" [2001:db8:5$i::2]:80 -m; done
add "-t 10.0.0.3:1755" -s wlc
for i in 1 2; do real "-t 10.0.0.3:1755" 192.168.5$i.2:1755 -g -w 2; done
add "-t 10.0.0.4:554" -s lc
real "-t 10.0.0.4:554" 192.168.51.2:554 -i
real "-t 10.0.0.4:554" 192.168.52.2:554 -i --tun-type gue --tun-port 6080 --tun-nocsum -w 0
real "-t 10.0.0.4:554" 192.168.53.2:554 -i --tun-type gre --tun-csum -w 0
add "-f 8 -6" -s wlc -p 60 -M 64
real "-f 8 -6" [2001:db8:51::2]:0 -m
add "-f 7 -6" -s rr
real "-f 7 -6" [2001:db8:53::2]:0 -m
add "-u 10.0.0.1:5004" -s rr -o
for i in 1 2; do real "-u 10.0.0.1:5004" 192.168.5$i.2:5004 -m; done
add "--sctp-service 10.0.0.1:2905" -s mh -b mh-port
real "--sctp-service 10.0.0.1:2905" 192.168.51.2:2905 -m
add "-t 10.0.0.1:9999" -s wlc
# Marks by traffic control, which works without tables of netfilter: 6.1 and 7.2 lack different ones here.
tc qdisc add dev vcl clsact
tc filter add dev vcl ingress protocol ip flower dst_ip 10.0.0.1 ip_proto tcp dst_port 8554 action skbedit mark 7
tc filter add dev vcl ingress protocol ipv6 flower dst_ip 2001:db8::1 ip_proto tcp dst_port 8554 action skbedit mark 8
