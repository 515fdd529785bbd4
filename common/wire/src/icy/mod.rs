//! ICY: what SHOUTcast and Icecast add to HTTP so that a radio stream carries its own titles.
//!
//! A client that sends [`REQUEST_HEADER`] gets `icy-metaint: N`: after every N bytes of audio stands one length byte L
//! and a block of L*16 bytes, `StreamTitle='...';` padded with NULs. [`Station`] reads the headers, [`Deinterleaver`]
//! takes the blocks out of the audio, [`Metadata`] reads a block. There is no specification; the facts were taken from
//! Icecast 2.4.4 and liquidsoap. Ogg mounts answer `icy-metadata: 1` without a metaint: their titles are in Vorbis
//! comments and nothing may be taken out.

mod deinterleave;
mod metadata;

pub use deinterleave::{Deinterleaver, Part};
pub use metadata::{Metadata, NotMetadata};

use crate::headers::Headers;
use crate::text::excerpt;

/// The request header that asks for metadata.
pub const REQUEST_HEADER: (&str, &str) = ("Icy-MetaData", "1");

/// The largest believable `icy-metaint`: two minutes of audio at 64 kbit/s between two titles.
pub const MAX_METAINT: u32 = 1 << 20;

/// An `icy-metaint` that cannot be true; without it, audio and titles cannot be told apart.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("bad icy-metaint \"{value}\" (1 to {MAX_METAINT} is believable)")]
pub struct BadMetaint {
    /// What the server sent, escaped.
    pub value: String,
}

/// What a server says about the station, all of it optional.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Station {
    /// `icy-name`
    pub name: Option<String>,
    /// `icy-genre`
    pub genre: Option<String>,
    /// `icy-description`
    pub description: Option<String>,
    /// `icy-url`
    pub url: Option<String>,
    /// `icy-pub`: the station asks to be listed in directories.
    pub public: Option<bool>,
    /// `icy-br`, kbit/s as declared by the encoder; the first number of a list. `ice-audio-info` stands in for it.
    pub bit_rate_kbit: Option<u32>,
    /// `icy-metaint`, bytes of audio between two metadata blocks; `None` when the stream carries no blocks.
    pub metaint: Option<u32>,
}

impl Station {
    /// Reads the `icy-*` headers.
    pub fn from_headers(headers: &Headers) -> Result<Self, BadMetaint> {
        let text = |name: &str| headers.get(name).filter(|value| !value.is_empty()).map(str::to_owned);
        let metaint = match headers.get("icy-metaint").map(|value| (value, value.parse())) {
            None | Some((_, Ok(0))) => None,
            Some((_, Ok(n @ 1..=MAX_METAINT))) => Some(n),
            Some((value, _)) => return Err(BadMetaint { value: excerpt(value.as_bytes()) }),
        };
        Ok(Self {
            name: text("icy-name"),
            genre: text("icy-genre"),
            description: text("icy-description"),
            url: text("icy-url"),
            public: headers.get("icy-pub").map(|value| value != "0"),
            bit_rate_kbit: headers
                .get("icy-br")
                .and_then(leading_number)
                .or_else(|| headers.get("ice-audio-info").and_then(bit_rate_of_audio_info)),
            metaint,
        })
    }
}

/// `128`, and `128, 128` of a mount that passes on both the source's and its own idea.
fn leading_number(value: &str) -> Option<u32> {
    value.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

/// `ice-samplerate=44100;ice-bitrate=128;ice-channels=2`
fn bit_rate_of_audio_info(value: &str) -> Option<u32> {
    value
        .split(';')
        .filter_map(|pair| pair.split_once('='))
        .find(|(key, _)| key.trim().trim_start_matches("ice-") == "bitrate")
        .and_then(|(_, number)| leading_number(number.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn station(block: &str) -> Result<Station, BadMetaint> {
        Station::from_headers(&Headers::parse(block.as_bytes()))
    }

    #[test]
    fn station_is_read_from_the_headers() {
        let all = station(
            "icy-name:Test Radio\nicy-genre: Jazz\nicy-pub:0\nicy-br:128,128\nicy-metaint:16000\nicy-url:\n",
        )
        .unwrap();
        assert_eq!(all.name.as_deref(), Some("Test Radio"));
        assert_eq!(all.genre.as_deref(), Some("Jazz"));
        assert_eq!((all.public, all.bit_rate_kbit, all.metaint), (Some(false), Some(128), Some(16000)));
        assert_eq!((all.url, all.description), (None, None));
        let info = station("ice-audio-info: ice-samplerate=44100;ice-bitrate=96;ice-channels=2\n").unwrap();
        assert_eq!(info.bit_rate_kbit, Some(96));
    }

    #[test]
    fn metaint_is_bounded() {
        assert_eq!(station("icy-metaint:0\n").unwrap().metaint, None);
        for value in ["-1", "1048577", "99999999999", "x", ""] {
            assert_eq!(station(&format!("icy-metaint:{value}\n")), Err(BadMetaint { value: value.into() }));
        }
    }
}
