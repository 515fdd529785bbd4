//! Heads of FLV tags: which codec, and whether it is a frame or only what a decoder must know before the first one.
//!
//! Servers keep the sequence headers of a stream and send them to every listener, also when nothing follows: they are no media.
//! Sources: FLV 10.1 annex E.4, Enhanced RTMP v2.

use super::be;
use super::message::{Message, kind};
use crate::sdp::{AudioConfig, Resolution, h264_resolution, h265_resolution};

/// Sound or picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TrackKind {
    /// Sound.
    Audio,
    /// The picture.
    Video,
}

/// What a tag is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// A decoder's parameters.
    Setup,
    /// Something to decode, and whether decoding may begin here.
    Frame {
        /// A key frame, or sound.
        key: bool,
    },
    /// The end of a sequence, a seek, metadata, an empty message.
    Other,
}

/// The sampling rate and channels of an AAC track, or the size of a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Setup {
    /// Sound.
    Sound(AudioConfig),
    /// A picture.
    Picture(Resolution),
}

/// What the first bytes of an audio or video message tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tag {
    /// Sound or picture.
    pub track: TrackKind,
    /// The codec by the name that people use, where the tag tells it.
    pub codec: Option<String>,
    /// What it is for.
    pub role: Role,
    /// What a setup says.
    pub setup: Option<Setup>,
}

/// Bytes in front of a message inside of an aggregate, as in an FLV file: type, length, time, stream, ...
const INSIDE: usize = 11;
/// ... and behind it: the length once more.
const BACK: usize = 4;

/// Packet types of Enhanced RTMP that matter here.
mod packet {
    pub(super) const SETUP: u8 = 0;
    pub(super) const FRAMES: u8 = 1;
    pub(super) const FRAMES_X: u8 = 3;
    pub(super) const TS_SETUP: u8 = 5;
    pub(super) const MULTITRACK_AUDIO: u8 = 5;
    pub(super) const MULTITRACK_VIDEO: u8 = 6;
    pub(super) const MODIFIER: u8 = 7;
}

/// Codecs of sound by their number.
const SOUND: [&str; 16] = [
    "PCM",
    "ADPCM",
    "MP3",
    "PCM",
    "NELLYMOSER",
    "NELLYMOSER",
    "NELLYMOSER",
    "PCMA",
    "PCMU",
    "",
    "AAC",
    "SPEEX",
    "",
    "",
    "MP3",
    "",
];

impl Tag {
    /// Reads the head of an audio or video message; `None` for other messages.
    pub fn read(message: &Message) -> Option<Self> {
        match message.kind {
            kind::AUDIO => Some(audio(&message.body)),
            kind::VIDEO => Some(video(&message.body)),
            _ => None,
        }
    }
}

fn audio(body: &[u8]) -> Tag {
    let tag = |codec: Option<String>, role, setup| Tag { track: TrackKind::Audio, codec, role, setup };
    let Some((first, rest)) = body.split_first() else { return tag(None, Role::Other, None) };
    match first >> 4 {
        9 => {
            let Some(head) = Enhanced::read(first & 0x0f, rest, packet::MULTITRACK_AUDIO) else {
                return tag(None, Role::Other, None);
            };
            let role = match head.packet {
                packet::SETUP => Role::Setup,
                packet::FRAMES => Role::Frame { key: true },
                _ => Role::Other,
            };
            tag(Some(head.codec()), role, None)
        }
        format => {
            let codec = SOUND.get(usize::from(format)).filter(|name| !name.is_empty());
            let codec = codec.map(|name| (*name).to_owned());
            match (format, rest.first()) {
                (10, Some(0)) => {
                    let setup = AudioConfig::of_bytes(&rest[1..]).map(Setup::Sound);
                    tag(codec, Role::Setup, setup)
                }
                // A tag without sound behind its head: some encoders end a stream so.
                (_, None) => tag(codec, Role::Other, None),
                _ => tag(codec, Role::Frame { key: true }, None),
            }
        }
    }
}

fn video(body: &[u8]) -> Tag {
    let tag = |codec: Option<String>, role, setup| Tag { track: TrackKind::Video, codec, role, setup };
    let Some((first, rest)) = body.split_first() else { return tag(None, Role::Other, None) };
    let frame_type = first >> 4 & 7;
    let frame = if frame_type == 5 { Role::Other } else { Role::Frame { key: matches!(frame_type, 1 | 4) } };
    if first & 0x80 != 0 {
        let Some(head) = Enhanced::read(first & 0x0f, rest, packet::MULTITRACK_VIDEO) else {
            return tag(None, Role::Other, None);
        };
        return match head.packet {
            packet::SETUP => tag(Some(head.codec()), Role::Setup, head.picture().map(Setup::Picture)),
            packet::TS_SETUP => tag(Some(head.codec()), Role::Setup, None),
            packet::FRAMES | packet::FRAMES_X => tag(Some(head.codec()), frame, None),
            _ => tag(Some(head.codec()), Role::Other, None),
        };
    }
    let codec = match first & 0x0f {
        2 => "H263",
        3 | 6 => "SCREEN",
        4 | 5 => "VP6",
        7 => "H264",
        12 => "H265", // not in any specification, and in wide use
        _ => return tag(None, frame, None),
    };
    let named = Some(codec.to_owned());
    match (codec, rest.first()) {
        (_, None) => tag(named, Role::Other, None),
        ("H264" | "H265", Some(0)) => {
            let record = rest.get(4..).unwrap_or_default();
            let picture = if codec == "H264" { avc_picture(record) } else { hevc_picture(record) };
            tag(named, Role::Setup, picture.map(Setup::Picture))
        }
        ("H264" | "H265", Some(kind)) if *kind != 1 => tag(named, Role::Other, None),
        _ => tag(named, frame, None),
    }
}

