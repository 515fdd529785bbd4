//! Headers with a structure: Transport, Session, RTP-Info, Public.
//!
//! A parameter that cannot be read counts as absent, because the servers that spell it oddly still play.

use std::time::Duration;

use super::Method;

/// RFC 2326 section 12.37: what a server means that names no timeout.
pub const DEFAULT_SESSION_TIMEOUT: Duration = Duration::new(60, 0);
/// Most entries that are read from an RTP-Info header; one a track is normal.
const MAX_RTP_INFO: usize = 64;

/// Two ports or channels, written `5000-5001`; the second one is missing where RTCP is not offered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pair<T> {
    /// For RTP.
    pub rtp: T,
    /// For RTCP.
    pub rtcp: Option<T>,
}

impl<T: std::str::FromStr> Pair<T> {
    fn parse(value: &str) -> Option<Self> {
        let (first, second) =
            value.split_once('-').map_or((value, None), |(first, second)| (first, Some(second)));
        Some(Self { rtp: first.trim().parse().ok()?, rtcp: second.and_then(|p| p.trim().parse().ok()) })
    }
}

/// What a server agreed on in its answer to SETUP (RFC 2326 section 12.39).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Transport {
    /// `RTP/AVP`, `RTP/AVP/TCP`, `x-pn-tng/tcp`, ... as sent.
    pub protocol: String,
    /// Whether media comes to a multicast group (`destination`, `port`, `ttl`).
    pub multicast: bool,
    /// Channels on the RTSP connection.
    pub interleaved: Option<Pair<u8>>,
    /// Our UDP ports.
    pub client_port: Option<Pair<u16>>,
    /// The server's UDP ports: where RTCP goes to.
    pub server_port: Option<Pair<u16>>,
    /// Ports of a multicast group.
    pub port: Option<Pair<u16>>,
    /// The address that sends, if it is not the one that we talk to.
    pub source: Option<String>,
    /// The address that is sent to.
    pub destination: Option<String>,
    /// Time to live of multicast packets.
    pub ttl: Option<u8>,
    /// The sender's synchronisation source.
    pub ssrc: Option<u32>,
}

impl Transport {
    /// Reads the first transport of the header; servers answer with one.
    pub fn parse(value: &str) -> Self {
        let mut parameters = value.split(',').next().unwrap_or_default().split(';').map(str::trim);
        let mut transport =
            Self { protocol: parameters.next().unwrap_or_default().to_owned(), ..Self::default() };
        for parameter in parameters {
            let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            let value = value.trim().trim_matches('"');
            let address = || Some(value.to_owned()).filter(|v| !v.is_empty());
            match name.trim().to_ascii_lowercase().as_str() {
                "multicast" => transport.multicast = true,
                "interleaved" => transport.interleaved = Pair::parse(value),
                "client_port" => transport.client_port = Pair::parse(value),
                "server_port" => transport.server_port = Pair::parse(value),
                "port" => transport.port = Pair::parse(value),
                "source" => transport.source = address(),
                "destination" => transport.destination = address(),
                "ttl" => transport.ttl = value.parse().ok(),
                "ssrc" => transport.ssrc = u32::from_str_radix(value, 16).ok(),
                _ => {}
            }
        }
        transport
    }

    /// Whether media comes on the RTSP connection.
    pub fn is_tcp(&self) -> bool {
        self.interleaved.is_some() || self.protocol.to_ascii_uppercase().ends_with("/TCP")
    }

    /// The header value that asks for media on the RTSP connection, RTP on `channel` and RTCP on the next one.
    pub fn offer_tcp(channel: u8) -> String {
        format!("RTP/AVP/TCP;unicast;interleaved={channel}-{}", channel.saturating_add(1))
    }

    /// The header value that asks for media to our UDP port `rtp`, and RTCP to the next one.
    pub fn offer_udp(rtp: u16) -> String {
        format!("RTP/AVP;unicast;client_port={rtp}-{}", rtp.saturating_add(1))
    }

    /// The header value that asks for media to our UDP port `rtp`, and for nothing else, as Windows Media servers want it.
    pub fn offer_udp_one_port(rtp: u16) -> String {
        format!("RTP/AVP/UDP;unicast;client_port={rtp};mode=PLAY")
    }

    /// The header value that asks where the multicast group is.
    pub fn offer_multicast() -> String {
        "RTP/AVP;multicast".to_owned()
    }
}

