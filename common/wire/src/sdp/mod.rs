//! Session descriptions (SDP, RFC 4566): what a stream is made of, before a single packet has come.
//!
//! Lines that make no sense are skipped and attributes are kept as they came, so that the private marks of RealNetworks
//! and Windows Media neither disturb nor get lost. What a description must have to be one is an `m=` line or a `v=`.

mod audio;
mod format;
mod parameter_sets;
mod real_networks;
mod windows_media;

use std::fmt;

pub use audio::AudioConfig;
pub use format::Format;
pub use parameter_sets::{h264_resolution, h265_resolution};

use crate::headers::text;

/// Most bytes of a description; Windows Media puts an ASF header into it.
pub const MAX_SDP: usize = 1024 * 1024;
/// Most lines of a description.
pub const MAX_LINES: usize = 4096;
/// Most `m=` sections.
pub const MAX_MEDIA: usize = 64;
/// Most payload types of one `m=` line.
const MAX_FORMATS: usize = 32;

/// Why bytes are not a session description.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SdpError {
    /// Neither `v=` nor `m=`; servers send HTML instead.
    #[error("not a session description: line 1 is \"{found}\"")]
    NotSdp {
        /// The first line, escaped and cut.
        found: String,
    },
    /// One of the limits above.
    #[error("a session description of more than {limit} {what}")]
    TooLarge {
        /// What there is too much of.
        what: &'static str,
        /// How much is allowed.
        limit: usize,
    },
}

/// A session description.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Description {
    /// `s=`.
    pub name: String,
    /// `o=`: user, id, version, network, address of the originator.
    pub origin: String,
    /// What holds for the session as a whole.
    pub common: Section,
    /// The tracks, in order.
    pub media: Vec<Media>,
}

/// What stands both at session and at media level.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Section {
    /// The address of `c=`, with `/ttl` where one is given; `0.0.0.0` means "wherever you ask from".
    pub connection: Option<String>,
    /// `b=AS` in bit/s (the line counts in kbit/s).
    pub bandwidth: Option<u64>,
    /// `b=TIAS` in bit/s: without packet headers (RFC 3890).
    pub bandwidth_tias: Option<u64>,
    /// `a=name:value`, in order; the value of a flag is empty.
    pub attributes: Vec<(String, String)>,
}

/// One `m=` section.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Media {
    /// `audio`, `video`, `application`, ... as sent.
    pub kind: String,
    /// 0 under RTSP, the port of a multicast session.
    pub port: u16,
    /// `RTP/AVP`, ...
    pub protocol: String,
    /// What its packets may hold; nearly always one.
    pub formats: Vec<Format>,
    /// Address, bandwidth, attributes.
    pub section: Section,
}

/// Picture size in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Resolution {
    /// Columns.
    pub width: u32,
    /// Rows.
    pub height: u32,
}

impl fmt::Display for Resolution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}", self.width, self.height)
    }
}

/// Reads a session description.
pub fn parse(bytes: &[u8]) -> Result<Description, SdpError> {
    let too_large = |what, limit| Err(SdpError::TooLarge { what, limit });
    if bytes.len() > MAX_SDP {
        return too_large("bytes", MAX_SDP);
    }
    let source = text(bytes);
    let source = source.trim_start_matches('\u{feff}');
    let mut description = Description::default();
    let mut recognised = false;
    for (number, line) in source.lines().enumerate() {
        if number == MAX_LINES {
            return too_large("lines", MAX_LINES);
        }
        let Some((kind, value)) = line.trim().split_once('=') else { continue };
        let value = value.trim();
        recognised |= matches!(kind, "v" | "m");
        match kind {
            "s" => value.clone_into(&mut description.name),
            "o" => value.clone_into(&mut description.origin),
            "m" if description.media.len() == MAX_MEDIA => return too_large("media", MAX_MEDIA),
            "m" => description.media.push(Media::parse(value)),
            _ => {
                let media = description.media.last_mut();
                media.map_or(&mut description.common, |media| &mut media.section).line(kind, value);
            }
        }
    }
    if !recognised {
        let first = source.lines().next().unwrap_or_default();
        return Err(SdpError::NotSdp {
            found: first.chars().take(60).flat_map(char::escape_default).collect(),
        });
    }
    for media in &mut description.media {
        media.formats.iter_mut().for_each(|format| format.describe(&media.section.attributes));
    }
    Ok(description)
}

impl Description {
    /// Session-level `a=control`.
    pub fn control(&self) -> Option<&str> {
        self.common.attribute("control")
    }

