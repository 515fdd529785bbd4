//! Names: for people instead of addresses, as patterns for services, and what expectation files ask for.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use url::Url;
use weir_contract::Problem;
use weir_wire::ip_vs::expect::{MAX_TEXT, Surroundings};
use weir_wire::ip_vs::{Key, Protocol};

use crate::dns;
use crate::table::text;
use crate::vip::port;

/// The hosts file of the system.
const HOSTS: &str = "/etc/hosts";
/// An included pattern matches at most so many files.
const FILES_MAX: usize = 1000;

/// What makes a part of a path a pattern; braces are gone by then.
const WILD: [char; 4] = ['*', '?', '[', '{'];

/// Channels that are named in full; of more only the number is told.
const CHANNELS_MAX: usize = 3;

/// Names of addresses and what is served there.
#[derive(Clone, Debug, Default)]
pub struct Names {
    /// From the file: these are names for metrics too, which must not change when a resolver is silent.
    hosts: HashMap<IpAddr, String>,
    /// Those whose name another address of the family has too, but for what is cleaned from metrics: no names for these.
    shared: HashSet<IpAddr>,
    /// From the hosts file and the DNS: for people alone.
    found: HashMap<IpAddr, String>,
    /// The channels of each virtual address and port.
    channels: BTreeMap<SocketAddr, Vec<String>>,
}

impl Names {
    /// Reads a file. Each line is one of hosts(5), of which the first name counts, or one of a channels file: `NAME URL [OPTIONS]`.
    /// Hosts in URLs are addresses, or have theirs in this file, in the hosts file, or in the DNS if `dns` may be asked.
    ///
    /// # Errors
    /// E-NO-DATA when it cannot be read.
    pub fn read(path: &Path, dns: bool) -> Result<Self, Problem> {
        let hosts_file = text(Path::new(HOSTS)).unwrap_or_default();
        Ok(Self::parse(&text(path)?, &hosts_file, dns))
    }

    fn parse(file: &str, hosts_file: &str, dns: bool) -> Self {
        let mut names = Self::default();
        let mut by_name: HashMap<String, Vec<IpAddr>> = HashMap::new();
        for text in [file, hosts_file] {
            for mut words in lines(text) {
                let (Some(Ok(address)), Some(name)) = (words.next().map(str::parse), words.next()) else {
                    continue;
                };
                if std::ptr::eq(text, file) {
                    names.hosts.entry(address).or_insert_with(|| name.to_owned());
                }
                for name in std::iter::once(name).chain(words) {
                    by_name.entry(name.to_ascii_lowercase()).or_default().push(address);
                }
            }
        }
        let mut one_name: HashMap<(bool, String), Vec<IpAddr>> = HashMap::new();
        for (ip, name) in &names.hosts {
            let clean = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' };
            one_name.entry((ip.is_ipv6(), name.chars().map(clean).collect())).or_default().push(*ip);
        }
        names.shared = one_name.into_values().filter(|ips| ips.len() > 1).flatten().collect();
        let urls: Vec<(&str, String, u16)> = lines(file).filter_map(|words| channel(words)).collect();
        if dns {
            let unknown = |host: &&str| host.parse::<IpAddr>().is_err() && !by_name.contains_key(*host);
            let unknown: BTreeSet<&str> =
                urls.iter().map(|(_, host, _)| host.as_str()).filter(unknown).collect();
            let found = dns::addresses(unknown.into_iter());
            by_name.extend(found);
        }
        for (channel, host, port) in urls {
            let addresses = match host.parse() {
                Ok(address) => vec![address],
                Err(_) => by_name.get(&host).cloned().unwrap_or_default(),
            };
            for address in addresses {
                names.channels.entry(SocketAddr::new(address, port)).or_default().push(channel.to_owned());
            }
        }
        names
    }

    /// Finds names for those of `addresses` that have none: in the hosts file, then in the DNS.
    pub fn look_up(&mut self, addresses: impl Iterator<Item = IpAddr>) {
        let hosts_file = Self::parse(&text(Path::new(HOSTS)).unwrap_or_default(), "", false).hosts;
        let unnamed: BTreeSet<IpAddr> = addresses.filter(|ip| !self.hosts.contains_key(ip)).collect();
        let (known, unknown): (Vec<IpAddr>, Vec<IpAddr>) =
            unnamed.into_iter().partition(|ip| hosts_file.contains_key(ip));
        self.found.extend(dns::names(&unknown));
        self.found.extend(known.into_iter().filter_map(|ip| Some((ip, hosts_file.get(&ip)?.clone()))));
    }

    /// `media1.example.net:554`, or the address as it is.
    pub fn address(&self, address: SocketAddr) -> String {
        let name = self.hosts.get(&address.ip()).or_else(|| self.found.get(&address.ip()));
        name.map_or_else(|| address.to_string(), |name| format!("{name}:{}", address.port()))
    }

