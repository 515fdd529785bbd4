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
    "Media time that came after the server's buffer, in percent of the time that it took to come (live Windows Media, RealNetworks and RTMP only).",
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
/// Transport packets missing or repeated.
pub static CONTINUITY: Field = Field::gauge(
    "continuity",
    Unit::None,
    "continuity errors",
    "Transport packets that do not carry the next continuity counter (TR 101 290, 1.4).",
);
/// The longest time without PAT.
pub static PAT: Field = Field::gauge(
    "pat",
    Unit::Seconds,
    "PAT interval",
    "The longest time without program association table (TR 101 290, 1.3).",
)
.millis();
/// The longest time without PMT.
pub static PMT: Field = Field::gauge(
    "pmt",
    Unit::Seconds,
    "PMT interval",
    "The longest time without program map table, the worst program (TR 101 290, 1.5).",
)
.millis();
/// The longest time without clock.
pub static PCR: Field = Field::gauge(
    "pcr",
    Unit::Seconds,
    "PCR interval",
    "The longest interval of a program clock, the worst program (TR 101 290, 2.3).",
)
.millis();
/// The longest time without presentation time.
pub static PTS: Field = Field::gauge(
    "pts",
    Unit::Seconds,
    "PTS interval",
    "The longest interval of presentation times, the worst picture or sound (TR 101 290, 2.5).",
)
.millis();
/// The share of stuffing.
pub static NULLS: Field =
    Field::gauge("nulls", Unit::Percent, "stuffing", "Stuffing packets, of all transport packets.")
        .up_to(100.0);
/// The share of scrambled packets.
pub static SCRAMBLED: Field =
    Field::gauge("scrambled", Unit::Percent, "scrambled", "Scrambled packets, of all transport packets.")
        .up_to(100.0);
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
/// How loud it is.
pub static LOUDNESS: Field = Field::gauge(
    "loudness",
    Unit::None,
    "loudness",
    "Mean level of the loudest track of sound, dBFS: 0 is full scale, -96 silence. Only with --silence.",
)
.unbounded();
/// For how long there was no sound.
pub static SILENCE: Field = Field::gauge(
    "silence",
    Unit::Seconds,
    "silence",
    "The longest stretch without sound above the level of --silence.",
);
/// For how long the picture did not change.
pub static FROZEN: Field = Field::gauge(
    "frozen",
    Unit::Seconds,
    "frozen picture",
    "The longest stretch in which the picture did not change. Only with --frozen.",
);
/// For how long there was nothing to see.
pub static BLACK: Field = Field::gauge(
    "black",
    Unit::Seconds,
    "black picture",
    "The longest stretch in which the picture was black or of one colour. Only with --black.",
);
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
    info: "How fast the stream's own clock runs: below 100 players stop to buffer (Windows Media, RealNetworks and RTMP only).",
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
/// Transport streams: how often what must come comes.
pub static TS_INTERVAL_GRAPH: Graph = Graph {
    id: "ts_interval",
    title: "intervals of the transport stream",
    vlabel: "milliseconds",
    category: CATEGORY,
    info: "The longest times without tables, clocks and presentation times (MPEG-TS by UDP and RTP only).",
    fields: &[&PAT, &PMT, &PCR, &PTS],
};
/// Transport streams: errors.
pub static TS_ERRORS_GRAPH: Graph = Graph {
    id: "ts_errors",
    title: "errors of the transport stream",
    vlabel: "packets",
    category: CATEGORY,
    info: "Packets that do not carry the next continuity counter (MPEG-TS by UDP and RTP only).",
    fields: &[&CONTINUITY],
};
/// Transport streams: what fills them.
pub static TS_SHARE_GRAPH: Graph = Graph {
    id: "ts_share",
    title: "stuffing and scrambling",
    vlabel: "percent",
    category: CATEGORY,
    info: "Stuffing and scrambled packets among all packets (MPEG-TS by UDP and RTP only).",
    fields: &[&NULLS, &SCRAMBLED],
};
/// How loud.
pub static LOUDNESS_GRAPH: Graph = Graph {
    id: "loudness",
    title: "loudness",
    vlabel: "dBFS",
    category: CATEGORY,
    info: "Mean level of the sound (channels with --silence).",
    fields: &[&LOUDNESS],
};
/// Dead air.
pub static DEAD_AIR_GRAPH: Graph = Graph {
    id: "dead_air",
    title: "dead air",
    vlabel: "seconds",
    category: CATEGORY,
    info: "The longest stretch of silence, of a frozen and of a black picture (channels with --silence, --frozen, --black).",
    fields: &[&SILENCE, &FROZEN, &BLACK],
};
