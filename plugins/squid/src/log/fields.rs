//! What is measured of a log, of all of it and of each site.

use weir_contract::{Draw, Field, Sample, Unit};

use super::tally::Counts;

macro_rules! fields {
    ($($name:ident = $field:expr;)*) => {
        $(pub(crate) static $name: Field = $field;)*
        /// Every measure of `check_squid_log`, the most important first.
        pub(crate) const ALL: &[&Field] = &[$(&$name),*];
    };
}

fields! {
    HIT_RATIO = Field::gauge("hit_ratio", Unit::Percent, "request hit ratio", "Requests answered from the cache, in percent.");
    BYTE_HIT_RATIO = Field::gauge("byte_hit_ratio", Unit::Percent, "byte hit ratio", "Bytes sent from the cache, in percent.");
    REQUESTS = Field::gauge("requests", Unit::None, "requests", "Requests of clients since the last run.");
    STATUS_5XX = Field::gauge("status_5xx", Unit::Percent, "server errors", "Answers with status 5xx, in percent.");
    STATUS_4XX = Field::gauge("status_4xx", Unit::Percent, "client errors", "Answers with status 4xx, in percent.");
    ABORTED = Field::gauge("aborted", Unit::Percent, "aborted requests", "Requests whose client went away, in percent.");
    MISS_BYTES = Field::gauge("miss_bytes", Unit::Bytes, "bytes of misses", "Bytes that were not served from the cache.");
    MISS_TIME = Field::gauge("miss_time", Unit::Seconds, "mean time of misses", "Mean time that clients waited for a miss.").millis();
}

/// Per second, for graphs.
pub(crate) static REQUEST_RATE: Field =
    Field::gauge("request_rate", Unit::PerSecond, "requests", "Requests of clients per second.")
        .drawn(Draw::Stack);
/// Per second, for graphs.
pub(crate) static MISS_RATE: Field = Field::gauge(
    "miss_rate",
    Unit::BytesPerSecond,
    "misses",
    "Bytes per second that were not served from the cache.",
)
.drawn(Draw::Stack);

macro_rules! statuses {
    ($($name:ident $id:literal $label:literal;)*) => {
        $(static $name: Field = Field::gauge($id, Unit::PerSecond, $label, "Answers of this class per second.").drawn(Draw::Stack);)*
        /// By hundreds, as in [`Counts::status`].
        pub(crate) static STATUS: [&Field; 6] = [$(&$name),*];
    };
}

statuses! {
    NONE "none" "no answer";
    INFORMATIONAL "s1xx" "1xx";
    SUCCESS "s2xx" "2xx";
    REDIRECT "s3xx" "3xx";
    CLIENT_ERROR "s4xx" "4xx";
    SERVER_ERROR "s5xx" "5xx";
}

/// The samples of one site, or of the whole log without an instance.
pub(crate) fn samples(counts: &Counts, instance: &str, has_elapsed: bool) -> Vec<Sample> {
    let misses = counts.requests - counts.hits;
    let miss_time = (has_elapsed && misses > 0).then(|| counts.miss_ms as f64 / 1e3 / misses as f64);
    [
        HIT_RATIO.sample_opt(counts.percent(counts.hits)),
        BYTE_HIT_RATIO.sample_opt(counts.byte_percent()),
        REQUESTS.sample(counts.requests),
        STATUS_5XX.sample_opt(counts.percent(counts.status[5])),
        STATUS_4XX.sample_opt(counts.percent(counts.status[4])),
        ABORTED.sample_opt(counts.percent(counts.aborted)),
        MISS_BYTES.sample(counts.miss_bytes()),
        MISS_TIME.sample_opt(miss_time),
    ]
    .into_iter()
    .map(|sample| sample.of(instance))
    .collect()
}
