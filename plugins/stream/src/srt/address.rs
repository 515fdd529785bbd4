//! `srt://host:port?streamid=...`, as ffmpeg, GStreamer and `srt-live-transmit` read it.

use std::fmt;
use std::time::Duration;

use url::Url;
use weir_contract::{Problem, fault};
use weir_wire::srt::check_stream_id;

/// Options of the URL that change nothing for a receiver who watches for some seconds, or that are the other side's.
const IGNORED: &[&str] = &[
    "adapter",
    "auto-reconnect",
    "blocking",
    "congestion",
    "connect_timeout",
    "conntimeo",
    "enforced_encryption",
    "enforcedencryption",
    "fc",
    "ffs",
    "inputbw",
    "ipttl",
    "iptos",
    "kmpreannounce",
    "kmrefreshrate",
    "linger",
    "listen_timeout",
    "localaddress",
    "localport",
    "lossmaxttl",
    "maxbw",
    "messageapi",
    "mininputbw",
    "minversion",
    "mss",
    "nakreport",
    "oheadbw",
    "payload_size",
    "payloadsize",
    "peerlatency",
    "pkt_size",
    "poll-timeout",
    "rcvbuf",
    "recv_buffer_size",
    "retransmitalgo",
    "send_buffer_size",
    "smoother",
    "sndbuf",
    "snddropdelay",
    "timeout",
    "tlpktdrop",
    "tsbpd",
    "udp_rcvbuf",
    "udp_sndbuf",
    "wait-for-connection",
];
/// The longest latency that a handshake holds, milliseconds.
const LATENCY_MAX: u64 = 65_535;
/// libsrt's limits for a passphrase, bytes.
const PASSPHRASE: std::ops::RangeInclusive<usize> = 10..=80;

/// What the query of a URL asks for.
#[derive(Clone, Default, PartialEq, Eq)]
pub(super) struct Address {
    pub(super) stream_id: Option<String>,
    pub(super) passphrase: Option<String>,
    pub(super) latency: Option<Duration>,
    pub(super) key_length: Option<usize>,
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}, {:?}, {:?}", self.stream_id, self.latency, self.key_length)
    }
}

fn usage(text: String) -> Problem {
    Problem::new(&fault::USAGE, text)
}

impl Address {
    /// Reads the query.
    ///
    /// # Errors
    /// E-USAGE with the option and its right form.
    pub(super) fn parse(url: &Url) -> Result<Self, Problem> {
        if url.port().is_none() {
            return Err(usage(
                "the URL names no port, and SRT has no usual one: use srt://host:port".to_owned(),
            ));
        }
        let mut address = Self::default();
        for (key, value) in url.query_pairs() {
            let key = key.to_ascii_lowercase();
            let wrong = |right: &str| usage(format!("{key}={value} in the URL: {right}"));
            match key.as_str() {
                "streamid" | "srt_streamid" => address.stream_id = Some(value.into_owned()),
                "passphrase" => address.passphrase = Some(value.into_owned()),
                "latency" | "rcvlatency" | "tsbpddelay" => {
                    let number = value.parse().map_err(|_| wrong("use milliseconds, such as latency=200"))?;
                    address.latency = Some(latency(number).map_err(&wrong)?);
                }
                "pbkeylen" => {
                    address.key_length = match &*value {
                        "0" => None,
                        "16" | "24" | "32" => value.parse().ok(),
                        _ => return Err(wrong("use 16, 24 or 32 bytes")),
                    }
                }
                "mode" if !matches!(&*value, "caller" | "client" | "default") => {
                    return Err(wrong("a check can only call a listener: use mode=caller, or leave it out"));
                }
                "transtype" if value != "live" => {
                    return Err(wrong("a check can only receive live: use transtype=live, or leave it out"));
                }
                "mode" | "transtype" => {}
                other if IGNORED.contains(&other) => {}
                _ => {
                    return Err(usage(format!(
                        "the URL's option {key} is not known: use streamid, passphrase, latency, pbkeylen, mode or another of libsrt's"
                    )));
                }
            }
        }
        Ok(address)
    }

