//! NAL units: what they are for and how many bytes of them say something about the picture.
//!
//! An encoder at a constant bit rate fills up what it does not need: with filler units, filler messages, and zero words behind
//! a slice. Without them a picture that equals the last one is a few bytes long (ITU-T H.264, 7.4.1 and 7.4.2.7; H.265, 7.4.2.2).

use weir_wire::sdp::{h264_resolution, h265_resolution};

/// What a unit is for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Nal {
    /// A coded slice, or a part of one.
    Slice {
        /// Bytes without what only fills up.
        bytes: usize,
        /// A decoder can start here, or at least the slice needs no other picture.
        intra: bool,
    },
    /// A sequence parameter set: width and height.
    Size(u32, u32),
    /// A picture parameter set of H.264: whether slices are coded arithmetically (CABAC).
    Entropy(bool),
    /// Anything else, filler included.
    Other,
}

/// Reads an H.264 unit, without start code.
pub(crate) fn h264(unit: &[u8]) -> Nal {
    let Some(&header) = unit.first() else { return Nal::Other };
    match header & 0x1f {
        kind @ (1 | 2 | 5) => {
            let mut bits = Bits::new(&unit[1..]);
            let slice_type = bits.exp_golomb().and_then(|_| bits.exp_golomb()).map(|value| value % 5);
            let intra = kind == 5 || matches!(slice_type, Some(2 | 4));
            Nal::Slice { bytes: without_zero_words(unit).len(), intra }
        }
        7 => h264_resolution(unit).map_or(Nal::Other, |size| Nal::Size(size.width, size.height)),
        8 => {
            let mut bits = Bits::new(&unit[1..]);
            bits.exp_golomb()
                .and_then(|_| bits.exp_golomb())
                .and_then(|_| bits.bit())
                .map_or(Nal::Other, |bit| Nal::Entropy(bit == 1))
        }
        _ => Nal::Other,
    }
}

/// Reads an H.265 unit, without start code.
pub(crate) fn h265(unit: &[u8]) -> Nal {
    let &[header, _, ..] = unit else { return Nal::Other };
    match header >> 1 & 0x3f {
        kind @ (0..=9 | 16..=21) => Nal::Slice { bytes: without_zero_words(unit).len(), intra: kind >= 16 },
        33 => h265_resolution(unit).map_or(Nal::Other, |size| Nal::Size(size.width, size.height)),
        _ => Nal::Other,
    }
}

/// Without zero bytes and zero words (0x0000, as 0x000003) at the end.
fn without_zero_words(mut unit: &[u8]) -> &[u8] {
    loop {
        unit = match unit {
            [rest @ .., 0] | [rest @ .., 0, 0, 3] => rest,
            _ => return unit,
        };
    }
}

/// The units between start codes.
pub(crate) fn annex_b(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = bytes;
    let mut begun = false;
    std::iter::from_fn(move || {
        loop {
            if rest.is_empty() {
                return None;
            }
            let code = find_start_code(rest);
            let unit = &rest[..code.unwrap_or(rest.len())];
            rest = code.map_or(&[], |at| &rest[at + 3..]);
            if std::mem::replace(&mut begun, true) && !unit.is_empty() {
                return Some(unit);
            }
        }
    })
}

/// Where 00 00 01 is. Only every third byte need be looked at, most of the time.
fn find_start_code(bytes: &[u8]) -> Option<usize> {
    let mut at = 2;
    while let Some(&byte) = bytes.get(at) {
        match byte {
            0 => at += 1,
            1 if bytes[at - 1] == 0 && bytes[at - 2] == 0 => return Some(at - 2),
            _ => at += 3,
        }
    }
    None
}

/// Bits of the first few bytes of a unit; bytes that prevent the emulation of start codes cannot be among the first.
struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Bits<'a> {
    fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    fn bit(&mut self) -> Option<u32> {
        let byte = self.bytes.get(self.at / 8)?;
        let bit = byte >> (7 - self.at % 8) & 1;
        self.at += 1;
        Some(u32::from(bit))
    }

    fn exp_golomb(&mut self) -> Option<u32> {
        let mut zeros = 0;
        while self.bit()? == 0 {
            zeros += 1;
            if zeros > 24 {
                return None;
            }
        }
        (0..zeros).try_fold(1, |value, _| Some(value << 1 | self.bit()?)).map(|value: u32| value - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn units_lie_between_start_codes() {
        let stream = b"junk\0\0\x01\x09\xf0\0\0\0\x01\x67abc\0\0\x01\x65x";
        assert_eq!(annex_b(stream).collect::<Vec<_>>(), [&b"\x09\xf0\0"[..], b"\x67abc", b"\x65x"]);
        assert_eq!(annex_b(b"").count(), 0);
    }

    #[test]
    fn what_only_fills_up_is_not_counted() {
        assert_eq!(without_zero_words(b"\x65ab\0\0\x03\0\0\x03\0"), b"\x65ab");
        assert_eq!(without_zero_words(b"\x65ab\x03"), b"\x65ab\x03");
        assert_eq!(h264(b"\x0c\xff\xff\xff\x80"), Nal::Other, "a filler unit");
        assert_eq!(h265(b"\x4c\x01\xff\xff\x80"), Nal::Other);
    }

    proptest! {
        #[test]
        fn any_bytes_are_units(bytes in proptest::collection::vec(prop_oneof![Just(0u8), Just(1), any::<u8>()], 0..200)) {
            for unit in annex_b(&bytes) {
                h264(unit);
                h265(unit);
            }
        }
    }
}
