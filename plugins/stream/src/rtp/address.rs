//! Groups and ports as people write them: `rtp://GROUP:PORT`, `udp://SOURCE@GROUP:PORT`, `udp://@:PORT`, and ffmpeg's queries.

use std::net::IpAddr;

use weir_contract::text::redact;
use weir_contract::{Problem, fault};

/// The ports that VLC takes when none is given.
const PORTS: [u16; 2] = [5004, 1234];
/// How to write it.
const FORMS: &str = "use rtp://GROUP:PORT, udp://GROUP:PORT, udp://192.0.2.1@GROUP:PORT for one sender, or udp://@:PORT for a port of this host";

/// A URL, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Address {
    /// `rtp://`, as opposed to `udp://`.
    pub(super) rtp: bool,
    /// A group, an address or a name; empty for every address of this host.
    pub(super) host: String,
    pub(super) port: u16,
    /// The only sender that counts.
    pub(super) source: Option<IpAddr>,
    /// Where the group is joined.
    pub(super) interface: Option<String>,
}

impl Address {
    /// Reads a URL.
    ///
    /// # Errors
    /// E-USAGE with the right form.
    pub(super) fn parse(text: &str) -> Result<Self, Problem> {
        let usage = |why: String| Problem::new(&fault::USAGE, format!("`{}` {why}: {FORMS}", redact(text)));
        let (scheme, rest) = text.split_once("://").ok_or_else(|| usage("is no URL".to_owned()))?;
        let rtp = match scheme.to_ascii_lowercase().as_str() {
            "rtp" => true,
            "udp" => false,
            _ => return Err(usage("is neither rtp nor udp".to_owned())),
        };
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let authority = rest.split('/').next().unwrap_or_default();
        let (source, place) = authority.rsplit_once('@').unwrap_or(("", authority));
        let (host, port) = match place.strip_prefix('[') {
            Some(bracketed) => {
                let (host, rest) =
                    bracketed.split_once(']').ok_or_else(|| usage("lacks a `]`".to_owned()))?;
                (host, rest.strip_prefix(':'))
            }
            None => match place.split_once(':') {
                Some((_, port)) if port.contains(':') => {
                    return Err(usage("has an IPv6 address without [ ]".to_owned()));
                }
                Some((host, port)) => (host, Some(port)),
                None => (place, None),
            },
        };
        let port = match port {
            None => PORTS[usize::from(!rtp)],
            Some(port) => port
                .parse()
                .ok()
                .filter(|port| *port > 0)
                .ok_or_else(|| usage(format!("has no port `{port}`")))?,
        };
        // A zone names the interface: [ff12::1%eth0].
        let (host, zone) = host.split_once('%').unwrap_or((host, ""));
        let mut address = Self {
            rtp,
            host: host.to_owned(),
            port,
            source: None,
            interface: Some(zone.to_owned()).filter(|zone| !zone.is_empty()),
        };
        let mut sources = vec![source];
        for (name, value) in query.split('&').filter_map(|pair| pair.split_once('=')) {
            match name {
                "localaddr" => address.interface = Some(value.to_owned()),
                "sources" => sources.push(value),
                _ => {}
            }
        }
        for source in sources.into_iter().filter(|source| !source.is_empty()) {
            let source = source.trim_start_matches('[').trim_end_matches(']');
            let ip = source
                .parse()
                .map_err(|_| usage(format!("names the source `{source}`, which is no address")))?;
            address.source = Some(ip);
        }
        Ok(address)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_forms_of_vlc_and_ffmpeg_are_understood() {
        let read = |text: &str| {
            let a = Address::parse(text).unwrap();
            let source = a.source.map(|source| source.to_string()).unwrap_or_default();
            format!("{} {} {} {source} {}", a.rtp, a.host, a.port, a.interface.unwrap_or_default())
        };
        assert_eq!(read("rtp://239.1.2.3:5000"), "true 239.1.2.3 5000  ");
        assert_eq!(read("rtp://239.1.2.3"), "true 239.1.2.3 5004  ");
        assert_eq!(read("udp://@239.1.2.3:1234"), "false 239.1.2.3 1234  ");
        assert_eq!(read("udp://@:5000"), "false  5000  ");
        assert_eq!(read("UDP://@"), "false  1234  ");
        assert_eq!(read("rtp://192.0.2.7@232.1.2.3:5000"), "true 232.1.2.3 5000 192.0.2.7 ");
        assert_eq!(
            read("udp://232.1.2.3:5000?sources=192.0.2.7&localaddr=198.51.100.1&pkt_size=1316"),
            "false 232.1.2.3 5000 192.0.2.7 198.51.100.1"
        );
        assert_eq!(read("udp://[ff15::1]:5000"), "false ff15::1 5000  ");
        assert_eq!(read("rtp://[2001:db8::7]@[ff35::1%eth1]:5000/x"), "true ff35::1 5000 2001:db8::7 eth1");
        assert_eq!(read("rtp://news.example.net:5000"), "true news.example.net 5000  ");
    }

    #[test]
    fn a_wrong_url_is_told_the_right_form() {
        for text in [
            "239.1.2.3:5000",
            "http://239.1.2.3/",
            "udp://ff15::1:5000",
            "udp://[ff15::1:5000",
            "udp://239.1.2.3:0",
            "udp://239.1.2.3:x",
            "udp://239.1.2.3:99999",
            "udp://somebody@239.1.2.3:5000",
            "",
        ] {
            let problem = Address::parse(text).unwrap_err();
            assert!(problem.text.contains("use rtp://GROUP:PORT"), "{text}: {}", problem.text);
        }
    }
}
