//! One coded frame, as every demuxer hands it on.

/// How a frame is coded, with what its bytes alone do not say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Codec {
    /// MPEG audio layer II or III, a whole frame with its header.
    MpegAudio,
    /// AAC-LC, and the core of HE-AAC: a raw data block, with Hz and channels as coded (without SBR and PS).
    Aac {
        /// Hz.
        rate: u32,
        /// Channels.
        channels: u8,
    },
    /// Vorbis, headers included.
    Vorbis,
    /// Opus packets.
    Opus,
    /// G.711 A-law.
    Pcma,
    /// G.711 mu-law.
    Pcmu,
    /// Sixteen bits, big endian.
    L16,
    /// H.264 with start codes.
    H264,
    /// H.265 with start codes.
    H265,
    /// Sound that is not looked into.
    OtherAudio(&'static str),
    /// Pictures that are not looked into.
    OtherVideo(&'static str),
}

impl Codec {
    /// Whether these are pictures.
    pub fn is_video(self) -> bool {
        matches!(self, Self::H264 | Self::H265 | Self::OtherVideo(_))
    }

    /// The name in the field's words.
    pub fn name(self) -> &'static str {
        match self {
            Self::MpegAudio => "MPEG audio",
            Self::Aac { .. } => "AAC",
            Self::Vorbis => "Vorbis",
            Self::Opus => "Opus",
            Self::Pcma => "PCMA",
            Self::Pcmu => "PCMU",
            Self::L16 => "L16",
            Self::H264 => "H.264",
            Self::H265 => "H.265",
            Self::OtherAudio(name) | Self::OtherVideo(name) => name,
        }
    }
}

/// One coded frame.
#[derive(Clone, Copy, Debug)]
pub struct Unit<'a> {
    /// A number that tells its track from the others.
    pub track: u32,
    /// How it is coded.
    pub codec: Codec,
    /// When it is decoded or shown, seconds from anywhere; sound counts its own time.
    pub time: f64,
    /// The frame.
    pub bytes: &'a [u8],
}
