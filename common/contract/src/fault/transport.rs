//! Streams that are sent to whoever listens: multicast and unicast datagrams, RTP and MPEG-TS in them.

catalogue! {
    // Listening: UNKNOWN, because it could not listen.
    MCAST_JOIN "E-MCAST-JOIN" Check Unknown
        "This host cannot join the group: no route to it, the interface is down, or too many groups are joined."
        "name an interface that is up and has an address with --interface"
    UDP_TAKEN "E-UDP-TAKEN" Check Unknown
        "Another process has the UDP port for itself, so the check cannot listen."
        "run the check on another host, or let that process share its port (SO_REUSEADDR)"
    UDP_OVERFLOW "E-UDP-OVERFLOW" Check Unknown
        "This host was too slow for the stream: its own socket buffer overflowed, so losses cannot be judged."
        "raise net.core.rmem_max, or lower the load of this host"

    // Nothing comes: why.
    MCAST_SILENT "E-MCAST-SILENT" Media Critical
        "The group is joined and nothing arrives, on no interface of this host."
        "look at the sender; then at IGMP snooping, the querier and the routes between it and this host"
    MCAST_MEMBERSHIP "E-MCAST-MEMBERSHIP" Route Critical
        "The group is joined, but the report that tells the network so does not leave this host."
        "look for a firewall on this host that drops IGMP or MLD on the way out"
    MCAST_INTERFACE "E-MCAST-INTERFACE" Route Critical
        "The group arrives on another interface than the one it was awaited on."
        "correct --interface, or the route to the group on hosts like this one"
    MCAST_SOURCE "E-MCAST-SOURCE" Media Critical
        "The group is sent by another source than the one that was asked for."
        "compare the sender's address with the source that receivers join"
    MCAST_PORT "E-MCAST-PORT" Media Critical
        "The group is sent to another port."
        "compare the sender's port with that of the announcement"
    MCAST_RPF "E-MCAST-RPF" Route Critical
        "The kernel drops the group's packets because their source is not routed to the interface they come in by."
        "add a route to the source by that interface, or set net.ipv4.conf.*.rp_filter to 0 or 2"
    MCAST_FIREWALL "E-MCAST-FIREWALL" Route Critical
        "The packets reach this host's interface and not the socket."
        "look at this host's firewall: nft list ruleset"
    UDP_SILENT "E-UDP-SILENT" Media Critical
        "Nothing is sent to the port."
        "look at the sender, and at the firewalls between it and this host"

    // What comes.
    UDP_LOSS "E-UDP-LOSS" Media Warning
        "Packets of the stream were lost between its sender and this host."
        "compare with a receiver nearer to the sender: a switch or link on the way drops or polices the stream"
    RTP_FORMAT "E-RTP-FORMAT" Media Critical
        "What arrives is not of the form that the URL names."
        "use udp:// for MPEG-TS without RTP, and mend the sender when it must be RTP"
    RTP_TYPE "E-RTP-TYPE" Media Critical
        "The RTP payload type is not the expected one."
        "compare the sender's payload type with the session description"
    RTP_SENDERS "E-RTP-SENDERS" Media Warning
        "Several senders send to the same group and port at once."
        "stop the sender that should not be there: receivers get both streams mixed"

    // MPEG-TS, in the manner of ETSI TR 101 290.
    TS_SYNC "E-TS-SYNC" Media Warning
        "Packets do not follow one another, or begin with a wrong byte (TR 101 290, 1.1 and 1.2)."
        "look at the multiplexer, and at whatever cuts the stream into datagrams"
    TS_PAT "E-TS-PAT" Media Critical
        "The program association table is missing or broken (1.3): no receiver can begin."
        "look at the multiplexer"
    TS_CONTINUITY "E-TS-CONTINUITY" Media Warning
        "Transport packets are missing or repeated (1.4)."
        "if RTP lost none, look at what feeds the sender; without RTP it may be the network as well"
    TS_PMT "E-TS-PMT" Media Critical
        "A program's map table is missing or broken (1.5)."
        "look at the multiplexer"
    TS_PID "E-TS-PID" Media Critical
        "A stream that the tables announce, or that was expected, does not come (1.6)."
        "look at the encoder's input for this stream"
    TS_EMPTY "E-TS-EMPTY" Media Critical
        "The stream flows and carries no picture and no sound: stuffing and tables only."
        "look at what feeds the multiplexer"
    TS_ERRORS "E-TS-ERRORS" Media Warning
        "Packets are marked as damaged, or tables have wrong checksums (2.1, 2.2)."
        "look at the receiver or link that feeds the sender"
    TS_INTERVAL "E-TS-INTERVAL" Media Warning
        "Tables, clocks or presentation times come too seldom (1.3, 1.5, 2.3, 2.5)."
        "look at the multiplexer's settings and load"
    TS_CLOCK "E-TS-CLOCK" Media Warning
        "The program clock jumps without announcing it, or does not run with the time (2.3, 2.4)."
        "look at the encoder: it restarts, loops a file, or cannot keep up"
    TS_SCRAMBLED "E-TS-SCRAMBLED" Content Warning
        "More of the stream is scrambled than it should be, or it lacks the table that tells how (2.6)."
        "look at the scrambler and at conditional access"
    TS_NULLS "E-TS-NULLS" Media Warning
        "The share of stuffing is not what was expected."
        "look at the encoders: they fill less of the multiplex than they should"
    TS_SERVICE "E-TS-SERVICE" Content Critical
        "A service that was expected is not in the stream."
        "compare the multiplexer's services with --expect-service"
    TS_TRACKS "E-TS-TRACKS" Content Critical
        "A kind of track that was expected is not in the stream."
        "compare the multiplexer's programs with --expect-tracks"
}