/// A session (RFC 2326 section 12.37).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// To be sent back untouched; real ones hold `/`, `+`, `.`, `-` and `_`.
    pub id: String,
    /// Without a word from us for so long the server ends the session.
    pub timeout: Duration,
}

impl Session {
    /// `None` if there is no id.
    pub fn parse(value: &str) -> Option<Self> {
        let mut parts = value.split(';').map(str::trim);
        let id = parts.next().filter(|id| !id.is_empty())?.to_owned();
        let timeout = parts
            .filter_map(|p| p.split_once('='))
            .find(|(name, _)| name.trim().eq_ignore_ascii_case("timeout"))
            .and_then(|(_, seconds)| seconds.trim().parse().ok())
            .filter(|&seconds| seconds > 0)
            .map_or(DEFAULT_SESSION_TIMEOUT, Duration::from_secs);
        Some(Self { id, timeout })
    }
}

/// Where a track starts after PLAY (RFC 2326 section 12.33).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RtpInfo {
    /// The track's control URL; some servers send it relative.
    pub url: String,
    /// The first packet's sequence number.
    pub seq: Option<u16>,
    /// The RTP timestamp of the start of the range.
    pub rtptime: Option<u32>,
}

impl RtpInfo {
    /// Reads every entry of the header. A URL may hold commas and semicolons itself, so an entry begins at `url=` and
    /// its parameters are taken from its end.
    pub fn parse(value: &str) -> Vec<Self> {
        entry_starts(value)
            .take(MAX_RTP_INFO)
            .map(|start| {
                let entry = value.get(start..).unwrap_or_default();
                let end = entry_starts(entry).find(|&s| s > 0).unwrap_or(entry.len());
                Self::parse_entry(entry.get(..end).unwrap_or_default().trim_end_matches([',', ' ', '\t']))
            })
            .collect()
    }

    fn parse_entry(entry: &str) -> Self {
        let mut rest = entry;
        let (mut seq, mut rtptime) = (None, None);
        while let Some((before, parameter)) = rest.rsplit_once(';') {
            let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            match name.trim().to_ascii_lowercase().as_str() {
                "seq" => seq = value.trim().parse().ok(),
                "rtptime" => rtptime = value.trim().parse().ok(),
                "ssrc" | "" => {}
                _ => break,
            }
            rest = before;
        }
        let url = rest.get(URL.len()..).unwrap_or_default().trim().trim_matches('"').to_owned();
        Self { url, seq, rtptime }
    }

    /// The entry of the track with this control URL; `base` is what relative entries are relative to.
    pub fn find<'a>(entries: &'a [Self], control: &str, base: &str) -> Option<&'a Self> {
        let same =
            |url: &str| super::resolve(base, url).trim_end_matches('/') == control.trim_end_matches('/');
        entries.iter().find(|entry| same(&entry.url))
    }
}

const URL: &str = "url=";

/// Offsets of every `url=` that begins the header or follows a comma.
fn entry_starts(value: &str) -> impl Iterator<Item = usize> {
    let bytes = value.as_bytes();
    (0..bytes.len()).filter(move |&at| {
        let here = bytes.get(at..at + URL.len()).is_some_and(|w| w.eq_ignore_ascii_case(URL.as_bytes()));
        here && bytes.get(..at).is_some_and(|before| matches!(before.trim_ascii_end(), [] | [.., b',']))
    })
}

