//! IPVS.

catalogue! {
    // IPVS: the director.
    IPVS_ABSENT "E-IPVS-ABSENT" Check Unknown
        "This kernel has no IPVS loaded; the check never loads it."
        "run it on the director, or load ip_vs there"
    IPVS_UNSEEN "E-IPVS-UNSEEN" Check Unknown
        "What was asked for cannot be seen from here."
        "give the check what it lacks: CAP_NET_ADMIN (setcap cap_net_admin+ep), run_estimation=1, a folder of its own"
    IPVS_NO_SERVICE "E-IPVS-NO-SERVICE" Balancer Critical
        "No virtual service in the table is the one that was asked for."
        "look at ipvsadm -Ln and at the daemon that fills the table"
    IPVS_EMPTY "E-IPVS-EMPTY" Balancer Critical
        "A virtual service has no server that gets connections."
        "look at the health checker's log: it has taken out all, or it has stopped"
    IPVS_SERVERS "E-IPVS-SERVERS" Balancer Critical
        "A virtual service has fewer live servers than it needs."
        "look at the health checker's log for those that are out"
    IPVS_WEIGHT0 "E-IPVS-WEIGHT0" Balancer Warning
        "A server has weight 0 and gets no new connections."
        "if maintenance is over, give it its weight back: ipvsadm -e"
    IPVS_OVERLOAD "E-IPVS-OVERLOAD" Balancer Warning
        "A server has reached its upper threshold and gets no new connections."
        "raise the threshold, or add a server"
    IPVS_IMBALANCE "E-IPVS-IMBALANCE" Balancer Warning
        "New connections are not spread as the weights say."
        "look at persistence, at the scheduler, and at the server that gets too few"
    IPVS_LOAD "E-IPVS-LOAD" Balancer Warning
        "A service has more, or fewer, connections or traffic than it should."
        "compare with the graph: an event, an attack, or clients that cannot reach it"
    IPVS_TABLE "E-IPVS-TABLE" Balancer Warning
        "The connection table is too full."
        "raise ip_vs.conn_tab_bits, or shorten the timeouts with ipvsadm --set"
    IPVS_SYNC "E-IPVS-SYNC" Balancer Critical
        "The synchronisation daemon does not run, or has lost its interface or socket."
        "start it again (ipvsadm --start-daemon) and look at its interface"
    IPVS_SYNC_DROPS "E-IPVS-SYNC-DROPS" Balancer Warning
        "The backup loses packets of the master."
        "raise net.ipv4.vs.sync_sock_size on the backup and restart its daemon"
    IPVS_SYNC_SILENT "E-IPVS-SYNC-SILENT" Balancer Warning
        "The backup listens and hears nothing of the master."
        "compare syncid, group and port of both directors, and the firewall between them"
    IPVS_ROLE "E-IPVS-ROLE" Balancer Critical
        "The director carries traffic and should not, or carries none and should."
        "find out which director has the virtual address, by VRRP and by ARP"

    // IPVS: the path through the director.
    VIP_DEAD "E-VIP-DEAD" Balancer Critical
        "The virtual address fails while real servers answer."
        "look at the director: its table, its virtual address, and who answers ARP for it"
    VIP_POOL "E-VIP-POOL" Server Critical
        "The virtual address and all real servers fail."
        "look at the real servers and what they have in common: store, network, deployment"
    VIP_BLIND "E-VIP-BLIND" Balancer Critical
        "A real server fails and still gets connections: the health checker is blind."
        "take it out (ipvsadm -e ... -w 0) and make the health check ask what clients ask"
    VIP_REAL "E-VIP-REAL" Server Warning
        "A real server fails; clients do not see it."
        "look at the server"
    VIP_UNSEEN "E-VIP-UNSEEN" Check Unknown
        "From here the virtual address or its real servers cannot be looked at, or the servers are not known."
        "run it where clients are, with a way to the real servers, and name these with --real"
    VIP_STRANGER "E-VIP-STRANGER" Balancer Critical
        "The virtual address answers what no real server answers."
        "find out who answers ARP for the virtual address, and what is in its pool"
    VIP_SLOW "E-VIP-SLOW" Server Warning
        "The virtual address or a real server takes too long for an answer."
        "compare the times of the servers: one is slow by itself, all of them have a cause in common"
    VIP_DIFFERENT "E-VIP-DIFFERENT" Content Warning
        "A real server answers something else than the others."
        "compare its files and configuration with those of the others"
    VIP_LEAK "E-VIP-LEAK" Balancer Critical
        "An answer names a server's own address instead of the virtual one."
        "make the server name the virtual address in its redirects and playlists"
    VIP_ADDRESS "E-VIP-ADDRESS" Balancer Critical
        "The real server does not have the virtual address, or has it in the wrong place."
        "ip address add VIP/32 dev lo (IPv6: VIP/128), and delete it from any other interface"
    VIP_ARP "E-VIP-ARP" Balancer Critical
        "The real server answers ARP for the virtual address: clients bypass the director."
        "sysctl net.ipv4.conf.all.arp_ignore=1 net.ipv4.conf.all.arp_announce=2"
    VIP_BIND "E-VIP-BIND" Server Critical
        "No service of the real server listens on the virtual address."
        "bind the service to the wildcard address or to the virtual one, and restart it"
    VIP_TUNNEL "E-VIP-TUNNEL" Balancer Critical
        "The real server cannot receive from the tunnel."
        "ip link set tunl0 up; sysctl net.ipv4.conf.tunl0.rp_filter=0"
    VIP_MTU "E-VIP-MTU" Balancer Warning
        "Packets of the wanted size do not fit into the tunnel."
        "raise the MTU between director and server, or lower the MSS"

    // IPVS: the table against the file that it was made from.
    IPVS_DOWN "E-IPVS-DOWN" Balancer Warning
        "A server of the file is out of service."
        "look at the server, then at the health checker's log"
    IPVS_SORRY "E-IPVS-SORRY" Balancer Critical
        "The sorry server answers instead of the real ones."
        "look at the real servers and at the health checker's log"
    IPVS_MISSING "E-IPVS-MISSING" Balancer Warning
        "A server of the file is not in the table."
        "reload the daemon that fills the table, or mend the file"
    IPVS_EXTRA "E-IPVS-EXTRA" Balancer Warning
        "A server in the table is not in the file."
        "remove it with ipvsadm -d, or write it into the file"
    IPVS_WRONG "E-IPVS-WRONG" Balancer Warning
        "The table differs from the file."
        "reload the daemon that fills the table, or mend the file"
    IPVS_SERVICE_MISSING "E-IPVS-SERVICE-MISSING" Balancer Critical
        "A virtual service of the file is not in the table."
        "look whether the daemon that fills the table runs, and at its log"
    IPVS_SERVICE_EXTRA "E-IPVS-SERVICE-EXTRA" Balancer Warning
        "A virtual service in the table is not in the file."
        "remove it with ipvsadm -D, or write it into the file"
    IPVS_OTHER_FILE "E-IPVS-OTHER-FILE" Balancer Warning
        "Nothing in the table is in the file."
        "check that --expect names the file of this director"
}