    /// Refuses what no server can take.
    ///
    /// # Errors
    /// E-USAGE with the right form, without the passphrase.
    pub(super) fn check(&self) -> Result<(), Problem> {
        if let Some(length) =
            self.passphrase.as_ref().map(String::len).filter(|length| !PASSPHRASE.contains(length))
        {
            return Err(usage(format!("the passphrase has {length} bytes: SRT wants 10 to 80")));
        }
        match self.stream_id.as_deref().map(check_stream_id) {
            Some(Err(error)) => Err(usage(error.to_string())),
            _ => Ok(()),
        }
    }
}

/// ffmpeg counts microseconds where everybody else counts milliseconds. Between ten seconds and the longest that there is, either may
/// be meant.
fn latency(number: u64) -> Result<Duration, &'static str> {
    match number {
        0..10_000 => Ok(Duration::from_millis(number)),
        10_000..=LATENCY_MAX => Err(
            "milliseconds for srt-live-transmit, microseconds for ffmpeg: use --latency with seconds, such as --latency 0.2",
        ),
        _ if number / 1000 <= LATENCY_MAX => Ok(Duration::from_micros(number)),
        _ => Err("longer than SRT allows, which is 65 seconds"),
    }
}

/// `--latency`: seconds.
pub(super) fn latency_option(text: &str) -> Result<Duration, String> {
    match text.parse::<f64>() {
        Ok(seconds) if (0.0..=65.535).contains(&seconds) => Ok(Duration::from_secs_f64(seconds)),
        _ => Err("use seconds from 0 to 65, such as 0.2".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::target::Target;

    fn parse(text: &str) -> Result<Address, Problem> {
        Address::parse(&Target::parse(text, &["srt"]).expect("a URL").url)
    }

    #[test]
    fn urls_of_other_tools_are_understood() {
        let own = parse(
            "srt://h:9000?streamid=#!::r=tv1,m=request&passphrase=correct%20horse&latency=200&pbkeylen=32",
        )
        .expect("GStreamer's");
        assert_eq!(own.stream_id.as_deref(), Some("#!::r=tv1,m=request"));
        assert_eq!(own.passphrase.as_deref(), Some("correct horse"));
        assert_eq!((own.latency, own.key_length), (Some(Duration::from_millis(200)), Some(32)));
        let ffmpeg = parse("srt://h:9000?mode=caller&latency=200000&pkt_size=1316&connect_timeout=3000")
            .expect("ffmpeg's");
        assert_eq!((ffmpeg.latency, ffmpeg.key_length), (Some(Duration::from_millis(200)), None));
        assert_eq!(parse("srt://h:9000").expect("bare"), Address::default());
        assert!(!format!("{own:?}").contains("horse"));
    }

    #[test]
    fn what_cannot_be_meant_is_told_the_right_form() {
        for (url, right) in [
            ("srt://h?streamid=a", "use srt://host:port"),
            ("srt://h:1?streamId=a&stream=b", "option stream is not known: use streamid,"),
            ("srt://h:1?mode=listener", "use mode=caller"),
            ("srt://h:1?transtype=file", "use transtype=live"),
            ("srt://h:1?latency=20000", "use --latency with seconds"),
            ("srt://h:1?latency=2s", "use milliseconds"),
            ("srt://h:1?latency=99999999999", "longer than SRT allows"),
            ("srt://h:1?pbkeylen=128", "use 16, 24 or 32"),
        ] {
            let error = parse(url).expect_err(url).text;
            assert!(error.contains(right), "{error}");
        }
        for (url, right) in [
            ("srt://h:1?passphrase=short", "10 to 80"),
            ("srt://h:1?streamid=%23!::r=a,m=publish", "m=request"),
        ] {
            let error = parse(url).expect(url).check().expect_err(url).text;
            assert!(error.contains(right) && !error.contains("short"), "{error}");
        }
    }
}
