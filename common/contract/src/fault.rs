//! The catalogue of faults: every finding that is not OK carries one of these.
//!
//! A code is for ever: people write runbooks and mail filters for it. `docs/fault-codes.md` is made from this table, and
//! a test proves that every code is used, documented and unique.

use crate::State::{self, Critical, Unknown, Warning};

/// The layer at which something broke, from the name down to what is heard and seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Layer {
    /// The check itself: its options, its rights, its host.
    Check,
    /// A name that does not resolve.
    Name,
    /// A route, or who announces it.
    Route,
    /// A connection that cannot be made.
    Connect,
    /// Encryption and certificates.
    Tls,
    /// The load balancer.
    Balancer,
    /// The server's answers.
    Server,
    /// A playlist or manifest.
    Playlist,
    /// The flow of media.
    Media,
    /// What is heard and seen.
    Content,
}

impl Layer {
    /// The word that hosts print.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Check => "check",
            Self::Name => "name",
            Self::Route => "route",
            Self::Connect => "connect",
            Self::Tls => "tls",
            Self::Balancer => "balancer",
            Self::Server => "server",
            Self::Playlist => "playlist",
            Self::Media => "media",
            Self::Content => "content",
        }
    }
}

/// One entry of the catalogue.
#[derive(Debug, PartialEq, Eq)]
pub struct Fault {
    /// The stable code: `E-RTSP-SILENT`.
    pub code: &'static str,
    /// Where it broke.
    pub layer: Layer,
    /// The state when nothing else decides.
    pub state: State,
    /// What the code means, for the docs.
    pub meaning: &'static str,
    /// What to do next, in one line.
    pub next: &'static str,
}

impl Fault {
    /// Whether the deadline came: the faults that `--timeout-state` governs.
    pub fn is_timeout(&self) -> bool {
        self.code.ends_with("-TIMEOUT")
    }

    /// The entry with this code.
    pub fn by_code(code: &str) -> Option<&'static Self> {
        CATALOGUE.iter().copied().find(|fault| fault.code.eq_ignore_ascii_case(code))
    }
}

/// Writes each entry once, as a constant and as a row of [`CATALOGUE`].
macro_rules! catalogue {
    ($($name:ident $code:literal $layer:ident $state:ident $meaning:literal $next:literal)*) => {
        $(#[doc = $meaning] pub static $name: Fault =
            Fault { code: $code, layer: Layer::$layer, state: $state, meaning: $meaning, next: $next };)*

        /// Every entry, in the order of the docs.
        pub static CATALOGUE: &[&Fault] = &[$(&$name),*];
    };
}

