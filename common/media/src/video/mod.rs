//! Whether a picture moves and whether it shows anything, from the sizes of its coded frames.
//!
//! What is certain, measured with x264 and x265 at constant quality, average and constant bit rates, 180 to 1080 lines:
//! - A frame that equals the last one consists of skipped blocks: a few bytes, however large the picture is ("still").
//! - A picture that does not change at all is coded the same way in each group of pictures, once the encoder's rate control has
//!   come to rest: its key frames have the same size, and what else is coded (the picture is sharpened) repeats.
//! - Where something moves everywhere, as before a camera, most frames cost about as much as the mean frame, and more than a
//!   skipped one costs by far.
//!
//! Between the two nobody can say: a clock before a still picture, an encoder that has not come to rest. That is `Unclear`.
//! Black: blocks without any detail have a known, small cost in a key frame; a picture of one other colour costs the same.

mod nal;

use crate::{Codec, Level, Span};
pub(crate) use nal::{Nal, annex_b, h264, h265};

/// The most frames that are kept: a minute at 120 a second.
const FRAMES_MAX: usize = 7200;
/// Time is cut into pieces of this length, seconds, and each is told to be still or not.
const SLICE: f64 = 1.0;
/// Frames further apart than this, seconds, are no statement about the time between them.
const APART_MAX: f64 = 2.0;
/// Key frames of one picture differ by at most so many bytes a slice: a counter in their header has another length.
const SAME_KEY: usize = 2;
/// Frames of a moving picture cost at least a byte for so many pixels, ...
const MOVING_PIXELS: usize = 2000;
/// ... this part of the mean frame, ...
const MOVING_SHARE: usize = 5;
/// ... and so many times a frame in which nothing changes.
const MOVING_SKIPPED: usize = 3;

/// One coded picture.
#[derive(Clone, Copy, Debug, Default)]
struct Frame {
    time: f64,
    bytes: usize,
    slices: usize,
    intra: bool,
}

/// Measures one track.
#[derive(Debug)]
pub(crate) struct Meter {
    codec: Codec,
    frames: Vec<Frame>,
    size: Option<(u32, u32)>,
    cabac: bool,
    pub(crate) trouble: Option<String>,
}

impl Meter {
    pub(crate) fn new(codec: Codec) -> Self {
        let trouble = match codec {
            Codec::H264 | Codec::H265 => None,
            other => Some(format!("nobody here reads the frames of {}", other.name())),
        };
        Self { codec, frames: Vec::new(), size: None, cabac: true, trouble }
    }

    /// One frame with start codes, shown at `time`.
    pub(crate) fn frame(&mut self, time: f64, bytes: &[u8]) {
        if self.trouble.is_some() {
            self.push(Frame { time, ..Frame::default() });
            return;
        }
        for unit in annex_b(bytes) {
            self.unit(time, unit);
        }
    }

    /// One NAL unit of the frame at `time`, without start code.
    pub(crate) fn unit(&mut self, time: f64, unit: &[u8]) {
        let nal = if self.codec == Codec::H265 { h265(unit) } else { h264(unit) };
        match nal {
            Nal::Size(width, height) => self.size = Some((width, height)),
            Nal::Entropy(cabac) => self.cabac = cabac,
            Nal::Slice { bytes, intra } => {
                if self.frames.last().is_none_or(|last| last.time.total_cmp(&time).is_ne()) {
                    self.push(Frame { time, bytes: 0, slices: 0, intra: true });
                }
                if let Some(frame) = self.frames.last_mut() {
                    frame.bytes += bytes;
                    frame.slices += 1;
                    frame.intra &= intra;
                }
            }
            Nal::Other => {}
        }
    }

    fn push(&mut self, frame: Frame) {
        if frame.time.is_finite() && self.frames.len() < FRAMES_MAX {
            self.frames.push(frame);
        }
    }

