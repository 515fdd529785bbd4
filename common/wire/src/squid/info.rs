//! The page `info`: what a person looks at first.

use super::values::{count, number};
use super::{Page, PageError};

/// The same measure over two windows.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Pair {
    /// The last five minutes.
    pub five: f64,
    /// The last hour.
    pub sixty: f64,
}

/// What the page says; `None` for what this version does not print.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Info {
    /// `5.7`, `2.7.STABLE9`.
    pub version: String,
    /// When the server started, as it writes it: the same text for as long as it runs.
    pub start_time: Option<String>,
    /// Addresses of clients.
    pub clients: Option<u64>,
    /// Hits in percent of requests.
    pub hit_ratio: Option<Pair>,
    /// The server's byte hit ratio in percent: negative when it fetched more than it sent.
    pub byte_hit_ratio: Option<Pair>,
    /// Hits from memory in percent of hits.
    pub memory_hits: Option<Pair>,
    /// Hits from disk in percent of hits.
    pub disk_hits: Option<Pair>,
    /// Disk cache used, in percent of what is configured; absent in 2.x.
    pub swap_used: Option<f64>,
    /// Bytes of objects on disk.
    pub swap_size: Option<f64>,
    /// Memory cache used, in percent; absent in 2.x.
    pub memory_used: Option<f64>,
    /// Bytes of objects in memory.
    pub memory_size: Option<f64>,
    /// Mean size of an object, bytes.
    pub object_size: Option<f64>,
    /// Median service time of all requests, seconds.
    pub all_time: Option<Pair>,
    /// The same of misses.
    pub miss_time: Option<Pair>,
    /// The same of hits.
    pub hit_time: Option<Pair>,
    /// The same of near hits.
    pub near_hit_time: Option<Pair>,
    /// The same of names looked up.
    pub dns_time: Option<Pair>,
    /// Seconds since start.
    pub uptime: Option<f64>,
    /// Percent of one core over five minutes.
    pub cpu_five: Option<f64>,
    /// Percent of one core over an hour.
    pub cpu_sixty: Option<f64>,
    /// Bytes of resident memory at its highest.
    pub resident_max: Option<f64>,
    /// File descriptors that the process may have.
    pub fds_max: Option<u64>,
    /// Those in use.
    pub fds_used: Option<u64>,
    /// Those kept back for disk and peers: new clients are refused before they are touched.
    pub fds_reserved: Option<u64>,
    /// Objects known.
    pub objects: Option<u64>,
}

impl Info {
    /// Reads the page, with the labels of 2.x (`Request Hit Ratios:`) or of 3.x to 7 (`Hits as % of all requests:`).
    ///
    /// # Errors
    /// When it is another page or cut off.
    pub fn parse(text: &str) -> Result<Self, PageError> {
        Page::Info.check(text)?;
        let mut info = Self::default();
        for line in text.lines().map(str::trim) {
            match line.split_once(':') {
                Some((label, value)) => info.set(label.trim(), value.trim()),
                None if line.ends_with(" StoreEntries") => info.objects = count(line),
                None => {}
            }
        }
        Ok(info)
    }

    fn set(&mut self, label: &str, value: &str) {
        match label {
            "Squid Object Cache" => {
                value.strip_prefix("Version ").unwrap_or(value).clone_into(&mut self.version);
            }
            "Start Time" => self.start_time = Some(value.to_owned()),
            "Number of clients accessing cache" => self.clients = count(value),
            "Hits as % of all requests" | "Request Hit Ratios" => self.hit_ratio = windows(value),
            "Hits as % of bytes sent" | "Byte Hit Ratios" => self.byte_hit_ratio = windows(value),
            "Memory hits as % of hit requests" | "Request Memory Hit Ratios" => {
                self.memory_hits = windows(value);
            }
            "Disk hits as % of hit requests" | "Request Disk Hit Ratios" => self.disk_hits = windows(value),
            "Storage Swap size" => self.swap_size = kilobytes(value),
            "Storage Swap capacity" => self.swap_used = number(value),
            "Storage Mem size" => self.memory_size = kilobytes(value),
            "Storage Mem capacity" => self.memory_used = number(value),
            "Mean Object Size" => self.object_size = kilobytes(value),
            "HTTP Requests (All)" => self.all_time = times(value),
            "Cache Misses" => self.miss_time = times(value),
            "Cache Hits" => self.hit_time = times(value),
            "Near Hits" => self.near_hit_time = times(value),
            "DNS Lookups" => self.dns_time = times(value),
            "UP Time" => self.uptime = number(value),
            "CPU Usage, 5 minute avg" => self.cpu_five = number(value),
            "CPU Usage, 60 minute avg" => self.cpu_sixty = number(value),
            "Maximum Resident Size" => self.resident_max = kilobytes(value),
            "Maximum number of file descriptors" => self.fds_max = count(value),
            "Number of file desc currently in use" => self.fds_used = count(value),
            "Reserved number of file descriptors" => self.fds_reserved = count(value),
            _ => {}
        }
    }
}

