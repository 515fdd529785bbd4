//! Which pages there are, how they are asked for, and how a page is known to be that page, and whole.

use thiserror::Error;

use crate::text::excerpt;

/// A page of the cache manager.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Page {
    /// Totals since start, or since a counter wrapped.
    Counters,
    /// The general page: ratios, service times, descriptors.
    Info,
    /// The counters as rates over the last five minutes.
    FiveMinutes,
    /// The counters as rates over the last hour.
    SixtyMinutes,
    /// Disk caches.
    StoreDir,
    /// Parents and siblings.
    ServerList,
    /// Everybody who has asked: large on a busy proxy.
    ClientList,
}

/// Why a body is not the page that was asked for.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum PageError {
    /// It begins as something else: another server, or an origin behind Squid.
    #[error("this is not Squid's page {page}: it begins with \"{first}\"")]
    Other {
        /// What was asked for.
        page: &'static str,
        /// The first bytes, escaped.
        first: String,
    },
    /// It begins well and ends too early.
    #[error("the page {page} ends after {length} bytes without {lacks}")]
    Truncated {
        /// What was asked for.
        page: &'static str,
        /// How many bytes came.
        length: usize,
        /// What every such page ends with.
        lacks: String,
    },
    /// A value that every version has is missing or unreadable.
    #[error("the page {page} has no readable value of {key}")]
    Missing {
        /// What was asked for.
        page: &'static str,
        /// The label.
        key: &'static str,
    },
}

impl Page {
    /// The word by which the manager knows it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Counters => "counters",
            Self::Info => "info",
            Self::FiveMinutes => "5min",
            Self::SixtyMinutes => "60min",
            Self::StoreDir => "storedir",
            Self::ServerList => "server_list",
            Self::ClientList => "client_list",
        }
    }

    /// The most bytes that a sane server sends: a few hundred per peer, disk or client and worker.
    pub const fn max_length(self) -> usize {
        match self {
            Self::ClientList => 32 << 20,
            Self::ServerList | Self::StoreDir => 4 << 20,
            _ => 256 << 10,
        }
    }

    /// Whether `body` is this page and whole.
    ///
    /// # Errors
    /// [`PageError::Other`] and [`PageError::Truncated`].
    pub fn check(self, body: &str) -> Result<(), PageError> {
        let first =
            body.lines().find(|line| !line.trim().is_empty() && !is_block_start(line)).unwrap_or_default();
        let (openings, end): (&[&str], &str) = match self {
            Self::Counters => (&["sample_time = "], "\naborted_requests = "),
            Self::Info => (&["Squid Object Cache: Version "], "on-disk objects"),
            Self::FiveMinutes | Self::SixtyMinutes => (&["sample_start_time = "], "\ncpu_usage = "),
            Self::StoreDir => (&["Store Directory Statistics:"], "Current Capacity"),
            Self::ServerList => {
                (&["Parent", "Sibling", "Multicast", "Non-Peer", "There are no neighbors"], "\n")
            }
            Self::ClientList => (&["Cache Clients:"], "TOTALS"),
        };
        if !openings.iter().any(|opening| first.starts_with(opening)) {
            return Err(PageError::Other { page: self.name(), first: excerpt(body.trim_start().as_bytes()) });
        }
        // A line that is cut off in the middle has no line end.
        if !body.contains(end) || !body.ends_with('\n') {
            let lacks = format!("\"{}\"", end.trim());
            return Err(PageError::Truncated {
                page: self.name(),
                length: body.len(),
                lacks: if end == "\n" { "a line end".to_owned() } else { lacks },
            });
        }
        Ok(())
    }
}

/// `by kid3 {`: with several workers some pages come as one block of each.
pub(super) fn is_block_start(line: &str) -> bool {
    line.strip_prefix("by kid").is_some_and(|rest| rest.trim_end().ends_with('{'))
}

#[cfg(test)]
mod tests {
    use super::*;

    const RECORDED: [(Page, &str); 13] = [
        (Page::Counters, include_str!("../../testdata/squid/5.7-counters.txt")),
        (Page::Counters, include_str!("../../testdata/squid/2.7-counters-wrapped.synthetic.txt")),
        (Page::Counters, include_str!("../../testdata/squid/7.7-counters.txt")),
        (Page::Info, include_str!("../../testdata/squid/5.7-info.txt")),
        (Page::Info, include_str!("../../testdata/squid/2.7-info.synthetic.txt")),
        (Page::Info, include_str!("../../testdata/squid/7.7-info.txt")),
        (Page::FiveMinutes, include_str!("../../testdata/squid/6.13-5min.txt")),
        (Page::StoreDir, include_str!("../../testdata/squid/5.7-storedir.txt")),
        (Page::StoreDir, include_str!("../../testdata/squid/7.7-storedir.txt")),
        (Page::ServerList, include_str!("../../testdata/squid/5.7-server_list.txt")),
        (Page::ServerList, include_str!("../../testdata/squid/5.7-smp2-server_list.txt")),
        (Page::ServerList, "There are no neighbors installed.\n"),
        (Page::ClientList, include_str!("../../testdata/squid/5.7-client_list.txt")),
    ];

    #[test]
    fn a_recorded_page_is_itself_and_no_other() {
        for (page, body) in RECORDED {
            assert_eq!(page.check(body), Ok(()));
            for (other, _) in RECORDED.iter().filter(|(other, _)| other.name() != page.name()) {
                assert!(matches!(other.check(body), Err(PageError::Other { .. })), "{other:?} is {page:?}");
            }
        }
    }

    #[test]
    fn a_page_cut_in_a_line_is_truncated() {
        for (page, body) in RECORDED {
            let error = page.check(&body[..body.len() - 2]);
            assert!(matches!(error, Err(PageError::Truncated { .. })), "{page:?}: {error:?}");
        }
    }

    #[test]
    fn the_origin_s_page_is_refused_with_its_first_bytes() {
        let error = Page::Info.check("<html>welcome</html>\n").unwrap_err().to_string();
        assert!(error.contains("<html>welcome"), "{error}");
    }
}