    /// The name of its codec.
    pub(crate) fn codec(&self) -> &'static str {
        self.codec.name()
    }

    /// Width and height, when a parameter set told.
    pub(crate) fn size(&self) -> Option<(u32, u32)> {
        self.size
    }

    /// For how long it was frozen and black.
    pub(crate) fn spans(&self) -> (Span, Span) {
        let frames = self.slices();
        let frozen = self.movement(&frames);
        (frozen, self.black(&frames))
    }

    /// Frames in pieces of about a second, each with the index of its first frame and its length.
    fn slices(&self) -> Vec<(usize, usize, f64)> {
        let mut slices = Vec::new();
        let mut begin = 0;
        let mut latest = f64::NEG_INFINITY;
        for (at, frame) in self.frames.iter().enumerate() {
            // Frames are in the order of coding: shown ones may go back by a few.
            let jump = frame.time > latest + APART_MAX || frame.time < latest - APART_MAX;
            if at > begin && (jump || frame.time >= self.frames[begin].time + SLICE) {
                let end = if jump { latest } else { frame.time };
                slices.push((begin, at, (end - self.frames[begin].time).max(0.0)));
                begin = at;
            }
            latest = if jump { frame.time } else { latest.max(frame.time) };
        }
        if begin < self.frames.len() {
            slices.push((begin, self.frames.len(), (latest - self.frames[begin].time).max(0.0)));
        }
        slices
    }

    fn movement(&self, slices: &[(usize, usize, f64)]) -> Span {
        let mut span = Span::default();
        let still = self.still();
        let moves = Self::quantile(4, &self.frames) >= self.moving();
        for &(begin, end, seconds) in slices {
            let frames = &self.frames[begin..end];
            let skipped = frames.iter().map(|frame| self.skipped(frame)).max().unwrap_or(0);
            let level = if self.trouble.is_some() || self.size.is_none() {
                Level::Unclear
            } else if still[begin..end].iter().all(|still| *still) && Self::quantile(2, frames) <= 2 * skipped
            {
                Level::Dead
            } else if moves && Self::quantile(4, frames) * 2 >= self.moving() {
                Level::Alive
            } else {
                Level::Unclear
            };
            span.add(seconds, level);
        }
        span
    }

    /// Where a picture moves, a quarter of the frames may cost less than so many bytes, as when an animation shows each one twice.
    fn moving(&self) -> usize {
        let pixels = self.size.map_or(0, |(width, height)| width as usize * height as usize);
        let mean = self.frames.iter().map(|frame| frame.bytes).sum::<usize>() / self.frames.len().max(1);
        let skipped = self.frames.iter().map(|frame| self.skipped(frame)).max().unwrap_or(0);
        (pixels / MOVING_PIXELS).max(mean / MOVING_SHARE).max(skipped * MOVING_SKIPPED)
    }

    /// So many bytes at most have one in `part` of the frames, key frames not counted.
    fn quantile(part: usize, frames: &[Frame]) -> usize {
        let mut sizes: Vec<usize> =
            frames.iter().filter(|frame| !frame.intra).map(|frame| frame.bytes).collect();
        sizes.sort_unstable();
        sizes.get(sizes.len() / part).copied().unwrap_or(0)
    }

    /// For each frame whether it shows what the one before it shows.
    fn still(&self) -> Vec<bool> {
        let mut keys: [Option<usize>; 2] = [None, None];
        let mut still = Vec::with_capacity(self.frames.len());
        for (at, frame) in self.frames.iter().enumerate() {
            let same = if frame.intra {
                keys = [keys[1], Some(at)];
                keys[0].is_none_or(|key| {
                    self.frames[key].bytes.abs_diff(frame.bytes) <= SAME_KEY * frame.slices.max(1)
                })
            } else {
                let repeats = || {
                    let [Some(before), Some(key)] = keys else { return false };
                    let twin = before + (at - key);
                    twin < key && self.frames[twin].bytes.abs_diff(frame.bytes) <= SAME_KEY * frame.slices
                };
                frame.bytes <= self.skipped(frame) || repeats()
            };
            still.push(same);
        }
        still
    }

    /// The most bytes of a frame in which all blocks are skipped: a header a slice, and a trace a block.
    fn skipped(&self, frame: &Frame) -> usize {
        let (blocks, more) = (self.blocks(), frame.slices.saturating_sub(1));
        match self.codec {
            Codec::H265 => 40 + 20 * more + blocks / 64,
            _ => 24 + 14 * more + blocks / 128,
        }
    }

    /// Blocks of 16 times 16 pixels.
    fn blocks(&self) -> usize {
        self.size.map_or(0, |(width, height)| width.div_ceil(16) as usize * height.div_ceil(16) as usize)
    }

    /// A key frame tells for itself and for what follows up to the next one, unless something moves there.
    fn black(&self, slices: &[(usize, usize, f64)]) -> Span {
        let mut span = Span::default();
        let mut level = Level::Unclear;
        for &(begin, end, seconds) in slices {
            for frame in &self.frames[begin..end] {
                if frame.intra {
                    level = self.flat(frame);
                } else if level == Level::Dead && frame.bytes > 4 * self.skipped(frame) {
                    level = Level::Unclear;
                }
            }
            span.add(seconds, level);
        }
        span
    }

    /// Whether a key frame shows no detail at all.
    fn flat(&self, frame: &Frame) -> Level {
        let blocks = self.blocks();
        if self.trouble.is_some() || blocks == 0 {
            return Level::Unclear;
        }
        let bits = frame.bytes.saturating_sub(32 * frame.slices) as f64 * 8.0 / blocks as f64;
        let (flat, detailed) = match (self.codec, self.cabac) {
            (Codec::H265, _) => (2.5, 5.0),
            (_, true) => (1.3, 4.0),
            (_, false) => (7.1, 9.0),
        };
        if bits <= flat {
            Level::Dead
        } else if bits >= detailed {
            Level::Alive
        } else {
            Level::Unclear
        }
    }
}
