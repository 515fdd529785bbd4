//! How loud Opus packets are, from the band energies that each CELT frame begins with (RFC 6716, section 4.3.2).
//!
//! The energies are the first thing in a frame, so a level costs a hundred symbols and no synthesis. Speech frames (SILK, and
//! hybrid ones, which begin with SILK) keep theirs elsewhere: nobody here can say. There is no decoder to be had that is
//! pure Rust and well kept: `opus-decoder` 0.1.1 writes debugging files into the working directory.

use crate::Level;

/// Bands at full band width.
const BANDS: usize = 21;
/// Most frames in a packet (RFC 6716, section 3.2.5).
const FRAMES_MAX: usize = 48;
/// Band edges in units of 8 samples a channel at 20 ms (RFC 6716, table 55).
const EDGES: [u16; BANDS + 1] =
    [0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 16, 20, 24, 28, 34, 40, 48, 60, 78, 100];
/// Mean energies in units of 6 dB, which coded ones are relative to.
const MEANS: [f32; BANDS] = [
    6.4375, 6.25, 5.75, 5.3125, 5.0625, 4.8125, 4.5, 4.375, 4.875, 4.6875, 4.5625, 4.4375, 4.875, 4.625,
    4.3125, 4.5, 4.375, 4.625, 4.75, 4.4375, 3.75,
];
/// How much of the frame before counts, by frame size; and of the band below.
const FROM_TIME: [f32; 4] = [0.898_437_5, 0.796_875, 0.648_437_5, 0.5];
const FROM_BAND: [f32; 4] = [0.920_013_4, 0.679_992_7, 0.369_995_1, 0.200_012_2];
const FROM_BAND_INTRA: f32 = 0.149_993_9;
/// Probability of zero and decay for each band, by frame size, for inter and intra frames (RFC 6716, `e_prob_model`).
#[rustfmt::skip]
const MODELS: [[[u8; 42]; 2]; 4] = [
    [
        [72, 127, 65, 129, 66, 128, 65, 128, 64, 128, 62, 128, 64, 128, 64, 128, 92, 78, 92, 79, 92, 78, 90, 79, 116, 41, 115, 40,
         114, 40, 132, 26, 132, 26, 145, 17, 161, 12, 176, 10, 177, 11],
        [24, 179, 48, 138, 54, 135, 54, 132, 53, 134, 56, 133, 55, 132, 55, 132, 61, 114, 70, 96, 74, 88, 75, 88, 87, 74, 89, 66,
         91, 67, 100, 59, 108, 50, 120, 40, 122, 37, 97, 43, 78, 50],
    ],
    [
        [83, 78, 84, 81, 88, 75, 86, 74, 87, 71, 90, 73, 93, 74, 93, 74, 109, 40, 114, 36, 117, 34, 117, 34, 143, 17, 145, 18,
         146, 19, 162, 12, 165, 10, 178, 7, 189, 6, 190, 8, 177, 9],
        [23, 178, 54, 115, 63, 102, 66, 98, 69, 99, 74, 89, 71, 91, 73, 91, 78, 89, 86, 80, 92, 66, 93, 64, 102, 59, 103, 60,
         104, 60, 117, 52, 123, 44, 138, 35, 133, 31, 97, 38, 77, 45],
    ],
    [
        [61, 90, 93, 60, 105, 42, 107, 41, 110, 45, 116, 38, 113, 38, 112, 38, 124, 26, 132, 27, 136, 19, 140, 20, 155, 14,
         159, 16, 158, 18, 170, 13, 177, 10, 187, 8, 192, 6, 175, 9, 159, 10],
        [21, 178, 59, 110, 71, 86, 75, 85, 84, 83, 91, 66, 88, 73, 87, 72, 92, 75, 98, 72, 105, 58, 107, 54, 115, 52, 114, 55,
         112, 56, 129, 51, 132, 40, 150, 33, 140, 29, 98, 35, 77, 42],
    ],
    [
        [42, 121, 96, 66, 108, 43, 111, 40, 117, 44, 123, 32, 120, 36, 119, 33, 127, 33, 134, 34, 139, 21, 147, 23, 152, 20,
         158, 25, 154, 26, 166, 21, 173, 16, 184, 13, 184, 10, 150, 13, 139, 15],
        [22, 178, 63, 114, 74, 82, 84, 83, 92, 82, 103, 62, 96, 72, 96, 67, 101, 73, 107, 72, 113, 55, 118, 52, 125, 52, 118, 52,
         117, 55, 135, 49, 137, 39, 157, 32, 145, 29, 97, 33, 77, 40],
    ],
];
/// Band energies to the mean square of samples: measured with libopus 1.3, noise of any colour within 1 dB.
const SCALE: f64 = 0.407;
/// The largest sample of music, speech or noise is at most so far above the mean of its frame, dB.
const CREST: f64 = 16.0;
/// A level is so exact, dB; tones are up to 15 dB louder than their bands tell, of which the pitch filter tells the most.
const ERROR: f64 = 3.0;

