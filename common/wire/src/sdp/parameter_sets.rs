//! Sequence parameter sets of H.264 and H.265, read as far as the picture size.

use super::Resolution;

/// Most pixels a side: beyond level 6.2 of both standards, so something was misread.
const MAX_SIDE: u32 = 16_384;
/// Most bytes of a parameter set that are read.
const MAX_SET: usize = 1024;

/// The picture size in an H.264 sequence parameter set: one NAL unit with its header (ITU-T H.264, 7.3.2.1.1).
/// `None` for other NAL units and for what cannot be read.
pub fn h264_resolution(nal: &[u8]) -> Option<Resolution> {
    let (header, payload) = nal.split_first()?;
    if header & 0x1f != 7 {
        return None;
    }
    let payload = without_emulation_prevention(payload);
    let mut bits = Bits::new(&payload);
    let profile = bits.read(8)?;
    bits.skip(16)?; // constraints, level
    bits.exp_golomb()?; // id
    let mut chroma = 1;
    let mut separate_planes = false;
    if [44, 83, 86, 100, 110, 118, 122, 128, 134, 135, 138, 139, 244].contains(&profile) {
        chroma = bits.exp_golomb()?;
        if chroma == 3 {
            separate_planes = bits.flag()?;
        }
        bits.exp_golomb()?; // luma depth
        bits.exp_golomb()?; // chroma depth
        bits.skip(1)?;
        if bits.flag()? {
            for list in 0..if chroma == 3 { 12 } else { 8 } {
                if bits.flag()? {
                    skip_scaling_list(&mut bits, if list < 6 { 16 } else { 64 })?;
                }
            }
        }
    }
    bits.exp_golomb()?; // frame number
    match bits.exp_golomb()? {
        0 => {
            bits.exp_golomb()?;
        }
        1 => {
            bits.skip(1)?;
            bits.exp_golomb()?;
            bits.exp_golomb()?;
            let cycle = bits.exp_golomb()?;
            if cycle > 255 {
                return None;
            }
            for _ in 0..cycle {
                bits.exp_golomb()?;
            }
        }
        _ => {}
    }
    bits.exp_golomb()?; // reference frames
    bits.skip(1)?;
    let columns = bits.exp_golomb()?.checked_add(1)?;
    let rows = bits.exp_golomb()?.checked_add(1)?;
    // Without "frames only" the rows are counted in fields.
    let frames_only = bits.flag()?;
    let fields = if frames_only { 1 } else { 2 };
    if !frames_only {
        bits.skip(1)?;
    }
    bits.skip(1)?;
    let width = columns.checked_mul(16)?;
    let height = rows.checked_mul(16)?.checked_mul(fields)?;
    let (unit_x, unit_y) = crop_units(if separate_planes { 0 } else { chroma });
    cropped(&mut bits, (width, height), (unit_x, unit_y.checked_mul(fields)?))
}

/// The picture size in an H.265 sequence parameter set: one NAL unit with its header (ITU-T H.265, 7.3.2.2.1).
pub fn h265_resolution(nal: &[u8]) -> Option<Resolution> {
    let (header, payload) = nal.split_at_checked(2)?;
    if header.first()? >> 1 & 0x3f != 33 {
        return None;
    }
    let payload = without_emulation_prevention(payload);
    let mut bits = Bits::new(&payload);
    bits.skip(4)?;
    let sub_layers = bits.read(3)?;
    bits.skip(1)?;
    skip_profile_tier_level(&mut bits, sub_layers)?;
    bits.exp_golomb()?; // id
    let mut chroma = bits.exp_golomb()?;
    if chroma == 3 && bits.flag()? {
        chroma = 0;
    }
    let size = (bits.exp_golomb()?, bits.exp_golomb()?);
    cropped(&mut bits, size, crop_units(chroma))
}

