//! How loud a track is: decoded, and measured as ffmpeg's silencedetect does, by the largest sample of any channel.

mod decoder;
mod opus;
mod pcm;

use weir_wire::media::FrameHeader;

use crate::{Codec, Level, Span};
use decoder::{Decoded, Decoder};
use opus::Energy;

/// The quietest that is told from nothing at all, dBFS: below the last bit of 16.
const FLOOR: f64 = -96.0;
/// Blocks a second: within one, the largest sample counts.
const BLOCKS: u32 = 100;
/// A frame that cannot be read lasts about so long, seconds.
const FRAME: f64 = 0.02;

/// Measures one track.
pub(crate) struct Meter {
    /// Samples above this are sound, of a full scale of 1.
    threshold: f32,
    codec: Codec,
    decoder: State,
    span: Span,
    /// Sum of squares over samples of all channels, and their number; of Opus over seconds.
    energy: (f64, f64),
    /// The last thing that could not be read.
    pub(crate) trouble: Option<String>,
    /// While there is sound, frames are held back, and only the last ones of each piece decoded: where a piece of half a second
    /// ends in sound no long silence can hide. Where it does not, all of it is decoded.
    held: Vec<Vec<u8>>,
    held_seconds: f64,
    /// Whether the last frame that was decoded had sound.
    loud: bool,
    /// How long a packet of Vorbis plays at most, seconds; known from the identification header on.
    vorbis_longest: Option<f64>,
}

/// MP3 frames lean on so many before them, at the usual bit rates (`main_data_begin`, ISO 11172-3, 2.4.2.7).
const RESERVOIR: usize = 4;
/// Seconds of a piece.
const PIECE: f64 = 0.5;

enum State {
    Decoder(Decoder),
    Energy(Energy),
    Pcm(fn(&[u8], &mut Vec<f32>), u32),
    None,
}

impl Meter {
    /// For a track of `codec` where what is below `threshold` dBFS is silence. `rate` and `channels` count for PCM alone.
    pub(crate) fn new(codec: Codec, threshold: f64, pcm: (u32, u8)) -> Self {
        let (decoder, trouble) = match codec {
            Codec::MpegAudio | Codec::Aac { .. } | Codec::Vorbis => (State::Decoder(Decoder::new()), None),
            Codec::Opus => (State::Energy(Energy::default()), None),
            Codec::Pcma => (State::Pcm(pcm::alaw, frames(pcm)), None),
            Codec::Pcmu => (State::Pcm(pcm::mulaw, frames(pcm)), None),
            Codec::L16 => (State::Pcm(pcm::linear, frames(pcm)), None),
            other => (State::None, Some(format!("nobody here decodes {}", other.name()))),
        };
        #[allow(clippy::cast_possible_truncation, reason = "between 0 and 1")]
        let threshold = 10f64.powf(threshold / 20.0) as f32;
        Self {
            threshold,
            codec,
            decoder,
            span: Span::default(),
            energy: (0.0, 0.0),
            trouble,
            held: Vec::new(),
            held_seconds: 0.0,
            loud: false,
            vorbis_longest: None,
        }
    }

    /// One frame more.
    pub(crate) fn frame(&mut self, codec: Codec, bytes: &[u8]) {
        if let (Codec::Vorbis, Some(longest)) = (codec, vorbis_longest(bytes)) {
            self.vorbis_longest = Some(longest);
        }
        match self.duration(codec, bytes) {
            Some(seconds) if self.loud && codec == self.codec => {
                self.held.push(bytes.to_vec());
                self.held_seconds += seconds;
                if self.held_seconds >= PIECE {
                    self.release();
                }
            }
            // Another kind of frame than those before, or a header: a new decoder, all of whose frames are decoded.
            duration if codec != self.codec || duration.is_none() => {
                self.release();
                self.codec = codec;
                self.loud = false;
                self.decode(bytes);
            }
            _ => self.decode(bytes),
        }
    }

    /// How long a frame plays, where that can be told without decoding it; of Vorbis, at most.
    fn duration(&self, codec: Codec, bytes: &[u8]) -> Option<f64> {
        match codec {
            Codec::Aac { rate, .. } => Some(1024.0 / f64::from(rate.max(1))),
            Codec::MpegAudio => {
                let header = FrameHeader::parse(bytes)?;
                Some(f64::from(header.samples) / f64::from(header.sample_rate.max(1)))
            }
            // The first bit tells sound from headers (Vorbis I, section 4.3.1).
            Codec::Vorbis if bytes.first()? & 1 == 0 => self.vorbis_longest,
            _ => None,
        }
    }

