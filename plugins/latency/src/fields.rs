//! What is measured.

use weir_contract::{Field, Graph, Unit};

pub(crate) static MEDIAN: Field =
    Field::gauge("median", Unit::Seconds, "median", "Median of the round trips.").millis();
pub(crate) static LOSS: Field =
    Field::gauge("loss", Unit::Percent, "loss", "Share of probes that were not answered.");
pub(crate) static JITTER: Field =
    Field::gauge("jitter", Unit::Seconds, "jitter", "Mean difference between one round trip and the next.")
        .millis();
pub(crate) static FASTEST: Field =
    Field::gauge("fastest", Unit::Seconds, "fastest", "Fastest round trip.").millis();
pub(crate) static P10: Field = Field::gauge(
    "p10",
    Unit::Seconds,
    "10th percentile",
    "A tenth of the round trips was as fast or faster.",
)
.millis();
pub(crate) static P90: Field =
    Field::gauge("p90", Unit::Seconds, "90th percentile", "A tenth of the round trips was slower.").millis();
pub(crate) static SLOWEST: Field =
    Field::gauge("slowest", Unit::Seconds, "slowest", "Slowest round trip.").millis();

/// The first is the one that a range without a name means.
pub(crate) static FIELDS: [&Field; 7] = [&MEDIAN, &LOSS, &JITTER, &FASTEST, &P10, &P90, &SLOWEST];

pub(crate) static RTT_GRAPH: Graph = Graph {
    id: "rtt",
    title: "round trip",
    vlabel: "ms",
    category: "latency",
    info: "Median of the round trips with its spread: the farther the lines are apart, the less even is the path.",
    fields: &[&FASTEST, &P10, &MEDIAN, &P90, &SLOWEST],
};
pub(crate) static LOSS_GRAPH: Graph = Graph {
    id: "loss",
    title: "loss",
    vlabel: "%",
    category: "latency",
    info: "Share of probes that were not answered.",
    fields: &[&LOSS],
};
pub(crate) static JITTER_GRAPH: Graph = Graph {
    id: "jitter",
    title: "jitter",
    vlabel: "ms",
    category: "latency",
    info: "Mean difference between one round trip and the next: what a player's buffer must even out.",
    fields: &[&JITTER],
};
