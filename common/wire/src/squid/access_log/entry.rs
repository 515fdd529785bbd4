//! One request, and what it counts as.

/// What one line says of one request; borrowed from the line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Entry<'a> {
    /// `TCP_MEM_HIT`, `TCP_MISS_ABORTED`: what became of it (`%Ss`).
    pub result: &'a [u8],
    /// The status sent to the client; 0 when none was.
    pub status: u16,
    /// Bytes sent to the client, header included (`%<st`).
    pub bytes: u64,
    /// Milliseconds that it took (`%tr`), where the format has it.
    pub elapsed: Option<u64>,
    /// The URL asked for; `host:port` with CONNECT.
    pub url: &'a [u8],
    /// The Host field, where the format has it; without it the host of the URL counts.
    pub host: Option<&'a [u8]>,
}

/// Whom a request was for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Site<'a> {
    /// A host, without port, as the client wrote it.
    Host(&'a [u8]),
    /// Nobody: a request that Squid could not read.
    Invalid,
    /// Squid itself: the cache manager and other internal pages.
    Internal,
}

impl<'a> Entry<'a> {
    /// As Squid counts hits (`LogTags::isTcpHit`): also an unchanged object that was asked for anew, and an old one that was
    /// sent because the origin failed.
    pub fn is_hit(&self) -> bool {
        // The frequent ones first: this runs for every line.
        match self.result {
            b"TCP_MISS" => return false,
            b"TCP_HIT" | b"TCP_MEM_HIT" => return true,
            _ => {}
        }
        contains(self.result, b"HIT")
            || contains(self.result, b"REFRESH_UNMODIFIED")
            || contains(self.result, b"REFRESH_FAIL_OLD")
    }

    /// The client went away before the end, or the time was over.
    pub fn is_aborted(&self) -> bool {
        // The shortest that is: TCP_HIT_ABORTED.
        self.result.len() >= 15 && (contains(self.result, b"_ABORTED") || contains(self.result, b"_TIMEDOUT"))
    }

    /// A question of another cache by ICP or HTCP, which is no request for an object.
    pub fn is_peer_query(&self) -> bool {
        self.result.starts_with(b"UDP_")
    }

    /// The path and query of the URL; empty with CONNECT.
    pub fn path(&self) -> &'a [u8] {
        split(self.url).1
    }

    /// Whom the request was for.
    pub fn site(&self) -> Site<'a> {
        if self.url.starts_with(b"cache_object:") {
            return Site::Internal;
        }
        let (authority, path) = split(self.url);
        // /squid-internal-mgr/, /squid-internal-periodic/, /squid-internal-static/, /squid-internal-dynamic/
        if path.starts_with(b"/squid-internal-") {
            return Site::Internal;
        }
        let named = self.host.map(<[u8]>::trim_ascii).filter(|host| !matches!(*host, b"" | b"-"));
        match bare(named.unwrap_or(authority)) {
            b"" => Site::Invalid,
            host => Site::Host(host),
        }
    }
}

/// The authority of a URL and what follows it. `error:invalid-request` has none.
fn split(url: &[u8]) -> (&[u8], &[u8]) {
    let scheme = &url[..url.len().min(SCHEME_MAX)];
    let rest = match memchr::memchr(b':', scheme).filter(|at| url[*at..].starts_with(b"://")) {
        Some(at) => &url[at + 3..],
        // CONNECT logs `host:port`; a scheme that is followed by anything else has no host.
        None if ends_in_port(url) => url,
        None => return (b"", b""),
    };
    let end = memchr::memchr3(b'/', b'?', b'#', rest).unwrap_or(rest.len());
    rest.split_at(end)
}

/// `://` stands within the first bytes of a URL, or not at all.
const SCHEME_MAX: usize = 16;

fn ends_in_port(url: &[u8]) -> bool {
    let digits = url.iter().rev().take_while(|b| b.is_ascii_digit()).count();
    digits > 0 && url.len() > digits + 1 && url[url.len() - digits - 1] == b':'
}

/// A host without user and port.
fn bare(authority: &[u8]) -> &[u8] {
    let host = memchr::memrchr(b'@', authority).map_or(authority, |at| &authority[at + 1..]);
    if host.first() == Some(&b'[') {
        let end = host.iter().position(|b| *b == b']').map_or(host.len(), |at| at + 1);
        return &host[..end];
    }
    &host[..memchr::memchr(b':', host).unwrap_or(host.len())]
}

fn contains(text: &[u8], word: &[u8]) -> bool {
    text.windows(word.len()).any(|window| window == word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hits_are_those_that_squid_counts() {
        for (result, hit) in [
            ("TCP_HIT", true),
            ("TCP_MEM_HIT", true),
            ("TCP_IMS_HIT", true),
            ("TCP_INM_HIT", true),
            ("TCP_REFRESH_UNMODIFIED", true),
            ("TCP_REFRESH_HIT", true),
            ("TCP_REFRESH_FAIL_OLD", true),
            ("TCP_MISS", false),
            ("TCP_REFRESH_MODIFIED", false),
            ("TCP_REFRESH_MISS", false),
            ("TCP_MISS_ABORTED", false),
            ("TCP_DENIED", false),
            ("NONE_NONE", false),
        ] {
            assert_eq!(Entry { result: result.as_bytes(), ..Entry::default() }.is_hit(), hit, "{result}");
        }
    }

    #[test]
    fn a_site_is_the_host_without_port() {
        for (url, host, site) in [
            ("http://live.example/a?b", None, Site::Host(b"live.example")),
            ("http://u:p@live.example:8080/a", None, Site::Host(b"live.example")),
            ("http://[2001:db8::1]:8080/a", None, Site::Host(b"[2001:db8::1]")),
            ("http://live.example", None, Site::Host(b"live.example")),
            ("live.example:443", None, Site::Host(b"live.example")),
            ("http://192.0.2.1:80/a", Some("live.example:80"), Site::Host(b"live.example")),
            ("http://live.example/a", Some("-"), Site::Host(b"live.example")),
            ("error:invalid-request", None, Site::Invalid),
            ("http:///a", None, Site::Invalid),
            ("-", None, Site::Invalid),
            ("http://cache.example:3128/squid-internal-mgr/info", Some("x"), Site::Internal),
            ("cache_object://192.0.2.1/info@secret", None, Site::Internal),
        ] {
            let entry = Entry { url: url.as_bytes(), host: host.map(str::as_bytes), ..Entry::default() };
            assert_eq!(entry.site(), site, "{url}");
        }
    }

    #[test]
    fn an_aborted_request_is_known_by_its_suffix() {
        let aborted =
            |result: &'static str| Entry { result: result.as_bytes(), ..Entry::default() }.is_aborted();
        assert!(
            aborted("TCP_MISS_ABORTED") && aborted("TCP_MISS_TIMEDOUT") && !aborted("TCP_REFRESH_UNMODIFIED")
        );
    }
}