    /// `TCP vod.example.net:554 (news)`, `FWM 7`.
    pub fn service(&self, key: &Key) -> String {
        match key {
            Key::Address { protocol, address } => {
                let channels = match self.channels.get(address).map(Vec::as_slice) {
                    None => String::new(),
                    Some(few) if few.len() <= CHANNELS_MAX => format!(" ({})", few.join(", ")),
                    Some(many) => format!(" ({} channels)", many.len()),
                };
                let name = self.address(*address);
                // The family of a name that stands for one of each.
                let six = if address.is_ipv6() && !name.starts_with('[') { " IPv6" } else { "" };
                format!("{} {name}{six}{channels}", protocol.name())
            }
            Key::Fwmark { .. } => key.to_string(),
        }
    }

    /// A name for metrics: `tcp_vod.example.net_554`, or the key's own.
    pub fn id(&self, key: &Key) -> String {
        match key {
            Key::Address { address, .. } if self.shared.contains(&address.ip()) => key.id(),
            Key::Address { protocol, address } => match self.hosts.get(&address.ip()) {
                Some(name) => {
                    // A name may stand for an address of each family.
                    let six = if key.is_ipv6() { "6" } else { "" };
                    format!("{}{six}_{name}_{}", protocol.name().to_ascii_lowercase(), address.port())
                }
                None => key.id(),
            },
            Key::Fwmark { .. } => key.id(),
        }
    }

    /// The channels of a virtual address.
    fn channels(&self, address: SocketAddr) -> &[String] {
        self.channels.get(&address).map(Vec::as_slice).unwrap_or_default()
    }
}

/// The lines of a file without comments, as words.
fn lines(text: &str) -> impl Iterator<Item = std::str::SplitWhitespace<'_>> {
    text.lines().map(|line| line.split('#').next().unwrap_or_default().split_whitespace())
}

/// The channel, host and port of a line of a channels file.
fn channel(mut words: std::str::SplitWhitespace<'_>) -> Option<(&str, String, u16)> {
    let (name, url) = (words.next()?, Url::parse(words.next()?).ok()?);
    let host = url.host_str()?.trim_matches(['[', ']']).to_ascii_lowercase();
    Some((name, host, port(&url)?))
}

/// Which services: `192.0.2.1:80`, `192.0.2.*`, `TCP *:554`, `FWM 7`, `*.example.net:*`; an empty one selects all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pattern(String);

impl FromStr for Pattern {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.trim().is_empty() {
            return Err("use an address, `TCP 192.0.2.1:80`, `FWM 7`, with * and ? as wildcards".to_owned());
        }
        let text = text.trim().to_ascii_lowercase();
        Ok(Self(match text.rsplit_once(' ') {
            Some((kind, place)) => format!("{kind} {}", canonical(place)),
            None => canonical(&text),
        }))
    }
}

/// An address as tables show it: `2001:DB8:0::1` is `2001:db8::1`. What is none stays.
fn canonical(place: &str) -> String {
    let ip = || place.trim_matches(['[', ']']).parse::<IpAddr>().ok().map(|ip| ip.to_string());
    let address = place.parse::<SocketAddr>().ok().map(|address| address.to_string());
    address.or_else(ip).unwrap_or_else(|| place.to_owned())
}