/// The mean level of one frame.
#[derive(Clone, Copy, Debug)]
pub(super) struct FrameLevel {
    /// Of a full scale of 1.
    mean_square: f64,
    /// The pitch filter behind the bands makes it louder, by this factor at most.
    boost: f64,
}

impl FrameLevel {
    /// The likely mean square: noise has no boost, tones have all of it.
    pub(super) fn likely(self) -> f64 {
        self.mean_square * self.boost.sqrt()
    }

    /// Whether the largest sample is above `threshold` dBFS.
    pub(super) fn against(self, threshold: f64) -> Level {
        let level = 10.0 * self.mean_square.log10();
        if level + 10.0 * self.boost.log10() + CREST <= threshold {
            Level::Dead
        } else if level - ERROR > threshold {
            Level::Alive
        } else {
            Level::Unclear
        }
    }
}

/// The energies of the frame before, in units of 6 dB.
#[derive(Default)]
pub(super) struct Energy {
    bands: [[f32; BANDS]; 2],
}

impl Energy {
    /// Hands on seconds and level of each frame in a packet; no level for one that cannot be told.
    pub(super) fn packet(&mut self, packet: &[u8], mut sink: impl FnMut(f64, Option<FrameLevel>)) {
        if packet.starts_with(b"OpusHead") || packet.starts_with(b"OpusTags") {
            return;
        }
        let Some((&toc, rest)) = packet.split_first() else { return };
        let configuration = usize::from(toc >> 3);
        let seconds = match configuration {
            0..12 => [0.01, 0.02, 0.04, 0.06][configuration % 4],
            12..16 => [0.01, 0.02][configuration % 2],
            _ => [0.0025, 0.005, 0.01, 0.02][configuration % 4],
        };
        for frame in frames(toc, rest).into_iter().take(FRAMES_MAX) {
            let level = (configuration >= 16).then(|| {
                let end = [13, 17, 19, 21][(configuration - 16) / 4];
                self.frame(frame, configuration % 4, end, if toc & 4 == 0 { 1 } else { 2 })
            });
            sink(seconds, level);
        }
    }

    /// One CELT frame of 2.5 ms times 2 to the power of `size`, with bands up to `end`.
    fn frame(&mut self, frame: &[u8], size: usize, end: usize, channels: usize) -> FrameLevel {
        let mut coder = RangeDecoder::new(frame);
        // No bytes are a frame that the encoder left out (DTX): there was nothing to hear.
        if frame.len() < 2 || coder.bit(15) {
            self.bands = [[-28.0; BANDS]; 2];
            return FrameLevel { mean_square: 0.0, boost: 1.0 };
        }
        let total = i64::try_from(frame.len()).unwrap_or(0) * 8;
        let mut boost = 1.0;
        if coder.tell() + 16 <= total && coder.bit(1) {
            let octave = coder.uniform(6);
            coder.raw(4 + octave);
            let gain = 0.093_75 * f64::from(coder.raw(3) + 1);
            boost = 1.0 / (1.0 - gain).powi(2);
            if coder.tell() + 2 <= total {
                coder.table(&[2, 1, 0], 2);
            }
        }
        if size > 0 && coder.tell() + 3 <= total {
            coder.bit(3);
        }
        let intra = coder.tell() + 3 <= total && coder.bit(3);
        let (from_time, from_band) =
            if intra { (0.0, FROM_BAND_INTRA) } else { (FROM_TIME[size], FROM_BAND[size]) };
        let model = &MODELS[size][usize::from(intra)];
        let mut below = [0f32; 2];
        let mut sum = 0f64;
        for band in 0..end {
            for (bands, below) in self.bands.iter_mut().zip(&mut below).take(channels) {
                let room = total - coder.tell();
                let step = if room >= 15 {
                    coder.laplace(u32::from(model[2 * band]) << 7, u32::from(model[2 * band + 1]) << 6)
                } else if room >= 2 {
                    let symbol = coder.table(&[2, 1, 0], 2).cast_signed();
                    symbol >> 1 ^ -(symbol & 1)
                } else if room >= 1 {
                    -i32::from(coder.bit(1))
                } else {
                    -1
                } as f32;
                let energy = &mut bands[band];
                *energy = (from_time * energy.max(-9.0) + *below + step).clamp(-28.0, 20.0);
                *below += step - from_band * step;
                sum += f64::from(2.0 * (*energy + MEANS[band])).exp2() * deemphasis(band);
            }
        }
        if channels == 1 {
            self.bands[1] = self.bands[0];
        }
        FrameLevel { mean_square: SCALE * sum / channels as f64 / (32_768.0 * 32_768.0), boost }
    }
}

