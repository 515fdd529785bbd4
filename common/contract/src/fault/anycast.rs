//! Anycast and the way there.

catalogue! {
    // Anycast: the node.
    ANYCAST_DEAD "E-ANYCAST-DEAD" Route Critical
        "The route is announced from this node and the service here does not answer as this node: a black hole."
        "withdraw the route on this node now, then mend the service"
    ANYCAST_NO_ADDRESS "E-ANYCAST-NO-ADDRESS" Route Critical
        "The route is announced from this node and the service address is not on any of its interfaces."
        "add the service address to lo on this node, or withdraw the route"
    ANYCAST_OFF_NODE "E-ANYCAST-OFF-NODE" Route Warning
        "The service address is not on this node, so a probe from here is answered by another one."
        "add the service address to lo on this node before announcing it again"
    ANYCAST_WITHDRAWN "E-ANYCAST-WITHDRAWN" Route Warning
        "The service here is healthy and its route is not announced: users go to other nodes."
        "look whether maintenance was left on; enable the route on this node"
    ANYCAST_DOWN "E-ANYCAST-DOWN" Server Warning
        "The service here does not answer as this node; the route is withdrawn, as it should be."
        "mend the service on this node; users are served elsewhere"
    ANYCAST_DRAINED "E-ANYCAST-DRAINED" Route Warning
        "The route is announced although this node is expected to be out of service."
        "withdraw the route before the maintenance begins"
    ANYCAST_FAMILIES "E-ANYCAST-FAMILIES" Route Warning
        "IPv4 and IPv6 of the same service are not in the same condition."
        "compare the two families line by line; users of the broken one suffer alone"
    BGP_DAEMON "E-BGP-DAEMON" Route Warning
        "The routing daemon does not run, or not where it was looked for."
        "start the daemon, or name its socket with --daemon"
    BGP_DOWN "E-BGP-DOWN" Route Warning
        "A BGP session that must carry the route is not established."
        "look at the daemon's log, then ask the neighbour"
    BGP_STALE "E-BGP-STALE" Route Warning
        "Routes are kept from before a graceful restart: nobody knows whether they still work."
        "look whether the neighbour comes back; until then traffic may fall into a black hole"
    BGP_HOLD "E-BGP-HOLD" Route Warning
        "The hold time is long and nothing else watches the session."
        "lower the hold time on both sides or enable BFD: a silent loss lasts that long"
    ROUTE_KERNEL "E-ROUTE-KERNEL" Route Critical
        "The kernel does not do what the routing daemon believes."
        "compare the kernel's table with the daemon's; answers may not find their way back"

    // Anycast: from a vantage point.
    ANYCAST_SILENT "E-ANYCAST-SILENT" Route Critical
        "Nobody answers at the anycast address."
        "run check_anycast_node on every node: which announces, which is dead"
    ANYCAST_IDENTITY "E-ANYCAST-IDENTITY" Server Critical
        "The answer comes from a node that nobody knows, or tells no name."
        "compare the name with --node; if it is foreign, look for a hijack with check_anycast_fleet"
    ANYCAST_ERROR "E-ANYCAST-ERROR" Server Critical
        "A node answers, and its answer is an error."
        "look at the service on the node that is named"
    ANYCAST_NODE "E-ANYCAST-NODE" Route Warning
        "Another node answers than the expected one."
        "look at the expected node with check_anycast_node, then at the path length to both"
    ANYCAST_SPLIT "E-ANYCAST-SPLIT" Route Warning
        "Several nodes answer at once, depending on the source port."
        "look for equal-cost paths at the router that splits; long connections may break when it changes"
    ANYCAST_INFLATION "E-ANYCAST-INFLATION" Route Warning
        "The answering node is much farther away than the best node."
        "compare AS path lengths and preferences at the first router: nearest in BGP is not nearest in time"
    ANYCAST_SLOW "E-ANYCAST-SLOW" Route Warning
        "The answering node is far away."
        "look at the hop list (-v): where does the time go"
    ANYCAST_CHANGES "E-ANYCAST-CHANGES" Route Warning
        "The answering node changes again and again."
        "look for flapping sessions at the nodes and their neighbours"
    ANYCAST_PATH "E-ANYCAST-PATH" Route Warning
        "The hops to the answering node are others than before."
        "compare the two hop lists; a detour often comes before an outage"
    ANYCAST_DISAGREE "E-ANYCAST-DISAGREE" Route Critical
        "Address families or services that must be answered by the same node are answered by different ones."
        "look at both nodes; one announces only a part of what it must"

    // Anycast: the fleet.
    FLEET_ANNOUNCERS "E-FLEET-ANNOUNCERS" Route Critical
        "Fewer nodes announce the prefix than must."
        "run check_anycast_node on the nodes that are missing"
    FLEET_ORIGIN "E-FLEET-ORIGIN" Route Critical
        "An AS announces the prefix that must not."
        "call the upstream of the false origin; announce more-specifics if they are longer than yours"
    FLEET_UPSTREAM "E-FLEET-UPSTREAM" Route Critical
        "The prefix is heard by way of an AS that is no upstream of yours: the origin may be spoofed."
        "ask that AS where it hears the prefix; a spoofed origin keeps the ROA valid"
    FLEET_SPECIFIC "E-FLEET-SPECIFIC" Route Critical
        "Somebody announces a part of the prefix: it wins everywhere."
        "announce the same length yourself and call the upstream of the false origin"
    FLEET_ROA "E-FLEET-ROA" Route Critical
        "The route origin authorisation does not allow an announcement."
        "compare the ROA with origin and length; mend the ROA, or it is a hijack"
    FLEET_LENGTH "E-FLEET-LENGTH" Route Warning
        "An AS path is longer than it should be."
        "look for forgotten prepends and detours"
    FLEET_OLD "E-FLEET-OLD" Check Unknown
        "What a node reported is too old to count."
        "look at the node's cron job and at the way its file takes"

    // Latency.
    PATH_UNREACHABLE "E-PATH-UNREACHABLE" Route Critical
        "No probe was answered."
        "look whether the target is up and answers this kind of probe, then at the path with mtr"
    PATH_LOSS "E-PATH-LOSS" Route Warning
        "Probes were lost on the way."
        "look where the loss begins with mtr; loss at one hop only is that router's rate limit"
    PATH_LATENCY "E-PATH-LATENCY" Route Warning
        "The round trip takes too long."
        "compare with other targets behind the same gateway, then look at the path with mtr"
    PATH_JITTER "E-PATH-JITTER" Route Warning
        "Round trips are too uneven for live media."
        "look for a full link on the path: queues fill and empty"
    PATH_STEP "E-PATH-STEP" Route Warning
        "The round trip has suddenly become longer and stays so."
        "compare the path with the one before: a route has moved"
}
