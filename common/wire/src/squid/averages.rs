//! The pages `5min` and `60min`: the counters as rates between two samples, which Squid takes once a minute.

use super::values::Values;
use super::{Page, PageError};

/// Rates per second between two of the server's samples. During its first minute a server has one sample, and all is 0.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Averages {
    /// The server's clock at the first sample, seconds since 1970.
    pub start: f64,
    /// The same at the last: up to a minute ago.
    pub end: f64,
    /// Requests of clients.
    pub requests: f64,
    /// Hits.
    pub hits: f64,
    /// Error pages.
    pub errors: f64,
    /// KiB from clients.
    pub kbytes_in: f64,
    /// KiB to clients.
    pub kbytes_out: f64,
    /// Requests to origins and peers.
    pub server_requests: f64,
    /// Those that failed.
    pub server_errors: f64,
    /// KiB from origins and peers.
    pub server_kbytes_in: f64,
    /// Requests whose client went away.
    pub aborted: Option<f64>,
    /// Median service time of all requests, in seconds.
    pub all_time: Option<f64>,
    /// The same of misses.
    pub miss_time: Option<f64>,
    /// The same of hits.
    pub hit_time: Option<f64>,
    /// The same of near hits: the origin said that the cached object is still good.
    pub near_hit_time: Option<f64>,
    /// The same of names looked up.
    pub dns_time: Option<f64>,
    /// CPU used, in percent of one core.
    pub cpu: Option<f64>,
}

impl Averages {
    /// Reads the page `5min` or `60min`.
    ///
    /// # Errors
    /// When it is another page, cut off, or lacks a value that every version has.
    pub fn parse(page: Page, text: &str) -> Result<Self, PageError> {
        page.check(text)?;
        let values = Values::parse(page.name(), text);
        Ok(Self {
            start: values.need_number("sample_start_time")?,
            end: values.need_number("sample_end_time")?,
            requests: values.need_number("client_http.requests")?,
            hits: values.need_number("client_http.hits")?,
            errors: values.need_number("client_http.errors")?,
            kbytes_in: values.need_number("client_http.kbytes_in")?,
            kbytes_out: values.need_number("client_http.kbytes_out")?,
            server_requests: values.need_number("server.all.requests")?,
            server_errors: values.need_number("server.all.errors")?,
            server_kbytes_in: values.need_number("server.all.kbytes_in")?,
            aborted: values.number("aborted_requests"),
            all_time: values.number("client_http.all_median_svc_time"),
            miss_time: values.number("client_http.miss_median_svc_time"),
            hit_time: values.number("client_http.hit_median_svc_time"),
            near_hit_time: values.number("client_http.nh_median_svc_time"),
            dns_time: values.number("dns.median_svc_time"),
            cpu: values.number("cpu_usage"),
        })
    }

    /// Seconds between the samples; 0 when there is only one.
    pub fn span(&self) -> f64 {
        (self.end - self.start).max(0.0)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::float_cmp, reason = "read, not calculated")]
    use super::*;

    #[test]
    fn rates_of_a_busy_and_of_an_idle_server_are_read() {
        let text = include_str!("../../testdata/squid/5.7-5min-negative-byte-ratio.txt");
        let a = Averages::parse(Page::FiveMinutes, text).unwrap();
        assert_eq!((a.requests * a.span()).round(), 24.0);
        assert!(a.server_kbytes_in > a.kbytes_out, "it fetched more than it sent");
        assert_eq!(a.cpu, Some(0.045_744));
        let idle = include_str!("../../testdata/squid/5.7-5min.txt");
        assert_eq!(Averages::parse(Page::FiveMinutes, idle).unwrap().requests, 0.0);
        let newest = include_str!("../../testdata/squid/7.7-5min.txt");
        assert_eq!(Averages::parse(Page::FiveMinutes, newest).unwrap().miss_time, Some(0.042_766));
    }
}
