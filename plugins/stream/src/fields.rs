//! What stream probes measure. A field that means the same has the same name in every probe, in perfdata and in Munin.

use weir_contract::{Draw, Field, Graph, Unit};

/// From the start of the check to the first media.
pub static FIRST_MEDIA: Field = Field::gauge(
    "first_media",
    Unit::Seconds,
    "time to first media",
    "From the start of the check, name resolution included, to the first byte of media.",
)
.millis();
/// The rate at which media came.
pub static BITRATE: Field = Field::gauge(
    "bitrate",
    Unit::BitsPerSecond,
    "bit rate",
    "Bits of media per second, without headers, metadata and what a server sends from its buffer at the start.",
)
.drawn(Draw::Area);
/// The longest pause.
pub static GAP: Field = Field::gauge(
    "gap",
    Unit::Seconds,
    "longest gap",
    "The longest pause between two arrivals of media while the check listened.",
)
.millis();
/// Whether the source keeps up with the clock.
pub static SPEED: Field = Field::gauge(
    "speed",
    Unit::Percent,
    "speed",
    "Media time that came after the server's buffer, in percent of the time that it took to come (live Windows Media and RealNetworks only).",
)
.unbounded();
/// The share of packets that were lost.
pub static LOSS: Field = Field::gauge(
    "loss",
    Unit::Percent,
    "packet loss",
    "Packets that did not arrive, of those that the server sent.",
);
/// The share of packets that came again.
pub static RESENT: Field = Field::gauge(
    "resent",
    Unit::Percent,
    "sent again",
    "Packets that the server sent again because the way had lost them, of those that came (SRT only).",
);
/// The way to the server and back.
pub static RTT: Field = Field::gauge(
    "rtt",
    Unit::Seconds,
    "round trip",
    "Between an acknowledgement and the server's answer to it, the median (SRT only).",
)
.millis();
/// How uneven packets come.
pub static JITTER: Field =
    Field::gauge("jitter", Unit::Seconds, "jitter", "Interarrival jitter (RFC 3550), the worst track.")
        .millis();
/// The tracks that sent media.
pub static TRACKS: Field = Field::gauge("tracks", Unit::None, "tracks", "Tracks that sent media.");
/// How far behind a live playlist is.
pub static LAG: Field = Field::gauge(
    "lag",
    Unit::Seconds,
    "live lag",
    "Seconds since the newest listed media ended (PROGRAM-DATE-TIME), else since the playlist changed; the worst playlist.",
);
/// The variants that play.
pub static VARIANTS: Field =
    Field::gauge("variants", Unit::None, "variants", "Variants whose playlist and media could be had.");
/// Download time against duration.
pub static SEGMENT_RATIO: Field = Field::gauge(
    "segment_ratio",
    Unit::None,
    "segment download time",
    "The download time of a segment divided by its duration, the worst one; players stall at 1.",
);
/// How far variants are apart.
pub static SKEW: Field =
    Field::gauge("skew", Unit::Seconds, "variant skew", "How far the live edges of the variants are apart.");
/// The state of the check, for graphs.
pub static STATE: Field = Field::gauge(
    "state",
    Unit::None,
    "state",
    "The verdict of the check: 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN.",
)
.up_to(3.0)
.drawn(Draw::Area);

/// The category of all graphs.
const CATEGORY: &str = "streaming";

/// The parent graph of a channel.
pub static STATE_GRAPH: Graph = Graph {
    id: "state",
    title: "state",
    vlabel: "0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN",
    category: CATEGORY,
    info: "The verdict of the check on this channel.",
    fields: &[&STATE],
};
/// How long a listener waits.
pub static FIRST_GRAPH: Graph = Graph {
    id: "first_media",
    title: "time to first media",
    vlabel: "milliseconds",
    category: CATEGORY,
    info: "How long a listener waits, from the name to the first media.",
    fields: &[&FIRST_MEDIA],
};
/// What flows.
pub static BITRATE_GRAPH: Graph = Graph {
    id: "bitrate",
    title: "bit rate",
    vlabel: "bits per second",
    category: CATEGORY,
    info: "Media that flows, without what a server sends from its buffer at the start.",
    fields: &[&BITRATE],
};
/// Pauses.
pub static GAP_GRAPH: Graph = Graph {
    id: "gap",
    title: "gaps and jitter",
    vlabel: "milliseconds",
    category: CATEGORY,
    info: "The longest pause between two arrivals, how uneven packets come (RTP only), and the way to the server and back (SRT only).",
    fields: &[&GAP, &JITTER, &RTT],
};
/// Losses.
pub static LOSS_GRAPH: Graph = Graph {
    id: "loss",
    title: "packet loss",
    vlabel: "percent",
    category: CATEGORY,
    info: "Packets that did not arrive in time, and those that had to be sent again (RTP, Windows Media, SRT).",
    fields: &[&LOSS, &RESENT],
};
/// Whether the source keeps up.
pub static SPEED_GRAPH: Graph = Graph {
    id: "speed",
    title: "speed",
    vlabel: "percent of real time",
    category: CATEGORY,
    info: "How fast the stream's own clock runs: below 100 players stop to buffer (Windows Media and RealNetworks only).",
    fields: &[&SPEED],
};
/// How far behind live.
pub static LAG_GRAPH: Graph = Graph {
    id: "lag",
    title: "lag",
    vlabel: "seconds",
    category: CATEGORY,
    info: "How far the live edge is behind, and how far variants are apart (HLS and DASH only).",
    fields: &[&LAG, &SKEW],
};
