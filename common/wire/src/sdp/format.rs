//! What a payload type stands for: by the table of RFC 3551, or by `a=rtpmap` and `a=fmtp`.

use super::{AudioConfig, Resolution, h264_resolution, h265_resolution};
use crate::base64;

/// Most `a=fmtp` parameters that are kept.
const MAX_PARAMETERS: usize = 64;
/// Most parameter sets that are looked at.
const MAX_PARAMETER_SETS: usize = 16;

/// One payload type of a track.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Format {
    /// 0 to 127.
    pub payload_type: u8,
    /// Upper case, by its usual name: `H264`, `AAC` (for MPEG4-GENERIC and MP4A-LATM), `PCMA`, `MP2T`; empty if unknown.
    pub codec: String,
    /// The encoding name of the `rtpmap`, as sent; empty without one.
    pub encoding: String,
    /// Ticks a second of the RTP timestamps.
    pub clock_rate: Option<u32>,
    /// Channels of the `rtpmap`; absent means one for audio.
    pub channels: Option<u8>,
    /// `a=fmtp` parameters, in order.
    pub parameters: Vec<(String, String)>,
}

/// Static payload types (RFC 3551 section 6): type, name, clock rate.
const STATIC: [(u8, &str, u32); 24] = [
    (0, "PCMU", 8000),
    (3, "GSM", 8000),
    (4, "G723", 8000),
    (5, "DVI4", 8000),
    (6, "DVI4", 16000),
    (7, "LPC", 8000),
    (8, "PCMA", 8000),
    (9, "G722", 8000),
    (10, "L16", 44100),
    (11, "L16", 44100),
    (12, "QCELP", 8000),
    (13, "CN", 8000),
    (14, "MPA", 90000),
    (15, "G728", 8000),
    (16, "DVI4", 11025),
    (17, "DVI4", 22050),
    (18, "G729", 8000),
    (25, "CELB", 90000),
    (26, "JPEG", 90000),
    (28, "NV", 90000),
    (31, "H261", 90000),
    (32, "MPV", 90000),
    (33, "MP2T", 90000),
    (34, "H263", 90000),
];

impl Format {
    /// A payload type by the static table.
    pub fn of_payload_type(payload_type: u8) -> Self {
        let known = STATIC.iter().find(|(pt, ..)| *pt == payload_type);
        Self {
            payload_type,
            codec: known.map(|(_, name, _)| (*name).to_owned()).unwrap_or_default(),
            clock_rate: known.map(|(.., clock)| *clock),
            channels: (payload_type == 10).then_some(2),
            ..Self::default()
        }
    }

    /// Completes the format from the attributes of its section.
    pub(super) fn describe(&mut self, attributes: &[(String, String)]) {
        let own = self.payload_type;
        let about_us = |wanted: &'static str| {
            attributes.iter().filter(move |(name, _)| name.eq_ignore_ascii_case(wanted)).filter_map(
                |(_, value)| {
                    let (payload_type, rest) = value.split_once([' ', '\t'])?;
                    (payload_type.parse() == Ok(own)).then(|| rest.trim())
                },
            )
        };
        let mapping = about_us("rtpmap").next();
        let parameters: Vec<_> = about_us("fmtp")
            .flat_map(|list| list.split(';'))
            .map(str::trim)
            .filter(|parameter| !parameter.is_empty())
            .map(|parameter| parameter.split_once('=').unwrap_or((parameter, "")))
            .map(|(name, value)| (name.trim().to_owned(), value.trim().to_owned()))
            .take(MAX_PARAMETERS)
            .collect();
        self.parameters = parameters;
        if let Some(mapping) = mapping {
            self.map(mapping);
        }
    }

    /// `H264/90000`, `MPEG4-GENERIC/44100/2`.
    fn map(&mut self, mapping: &str) {
        let mut parts = mapping.split('/').map(str::trim);
        parts.next().unwrap_or_default().clone_into(&mut self.encoding);
        self.codec = match self.encoding.to_ascii_uppercase().as_str() {
            "MPEG4-GENERIC"
                if self.parameter("mode").is_none_or(|m| m.to_ascii_uppercase().starts_with("AAC")) =>
            {
                "AAC".into()
            }
            "MP4A-LATM" => "AAC".into(),
            name => name.to_owned(),
        };
        let clock_rate = parts.next().and_then(|p| p.parse().ok()).filter(|&rate| rate > 0);
        self.clock_rate = clock_rate.or(self.clock_rate);
        self.channels = parts.next().and_then(|p| p.parse().ok()).or(self.channels);
    }

    /// An `a=fmtp` parameter; names compare without case.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// The picture size, from the sequence parameter set in `sprop-parameter-sets` (RFC 6184) or `sprop-sps` (RFC 7798).
    pub fn resolution(&self) -> Option<Resolution> {
        let sets = |name: &str, resolution: fn(&[u8]) -> Option<Resolution>| {
            let sets = self.parameter(name)?.split(',').take(MAX_PARAMETER_SETS);
            sets.filter_map(base64::decode).find_map(|set| resolution(&set))
        };
        match self.codec.as_str() {
            "H264" => sets("sprop-parameter-sets", h264_resolution),
            "H265" => sets("sprop-sps", h265_resolution),
            _ => None,
        }
    }

    /// The parameter sets in `sprop-parameter-sets` (RFC 6184) or `sprop-vps`, `-sps` and `-pps` (RFC 7798): NAL units.
    pub fn parameter_sets(&self) -> Vec<Vec<u8>> {
        let sets =
            ["sprop-parameter-sets", "sprop-vps", "sprop-sps", "sprop-pps"].map(|name| self.parameter(name));
        let sets = sets.into_iter().flatten().flat_map(|sets| sets.split(','));
        sets.take(MAX_PARAMETER_SETS).filter_map(base64::decode).collect()
    }

    /// Samples a second and channels, where the description tells: from the AAC configuration, else from the clock.
    pub fn audio(&self) -> Option<AudioConfig> {
        let channels = self.channels.unwrap_or(1);
        let sample_rate = match (self.codec.as_str(), self.clock_rate?) {
            ("AAC", clock) => {
                return AudioConfig::of_aac(self).or(Some(AudioConfig { sample_rate: clock, channels }));
            }
            // RFC 3551 section 4.5.2: a clock of 8000 by mistake, kept for ever.
            ("G722", _) => 16000,
            // The clock is that of MPEG, whatever the sample rate.
            ("MPA" | "MPA-ROBUST" | "MP2T", 90000) => return None,
            (_, clock) => clock,
        };
        Some(AudioConfig { sample_rate, channels })
    }
}