/// The head of a tag of Enhanced RTMP: what kind of packet, of which codec, and what follows.
struct Enhanced<'a> {
    packet: u8,
    four_cc: [u8; 4],
    rest: &'a [u8],
}

impl<'a> Enhanced<'a> {
    fn read(mut packet: u8, mut rest: &'a [u8], multitrack: u8) -> Option<Self> {
        while packet == packet::MODIFIER {
            // Sizes are one less than what they count; 256 stands for one in two bytes.
            let (size, behind) = rest.split_first()?;
            let (size, behind) = match size {
                255 => (usize::try_from(be(behind.get(..2)?)).ok()? + 1, &behind[2..]),
                size => (usize::from(*size) + 1, behind),
            };
            let (kind, behind) = behind.get(size..)?.split_first()?;
            (packet, rest) = (kind & 0x0f, behind);
        }
        let several = packet == multitrack;
        if several {
            let (kind, behind) = rest.split_first()?;
            (packet, rest) = (kind & 0x0f, behind);
        }
        let four_cc = rest.get(..4)?.try_into().ok()?;
        // Behind the codec the number of the track; and its size, unless it is the only one.
        Some(Self { packet, four_cc, rest: if several { &[] } else { &rest[4..] } })
    }

    fn codec(&self) -> String {
        let name = match &self.four_cc {
            b"avc1" => "H264",
            b"hvc1" => "H265",
            b"av01" => "AV1",
            b"vp08" => "VP8",
            b"vp09" => "VP9",
            b".mp3" => "MP3",
            b"mp4a" => "AAC",
            b"Opus" => "OPUS",
            b"fLaC" => "FLAC",
            b"ac-3" => "AC3",
            b"ec-3" => "EAC3",
            other => return other.escape_ascii().to_string(),
        };
        name.to_owned()
    }

    fn picture(&self) -> Option<Resolution> {
        match &self.four_cc {
            b"avc1" => avc_picture(self.rest),
            b"hvc1" => hevc_picture(self.rest),
            _ => None,
        }
    }
}

/// The picture size in an `AVCDecoderConfigurationRecord` (ISO 14496-15, 5.2.4.1): its first parameter set.
fn avc_picture(record: &[u8]) -> Option<Resolution> {
    let length = record.get(6..8).map(be)?;
    let rest = record.get(8..)?;
    h264_resolution(&rest[..rest.len().min(length as usize)])
}

/// The picture size in an `HEVCDecoderConfigurationRecord` (ISO 14496-15, 8.3.3.1).
fn hevc_picture(record: &[u8]) -> Option<Resolution> {
    let mut rest = record.get(23..)?;
    for _ in 0..*record.get(22)? {
        let count = rest.get(1..3).map(be)?;
        rest = &rest[3..];
        for _ in 0..count {
            let length = rest.get(..2).map(be)? as usize;
            let unit = &rest[2..rest.len().min(2 + length)];
            if let Some(size) = h265_resolution(unit) {
                return Some(size);
            }
            rest = rest.get(2 + length..)?;
        }
    }
    None
}

/// The messages inside of an aggregate (RTMP 1.0, section 7.1.6), each with the time that it has by the aggregate's own.
/// What is cut off at the end is left out.
pub fn submessages(aggregate: &Message) -> impl Iterator<Item = Message> {
    let (mut rest, mut shift) = (aggregate.body.as_slice(), None);
    std::iter::from_fn(move || {
        let head = rest.get(..INSIDE)?;
        let length = be(&head[1..4]);
        let timestamp = be(&head[4..7]) | u32::from(head[7]) << 24;
        let shift = *shift.get_or_insert(aggregate.timestamp.wrapping_sub(timestamp));
        let behind = &rest[INSIDE..];
        let body = behind.get(..length as usize)?;
        rest = behind.get(length as usize + BACK..).unwrap_or_default();
        Some(Message {
            kind: head[0],
            timestamp: timestamp.wrapping_add(shift),
            stream: aggregate.stream,
            length,
            body: body.to_vec(),
        })
    })
}
