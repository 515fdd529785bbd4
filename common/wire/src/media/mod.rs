//! What kind of media some bytes are, whatever the server's Content-Type claims.
//!
//! A server that answers 200 with an HTML page, a playlist or silence of bytes must not count as playing. [`sniff`]
//! needs a few kilobytes, also from the middle of a stream: a listener of a radio mount joins between two frames.
//! [`scan_audio`] then reads the frame headers for codec, sample rate and bit rate without decoding.

mod audio;

pub use audio::{AudioCodec, AudioScan, FrameHeader, scan_audio};

use crate::ts;

/// How far into the bytes a frame or packet boundary is searched for. Two of the longest ADTS frames fit.
const SEARCH_WINDOW: usize = 32 * 1024;
/// How many of the first bytes decide whether something is text.
const TEXT_WINDOW: usize = 512;

/// What the bytes are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Container {
    /// MPEG audio frames (MP1, MP2, MP3), with or without an ID3 tag before.
    MpegAudio,
    /// AAC in ADTS frames, with or without an ID3 tag before.
    Adts,
    /// AC-3 or E-AC-3 frames.
    Ac3,
    /// Ogg: Vorbis, Opus, FLAC, Theora.
    Ogg,
    /// Native FLAC.
    Flac,
    /// Flash video.
    Flv,
    /// MPEG-TS, packets of 188 bytes.
    MpegTs,
    /// ISO base media: MP4, or fragmented MP4 of HLS and DASH.
    Mp4,
    /// Matroska or WebM.
    Matroska,
    /// ASF, the container of Windows Media.
    Asf,
    /// RIFF WAVE.
    Wav,
    /// RealMedia file.
    RealMedia,
    /// `WebVTT` subtitles.
    WebVtt,
    /// An M3U or HLS playlist.
    Playlist,
    /// An HTML page: an error page, most likely.
    Html,
    /// XML, or something else that begins with `<`.
    Xml,
    /// Other text.
    Text,
    /// An ID3 tag longer than the bytes at hand: what follows it cannot be seen.
    Id3,
    /// Nothing known. Encrypted segments look like this too.
    Unknown,
}

impl Container {
    /// Audio or video, as opposed to text, pages and the unknown.
    pub fn is_media(self) -> bool {
        !matches!(self, Self::Playlist | Self::Html | Self::Xml | Self::Text | Self::Id3 | Self::Unknown)
    }

    /// The name in the field's words.
    pub fn name(self) -> &'static str {
        match self {
            Self::MpegAudio => "MPEG audio",
            Self::Adts => "AAC (ADTS)",
            Self::Ac3 => "AC-3",
            Self::Ogg => "Ogg",
            Self::Flac => "FLAC",
            Self::Flv => "FLV",
            Self::MpegTs => "MPEG-TS",
            Self::Mp4 => "MP4",
            Self::Matroska => "Matroska/WebM",
            Self::Asf => "ASF",
            Self::Wav => "WAV",
            Self::RealMedia => "RealMedia",
            Self::WebVtt => "WebVTT",
            Self::Playlist => "playlist",
            Self::Html => "HTML",
            Self::Xml => "XML",
            Self::Text => "text",
            Self::Id3 => "ID3 tag",
            Self::Unknown => "unknown data",
        }
    }
}

impl std::fmt::Display for Container {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// Names the bytes. Frame and packet formats are recognised from the middle of a stream too, the others by their start.
pub fn sniff(bytes: &[u8]) -> Container {
    let Some(bytes) = skip_id3(bytes) else { return Container::Id3 };
    magic(bytes)
        .or_else(|| text_kind(&bytes[..bytes.len().min(TEXT_WINDOW)]))
        .or_else(|| frames(&bytes[..bytes.len().min(SEARCH_WINDOW)]))
        .unwrap_or(Container::Unknown)
}

/// What follows the ID3 tags at the start; `None` when a tag goes beyond the bytes.
pub fn skip_id3(mut bytes: &[u8]) -> Option<&[u8]> {
    while let [b'I', b'D', b'3', _, _, flags, a, b, c, d, ..] = *bytes {
        // Four digits of 7 bits, the header of 10 bytes not counted, nor the footer that flag 0x10 announces.
        let size = [a, b, c, d].iter().fold(0, |size, digit| size << 7 | usize::from(digit & 0x7f));
        bytes = bytes.get(size + if flags & 0x10 == 0 { 10 } else { 20 }..)?;
    }
    Some(bytes)
}

fn magic(bytes: &[u8]) -> Option<Container> {
    const MAGICS: [(&[u8], Container); 9] = [
        (b"OggS", Container::Ogg),
        (b"fLaC", Container::Flac),
        (b"FLV\x01", Container::Flv),
        (b"\x1a\x45\xdf\xa3", Container::Matroska),
        (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", Container::Asf),
        (b".RMF", Container::RealMedia),
        (b"\x0b\x77", Container::Ac3),
        (b"WEBVTT", Container::WebVtt),
        (b"\xef\xbb\xbfWEBVTT", Container::WebVtt),
    ];
    const BOXES: [&[u8; 4]; 7] = [b"ftyp", b"styp", b"moof", b"moov", b"sidx", b"emsg", b"prft"];
    if bytes.get(4..8).is_some_and(|kind| BOXES.iter().any(|b| kind == *b)) {
        return Some(Container::Mp4);
    }
    if bytes.starts_with(b"RIFF") && bytes.get(8..12) == Some(b"WAVE") {
        return Some(Container::Wav);
    }
    MAGICS.iter().find(|(magic, _)| bytes.starts_with(magic)).map(|&(_, container)| container)
}

fn text_kind(bytes: &[u8]) -> Option<Container> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes).trim_ascii_start();
    let valid = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        // Cut within a character at the end of the window: fine.
        Err(error) if error.error_len().is_none() => {
            std::str::from_utf8(&bytes[..error.valid_up_to()]).ok()?
        }
        Err(_) => return None,
    };
    if valid.is_empty() || valid.chars().any(|c| c.is_control() && !matches!(c, '\t' | '\r' | '\n')) {
        return None;
    }
    let lower = valid.to_ascii_lowercase();
    Some(if valid.starts_with("#EXTM3U") {
        Container::Playlist
    } else if !lower.starts_with('<') {
        Container::Text
    } else if ["<!doctype html", "<html", "<head", "<body"].iter().any(|tag| lower.contains(tag)) {
        Container::Html
    } else {
        Container::Xml
    })
}

