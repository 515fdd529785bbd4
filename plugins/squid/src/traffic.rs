//! What passed through Squid during a span of time, and the ratios of it.

use weir_wire::squid::{Averages, Counters, difference};

/// Counts over a span. They are whole numbers, kept as `f64` because all that is done with them is division.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Traffic {
    pub(crate) seconds: f64,
    pub(crate) requests: f64,
    pub(crate) hits: f64,
    pub(crate) errors: f64,
    pub(crate) aborted: Option<f64>,
    pub(crate) kbytes_out: f64,
    /// Sent from the cache; the pages `5min` and `60min` do not have it.
    pub(crate) hit_kbytes_out: Option<f64>,
    pub(crate) server_requests: f64,
    pub(crate) server_errors: f64,
    /// Received from origins and peers, without cache digests where they are told apart.
    pub(crate) server_kbytes_in: f64,
}

/// Requests of our own, which Squid counts like any others: as misses.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Own {
    pub(crate) requests: f64,
    pub(crate) kbytes: f64,
}

impl Traffic {
    /// Between two of Squid's own samples; `None` in its first minute, when it has only one.
    pub(crate) fn averaged(a: &Averages) -> Option<Self> {
        let seconds = a.span();
        if seconds <= 0.0 {
            return None;
        }
        // Rates are printed with six digits: the counts behind them can be had back exactly.
        let count = |rate: f64| (rate * seconds).round();
        Some(Self {
            seconds,
            requests: count(a.requests),
            hits: count(a.hits),
            errors: count(a.errors),
            aborted: a.aborted.map(count),
            kbytes_out: count(a.kbytes_out),
            hit_kbytes_out: None,
            server_requests: count(a.server_requests),
            server_errors: count(a.server_errors),
            server_kbytes_in: count(a.server_kbytes_in),
        })
    }

    /// Between two readings of the counters; `None` when one of them went back, as after a restart.
    pub(crate) fn between(before: &Counters, now: &Counters) -> Option<Self> {
        let added = |before: i64, now: i64| difference(before, now).map(|n| n as f64);
        let maybe = |before: Option<i64>, now: Option<i64>| added(before?, now?);
        let seconds = now.now - before.now;
        if seconds <= 0.0 {
            return None;
        }
        let digests = added(before.digest_kbytes_in, now.digest_kbytes_in)?;
        Some(Self {
            seconds,
            requests: added(before.requests, now.requests)?,
            hits: added(before.hits, now.hits)?,
            errors: added(before.errors, now.errors)?,
            aborted: maybe(before.aborted, now.aborted),
            kbytes_out: added(before.kbytes_out, now.kbytes_out)?,
            hit_kbytes_out: maybe(before.hit_kbytes_out, now.hit_kbytes_out),
            server_requests: added(before.server_requests, now.server_requests)?,
            server_errors: added(before.server_errors, now.server_errors)?,
            server_kbytes_in: added(before.server_kbytes_in, now.server_kbytes_in)? - digests,
        })
    }

    /// The same without requests of our own: they were misses, and nothing was fetched for them.
    #[must_use]
    pub(crate) fn without(mut self, own: Own) -> Self {
        self.requests = (self.requests - own.requests).max(self.hits);
        self.kbytes_out = (self.kbytes_out - own.kbytes).max(self.hit_kbytes_out.unwrap_or(0.0));
        self
    }

    /// Hits in percent of requests.
    pub(crate) fn hit_ratio(&self) -> Option<f64> {
        percent(self.hits, self.requests)
    }

    /// Squid's own byte hit ratio (`stat.cc`, `statByteHitRatio`): what clients got and nobody had to send us, in percent of
    /// what clients got. Negative when more was fetched than sent; then the share is one of what was fetched.
    pub(crate) fn byte_hit_ratio(&self) -> Option<f64> {
        let (clients, servers) = (self.kbytes_out, self.server_kbytes_in);
        percent(clients - servers, clients.max(servers))
    }

    /// Bytes sent from the cache in percent of bytes sent: never negative.
    pub(crate) fn byte_hit_share(&self) -> Option<f64> {
        percent(self.hit_kbytes_out?, self.kbytes_out)
    }

    /// Error pages in percent of requests.
    pub(crate) fn error_ratio(&self) -> Option<f64> {
        percent(self.errors, self.requests)
    }

    /// Requests whose client went away, in percent.
    pub(crate) fn abort_ratio(&self) -> Option<f64> {
        percent(self.aborted?, self.requests)
    }

    /// A count per second.
    pub(crate) fn rate(&self, count: f64) -> f64 {
        count / self.seconds
    }
}

/// `None` when there is nothing to be a part of: an idle cache has no ratio, not one of 0.
fn percent(part: f64, whole: f64) -> Option<f64> {
    (whole > 0.0).then(|| 100.0 * part / whole)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use weir_wire::squid::Page;

    const NEGATIVE: &str =
        include_str!("../../../common/wire/testdata/squid/5.7-5min-negative-byte-ratio.txt");

    #[test]
    fn the_byte_ratio_is_negative_where_squid_says_so() {
        let averages = Averages::parse(Page::FiveMinutes, NEGATIVE).unwrap();
        let traffic = Traffic::averaged(&averages).unwrap();
        // The same server's page `info` says: 5min: -0.8 %.
        let ratio = traffic.byte_hit_ratio().unwrap();
        assert_eq!(format!("{ratio:.1}"), "-0.8");
        assert_eq!((traffic.requests, traffic.hits, traffic.hit_ratio()), (24.0, 0.0, Some(0.0)));
    }

    #[test]
    fn an_idle_cache_has_no_ratio() {
        let idle = Traffic { seconds: 300.0, ..Traffic::default() };
        assert_eq!((idle.hit_ratio(), idle.byte_hit_ratio(), idle.error_ratio()), (None, None, None));
        let own = Traffic { requests: 5.0, kbytes_out: 9.0, ..idle };
        assert_eq!(own.without(Own { requests: 5.0, kbytes: 9.0 }).hit_ratio(), None, "only we have asked");
    }

    #[test]
    fn own_requests_are_no_misses() {
        let seen =
            Traffic { seconds: 60.0, requests: 110.0, hits: 80.0, kbytes_out: 120.0, ..Traffic::default() };
        assert_eq!(seen.without(Own { requests: 10.0, kbytes: 20.0 }).hit_ratio(), Some(80.0));
    }

    proptest! {
        #[test]
        fn ratios_stay_in_their_bounds(
            requests in 0_u32..9999, hits in 0_u32..9999, out in 0_u32..9999, servers in 0_u32..9999, own in 0_u32..99,
        ) {
            let hits = hits.min(requests);
            let traffic = Traffic {
                seconds: 1.0, requests: requests.into(), hits: hits.into(), kbytes_out: out.into(),
                server_kbytes_in: servers.into(), ..Traffic::default()
            }.without(Own { requests: own.into(), kbytes: own.into() });
            prop_assert!(traffic.hit_ratio().is_none_or(|r| (0.0..=100.0).contains(&r)));
            prop_assert!(traffic.byte_hit_ratio().is_none_or(|r| (-100.0..=100.0).contains(&r)));
        }
    }
}
