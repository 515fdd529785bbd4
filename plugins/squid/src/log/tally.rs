//! Counting: the whole log, and each site of it.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hasher, RandomState};

use weir_wire::squid::access_log::{Entry, Site};

use super::sites::Sites;

/// Hosts that are counted one by one; then the less frequent half is summed. 64 Ki hosts are about 10 MB.
pub(crate) const HOSTS_MAX: usize = 1 << 16;
/// DNS allows 253 bytes; what is longer is no host.
const HOST_LENGTH_MAX: usize = 255;

/// What happened to some requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) requests: u64,
    pub(crate) hits: u64,
    pub(crate) aborted: u64,
    pub(crate) bytes: u64,
    pub(crate) hit_bytes: u64,
    /// Milliseconds that clients waited for misses.
    pub(crate) miss_ms: u64,
    /// By hundreds: `status[2]` is 2xx, `status[0]` none sent.
    pub(crate) status: [u64; 6],
}

impl Counts {
    fn add(&mut self, entry: &Entry<'_>) {
        self.requests += 1;
        self.bytes = self.bytes.saturating_add(entry.bytes);
        if entry.is_hit() {
            self.hits += 1;
            self.hit_bytes = self.hit_bytes.saturating_add(entry.bytes);
        } else {
            self.miss_ms = self.miss_ms.saturating_add(entry.elapsed.unwrap_or(0));
        }
        self.aborted += u64::from(entry.is_aborted());
        self.status[usize::from(entry.status / 100).min(5)] += 1;
    }

    fn absorb(&mut self, other: &Self) {
        self.requests += other.requests;
        self.hits += other.hits;
        self.aborted += other.aborted;
        self.bytes = self.bytes.saturating_add(other.bytes);
        self.hit_bytes = self.hit_bytes.saturating_add(other.hit_bytes);
        self.miss_ms = self.miss_ms.saturating_add(other.miss_ms);
        for (sum, more) in self.status.iter_mut().zip(other.status) {
            *sum += more;
        }
    }

    /// Bytes that were not served from the cache.
    pub(crate) fn miss_bytes(&self) -> u64 {
        self.bytes.saturating_sub(self.hit_bytes)
    }

    /// `part` in percent of the requests; `None` without any.
    pub(crate) fn percent(&self, part: u64) -> Option<f64> {
        (self.requests > 0).then(|| 100.0 * part as f64 / self.requests as f64)
    }

    /// Bytes from the cache in percent of all; `None` without any.
    pub(crate) fn byte_percent(&self) -> Option<f64> {
        (self.bytes > 0).then(|| 100.0 * self.hit_bytes as f64 / self.bytes as f64)
    }
}

/// The counts of one log.
pub(crate) struct Tally<'a> {
    sites: Option<&'a Sites>,
    /// All requests of clients.
    pub(crate) total: Counts,
    /// Requests that Squid could not read, hosts that were too rare to keep, and what no pattern names.
    pub(crate) rest: Counts,
    /// Requests to Squid itself, which are nobody's.
    pub(crate) internal: u64,
    /// Lines that are not of the format.
    pub(crate) unreadable: u64,
    named: Vec<Counts>,
    hosts: HashMap<Box<[u8]>, Host, Seed>,
    /// A host that comes now may have been summed into `rest` with at most this many requests.
    forgotten: u64,
}

struct Host {
    counts: Counts,
    /// Requests that may have been forgotten before it came (again).
    missing: u64,
}

impl<'a> Tally<'a> {
    pub(crate) fn new(sites: Option<&'a Sites>) -> Self {
        Self {
            sites,
            total: Counts::default(),
            rest: Counts::default(),
            internal: 0,
            unreadable: 0,
            named: vec![Counts::default(); sites.map_or(0, |s| s.names().len())],
            hosts: HashMap::with_hasher(Seed::new()),
            forgotten: 0,
        }
    }

    /// Counts one request.
    pub(crate) fn add(&mut self, entry: &Entry<'_>) {
        if entry.is_peer_query() {
            return;
        }
        let host = match entry.site() {
            Site::Internal => {
                self.internal += 1;
                return;
            }
            Site::Invalid => b"",
            Site::Host(host) => host,
        };
        self.total.add(entry);
        if host.is_empty() || host.len() > HOST_LENGTH_MAX {
            self.rest.add(entry);
            return;
        }
        // Names compare without case; nearly all come in lower case already.
        let mut buffer = [0; HOST_LENGTH_MAX];
        let host = if host.iter().any(u8::is_ascii_uppercase) {
            let lower = &mut buffer[..host.len()];
            lower.copy_from_slice(host);
            lower.make_ascii_lowercase();
            lower
        } else {
            host
        };
        match self.sites {
            Some(sites) => match sites.find(host, entry.path()) {
                Some(name) => self.named[name].add(entry),
                None => self.rest.add(entry),
            },
            None => self.add_host(host, entry),
        }
    }

    fn add_host(&mut self, host: &[u8], entry: &Entry<'_>) {
        if let Some(known) = self.hosts.get_mut(host) {
            known.counts.add(entry);
            return;
        }
        if self.hosts.len() >= HOSTS_MAX {
            self.fold();
        }
        let mut counts = Counts::default();
        counts.add(entry);
        self.hosts.insert(host.into(), Host { counts, missing: self.forgotten });
    }