/// Whether a `Public` or `Allow` header lists a method. Separators are commas with or without blanks.
pub fn allows(value: &str, method: Method) -> bool {
    value.split([',', ' ']).any(|word| word.trim().eq_ignore_ascii_case(method.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transports_of_real_servers_are_read() {
        let gst = Transport::parse("RTP/AVP/TCP;unicast;interleaved=0-1;ssrc=EB997D17;mode=\"PLAY\"");
        assert!(gst.is_tcp() && !gst.multicast);
        assert_eq!((gst.interleaved, gst.ssrc), (Some(Pair { rtp: 0, rtcp: Some(1) }), Some(0xEB99_7D17)));

        let vlc = Transport::parse(
            "RTP/AVP/UDP;unicast;client_port=37848-37849;server_port=47285-47286;ssrc=0c9170b4;mode=play",
        );
        assert!(!vlc.is_tcp());
        assert_eq!(vlc.server_port, Some(Pair { rtp: 47285, rtcp: Some(47286) }), "VLC's RTP port is odd");
        assert_eq!(vlc.ssrc, Some(0x0C91_70B4));

        let live555 =
            Transport::parse("RTP/AVP/TCP;unicast;destination=192.0.2.1;source=2001:db8::1;interleaved=2-3");
        assert_eq!(live555.destination.as_deref(), Some("192.0.2.1"));
        assert_eq!(live555.source.as_deref(), Some("2001:db8::1"));

        let group = Transport::parse("RTP/AVP;multicast;destination=233.252.0.1;port=5000-5001;ttl=8");
        assert!(group.multicast);
        assert_eq!((group.port.map(|p| p.rtp), group.ttl), (Some(5000), Some(8)));
    }

    #[test]
    fn a_parameter_that_cannot_be_read_counts_as_absent() {
        let odd =
            Transport::parse("RTP/AVP ; Client_Port = 9408 ; interleaved=300-301; ssrc=nothex; source=;;x=y");
        assert_eq!(odd.client_port, Some(Pair { rtp: 9408, rtcp: None }));
        assert_eq!((odd.interleaved, odd.ssrc, odd.source), (None, None, None));
        assert_eq!(Transport::parse("").protocol, "");
    }

    #[test]
    fn session_ids_survive_untouched() {
        for (value, id, seconds) in [
            ("+.8DjYgkNlVxV2m+", "+.8DjYgkNlVxV2m+", 60),
            ("Bzg_TodEOiead2Yj/;timeout=65", "Bzg_TodEOiead2Yj/", 65),
            ("None ; Timeout = 5", "None", 5),
            ("2;timeout=soon", "2", 60),
            ("2;timeout=0", "2", 60),
        ] {
            let session = Session::parse(value).unwrap();
            assert_eq!((session.id.as_str(), session.timeout), (id, Duration::from_secs(seconds)), "{value}");
        }
        assert_eq!(Session::parse(";timeout=60"), None);
    }

    fn info(url: &str, seq: Option<u16>, rtptime: Option<u32>) -> RtpInfo {
        RtpInfo { url: url.into(), seq, rtptime }
    }

    #[test]
    fn rtp_info_is_cut_at_its_entries_whatever_the_separator() {
        let gst = "url=rtsp://192.0.2.1/live/stream=0;seq=7427;rtptime=912860621, \
                   url=rtsp://192.0.2.1/live/stream=1;seq=17928;rtptime=3668792207";
        let expected = [
            info("rtsp://192.0.2.1/live/stream=0", Some(7427), Some(912_860_621)),
            info("rtsp://192.0.2.1/live/stream=1", Some(17928), Some(3_668_792_207)),
        ];
        assert_eq!(RtpInfo::parse(gst), expected);
        assert_eq!(RtpInfo::parse(&gst.replace(", ", ",")), expected);
    }

    #[test]
    fn rtp_info_urls_may_hold_commas_and_semicolons() {
        assert_eq!(
            RtpInfo::parse(
                "url=rtsp://192.0.2.1/a;b=1,c?d=e,f/track1;rtptime=2;seq=1;,url=track2 ;seq=70000"
            ),
            [info("rtsp://192.0.2.1/a;b=1,c?d=e,f/track1", Some(1), Some(2)), info("track2", None, None)]
        );
        assert_eq!(RtpInfo::parse("seq=1"), []);
    }

    #[test]
    fn an_entry_is_found_by_absolute_or_relative_url() {
        let entries = RtpInfo::parse("url=rtsp://192.0.2.1/live/track1;seq=1,url=track2;seq=2");
        let seq = |control| RtpInfo::find(&entries, control, "rtsp://192.0.2.1/live").and_then(|e| e.seq);
        assert_eq!(seq("rtsp://192.0.2.1/live/track1"), Some(1));
        assert_eq!(seq("rtsp://192.0.2.1/live/track2"), Some(2));
        assert_eq!(seq("rtsp://192.0.2.1/live/track3"), None);
    }

    #[test]
    fn public_lists_are_read_with_and_without_blanks() {
        assert!(allows("DESCRIBE,SETUP,TEARDOWN,PLAY,PAUSE,GET_PARAMETER", Method::GetParameter));
        assert!(allows("OPTIONS, DESCRIBE, TEARDOWN, SETUP, PLAY, STOP", Method::Play));
        assert!(!allows("OPTIONS, DESCRIBE, TEARDOWN, SETUP, PLAY, STOP", Method::GetParameter));
        assert!(!allows("", Method::Play));
    }
}