/// `5min: 70.0%, 60min: 26.7%`
fn windows(value: &str) -> Option<Pair> {
    let (five, sixty) = value.strip_prefix("5min:")?.split_once("60min:")?;
    Some(Pair { five: number(five)?, sixty: number(sixty)? })
}

/// `0.00000  0.00091`
fn times(value: &str) -> Option<Pair> {
    let mut numbers = value.split_whitespace().map(number);
    Some(Pair { five: numbers.next()??, sixty: numbers.next()?? })
}

/// `18.00 KB` in bytes.
fn kilobytes(value: &str) -> Option<f64> {
    number(value).map(|kb| kb * 1024.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NEW: &str = include_str!("../../testdata/squid/5.7-info.txt");
    const OLD: &str = include_str!("../../testdata/squid/2.7-info.synthetic.txt");

    #[test]
    fn the_labels_of_2_7_mean_the_same_as_those_of_5_7() {
        let (mut new, old) = (Info::parse(NEW).unwrap(), Info::parse(OLD).unwrap());
        assert_eq!(new.hit_ratio, Some(Pair { five: 0.0, sixty: 69.3 }));
        assert_eq!(new.byte_hit_ratio, Some(Pair { five: -0.0, sixty: 95.0 }));
        assert_eq!((new.version.as_str(), old.version.as_str()), ("5.7", "2.7.STABLE9"));
        assert_eq!((new.swap_used.take(), new.memory_used.take()), (Some(2.6), Some(1.8)), "not in 2.7");
        assert_eq!(Info { version: old.version.clone(), ..new }, old);
    }

    #[test]
    fn every_number_of_the_page_finds_its_place() {
        let info =
            Info::parse(include_str!("../../testdata/squid/5.7-info-negative-byte-ratio.txt")).unwrap();
        assert_eq!(info.byte_hit_ratio, Some(Pair { five: -0.8, sixty: 41.8 }));
        assert_eq!(info.start_time.as_deref(), Some("Sat, 21 Nov 2026 04:09:38 GMT"));
        assert_eq!((info.fds_max, info.fds_used, info.fds_reserved), (Some(1024), Some(17), Some(100)));
        assert_eq!((info.uptime, info.cpu_five, info.cpu_sixty), (Some(2461.053), Some(0.05), Some(0.06)));
        assert_eq!((info.object_size, info.objects, info.clients), (Some(18432.0), Some(149), Some(1)));
        assert_eq!(info.dns_time, Some(Pair { five: 0.0, sixty: 32.13254 }));
        let newest = Info::parse(include_str!("../../testdata/squid/7.7-info.txt")).unwrap();
        assert_eq!(newest.miss_time, Some(Pair { five: 0.04277, sixty: 0.04277 }));
        assert_eq!(newest.hit_ratio, Some(Pair { five: 70.0, sixty: 70.0 }));
    }

    proptest! {
        #[test]
        fn any_damage_is_read_or_refused(at in 0..NEW.len(), noise in "\\PC{0,12}") {
            let mut text = NEW.to_owned();
            text.insert_str(text.floor_char_boundary(at), &noise);
            let _ = Info::parse(&text);
        }
    }
}