    /// `a=range`, e.g. `npt=now-` or `npt=0-30.5`.
    pub fn range(&self) -> Option<&str> {
        self.common.attribute("range")
    }

    /// Whether this is a live stream, as far as the description tells: no range (RFC 2326, section C.1.5: only stored sessions
    /// have one), a range that begins now, or `a=type:broadcast`; unless the range ends (GStreamer says `broadcast` and
    /// `npt=now-30` of a file).
    pub fn is_live(&self) -> bool {
        if let Some(live) = self.is_real_live() {
            return live;
        }
        let range = self.range().unwrap_or_default().trim();
        let ends = range.contains('-') && !range.ends_with('-');
        let broadcast = self.common.attribute("type").is_some_and(|t| t.eq_ignore_ascii_case("broadcast"));
        !ends && (range.is_empty() || broadcast || range.starts_with("npt=now"))
    }
}

impl Section {
    /// The value of the first attribute of that name; names compare without case.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    fn line(&mut self, kind: &str, value: &str) {
        match kind {
            "c" => self.connection = value.split_whitespace().nth(2).map(str::to_owned),
            "b" => {
                let Some((modifier, amount)) = value.split_once(':') else { return };
                let amount: Option<u64> = amount.trim().parse().ok();
                match modifier.trim().to_ascii_uppercase().as_str() {
                    "AS" => self.bandwidth = amount.and_then(|kbit| kbit.checked_mul(1000)),
                    "TIAS" => self.bandwidth_tias = amount,
                    _ => {}
                }
            }
            "a" => {
                let (name, value) = value.split_once(':').unwrap_or((value, ""));
                self.attributes.push((name.trim().to_owned(), value.trim().to_owned()));
            }
            _ => {}
        }
    }
}

impl Media {
    /// Reads the value of an `m=` line: `video 0 RTP/AVP 96 97`; the port may be `5004/2`.
    fn parse(value: &str) -> Self {
        let mut words = value.split_whitespace();
        let kind = words.next().unwrap_or_default().to_owned();
        let port =
            words.next().and_then(|w| w.split('/').next()).and_then(|p| p.parse().ok()).unwrap_or_default();
        let protocol = words.next().unwrap_or_default().to_owned();
        let formats =
            words.filter_map(|w| w.parse().ok()).filter(|&pt| pt < 128).map(Format::of_payload_type);
        Self {
            kind,
            port,
            protocol,
            formats: formats.take(MAX_FORMATS).collect(),
            section: Section::default(),
        }
    }

    /// `a=control`: see [`crate::rtsp::resolve`].
    pub fn control(&self) -> Option<&str> {
        self.section.attribute("control")
    }

    /// `a=framerate` in frames per second.
    pub fn frame_rate(&self) -> Option<f64> {
        self.section.attribute("framerate")?.parse().ok().filter(|rate: &f64| rate.is_finite() && *rate > 0.0)
    }

    /// The format of a payload type.
    pub fn format(&self, payload_type: u8) -> Option<&Format> {
        self.formats.iter().find(|format| format.payload_type == payload_type)
    }

    /// The name of the first format's codec, e.g. `H264`, `AAC`, `PCMA`.
    pub fn codec(&self) -> Option<&str> {
        self.formats.first().map(|format| format.codec.as_str())
    }

    /// Ticks a second of the first format's RTP timestamps.
    pub fn clock_rate(&self) -> Option<u32> {
        self.formats.first()?.clock_rate
    }

    /// The picture size: from the parameter sets, which the decoder believes too, else from attributes.
    pub fn resolution(&self) -> Option<Resolution> {
        let from_parameter_sets = self.formats.iter().find_map(Format::resolution);
        from_parameter_sets.or_else(|| {
            ["framesize", "x-dimensions"].iter().find_map(|name| {
                // `a=framesize:96 320-240` (3GPP TS 26.234), `a=x-dimensions:320,240` (QuickTime and others).
                let size = self.section.attribute(name)?.rsplit(' ').next()?;
                let (width, height) = size.split_once(['-', ','])?;
                parameter_sets::checked(width.trim().parse().ok()?, height.trim().parse().ok()?)
            })
        })
    }

    /// Samples a second and channels of an audio track.
    pub fn audio(&self) -> Option<AudioConfig> {
        if !self.kind.eq_ignore_ascii_case("audio") {
            return None;
        }
        self.formats.iter().find_map(Format::audio)
    }
}

#[cfg(test)]
mod tests;