impl std::fmt::Display for Pattern {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl Pattern {
    /// Whether the pattern is the whole service, or its address with or without port, by number or name.
    pub fn selects(&self, key: &Key, names: &Names) -> bool {
        let mut texts = vec![key.to_string(), names.service(key)];
        if let Some(address) = key.address() {
            texts.extend([address.to_string(), address.ip().to_string(), names.address(address)]);
            texts.extend_from_slice(names.channels(address));
        }
        texts.iter().any(|text| glob(self.0.as_bytes(), text.to_ascii_lowercase().as_bytes()))
    }
}

/// Whether `text` is of the form `pattern`, in which `*` is any text and `?` one byte.
pub fn glob(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut star = None; // where to go on when a later part does not fit
    while t < text.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(byte) if *byte == b'?' || *byte == text[t] => (p, t) = (p + 1, t + 1),
            _ => match star {
                Some((at, taken)) => {
                    star = Some((at, taken + 1));
                    (p, t) = (at + 1, taken + 1);
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|byte| *byte == b'*')
}

/// The machine around an expectation file: its folder, its hosts and services.
#[derive(Debug)]
pub struct Machine;

impl Surroundings for Machine {
    fn include(&mut self, pattern: &str, from: &str) -> Result<Vec<(String, String)>, String> {
        let folder = Path::new(from).parent().unwrap_or(Path::new("."));
        let pattern = folder.join(pattern); // an absolute one replaces the folder
        let mut files = matches(&pattern);
        files.sort();
        // A folder may be empty, but not missing or closed to us.
        let empty = |folder: &Path| is_wild(&pattern) && std::fs::read_dir(folder).is_ok();
        if files.is_empty() && !pattern.parent().is_some_and(empty) {
            return Err(format!("no file matches {}", pattern.display()));
        }
        let mut size = 0;
        let read = |path: PathBuf| {
            let text = text(&path).map_err(|problem| problem.text)?;
            size += text.len();
            if size > MAX_TEXT {
                return Err(format!("the files of {} are too large", pattern.display()));
            }
            Ok((path.to_string_lossy().into_owned(), text))
        };
        files.into_iter().map(read).collect()
    }

    fn addresses(&mut self, name: &str) -> Vec<IpAddr> {
        // getaddrinfo cannot be cancelled; the watchdog of the check ends it if need be.
        (name, 0).to_socket_addrs().map(|found| found.map(|a| a.ip()).collect()).unwrap_or_default()
    }

    fn port(&mut self, name: &str, protocol: Protocol) -> Option<u16> {
        let services = text(Path::new("/etc/services")).ok()?;
        let protocol = protocol.name().to_ascii_lowercase();
        services.lines().find_map(|line| {
            let mut words = line.split('#').next()?.split_whitespace();
            let (first, second) = (words.next()?, words.next()?);
            let (port, of) = second.split_once('/')?;
            (of == protocol && (first == name || words.any(|alias| alias == name)))
                .then(|| port.parse().ok())?
        })
    }
}

/// Whether the last part of a path has wildcards.
fn is_wild(path: &Path) -> bool {
    path.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.contains(WILD))
}

/// The patterns that `a{b,c}d` stands for, as in glob(3).
fn unbraced(pattern: &str) -> Vec<String> {
    let Some((before, (inside, after))) =
        pattern.split_once('{').and_then(|(before, rest)| Some((before, rest.split_once('}')?)))
    else {
        return vec![pattern.to_owned()];
    };
    let each = inside.split(',').take(FILES_MAX).map(|part| format!("{before}{part}{after}"));
    each.flat_map(|pattern| unbraced(&pattern)).take(FILES_MAX).collect()
}

/// Whether a file's name is of the form `pattern`, in which `[a-z]` and `[!a-z]` are one byte too.
fn named(pattern: &[u8], name: &[u8]) -> bool {
    let Some(at) = pattern.iter().position(|byte| *byte == b'[') else { return glob(pattern, name) };
    let Some(end) = pattern.iter().skip(at + 2).position(|byte| *byte == b']').map(|end| at + 2 + end) else {
        return glob(pattern, name);
    };
    let (set, not) = match &pattern[at + 1..end] {
        [b'!' | b'^', set @ ..] => (set, true),
        set => (set, false),
    };
    let holds = |byte: u8| {
        let mut rest = set;
        loop {
            rest = match rest {
                [first, b'-', last, ..] if (*first..=*last).contains(&byte) => return true,
                [_, b'-', _, rest @ ..] => rest,
                [one, rest @ ..] if *one != byte => rest,
                rest => return !rest.is_empty(),
            };
        }
    };
    // The byte that the set stands for may be anywhere behind a star.
    (0..name.len()).any(|place| {
        holds(name[place]) != not
            && glob(&pattern[..at], &name[..place])
            && named(&pattern[end + 1..], &name[place + 1..])
    })
}

/// The files that match a pattern with wildcards in any part of the path.
fn matches(pattern: &Path) -> Vec<PathBuf> {
    let patterns = pattern.to_str().map_or_else(Vec::new, unbraced);
    patterns.iter().flat_map(|pattern| one_pattern(Path::new(pattern))).take(FILES_MAX).collect()
}

fn one_pattern(pattern: &Path) -> Vec<PathBuf> {
    let mut found = vec![PathBuf::new()];
    for part in pattern.components() {
        let part = part.as_os_str();
        let Some(wild) = part.to_str().filter(|part| part.contains(WILD)) else {
            for path in &mut found {
                path.push(part);
            }
            continue;
        };
        let inside = |folder: &PathBuf| -> Vec<PathBuf> {
            let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
            let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
            let fits = |name: &str| named(wild.as_bytes(), name.as_bytes()) && !name.starts_with('.');
            entries.filter(|entry| entry.file_name().to_str().is_some_and(fits)).map(|e| e.path()).collect()
        };
        found = found.iter().flat_map(inside).take(FILES_MAX).collect();
    }
    found.retain(|path| path.is_file());
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_select_by_service_address_port_and_name() {
        let names = Names::parse("192.0.2.1 vod.example.net vod # the films\n", "", false);
        let key: Key = "TCP 192.0.2.1:554".parse().expect("a key");
        for text in [
            "TCP 192.0.2.1:554",
            "tcp *",
            "192.0.2.1",
            "192.0.2.1:554",
            "192.0.2.?:*",
            "*:554",
            "VOD*",
            "vod.example.net:554",
        ] {
            assert!(text.parse::<Pattern>().expect(text).selects(&key, &names), "{text}");
        }
        for text in ["UDP *", "192.0.2.10", "192.0.2.1:55", "FWM 7", "live*"] {
            assert!(!text.parse::<Pattern>().expect(text).selects(&key, &names), "{text}");
        }
        assert_eq!(names.service(&key), "TCP vod.example.net:554");
        assert_eq!(names.id(&key), "tcp_vod.example.net_554");
        let both = Names::parse("192.0.2.1 vod\n2001:db8::1 vod\n", "", false);
        let six = "TCP [2001:db8::1]:554".parse().expect("a key");
        assert_eq!(
            (both.id(&six), both.service(&six)),
            ("tcp6_vod_554".to_owned(), "TCP vod:554 IPv6".to_owned())
        );
        let like = Names::parse("192.0.2.1 a.b\n192.0.2.2 a-b\n192.0.2.3 c\n", "", false);
        let id = |text: &str| like.id(&text.parse().expect(text));
        assert_eq!(id("TCP 192.0.2.1:80"), "tcp_192_0_2_1_80", "Munin would take a.b for a-b");
        assert_eq!(id("TCP 192.0.2.3:80"), "tcp_c_80");
    }

    #[test]
    fn an_address_may_be_written_in_any_way() {
        let key = Key::tcp("[2001:db8::1]:80".parse().expect("an address"));
        for text in ["2001:DB8:0::1", "[2001:0db8::1]", "[2001:db8:0:0::1]:80", "tcp [2001:DB8::0:1]:80"] {
            assert!(text.parse::<Pattern>().expect(text).selects(&key, &Names::default()), "{text}");
        }
    }

    #[test]
    fn a_channels_file_says_what_is_served_at_an_address() {
        let file = "news rtsp://192.0.2.1/news -w loss=3\nfilms http://VOD.example.net/x # films\n\
                    sport http://live.example.net:8000/\nsix rtsp://[2001:db8::1]/6\nlost rtsp://nowhere.example.net/\n";
        let names = Names::parse(file, "192.0.2.1 vod.example.net live.example.net\n", false);
        let of = |key: &str| names.service(&key.parse().expect(key));
        assert_eq!(of("TCP 192.0.2.1:554"), "TCP 192.0.2.1:554 (news)");
        assert_eq!(of("TCP 192.0.2.1:80"), "TCP 192.0.2.1:80 (films)");
        assert_eq!(of("TCP 192.0.2.1:8000"), "TCP 192.0.2.1:8000 (sport)");
        assert_eq!(of("TCP [2001:db8::1]:554"), "TCP [2001:db8::1]:554 (six)");
        assert_eq!(of("UDP 192.0.2.9:53"), "UDP 192.0.2.9:53");
        let key = "TCP 192.0.2.1:554".parse().expect("a key");
        assert_eq!(names.id(&key), "tcp_192_0_2_1_554", "labels do not change with channels");
        assert!("news".parse::<Pattern>().expect("a name").selects(&key, &names));
        let many: String =
            (0..9).map(|n| format!("tv{n} rtsp://192.0.2.1/{n}\n")).collect::<Vec<_>>().concat();
        let names = Names::parse(&many, "", false);
        assert_eq!(names.service(&key), "TCP 192.0.2.1:554 (9 channels)");
    }

    #[test]
    fn wildcards_go_back_when_a_later_part_does_not_fit() {
        assert!(glob(b"a*b*c", b"aXbXbc"));
        assert!(!glob(b"a*b", b"aXbX"));
        assert!(glob(b"*", b""));
        // Would take for ever if every star were tried with every other.
        assert!(!glob(&b"*a".repeat(40), &b"b".repeat(10_000)));
    }

    #[test]
    fn included_files_lie_beside_the_file_that_includes_them() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../common/wire/testdata/ip_vs/config");
        let from = format!("{folder}/keepalived-2-advanced.conf");
        let files = Machine.include("conf.d/*.conf", &from).expect("a file");
        assert_eq!(files.len(), 1);
        assert!(
            Machine.include("nothing/*.conf", &from).expect_err("nothing").starts_with("no file matches")
        );
        assert_eq!(Machine.port("domain", Protocol::Udp), Some(53));
        for pattern in ["conf.d/[a-z].conf", "conf.d/[!a-w].con?", "conf.d/{x,y}.conf", "con[f].d/x*"] {
            assert_eq!(Machine.include(pattern, &from).expect(pattern).len(), 1, "{pattern}");
        }
        assert_eq!(Machine.include("conf.d/[a-c]*.conf", &from), Ok(Vec::new()), "none of them is there");
    }
}