catalogue! {
    // The check itself: UNKNOWN, because it could not look.
    USAGE "E-USAGE" Check Unknown
        "The command line, an ini file or an environment variable is wrong."
        "run the plugin with --help and mend the service definition"
    PERMISSION "E-PERMISSION" Check Unknown
        "The check may not read or do what it must."
        "give the plugin's user the right that the docs page names"
    INTERNAL "E-INTERNAL" Check Unknown
        "A bug in the plugin: it panicked or could not set itself up."
        "run it by hand with -vvv and report the output"
    NO_DATA "E-NO-DATA" Check Unknown
        "What was to be judged could not be measured in this run."
        "run it by hand with -vvv to see what the source said"
    CHECK_TIMEOUT "E-CHECK-TIMEOUT" Check Unknown
        "The check did not end by itself before its deadline."
        "look for a hung file system or resolver on the monitoring host"

    // Names.
    DNS_NXDOMAIN "E-DNS-NXDOMAIN" Name Critical
        "The name does not exist."
        "check the zone and its delegation, then the spelling of the name"
    DNS_NO_ADDRESS "E-DNS-NO-ADDRESS" Name Critical
        "The name exists but has no address of the wanted family."
        "check the A and AAAA records of the name"
    DNS_FAILED "E-DNS-FAILED" Name Critical
        "The resolver gave an error, such as SERVFAIL or REFUSED."
        "ask the resolvers in /etc/resolv.conf by hand, then the name's own servers"
    DNS_TIMEOUT "E-DNS-TIMEOUT" Name Critical
        "No resolver answered in time."
        "check the resolvers in /etc/resolv.conf and the path to them"

    // Connections.
    TCP_REFUSED "E-TCP-REFUSED" Connect Critical
        "The host answered that nothing listens on the port."
        "start the server, or check its listen address and port"
    UDP_REFUSED "E-UDP-REFUSED" Connect Critical
        "The host answered that nothing listens on the UDP port."
        "start the server, or check its listen address and port"
    TCP_TIMEOUT "E-TCP-TIMEOUT" Connect Critical
        "The connection could not be made in time."
        "check that the host is up and that no firewall drops the port"
    NET_UNREACHABLE "E-NET-UNREACHABLE" Route Critical
        "There is no route to the address, or the network said so."
        "check the route to the address from this host"
    CONN_CLOSED "E-CONN-CLOSED" Connect Critical
        "The peer closed or reset the connection before it had answered."
        "look into the server's log at this time: limits, crashes, access rules"
    ADDR_DEAD "E-ADDR-DEAD" Connect Warning
        "At least one address of the name does not serve."
        "take the dead address out of the zone, or mend its host"

    // TLS.
    TLS_FAILED "E-TLS-FAILED" Tls Critical
        "The TLS handshake failed."
        "compare the protocol versions and ciphers of both sides"
    TLS_TIMEOUT "E-TLS-TIMEOUT" Tls Critical
        "The TLS handshake did not end in time."
        "check that the port really speaks TLS, then the server's load"
    TLS_EXPIRED "E-TLS-EXPIRED" Tls Critical
        "The server's certificate is no longer, or not yet, valid."
        "renew the certificate and check the clocks"
    TLS_UNTRUSTED "E-TLS-UNTRUSTED" Tls Critical
        "No known authority has signed the server's certificate."
        "install the full chain on the server, or name the authority with --ca-file"
    TLS_NAME "E-TLS-NAME" Tls Critical
        "The certificate is for other names."
        "check which certificate the server presents for this name (SNI)"

    // Servers.
    SERVER_TIMEOUT "E-SERVER-TIMEOUT" Server Critical
        "The server accepted the connection but did not answer in time."
        "look whether the server process hangs: its log, its threads, its disk"
    PROTOCOL "E-PROTOCOL" Server Critical
        "The answer is not of the protocol, or breaks it."
        "check that the right service listens on this port"
    LIMIT "E-LIMIT" Server Critical
        "The server sent more than a sane answer holds."
        "look at what the server sends: this is a wrong URL or a broken server"
    AUTH "E-AUTH" Server Critical
        "The server wants credentials, or refuses those given."
        "check user and password (--user, --password-file) and the server's access list"
    REDIRECT_LOOP "E-REDIRECT-LOOP" Server Critical
        "Redirects lead in a circle or are too many."
        "follow the redirects by hand and mend the server's configuration"
    REDIRECT_SCHEME "E-REDIRECT-SCHEME" Server Critical
        "A redirect leads to a scheme or place that may not be followed."
        "check the server's redirect target"
    HTTP_STATUS "E-HTTP-STATUS" Server Critical
        "The server answered with an HTTP error status."
        "look into the server's error log; 404 means that the stream is not mounted"

    // RTSP and RTP.
    RTSP_STATUS "E-RTSP-STATUS" Server Critical
        "The server answered an RTSP request with an error status."
        "look into the server's log; 404 means that the stream is not mounted, 503 that it cannot start"
    RTSP_TRANSPORT "E-RTSP-TRANSPORT" Server Critical
        "The server accepts none of the transports that were offered."
        "try --transport udp or tcp, and check what the server is configured for"
    RTSP_SDP "E-RTSP-SDP" Playlist Critical
        "The description names no track that can be set up, or cannot be read."
        "look at the description with -vvv: the source behind the server may be missing"
    RTSP_TRACKS "E-RTSP-TRACKS" Playlist Critical
        "The description lacks a track or codec that was expected."
        "compare the encoder's settings with --expect-tracks and --expect-codec"
    RTSP_SILENT "E-RTSP-SILENT" Media Critical
        "The server said 200 to PLAY and sent no media."
        "look at the encoder that feeds this stream; over UDP, at the firewall"
    RTSP_TRACK_SILENT "E-RTSP-TRACK-SILENT" Media Critical
        "One track sends media and another sends none."
        "look at the encoder's input for the silent track"
    RTSP_ENDED "E-RTSP-ENDED" Media Critical
        "The server ended a live stream while it was watched."
        "look at the encoder: it has stopped or restarts again and again"
    RTP_LOSS "E-RTP-LOSS" Media Warning
        "Packets were lost on the way."
        "compare with a TCP probe: loss only over UDP is the network, over both the server"
    RTP_JITTER "E-RTP-JITTER" Media Warning
        "Packets arrive at uneven times."
        "check the load of the server and of the path"
    RTP_GAP "E-RTP-GAP" Media Warning
        "The longest pause between two packets is too long."
        "look at the encoder and the server's load"
    RTP_RESTART "E-RTP-RESTART" Media Warning
        "The stream's source changed while it was watched."
        "look at the encoder: it restarts"

    // Windows Media.
    MMS_REFUSED "E-MMS-REFUSED" Server Critical
        "The server answered an MMS request with a failure."
        "look into the server's log; `not found` means that the publishing point does not exist or has stopped"
    MMS_FUNNEL "E-MMS-FUNNEL" Server Critical
        "The server takes commands and refuses to send media on the same TCP connection."
        "allow MMS over TCP in the server's plug-ins, or publish mmsh:// addresses"
    MMS_HEADER "E-MMS-HEADER" Playlist Critical
        "The server sent no ASF header, or one that cannot be read."
        "look at the encoder: a publishing point without a source has no header"
    MMS_TRACKS "E-MMS-TRACKS" Playlist Critical
        "The header lacks a track that was expected."
        "compare the encoder's settings with --expect-tracks"
    MMS_FILE "E-MMS-FILE" Playlist Critical
        "A channel that must be live is a file."
        "look at the publishing point: it plays a file instead of what the encoder sends"
    MMS_SILENT "E-MMS-SILENT" Media Critical
        "The server agreed to play and sent no media."
        "look at the encoder that feeds this publishing point"
    MMS_TRACK_SILENT "E-MMS-TRACK-SILENT" Media Critical
        "One track of the header sends media and another sends none."
        "look at the encoder's input for the silent track"
    MMS_ENDED "E-MMS-ENDED" Media Critical
        "The server ended a live stream while it was watched."
        "look at the encoder: it has stopped or restarts again and again"
    MMS_PACKETS "E-MMS-PACKETS" Media Critical
        "What comes as media are no ASF packets."
        "look at the encoder, and at whatever relays or rewrites the stream before this server"
    MMS_LOSS "E-MMS-LOSS" Media Warning
        "Numbers of ASF packets are missing: they were lost before this server, or it skips them for slow clients."
        "compare with the encoder's own log, and with the server's load and bandwidth limits"
    MMS_SPEED "E-MMS-SPEED" Media Warning
        "The stream's clock runs slower than the one on the wall: players will stop to buffer."
        "look at the encoder's load and at the bandwidth between encoder, server and here"
    MMS_RESTART "E-MMS-RESTART" Media Warning
        "The server announced another stream while it was watched."
        "look at the encoder: it restarts, or the playlist has moved to its next entry"

    // Any stream.
    START_SLOW "E-START-SLOW" Media Warning
        "Media came, but late."
        "check the server's load and its way to the source"
    BITRATE "E-BITRATE" Media Warning
        "The bit rate is not what was expected."
        "look at the encoder's settings and its input"
    STREAM_SILENT "E-STREAM-SILENT" Media Critical
        "The server accepted the listener and sent no media."
        "look at the source that feeds this mount"
    STREAM_STALLED "E-STREAM-STALLED" Media Critical
        "Media came from the server's buffer, then no more."
        "the source has stalled: look at the encoder that feeds this mount"
    STREAM_ENDED "E-STREAM-ENDED" Media Critical
        "The server ended a live stream while it was watched."
        "look at the source that feeds this mount"
    STREAM_GAP "E-STREAM-GAP" Media Warning
        "The longest pause in the stream is too long."
        "look at the encoder and the server's load"
    STREAM_QUORUM "E-STREAM-QUORUM" Media Critical
        "Too few of a channel's URLs serve."
        "look at the findings of each URL: what they have in common is where to begin"
    NOT_MEDIA "E-NOT-MEDIA" Content Critical
        "The body is no media: a web page, a text, an error message."
        "open the URL in a browser: the server sends a page instead of the stream"
    TITLE "E-TITLE" Content Warning
        "The stream's title or name is missing or not as expected."
        "check what the source sends as metadata"
    CODEC "E-CODEC" Content Critical
        "The codec is not the expected one."
        "compare the encoder's settings with --expect-codec"

    // HLS.
    HLS_SYNTAX "E-HLS-SYNTAX" Playlist Critical
        "The playlist cannot be read."
        "fetch the playlist by hand; the packager or a cache writes something else"
    HLS_EMPTY "E-HLS-EMPTY" Playlist Critical
        "The playlist names nothing to play."
        "look at the packager: it has started without input"
    HLS_STALE "E-HLS-STALE" Playlist Critical
        "A live playlist no longer advances."
        "look at the encoder and packager that write it, then at caches before them"
    HLS_LATE "E-HLS-LATE" Playlist Warning
        "A live playlist advances more slowly than it should."
        "look at the packager's load and at caches before it"
    HLS_BACKWARDS "E-HLS-BACKWARDS" Playlist Critical
        "The media sequence went backwards."
        "the packager restarted, or a balancer mixes two packagers that are not in step"
    HLS_ENDED "E-HLS-ENDED" Playlist Critical
        "A channel that must be live says that it has ended."
        "look at the encoder: it has closed the stream"
    HLS_VARIANTS "E-HLS-VARIANTS" Playlist Critical
        "There are fewer variants or renditions than expected."
        "compare the packager's ladder with --expect-variants"
    HLS_VARIANT_GONE "E-HLS-VARIANT-GONE" Playlist Critical
        "The master playlist names a variant or rendition that cannot be had."
        "look at the packager's outputs and at the store: one rendition is gone"
    HLS_SKEW "E-HLS-SKEW" Playlist Warning
        "The variants are not in step: players that switch will stall."
        "look at the encoder of the variant that lags"
    HLS_SEGMENT "E-HLS-SEGMENT" Media Critical
        "A segment that the playlist names cannot be had."
        "compare the playlist with the store: segments are deleted too early or written too late"
    HLS_SEGMENT_SLOW "E-HLS-SEGMENT-SLOW" Media Warning
        "A segment takes too long to download against its duration."
        "check the origin's load and the path: players will stall"
    HLS_SEGMENT_BAD "E-HLS-SEGMENT-BAD" Content Critical
        "A segment is not media, or not of the announced kind."
        "look at what the packager wrote, and at error pages that a cache serves with 200"
    HLS_KEY "E-HLS-KEY" Playlist Critical
        "The key of an encrypted playlist cannot be had."
        "look at the key server"
    HLS_RULES "E-HLS-RULES" Playlist Warning
        "The playlist breaks a rule of RFC 8216 that players rely on."
        "mend the packager's settings"

    // Playlists that lead elsewhere.
    PLAYLIST_SYNTAX "E-PLAYLIST-SYNTAX" Playlist Critical
        "What should be a playlist is none, or names what is no URL."
        "open the URL in a browser: the server sends a page, or a script that makes the playlist fails"
    PLAYLIST_EMPTY "E-PLAYLIST-EMPTY" Playlist Critical
        "A playlist names too few streams."
        "look at who writes the playlist: a file that was cut, or a script without its data"
    PLAYLIST_LOOP "E-PLAYLIST-LOOP" Playlist Critical
        "A playlist leads back to itself."
        "follow the entries by hand and take the one that leads back out"
    PLAYLIST_NESTING "E-PLAYLIST-NESTING" Playlist Critical
        "Playlists lead to playlists again and again: players give up."
        "let the first playlist name the streams"

    // DASH.
    DASH_SYNTAX "E-DASH-SYNTAX" Playlist Critical
        "The manifest cannot be read."
        "fetch the manifest by hand; the packager or a cache writes something else"
    DASH_EMPTY "E-DASH-EMPTY" Playlist Critical
        "The manifest names nothing to play."
        "look at the packager: it has started without input"
    DASH_STALE "E-DASH-STALE" Playlist Critical
        "The live edge stands still or is far behind the clock."
        "look at the encoder and packager that write it, then at caches before them"
    DASH_LATE "E-DASH-LATE" Playlist Warning
        "The live edge, or the manifest itself, is later than it should be."
        "look at the packager's load and at caches before it"
    DASH_BACKWARDS "E-DASH-BACKWARDS" Playlist Critical
        "The live edge went backwards."
        "the packager restarted, or a balancer mixes two packagers that are not in step"
    DASH_ENDED "E-DASH-ENDED" Playlist Critical
        "A channel that must be live says that it has ended."
        "look at the encoder: it has closed the stream; use --vod for what is on demand"
    DASH_CLOCK "E-DASH-CLOCK" Playlist Warning
        "The manifest's times do not fit the clock that players are told to use."
        "compare availabilityStartTime, the encoder's clock and the UTCTiming server: players stall or start too early"
    DASH_VARIANTS "E-DASH-VARIANTS" Playlist Critical
        "There are fewer representations than expected."
        "compare the packager's ladder with --expect-variants"
    DASH_SKEW "E-DASH-SKEW" Playlist Warning
        "The representations are not in step: players that switch will stall."
        "look at the encoder of the representation that lags"
    DASH_SEGMENT "E-DASH-SEGMENT" Media Critical
        "A segment that the manifest names cannot be had."
        "compare the manifest with the store: segments are deleted too early or written too late"
    DASH_SEGMENT_SLOW "E-DASH-SEGMENT-SLOW" Media Warning
        "A segment takes too long to download against its duration."
        "check the origin's load and the path: players will stall"
    DASH_SEGMENT_BAD "E-DASH-SEGMENT-BAD" Content Critical
        "A segment is not media, or not of the announced kind."
        "look at what the packager wrote, and at error pages that a cache serves with 200"
    DASH_RULES "E-DASH-RULES" Playlist Warning
        "The manifest breaks a rule of ISO 23009-1 that players rely on."
        "mend the packager's settings"

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

    // Squid.
    SQUID_NOT "E-SQUID-NOT" Server Critical
        "What answers is not Squid's cache manager: another server, or an origin behind Squid."
        "check host and port: it must be an http_port of Squid itself"
    SQUID_DENIED "E-SQUID-DENIED" Check Unknown
        "Squid's access list does not allow this host to use the cache manager."
        "put `http_access allow localhost manager` (or this host's acl) before `deny manager` in squid.conf"
    SQUID_PASSWORD "E-SQUID-PASSWORD" Check Unknown
        "Squid wants the cache manager's password, or refuses the one given."
        "compare --password-file with cachemgr_passwd in squid.conf"
    SQUID_PAGE "E-SQUID-PAGE" Check Unknown
        "Squid does not know a page of the cache manager, or may not show it."
        "try --source cache-object (Squid before 3.2) or --source snmp, and look at cachemgr_passwd"
    SQUID_TRUNCATED "E-SQUID-TRUNCATED" Check Unknown
        "A page of the cache manager came in part only."
        "look into cache.log: Squid restarts, or is out of memory or descriptors"
    SQUID_LOG "E-SQUID-LOG" Check Unknown
        "Squid's access log cannot be read."
        "check the path, and let the plugin's user read it: group proxy on Debian"
    SQUID_LOG_FORMAT "E-SQUID-LOG-FORMAT" Check Warning
        "Many lines of the access log are not of the format that was named."
        "give --format what follows logformat NAME in squid.conf"
    SQUID_HITS "E-SQUID-HITS" Content Warning
        "The share of requests answered from the cache is not what was expected."
        "look with check_squid_log which site misses: new content, changed headers, a purge"
    SQUID_BYTE_HITS "E-SQUID-BYTE-HITS" Content Warning
        "The share of bytes saved is not what was expected."
        "look for large misses with check_squid_log, and at quick_abort_* and range_offset_limit if negative"
    SQUID_ERRORS "E-SQUID-ERRORS" Server Warning
        "Too many requests are answered by an error page of Squid."
        "count error pages in access.log by URL: a dead origin, refused clients or broken requests"
    SQUID_ABORTS "E-SQUID-ABORTS" Server Warning
        "Too many clients go away before the end of the answer."
        "compare with service times: clients that wait too long give up"
    SQUID_LOAD "E-SQUID-LOAD" Server Warning
        "Requests, traffic, objects or connections are not what was expected."
        "compare with the other caches of the site: does the balancer still send traffic here"
    SQUID_SLOW "E-SQUID-SLOW" Server Warning
        "Requests are answered too slowly even from the cache."
        "look at the machine: disk wait, CPU, swap, and the queue of the disk caches"
    SQUID_SLOW_ORIGIN "E-SQUID-SLOW-ORIGIN" Server Warning
        "Misses take too long: the origin or the way to it is slow."
        "ask the origin directly and compare; then look at its load"
    SQUID_SLOW_DNS "E-SQUID-SLOW-DNS" Name Warning
        "Names are looked up too slowly by Squid."
        "check dns_nameservers and /etc/resolv.conf on the cache's host"
    SQUID_ORIGIN "E-SQUID-ORIGIN" Server Warning
        "Fetches from origins and peers are not what was expected."
        "look at the origin's error log and at what it is asked for"
    SQUID_FDS "E-SQUID-FDS" Server Warning
        "Squid is running out of file descriptors: soon new clients will wait."
        "raise max_filedescriptors and the limit of the service, then look for idle connections"
    SQUID_CPU "E-SQUID-CPU" Server Warning
        "Squid uses nearly all of one core, and has no more per worker."
        "add workers, or look at slow acls and regular expressions"
    SQUID_MEMORY "E-SQUID-MEMORY" Server Warning
        "The memory cache is not filled as expected."
        "compare cache_mem with the machine's memory"
    SQUID_DISK "E-SQUID-DISK" Server Warning
        "A disk cache or its file system is full."
        "free the file system, or make cache_dir smaller than what it holds"
    SQUID_LRU "E-SQUID-LRU" Server Warning
        "Objects are replaced too early: the disk cache is too small for what is asked."
        "enlarge cache_dir, or keep large rare objects out of it"
    SQUID_RESTART "E-SQUID-RESTART" Server Warning
        "Squid has been started a short while ago."
        "look into cache.log and the journal for why, unless somebody has just done it"
    SQUID_PEER "E-SQUID-PEER" Server Warning
        "Squid holds a parent or sibling for dead."
        "ask the peer's port by hand from the cache's host; see the time of the last failed connection"
    SQUID_NO_PARENT "E-SQUID-NO-PARENT" Server Critical
        "Squid holds every parent for dead: no miss can be served."
        "bring the origin back first; Squid tries it again by itself"
    SQUID_ICP "E-SQUID-ICP" Server Warning
        "A peer leaves too many ICP questions unanswered."
        "check UDP to the peer's ICP port, its icp_access and its load"

    // IPVS: the director.
    IPVS_ABSENT "E-IPVS-ABSENT" Check Unknown
        "This kernel has no IPVS loaded; the check never loads it."
        "run it on the director, or load ip_vs there"
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
        "The backup listens and holds no connection of the master."
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
    VIP_DIFFERENT "E-VIP-DIFFERENT" Content Warning
        "A real server answers something else than the others."
        "compare its files and configuration with those of the others"
    VIP_LEAK "E-VIP-LEAK" Balancer Critical
        "An answer names a server's own address instead of the virtual one."
        "make the server name the virtual address in its redirects and playlists"
    VIP_ADDRESS "E-VIP-ADDRESS" Balancer Critical
        "The real server does not have the virtual address, or has it in the wrong place."
        "ip address add VIP/32 dev lo"
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_unique_and_well_formed() {
        let mut codes: Vec<_> = CATALOGUE.iter().map(|f| f.code).collect();
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), CATALOGUE.len(), "a code stands twice");
        for fault in CATALOGUE {
            let tail = fault.code.strip_prefix("E-").expect(fault.code);
            assert!(
                tail.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'-'),
                "{}",
                fault.code
            );
            assert!(fault.meaning.ends_with('.') && !fault.next.ends_with('.'), "{}: full stop", fault.code);
            assert!(fault.next.len() <= 120, "{}: next is a line, not a paragraph", fault.code);
            assert_ne!(fault.state, State::Ok);
        }
    }
}
