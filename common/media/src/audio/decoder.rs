//! The decoders of symphonia, fed frame by frame.

use symphonia_bundle_mp3::MpaDecoder;
use symphonia_codec_aac::AacDecoder;
use symphonia_codec_vorbis::VorbisDecoder;
use symphonia_core::audio::layouts::{CHANNEL_LAYOUT_MONO, CHANNEL_LAYOUT_STEREO};
use symphonia_core::audio::{Audio, GenericAudioBufferRef};
use symphonia_core::codecs::audio::well_known::{CODEC_ID_AAC, CODEC_ID_MP2, CODEC_ID_MP3, CODEC_ID_VORBIS};
use symphonia_core::codecs::audio::{AudioCodecParameters, AudioDecoder, AudioDecoderOptions};
use symphonia_core::packet::PacketRef;
use symphonia_core::units::{Duration, Timestamp};
use weir_wire::media::{AudioCodec, FrameHeader};

use crate::Codec;

/// Vorbis headers that are longer than this are not read: real ones have four to ten kilobytes.
const VORBIS_HEADERS_MAX: usize = 128 * 1024;

/// What became of a frame.
pub(super) enum Decoded<'a, I: Iterator<Item = &'a [f32]>> {
    /// Hz, and the samples of each channel.
    Planes(u32, I),
    /// A header, or a frame that needs the ones before it.
    Nothing,
    /// It could not be read.
    Failed(String),
}

/// A decoder that is made when the first frame tells how.
pub(super) struct Decoder {
    inner: Option<Box<dyn AudioDecoder>>,
    /// What it was made for.
    made_for: Option<Shape>,
    /// Identification and setup header of Vorbis.
    headers: Vec<u8>,
}

/// A change of any of these needs another decoder.
#[derive(Clone, Copy, PartialEq)]
struct Shape {
    layer: Option<AudioCodec>,
    rate: u32,
    channels: u8,
}

impl Decoder {
    pub(super) fn new() -> Self {
        Self { inner: None, made_for: None, headers: Vec::new() }
    }

    /// Decodes one frame.
    pub(super) fn decode(
        &mut self,
        codec: Codec,
        bytes: &[u8],
    ) -> Decoded<'_, impl Iterator<Item = &[f32]> + use<'_>> {
        let fresh = match self.prepare(codec, bytes) {
            Ok(Some(fresh)) => fresh,
            Ok(None) => return Decoded::Nothing,
            Err(why) => return Decoded::Failed(why),
        };
        let Some(decoder) = &mut self.inner else { return Decoded::Nothing };
        let packet = PacketRef::new(0, Timestamp::ZERO, Duration::ZERO, bytes);
        match decoder.decode_ref(&packet) {
            // The first frame lacks what it has in common with the one before it.
            _ if fresh => Decoded::Nothing,
            Ok(GenericAudioBufferRef::F32(buffer)) => Decoded::Planes(
                buffer.spec().rate(),
                (0..buffer.num_planes()).filter_map(|n| buffer.plane(n)),
            ),
            Ok(_) => Decoded::Failed("unexpected samples".to_owned()),
            Err(error) => Decoded::Failed(error.to_string()),
        }
    }

    /// Makes the decoder when there is none for this frame. `None`: nothing to decode; true: it was just made.
    fn prepare(&mut self, codec: Codec, bytes: &[u8]) -> Result<Option<bool>, String> {
        let shape = match codec {
            Codec::MpegAudio => {
                let Some(header) = FrameHeader::parse(bytes) else {
                    return Err("no frame header".to_owned());
                };
                Shape { layer: Some(header.codec), rate: header.sample_rate, channels: header.channels }
            }
            Codec::Aac { rate, channels } => Shape { layer: None, rate, channels },
            _ => return self.vorbis(bytes),
        };
        if self.made_for == Some(shape) {
            // Once it could not be made, it cannot be made.
            return if self.inner.is_some() { Ok(Some(false)) } else { Err(unreadable(codec, shape)) };
        }
        self.made_for = Some(shape);
        self.inner = None;
        let mut parameters = AudioCodecParameters::new();
        parameters.with_sample_rate(shape.rate);
        match shape.channels {
            1 => parameters.with_channels(CHANNEL_LAYOUT_MONO),
            2 => parameters.with_channels(CHANNEL_LAYOUT_STEREO),
            _ => return Err(unreadable(codec, shape)),
        };
        let options = AudioDecoderOptions::default();
        let made: Result<Box<dyn AudioDecoder>, _> = match (codec, shape.layer) {
            (Codec::Aac { .. }, _) => {
                parameters.for_codec(CODEC_ID_AAC);
                AacDecoder::try_new(&parameters, &options).map(|decoder| Box::new(decoder) as _)
            }
            (_, layer) => {
                let id = if layer == Some(AudioCodec::Mp2) { CODEC_ID_MP2 } else { CODEC_ID_MP3 };
                parameters.for_codec(id);
                MpaDecoder::try_new(&parameters, &options).map(|decoder| Box::new(decoder) as _)
            }
        };
        self.inner = Some(made.map_err(|error| error.to_string())?);
        Ok(Some(true))
    }

    /// Headers are kept until the setup header makes a decoder of them (Vorbis I, section 4.2).
    fn vorbis(&mut self, bytes: &[u8]) -> Result<Option<bool>, String> {
        match bytes {
            [1, b'v', b'o', b'r', b'b', b'i', b's', ..] => {
                self.headers = bytes.to_vec();
                self.inner = None;
                Ok(None)
            }
            [5, b'v', b'o', b'r', b'b', b'i', b's', ..] if bytes.len() <= VORBIS_HEADERS_MAX => {
                self.headers.extend_from_slice(bytes);
                let mut parameters = AudioCodecParameters::new();
                parameters.for_codec(CODEC_ID_VORBIS);
                parameters.with_extra_data(std::mem::take(&mut self.headers).into_boxed_slice());
                let decoder = VorbisDecoder::try_new(&parameters, &AudioDecoderOptions::default());
                self.inner = Some(Box::new(decoder.map_err(|error| error.to_string())?));
                Ok(None)
            }
            // The comment header, an empty packet.
            [first, ..] if first & 1 == 1 => Ok(None),
            [] => Ok(None),
            _ if self.inner.is_some() => Ok(Some(false)),
            _ => Err("its headers did not come".to_owned()),
        }
    }
}

fn unreadable(codec: Codec, shape: Shape) -> String {
    match shape.channels {
        1 | 2 => format!("{} of this kind is not decoded", codec.name()),
        0 => "its number of channels is not told".to_owned(),
        channels => format!("{channels} channels are not decoded"),
    }
}