    /// Decodes the end of what is held, and all of it when that has no sound.
    fn release(&mut self) {
        let held = std::mem::take(&mut self.held);
        let seconds = std::mem::take(&mut self.held_seconds);
        if held.is_empty() {
            return;
        }
        let before = (self.span, self.energy);
        let warm_up = if self.codec == Codec::MpegAudio { RESERVOIR } else { 1 };
        let from = held.len().saturating_sub(warm_up + 1);
        let last = held.len() - 1;
        self.span.add(seconds * last as f64 / held.len() as f64, Level::Unclear);
        for (number, frame) in held.iter().enumerate().skip(from) {
            let kept = (self.span, self.energy);
            self.loud = false;
            self.decode(frame);
            if number < last {
                (self.span, self.energy) = kept;
            }
        }
        if !self.loud {
            (self.span, self.energy) = before;
            for (number, frame) in held.iter().enumerate() {
                let kept = (self.span, self.energy);
                self.decode(frame);
                // The decoder lacks what came before these.
                if number < warm_up {
                    (self.span, self.energy) = kept;
                    self.span.add(seconds / held.len() as f64, Level::Unclear);
                }
            }
        }
    }

    /// What is known of silence, with what is held as unknown.
    pub(crate) fn span(&self) -> Span {
        let mut span = self.span;
        span.add(self.held_seconds, Level::Unclear);
        span
    }

    fn decode(&mut self, bytes: &[u8]) {
        let codec = self.codec;
        let (threshold, span, energy) = (self.threshold, &mut self.span, &mut self.energy);
        match &mut self.decoder {
            State::Decoder(decoder) => match decoder.decode(codec, bytes) {
                Decoded::Planes(rate, planes) => self.loud = measure(planes, rate, threshold, span, energy),
                Decoded::Nothing => {}
                Decoded::Failed(why) => {
                    span.add(FRAME, Level::Unclear);
                    self.trouble = Some(format!("{}: {why}", codec.name()));
                }
            },
            State::Energy(opus) => opus.packet(bytes, |seconds, level| {
                if let Some(level) = level {
                    span.add(seconds, level.against(20.0 * f64::from(threshold).log10()));
                    energy.0 += level.likely() * seconds;
                    energy.1 += seconds;
                } else {
                    span.add(seconds, Level::Unclear);
                    self.trouble = Some("Opus speech frames (SILK) are not decoded".to_owned());
                }
            }),
            State::Pcm(expand, per_second) => {
                let mut samples = Vec::with_capacity(bytes.len());
                expand(bytes, &mut samples);
                measure([samples.as_slice()].into_iter(), *per_second, threshold, span, energy);
            }
            State::None => span.add(FRAME, Level::Unclear),
        }
    }

    /// The name of its codec.
    pub(crate) fn codec(&self) -> &'static str {
        self.codec.name()
    }

    /// The mean level in dBFS; `None` when nothing was measured.
    pub(crate) fn loudness(&self) -> Option<f64> {
        let (sum, count) = self.energy;
        let level = 10.0 * (sum / count).log10();
        (count > 0.0).then(|| if level.is_nan() { FLOOR } else { (level.max(FLOOR) * 10.0).round() / 10.0 })
    }
}

/// Samples a second of interleaved PCM.
fn frames((rate, channels): (u32, u8)) -> u32 {
    rate.saturating_mul(channels.max(1).into())
}

/// Measures planes of equal length, block by block; whether the last one has sound.
fn measure<'a>(
    planes: impl Iterator<Item = &'a [f32]>,
    rate: u32,
    threshold: f32,
    span: &mut Span,
    energy: &mut (f64, f64),
) -> bool {
    let block = (rate / BLOCKS).max(1) as usize;
    let mut sounds: Vec<(usize, bool)> = Vec::new();
    for plane in planes {
        for (at, samples) in plane.chunks(block).enumerate() {
            let peak = samples.iter().fold(0f32, |peak, sample| peak.max(sample.abs()));
            let square: f32 = samples.iter().map(|sample| sample * sample).sum();
            if square.is_finite() {
                energy.0 += f64::from(square);
                energy.1 += samples.len() as f64;
            }
            if sounds.len() <= at {
                sounds.push((samples.len(), false));
            }
            sounds[at].1 |= peak >= threshold;
        }
    }
    let mut loud = false;
    for (samples, sounds) in sounds {
        loud = sounds;
        let level = if sounds { Level::Alive } else { Level::Dead };
        span.add(samples as f64 / f64::from(rate.max(1)), level);
    }
    loud
}

/// Half a long block, from the identification header of Vorbis (Vorbis I, section 4.2.2), seconds.
fn vorbis_longest(bytes: &[u8]) -> Option<f64> {
    let header = bytes.strip_prefix(b"\x01vorbis")?;
    let rate = u32::from_le_bytes(header.get(5..9)?.try_into().ok()?);
    let long = 1_u32 << (header.get(21)? >> 4);
    Some(f64::from(long / 2) / f64::from(rate.max(1)))
}
