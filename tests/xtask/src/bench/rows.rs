//! What is compared with what, and the goals: one entry per comparison; each family adds its own.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use anyhow::Result;
use weir_lab::anycast::{Bird, Frr, Gobgp, Host, NameServer, NodeNames};
use weir_lab::{Clip, GstServer, Hls, Icecast, Lab, Source, Squid, Vlc};

use crate::sh;

/// Rivals that are installed by `cargo install`.
pub(crate) const RIVAL_CRATES: [&str; 1] = ["streamtop"];

/// One of our command lines against one of theirs, each as `NAME=VALUE ... PROGRAM ARGUMENT ...`.
pub(crate) struct Comparison {
    pub(crate) what: &'static str,
    pub(crate) ours: String,
    pub(crate) theirs: String,
    /// The goal: our CPU time as a part of theirs.
    pub(crate) cpu_at_most: Option<f64>,
    /// The goal for our memory.
    pub(crate) rss_at_most_mib: Option<f64>,
}

/// The servers that all of them ask.
pub(crate) struct Platform {
    rtsp: GstServer,
    hls: Hls,
    icecast: Icecast,
    _source: Source,
    mms: Vlc,
    squid: Squid,
    node: Node,
    folder: PathBuf,
}

/// An anycast node with a daemon of each kind, and nobody to announce to.
struct Node {
    bird: Bird,
    frr: Frr,
    _gobgp: Gobgp,
    _names: NodeNames,
}

impl Node {
    fn start(lab: &Lab) -> Result<Self> {
        let host = Host::of(lab);
        let bgp = "router bgp 64511\n bgp router-id 203.0.113.1\n neighbor 192.0.2.9 remote-as 64500\n";
        let gobgp = "[global.config]\n  as = 64511\n  router-id = \"203.0.113.1\"\n  port = -1\n";
        Ok(Self {
            bird: host
                .bird("router id 203.0.113.1;\nprotocol static { ipv4; route 192.0.2.0/24 blackhole; }\n")?,
            frr: host.frr(bgp)?,
            _gobgp: host.gobgp(gobgp)?,
            _names: host.names(NameServer::Knot, "wix1", &["192.0.2.53"])?,
        })
    }

    fn comparisons(&self) -> Vec<Comparison> {
        let who = "check_anycast -H 192.0.2.53 --identity dns:www.anycast.test --node wix1 --ports 1";
        let node = "check_anycast_node -H 192.0.2.53 --identity dns:www.anycast.test --node wix1 --daemon";
        let (bird, frr) = (self.bird.socket().display(), self.frr.folder().display());
        vec![
            row("who answers, way and round trip", who, "check_dig -H 192.0.2.53 -l www.anycast.test")
                .cpu(1.0),
            row("who answers, way and round trip", who, "mtr -n -r -c 3 192.0.2.53"),
            row(
                "node with BIRD, theirs FRR",
                format!("{node} bird:{bird}"),
                format!("vtysh --vty_socket {frr} -d bgpd -c exit"),
            )
            .cpu(0.2),
            row(
                "node with FRR",
                format!("{node} frr:{frr}"),
                format!("vtysh --vty_socket {frr} -d bgpd -c exit"),
            )
            .cpu(0.2),
            row("node with GoBGP, which runs the same client", format!("{node} gobgp"), "gobgp -j neighbor"),
        ]
    }
}

/// What Munin's own five plugins for Squid do in one cycle of a node.
const MUNIN_CYCLE: &str =
    "for plugin in squid_cache squid_icp squid_objectsize squid_requests squid_traffic; do
    /usr/share/munin/plugins/$plugin config; /usr/share/munin/plugins/$plugin
done";
/// Requests, hits and bytes by host: a part of what `check_squid_log` counts.
const AWK: &str = "exec awk '{ split($7, u, \"/\"); n[u[3]]++; b[u[3]] += $5; if ($4 ~ /HIT|UNMODIFIED/) { h[u[3]]++; c[u[3]] += $5 } }
    END { for (s in n) print s, n[s], h[s], b[s], c[s] }' \"$1\"";
/// A real log, so many times: 60 MB.
const LOG_REPEATED: usize = 5000;