/// What the filter behind the bands (RFC 6716, section 4.3.7.2: a pole at 0.85) makes of the energy in the middle of one.
fn deemphasis(band: usize) -> f64 {
    // 200 Hz a unit.
    let middle = f64::from(EDGES[band] + EDGES[band + 1]) * 100.0;
    let angle = std::f64::consts::TAU * middle / 48_000.0;
    1.0 / (1.0 + 0.85 * 0.85 - 2.0 * 0.85 * angle.cos())
}

/// The frames of a packet (RFC 6716, section 3.2).
fn frames(toc: u8, rest: &[u8]) -> Vec<&[u8]> {
    match toc & 3 {
        0 => vec![rest],
        1 => {
            let (first, second) = rest.split_at(rest.len() / 2);
            vec![first, second]
        }
        2 => match length(rest) {
            Some((first, rest)) if first <= rest.len() => {
                let (first, second) = rest.split_at(first);
                vec![first, second]
            }
            _ => Vec::new(),
        },
        _ => several(rest).unwrap_or_default(),
    }
}

/// A signalled number of frames, padding, and lengths where they differ.
fn several(rest: &[u8]) -> Option<Vec<&[u8]>> {
    let (&flags, mut rest) = rest.split_first()?;
    let count = usize::from(flags & 0x3f).min(FRAMES_MAX);
    if flags & 0x40 != 0 {
        let mut padding = 0;
        loop {
            let (&byte, after) = rest.split_first()?;
            rest = after;
            padding += usize::from(byte) - usize::from(byte == 255);
            if byte < 255 {
                break;
            }
        }
        rest = rest.get(..rest.len().checked_sub(padding)?)?;
    }
    if flags & 0x80 == 0 {
        return Some(rest.chunks((rest.len() / count.max(1)).max(1)).take(count).collect());
    }
    let mut lengths = Vec::new();
    for _ in 1..count {
        let (one, after) = length(rest)?;
        lengths.push(one);
        rest = after;
    }
    let mut frames = Vec::new();
    for length in lengths {
        let (frame, after) = rest.split_at_checked(length)?;
        frames.push(frame);
        rest = after;
    }
    frames.push(rest);
    Some(frames)
}

/// A length of one or two bytes (RFC 6716, section 3.2.1).
fn length(bytes: &[u8]) -> Option<(usize, &[u8])> {
    match *bytes {
        [first @ 0..252, ref rest @ ..] => Some((usize::from(first), rest)),
        [first, second, ref rest @ ..] => Some((usize::from(second) * 4 + usize::from(first), rest)),
        _ => None,
    }
}

/// The range decoder (RFC 6716, section 4.1).
struct RangeDecoder<'a> {
    bytes: &'a [u8],
    at: usize,
    range: u32,
    value: u32,
    /// The last byte read, of which bits are left.
    rest: u32,
    /// Bits taken, those of the start included.
    bits: i64,
    /// Bits taken from the end.
    raw_bits: usize,
}

impl<'a> RangeDecoder<'a> {
    fn new(bytes: &'a [u8]) -> Self {
        let mut coder = Self { bytes, at: 0, range: 128, value: 0, rest: 0, bits: 9, raw_bits: 0 };
        coder.rest = coder.next();
        coder.value = 127 - (coder.rest >> 1);
        coder.normalize();
        coder
    }

    fn next(&mut self) -> u32 {
        let byte = self.bytes.get(self.at).copied().unwrap_or(0);
        self.at += 1;
        u32::from(byte)
    }

