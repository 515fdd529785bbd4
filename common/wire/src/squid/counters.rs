//! The page `counters`: totals since Squid started.

use super::values::Values;
use super::{Page, PageError};

/// Totals of traffic. Up to about 3.1 they are 32 bits wide and turn negative: compare them by [`difference`].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Counters {
    /// The server's clock when it wrote the page, in seconds since 1970.
    pub now: f64,
    /// Requests of clients, those of the cache manager included.
    pub requests: i64,
    /// Requests answered from the cache; an unchanged object that was asked for anew counts (`TCP_REFRESH_UNMODIFIED`).
    pub hits: i64,
    /// Requests answered by an error page of Squid.
    pub errors: i64,
    /// KiB received from clients.
    pub kbytes_in: i64,
    /// KiB sent to clients.
    pub kbytes_out: i64,
    /// KiB sent to clients from the cache.
    pub hit_kbytes_out: Option<i64>,
    /// Requests to origins and peers.
    pub server_requests: i64,
    /// Those that failed.
    pub server_errors: i64,
    /// KiB received from origins and peers.
    pub server_kbytes_in: i64,
    /// KiB of cache digests received, which the server's own byte hit ratio leaves out.
    pub digest_kbytes_in: i64,
    /// Requests whose client went away; absent in 2.5.
    pub aborted: Option<i64>,
    /// Objects written to disk.
    pub swap_outs: Option<i64>,
    /// Objects read from disk.
    pub swap_ins: Option<i64>,
    /// Seconds of CPU used.
    pub cpu_time: Option<f64>,
}

impl Counters {
    /// Reads the page.
    ///
    /// # Errors
    /// When it is another page, cut off, or lacks a counter that every version has.
    pub fn parse(text: &str) -> Result<Self, PageError> {
        Page::Counters.check(text)?;
        let values = Values::parse(Page::Counters.name(), text);
        Ok(Self {
            // `sample_time` is that of the last sample, up to a minute ago; `wall_time` is the time since.
            now: values.need_number("sample_time")? + values.number("wall_time").unwrap_or(0.0),
            requests: values.need_count("client_http.requests")?,
            hits: values.need_count("client_http.hits")?,
            errors: values.need_count("client_http.errors")?,
            kbytes_in: values.need_count("client_http.kbytes_in")?,
            kbytes_out: values.need_count("client_http.kbytes_out")?,
            hit_kbytes_out: values.count("client_http.hit_kbytes_out"),
            server_requests: values.need_count("server.all.requests")?,
            server_errors: values.need_count("server.all.errors")?,
            server_kbytes_in: values.need_count("server.all.kbytes_in")?,
            digest_kbytes_in: values.count("cd.kbytes_recv").unwrap_or(0),
            aborted: values.count("aborted_requests"),
            swap_outs: values.count("swap.outs"),
            swap_ins: values.count("swap.ins"),
            cpu_time: values.number("cpu_time"),
        })
    }
}

/// What was added to a counter, which may have wrapped at 32 bits in between (signed or not) if the server has not
/// started anew. `None` when it went back in another way.
pub fn difference(before: i64, now: i64) -> Option<u64> {
    if let Ok(plain) = u64::try_from(now.checked_sub(before)?) {
        return Some(plain);
    }
    let narrow = |count: i64| i32::try_from(count).is_ok() || u32::try_from(count).is_ok();
    let wrapped = now.wrapping_sub(before).rem_euclid(1 << 32);
    // More than half of the circle within minutes is no traffic but a counter that was set back.
    (narrow(before) && narrow(now) && wrapped < 1 << 31).then_some(wrapped.unsigned_abs())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn counters_of_5_7_and_7_7_are_read() {
        let c = Counters::parse(include_str!("../../testdata/squid/5.7-counters.txt")).unwrap();
        assert_eq!((c.requests, c.hits, c.errors, c.aborted), (1608, 1113, 26, Some(17)));
        assert_eq!((c.kbytes_out, c.hit_kbytes_out, c.server_kbytes_in), (34449, Some(32342), 1709));
        assert!(
            (c.now - 1_795_236_531.334_05).abs() < 1e-3,
            "the clock is sample_time + wall_time: {}",
            c.now
        );
        let c = Counters::parse(include_str!("../../testdata/squid/7.7-counters.txt")).unwrap();
        assert_eq!((c.requests, c.hits, c.server_requests), (52, 35, 17));
    }

    #[test]
    fn a_wrapped_counter_of_2_7_is_negative_and_still_counts() {
        let c =
            Counters::parse(include_str!("../../testdata/squid/2.7-counters-wrapped.synthetic.txt")).unwrap();
        assert_eq!(c.kbytes_out, -2_090_123_456);
        assert_eq!(difference(2_147_483_000, c.kbytes_out), Some(57_360_840));
    }

    #[test]
    fn a_counter_set_back_is_no_difference() {
        assert_eq!(difference(1_000_000, 10), None);
        assert_eq!(difference(1 << 40, 10), None);
        assert_eq!(difference(4_294_967_290, 10), Some(16), "unsigned, as over SNMP");
        assert_eq!(difference(i64::MIN, i64::MAX), None);
    }

    proptest! {
        #[test]
        fn a_wrap_at_32_bits_loses_nothing(before in any::<i32>(), added in 0_i64..i64::from(i32::MAX)) {
            #[allow(clippy::cast_possible_truncation, reason = "this is the wrap")]
            let now = (i64::from(before) + added) as i32;
            prop_assert_eq!(difference(before.into(), now.into()), Some(added.unsigned_abs()));
        }

        #[test]
        fn any_text_is_read_or_refused(text in "(sample_time = [0-9.]{0,9}\n)?(\\PC{0,20}\n){0,5}aborted_requests = 1\n") {
            let _ = Counters::parse(&text);
        }
    }
}