fn frames(bytes: &[u8]) -> Option<Container> {
    if ts::find_sync(bytes).is_some() {
        return Some(Container::MpegTs);
    }
    scan_audio(bytes)
        .map(|scan| if scan.codec == AudioCodec::Aac { Container::Adts } else { Container::MpegAudio })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn recorded_media_is_recognised() {
        for (bytes, expected) in [
            (&include_bytes!("../../testdata/media/vbr.mp3")[..], Container::MpegAudio),
            (include_bytes!("../../testdata/media/mono-22050.mp2"), Container::MpegAudio),
            (include_bytes!("../../testdata/media/mono.aac"), Container::Adts),
            (include_bytes!("../../testdata/media/hls-packed-audio-with-id3.aac"), Container::Adts),
            (include_bytes!("../../testdata/media/a.ac3"), Container::Ac3),
            (include_bytes!("../../testdata/media/a.flv"), Container::Flv),
            (include_bytes!("../../testdata/media/a.flac"), Container::Flac),
            (include_bytes!("../../testdata/media/opus.webm"), Container::Matroska),
            (include_bytes!("../../testdata/ts/h264-aac-2s.ts"), Container::MpegTs),
            (include_bytes!("../../testdata/ts/init.mp4"), Container::Mp4),
            (include_bytes!("../../testdata/ts/segment.m4s"), Container::Mp4),
            (include_bytes!("../../testdata/hls/ffmpeg-master.m3u8"), Container::Playlist),
        ] {
            assert_eq!(sniff(bytes), expected);
        }
    }

    #[test]
    fn frames_are_recognised_from_the_middle_of_a_stream() {
        for (bytes, expected) in [
            (&include_bytes!("../../testdata/media/vbr.mp3")[..], Container::MpegAudio),
            (include_bytes!("../../testdata/media/mono.aac"), Container::Adts),
            (include_bytes!("../../testdata/ts/h264-aac-2s.ts"), Container::MpegTs),
        ] {
            for cut in [1, 100, 999] {
                assert_eq!(sniff(&bytes[cut..cut + 4000]), expected, "cut at {cut}");
            }
        }
    }

    #[test]
    fn an_error_page_with_status_200_is_not_audio() {
        let recorded = include_bytes!("../../testdata/http1/icecast-404.http");
        let body = recorded.windows(4).position(|w| w == b"\r\n\r\n").unwrap() + 4;
        assert_eq!(sniff(&recorded[body..]), Container::Html);
        assert_eq!(sniff(b"\n\n <!DOCTYPE HTML>"), Container::Html);
        assert_eq!(sniff(b"<?xml version='1.0'?><Error/>"), Container::Xml);
        assert_eq!(sniff("stream not found: é".as_bytes()), Container::Text);
        assert!(
            !sniff(b"").is_media()
                && !sniff(&[0; 4096]).is_media()
                && !sniff(b"ID3\x04\0\0\x7f\x7f\x7f\x7f").is_media()
        );
    }

    proptest! {
        #[test]
        fn noise_is_not_media(seed in any::<u64>()) {
            // xorshift: what an encrypted segment looks like
            let mut x = seed | 1;
            let noise: Vec<u8> = (0..8192).map(|_| { x ^= x << 13; x ^= x >> 7; x ^= x << 17; x.to_le_bytes()[3] }).collect();
            prop_assume!(magic(&noise).is_none());
            prop_assert_eq!(sniff(&noise), Container::Unknown);
        }

        #[test]
        fn never_panics(bytes in proptest::collection::vec(prop_oneof![Just(0xffu8), Just(0x47), any::<u8>()], 0..600)) {
            sniff(&bytes);
        }
    }
}