/// ITU-T H.265, 7.3.3, with `sub_layers` below the highest one.
fn skip_profile_tier_level(bits: &mut Bits<'_>, sub_layers: u32) -> Option<()> {
    bits.skip(88 + 8)?;
    let mut present = Vec::new();
    for _ in 0..sub_layers {
        present.push((bits.flag()?, bits.flag()?));
    }
    if sub_layers > 0 {
        bits.skip(2 * (8 - sub_layers as usize))?;
    }
    for (profile, level) in present {
        bits.skip(if profile { 88 } else { 0 } + if level { 8 } else { 0 })?;
    }
    Some(())
}

fn skip_scaling_list(bits: &mut Bits<'_>, size: usize) -> Option<()> {
    let (mut last, mut next) = (8, 8);
    for _ in 0..size {
        if next != 0 {
            next = (last + bits.signed_exp_golomb()?).rem_euclid(256);
        }
        last = if next == 0 { last } else { next };
    }
    Some(())
}

/// Pixels by which cropping counts, across and down, for a chroma format (0: grey or separate planes).
fn crop_units(chroma: u32) -> (u32, u32) {
    match chroma {
        1 => (2, 2),
        2 => (2, 1),
        _ => (1, 1),
    }
}

/// Reads the cropping (left, right, top, bottom) and takes it off.
fn cropped(bits: &mut Bits<'_>, size: (u32, u32), unit: (u32, u32)) -> Option<Resolution> {
    let (mut width, mut height) = size;
    if bits.flag()? {
        let mut crop = |side: &mut u32, unit: u32| {
            let both = bits.exp_golomb()?.checked_add(bits.exp_golomb()?)?;
            *side = side.checked_sub(both.checked_mul(unit)?)?;
            Some(())
        };
        crop(&mut width, unit.0)?;
        crop(&mut height, unit.1)?;
    }
    checked(width, height)
}

/// A size that can be one.
pub(super) fn checked(width: u32, height: u32) -> Option<Resolution> {
    let sides = 1..=MAX_SIDE;
    (sides.contains(&width) && sides.contains(&height)).then_some(Resolution { width, height })
}

/// Takes the 3 out of every 0 0 3 (ITU-T H.264, 7.4.1).
fn without_emulation_prevention(bytes: &[u8]) -> Vec<u8> {
    let mut zeros = 0;
    let is_payload = |byte: &u8| {
        let inserted = *byte == 3 && zeros >= 2;
        zeros = if *byte == 0 { zeros + 1 } else { 0 };
        !inserted
    };
    bytes.iter().take(MAX_SET).copied().filter(is_payload).collect()
}

/// A reader of bits, most significant first.
pub(super) struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Bits<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    pub(super) fn flag(&mut self) -> Option<bool> {
        let byte = self.bytes.get(self.at / 8)?;
        let bit = byte >> (7 - self.at % 8) & 1;
        self.at += 1;
        Some(bit == 1)
    }

    /// Up to 32 bits.
    pub(super) fn read(&mut self, count: u32) -> Option<u32> {
        (0..count).try_fold(0, |value: u32, _| Some(value << 1 | u32::from(self.flag()?)))
    }

    pub(super) fn skip(&mut self, count: usize) -> Option<()> {
        self.at = self.at.checked_add(count).filter(|&at| at <= self.bytes.len() * 8)?;
        Some(())
    }

    /// `ue(v)`, ITU-T H.264, 9.1.
    fn exp_golomb(&mut self) -> Option<u32> {
        let mut zeros = 0;
        while !self.flag()? {
            zeros += 1;
            if zeros > 31 {
                return None;
            }
        }
        Some((1 << zeros) - 1 + self.read(zeros)?)
    }

    /// `se(v)`, ITU-T H.264, 9.1.1.
    fn signed_exp_golomb(&mut self) -> Option<i64> {
        let code = i64::from(self.exp_golomb()?);
        Some(if code % 2 == 0 { -code / 2 } else { (code + 1) / 2 })
    }
}