    fn normalize(&mut self) {
        while self.range <= 1 << 23 {
            self.bits += 8;
            self.range <<= 8;
            let before = self.rest;
            self.rest = self.next();
            let symbol = (before << 8 | self.rest) >> 1 & 0xff;
            self.value = (self.value << 8).wrapping_add(255 - symbol) & 0x7fff_ffff;
        }
    }

    /// Bits used so far.
    fn tell(&self) -> i64 {
        self.bits - i64::from(32 - self.range.leading_zeros())
    }

    /// A bit that is set once in 2 to the power of `log`.
    fn bit(&mut self, log: u32) -> bool {
        let share = self.range >> log;
        let set = self.value < share;
        if set {
            self.range = share;
        } else {
            self.value -= share;
            self.range -= share;
        }
        self.normalize();
        set
    }

    /// A symbol of an inverse table with a total of 2 to the power of `log`.
    fn table(&mut self, inverse: &[u8], log: u32) -> u32 {
        let unit = self.range >> log;
        let mut upper = self.range;
        for (symbol, &weight) in (0..).zip(inverse) {
            let lower = unit * u32::from(weight);
            if self.value >= lower {
                self.value -= lower;
                self.range = upper - lower;
                self.normalize();
                return symbol;
            }
            upper = lower;
        }
        0
    }

    fn position(&mut self, total: u32) -> (u32, u32) {
        let unit = self.range / total;
        let at = self.value / unit;
        (total - (at + 1).min(total), unit)
    }

    fn update(&mut self, unit: u32, low: u32, high: u32, total: u32) {
        let below = unit * (total - high);
        self.value = self.value.saturating_sub(below);
        self.range = if low > 0 { unit * (high - low) } else { self.range - below };
        self.normalize();
    }

    /// One of `total` symbols of equal weight.
    fn uniform(&mut self, total: u32) -> u32 {
        let (at, unit) = self.position(total);
        self.update(unit, at, at + 1, total);
        at
    }

    /// Raw bits, which come from the end of the frame.
    fn raw(&mut self, bits: u32) -> u32 {
        let value = (0..bits).fold(0, |value, bit| {
            let at = self.raw_bits + bit as usize;
            let byte = self.bytes.len().checked_sub(1 + at / 8).map_or(0, |at| self.bytes[at]);
            value | u32::from(byte >> (at % 8) & 1) << bit
        });
        self.raw_bits += bits as usize;
        self.bits += i64::from(bits);
        value
    }

    /// A step of energy (RFC 6716, `ec_laplace_decode`).
    fn laplace(&mut self, zero: u32, decay: u32) -> i32 {
        const TOTAL: u32 = 1 << 15;
        let (at, unit) = self.position(TOTAL);
        let (mut value, mut low, mut size) = (0, 0, zero);
        if at >= size {
            value = 1;
            low = size;
            size = (((TOTAL - 32 - size) * 16_384u32.saturating_sub(decay)) >> 15) + 1;
            while size > 1 && at >= low + 2 * size {
                size *= 2;
                low += size;
                size = (((size - 2) * decay) >> 15) + 1;
                value += 1;
            }
            if size <= 1 {
                let more = (at - low) >> 1;
                value += more.cast_signed();
                low += 2 * more;
            }
            if at < low + size {
                value = -value;
            } else {
                low += size;
            }
        }
        self.update(unit, low, (low + size).min(TOTAL), TOTAL);
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn packets_are_split_into_frames() {
        assert_eq!(frames(0, b"abc"), [b"abc"]);
        assert_eq!(frames(1, b"abcd"), [b"ab", b"cd"]);
        assert_eq!(frames(2, b"\x01abc"), [&b"a"[..], b"bc"]);
        assert_eq!(frames(3, b"\x02abcd"), [b"ab", b"cd"]);
        assert_eq!(frames(3, b"\xc2\x01\x01abcX"), [&b"a"[..], b"bc"], "of different length, with padding");
        assert_eq!(frames(2, b"\x09abc"), [b""; 0], "longer than the packet");
    }

    proptest! {
        #[test]
        fn any_packet_is_read_to_its_end(packet in proptest::collection::vec(any::<u8>(), 0..300)) {
            let mut energy = Energy::default();
            energy.packet(&packet, |seconds, level| {
                assert!(seconds > 0.0 && level.is_none_or(|level| level.likely().is_finite()));
            });
        }
    }
}