impl Platform {
    pub(crate) fn start(lab: &Lab) -> Result<Self> {
        let icecast = lab.icecast().start()?;
        let folder = lab.dir().to_owned();
        for (name, script) in [("munin-cycle", MUNIN_CYCLE), ("awk-by-host", AWK)] {
            fs::write(folder.join(name), format!("#!/bin/sh\n{script}\n"))?;
            fs::set_permissions(folder.join(name), fs::Permissions::from_mode(0o755))?;
        }
        let log = fs::read(sh::root().join("common/wire/testdata/squid/5.7-access.log"))?;
        fs::write(folder.join("access.log"), log.repeat(LOG_REPEATED))?;
        Ok(Self {
            squid: lab.squid().disk(10).start()?,
            node: Node::start(lab)?,
            folder,
            rtsp: lab.gst().start()?,
            hls: lab.hls().variants(2).start()?,
            _source: icecast.source("live.mp3", Clip::Tone)?,
            icecast,
            mms: lab.vlc_mmsh().start()?,
        })
    }

    pub(crate) fn comparisons(&self) -> Vec<Comparison> {
        let (rtsp, rtsp_port) = (self.rtsp.url("/live"), self.rtsp.port());
        let (hls, variant) = (self.hls.url(), self.hls.variant_url(0));
        let (icecast, port) = (self.icecast.url("live.mp3"), self.icecast.port());
        let (squid, folder) = (self.squid.port(), self.folder.display());
        let check_rtsp = format!("check_rtsp {rtsp}");
        let check_hls = format!("check_hls {hls}");
        let check_stream = format!("check_http_stream {icecast}");
        let mut rows = vec![
            row("RTSP", &check_rtsp, format!("ffprobe -rtsp_transport tcp {rtsp}")).cpu(1.0 / 15.0).rss(6.0),
            row(
                "RTSP, theirs DESCRIBE",
                &check_rtsp,
                format!("check_real -H 127.0.0.1 -p {rtsp_port} -u {rtsp}"),
            ),
            row("HLS, two variants, theirs one", &check_hls, format!("ffprobe {variant}")).cpu(1.0 / 15.0),
            row(
                "HLS, two variants, theirs one",
                &check_hls,
                format!("streamtop --summary --timeout 3 {variant}"),
            )
            .cpu(0.5),
            row("Icecast", &check_stream, format!("ffprobe {icecast}")),
            row(
                "Icecast, theirs header",
                &check_stream,
                format!("check_http -H 127.0.0.1 -p {port} -u /live.mp3 -N"),
            )
            .cpu(1.0),
            row("Icecast, theirs connect", &check_stream, format!("check_tcp -H 127.0.0.1 -p {port}")),
            row(
                "MMS over HTTP",
                format!("check_mms {}", self.mms.url()),
                format!("ffprobe {}", self.mms.url()),
            )
            .cpu(1.0 / 15.0)
            .rss(6.0),
            row(
                "Squid, one cycle of Munin, config and values",
                format!("port={squid} MUNIN_CAP_DIRTYCONFIG=1 MUNIN_PLUGSTATE={folder} squid_ config"),
                format!("squidport={squid} {folder}/munin-cycle"),
            )
            .cpu(1.0 / 50.0),
            row(
                "Squid's access log, 60 MB",
                format!("check_squid_log --whole {folder}/access.log"),
                format!("{folder}/awk-by-host {folder}/access.log"),
            )
            .cpu(0.5),
            row("start-up", "check_rtsp -V", "weir-noop").cpu(1.5),
            row("start-up of a graph", "url=rtsp://192.0.2.1/live stream_ config", "weir-noop").cpu(1.5),
        ];
        rows.extend(self.node.comparisons());
        rows
    }
}

fn row(what: &'static str, ours: impl Into<String>, theirs: impl Into<String>) -> Comparison {
    Comparison { what, ours: ours.into(), theirs: theirs.into(), cpu_at_most: None, rss_at_most_mib: None }
}

impl Comparison {
    fn cpu(self, at_most: f64) -> Self {
        Self { cpu_at_most: Some(at_most), ..self }
    }

    fn rss(self, at_most_mib: f64) -> Self {
        Self { rss_at_most_mib: Some(at_most_mib), ..self }
    }
}
