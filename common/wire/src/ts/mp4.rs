//! The boxes at the top of an MP4 file, enough to say that a fragment is whole. Source: ISO 14496-12 section 4.2.

/// What cannot be a box.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no MP4 box at byte {offset}: size {size} is shorter than its own header")]
pub struct BadBox {
    /// Where the box would begin.
    pub offset: usize,
    /// The size it names.
    pub size: u64,
}

/// One box.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mp4Box {
    /// Four characters: `ftyp`, `moof`, `mdat`, ...
    pub kind: [u8; 4],
    /// Where it begins.
    pub offset: usize,
    /// Bytes of its header: 8, or 16 with a 64-bit size.
    pub header: usize,
    /// Bytes with its header, as it says itself; to the end of the bytes when it says "to the end" (size 0).
    pub size: u64,
}

/// Walks over the boxes. The last one may go beyond the end of the bytes; a bad one ends the walk.
#[derive(Debug, Clone)]
pub struct Boxes<'a> {
    bytes: &'a [u8],
    offset: usize,
}

/// The boxes at the top of `bytes`.
pub fn boxes(bytes: &[u8]) -> Boxes<'_> {
    Boxes { bytes, offset: 0 }
}

impl Iterator for Boxes<'_> {
    type Item = Result<Mp4Box, BadBox>;

    fn next(&mut self) -> Option<Self::Item> {
        let offset = self.offset;
        let rest = self.bytes.get(offset..)?;
        let (&size, after) = rest.split_first_chunk()?;
        let (&kind, after) = after.split_first_chunk()?;
        let (header, size) = match u32::from_be_bytes(size) {
            0 => (8, rest.len() as u64),
            1 => (16, u64::from_be_bytes(*after.first_chunk()?)),
            size => (8, u64::from(size)),
        };
        let end = usize::try_from(size).ok().and_then(|size| offset.checked_add(size));
        // Beyond the end or bad: nothing can be found behind it.
        self.offset = end.unwrap_or(usize::MAX);
        if size < header as u64 {
            self.offset = usize::MAX;
            return Some(Err(BadBox { offset, size }));
        }
        Some(Ok(Mp4Box { kind, offset, header, size }))
    }
}

/// What the top of a file or fragment holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Survey {
    /// `moov`: an initialization segment, or a whole file.
    pub has_init: bool,
    /// `moof` boxes.
    pub fragments: u64,
    /// Bytes of media: what `mdat` boxes hold of these bytes.
    pub media_bytes: u64,
    /// Bytes that the last box promises beyond the end.
    pub missing_bytes: u64,
}

/// Counts what matters of the boxes in `bytes`.
pub fn survey(bytes: &[u8]) -> Result<Survey, BadBox> {
    let mut found = Survey::default();
    for one in boxes(bytes) {
        let one = one?;
        let at_hand = ((bytes.len() - one.offset) as u64).min(one.size);
        found.missing_bytes = one.size - at_hand;
        match &one.kind {
            b"moov" => found.has_init = true,
            b"moof" => found.fragments += 1,
            b"mdat" => found.media_bytes += at_hand.saturating_sub(one.header as u64),
            _ => {}
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn kinds(bytes: &[u8]) -> Vec<String> {
        boxes(bytes).map(|one| String::from_utf8_lossy(&one.unwrap().kind).into_owned()).collect()
    }

    #[test]
    fn recorded_init_and_fragment_are_walked() {
        let init = include_bytes!("../../testdata/ts/init.mp4");
        assert_eq!(kinds(init), ["ftyp", "moov"]);
        assert_eq!(survey(init), Ok(Survey { has_init: true, ..Survey::default() }));
        let segment = include_bytes!("../../testdata/ts/segment.m4s");
        assert_eq!(kinds(segment), ["styp", "sidx", "sidx", "moof", "mdat"]);
        let whole = survey(segment).unwrap();
        assert_eq!((whole.fragments, whole.missing_bytes), (1, 0));
        assert!(whole.media_bytes > 10_000);
        let cut = survey(&segment[..segment.len() - 100]).unwrap();
        assert_eq!((cut.missing_bytes, cut.media_bytes), (100, whole.media_bytes - 100));
    }

    #[test]
    fn sizes_of_0_and_1_and_lies_are_understood() {
        let wide =
            [&1u32.to_be_bytes()[..], b"mdat", &20u64.to_be_bytes(), b"abcd", &[0, 0, 0, 0], b"free", b"xyz"]
                .concat();
        assert_eq!(kinds(&wide), ["mdat", "free"]);
        assert_eq!(survey(&wide).unwrap().media_bytes, 4);
        assert_eq!(survey(b"\0\0\0\x07mdat"), Err(BadBox { offset: 0, size: 7 }));
        let huge = [&1u32.to_be_bytes()[..], b"mdat", &u64::MAX.to_be_bytes()].concat();
        assert_eq!(survey(&huge).unwrap().missing_bytes, u64::MAX - 16);
        assert_eq!(kinds(b"\0\0\0"), [""; 0]);
    }

    proptest! {
        #[test]
        fn never_panics_and_always_ends(bytes in proptest::collection::vec(prop_oneof![Just(0u8), Just(1), Just(8), any::<u8>()], 0..200)) {
            let _ = survey(&bytes);
            prop_assert!(boxes(&bytes).count() <= bytes.len());
        }
    }
}