    /// Sums the less frequent half into `rest`.
    fn fold(&mut self) {
        let mut sizes: Vec<u64> = self.hosts.values().map(|h| h.counts.requests + h.missing).collect();
        let middle = sizes.len() / 2;
        let (_, median, _) = sizes.select_nth_unstable(middle);
        let limit = *median;
        let rest = &mut self.rest;
        self.hosts.retain(|_, host| {
            let stays = host.counts.requests + host.missing > limit;
            if !stays {
                rest.absorb(&host.counts);
            }
            stays
        });
        self.forgotten = self.forgotten.max(limit);
    }

    /// The sites by name: those of the patterns in their order, or the `top` hosts by requests. Of a host whose count may lack
    /// requests from before it was forgotten the second part says how many at most.
    pub(crate) fn sites(&self, top: usize) -> Vec<(String, Counts, u64)> {
        if let Some(sites) = self.sites {
            return sites.names().iter().cloned().zip(&self.named).map(|(name, c)| (name, *c, 0)).collect();
        }
        let mut hosts: Vec<(&[u8], &Host)> = self.hosts.iter().map(|(name, host)| (&**name, host)).collect();
        hosts.sort_unstable_by(|(a, x), (b, y)| y.counts.requests.cmp(&x.counts.requests).then(a.cmp(b)));
        hosts.truncate(top);
        let name = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        hosts.into_iter().map(|(host, h)| (name(host), h.counts, h.missing)).collect()
    }
}

/// A fast hash with a seed of the process: hosts come from strangers, who shall not know which of them collide.
#[derive(Clone)]
struct Seed(u64);

impl Seed {
    fn new() -> Self {
        Self(RandomState::new().hash_one(0_u8))
    }
}

impl BuildHasher for Seed {
    type Hasher = Mix;

    fn build_hasher(&self) -> Mix {
        Mix(self.0)
    }
}

/// Multiplies and folds eight bytes at a time.
struct Mix(u64);

impl Hasher for Mix {
    fn write(&mut self, bytes: &[u8]) {
        let mut chunks = bytes.chunks_exact(8);
        for chunk in &mut chunks {
            self.write_u64(u64::from_le_bytes(chunk.try_into().unwrap_or_default()));
        }
        let mut last = [0; 8];
        last[..chunks.remainder().len()].copy_from_slice(chunks.remainder());
        self.write_u64(u64::from_le_bytes(last));
    }

    fn write_u64(&mut self, word: u64) {
        let product = u128::from(self.0 ^ word) * 0x9e37_79b9_7f4a_7c15;
        // Both halves of the product, so that high bits reach low ones.
        #[allow(clippy::cast_possible_truncation, reason = "the halves are wanted")]
        let folded = (product as u64) ^ ((product >> 64) as u64);
        self.0 = folded;
    }

    fn write_usize(&mut self, length: usize) {
        self.write_u64(length as u64);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry<'a>(url: &'a str, result: &'a str, bytes: u64) -> Entry<'a> {
        Entry {
            result: result.as_bytes(),
            status: 200,
            bytes,
            elapsed: Some(5),
            url: url.as_bytes(),
            host: None,
        }
    }

    #[test]
    fn every_request_is_counted_once() {
        let mut tally = Tally::new(None);
        tally.add(&entry("http://A.example/1", "TCP_MISS", 100));
        tally.add(&entry("http://a.example:80/1", "TCP_MEM_HIT", 50));
        tally.add(&entry("error:invalid-request", "NONE", 10));
        tally.add(&entry("http://c/squid-internal-mgr/info", "TCP_MISS", 999));
        tally.add(&entry("http://a.example/1", "UDP_MISS", 999));
        let sites = tally.sites(10);
        assert_eq!(sites.len(), 1);
        let (name, counts, missing) = &sites[0];
        assert_eq!((name.as_str(), counts.requests, counts.hits, *missing), ("a.example", 2, 1, 0));
        assert_eq!((counts.miss_bytes(), counts.miss_ms, counts.status[2]), (100, 5, 2));
        assert_eq!((tally.total.requests, tally.rest.requests, tally.internal), (3, 1, 1));
    }

    #[test]
    fn a_million_hosts_cost_no_more_than_the_table() {
        let mut tally = Tally::new(None);
        let urls: Vec<String> = (0..5 * HOSTS_MAX).map(|n| format!("http://h{n}.example/")).collect();
        for url in &urls {
            tally.add(&entry("http://big.example/", "TCP_HIT", 1));
            tally.add(&entry(url, "TCP_MISS", 1));
        }
        assert!(tally.hosts.len() <= HOSTS_MAX);
        let (name, counts, missing) = &tally.sites(1)[0];
        let all = urls.len() as u64;
        assert_eq!(
            (name.as_str(), counts.requests, *missing),
            ("big.example", all, 0),
            "the top one is exact"
        );
        let kept: u64 = tally.hosts.values().map(|h| h.counts.requests).sum();
        assert_eq!((kept + tally.rest.requests, tally.total.requests), (2 * all, 2 * all), "nothing is lost");
    }
}
