//! Taking the metadata blocks out of the audio, at any split of the input.

/// One piece of a deinterleaved stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part<'a> {
    /// Audio as it lies in the input; where it is cut means nothing.
    Audio(&'a [u8]),
    /// A whole metadata block, padding included, for [`super::Metadata::parse`]. Empty blocks ("title unchanged") are
    /// not reported.
    Metadata(&'a [u8]),
}

#[derive(Debug, Clone, Copy)]
enum State {
    Audio { left: usize },
    Length,
    Block { left: usize },
}

/// Splits a stream into audio and metadata. Holds at most one block: 255 units of 16 bytes, all that a length byte can say.
#[derive(Debug, Clone)]
pub struct Deinterleaver {
    metaint: usize,
    state: State,
    block: Vec<u8>,
}

impl Deinterleaver {
    /// For the `metaint` of a [`super::Station`]; 0 means that everything is audio.
    pub fn new(metaint: u32) -> Self {
        let metaint = metaint as usize;
        Self { metaint, state: State::Audio { left: metaint }, block: Vec::new() }
    }

    /// Takes the next bytes of the body and hands on what they hold.
    pub fn feed(&mut self, mut input: &[u8], mut sink: impl FnMut(Part)) {
        if self.metaint == 0 && !input.is_empty() {
            return sink(Part::Audio(input));
        }
        while !input.is_empty() {
            self.state = match self.state {
                State::Audio { left } => {
                    let audio = take(&mut input, left);
                    sink(Part::Audio(audio));
                    match left - audio.len() {
                        0 => State::Length,
                        left => State::Audio { left },
                    }
                }
                State::Length => match usize::from(take(&mut input, 1)[0]) * 16 {
                    0 => State::Audio { left: self.metaint },
                    left => State::Block { left },
                },
                State::Block { left } => {
                    let piece = take(&mut input, left);
                    self.block.extend_from_slice(piece);
                    if piece.len() == left {
                        sink(Part::Metadata(&self.block));
                        self.block.clear();
                        State::Audio { left: self.metaint }
                    } else {
                        State::Block { left: left - piece.len() }
                    }
                }
            };
        }
    }
}

/// Cuts up to `n` bytes off the front.
fn take<'a>(input: &mut &'a [u8], n: usize) -> &'a [u8] {
    let (front, rest) = input.split_at(n.min(input.len()));
    *input = rest;
    front
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http1::HeadReader;
    use crate::icy::{Metadata, Station};
    use proptest::prelude::*;

    fn deinterleave(metaint: u32, input: &[u8], piece: usize) -> (Vec<u8>, Vec<Vec<u8>>) {
        let (mut audio, mut blocks) = (Vec::new(), Vec::new());
        let mut stream = Deinterleaver::new(metaint);
        for part in input.chunks(piece) {
            stream.feed(part, |part| match part {
                Part::Audio(bytes) => audio.extend_from_slice(bytes),
                Part::Metadata(block) => blocks.push(block.to_vec()),
            });
        }
        (audio, blocks)
    }

    #[test]
    fn recorded_icecast_stream_gives_its_title_and_clean_audio() {
        let bytes = include_bytes!("../../testdata/icy/icecast-mp3-title-with-quotes.http");
        let (head, used) = HeadReader::new().push(bytes).unwrap().unwrap();
        let metaint = Station::from_headers(&head.headers).unwrap().metaint.unwrap();
        let (audio, blocks) = deinterleave(metaint, &bytes[used..], 1000);
        let titles: Vec<_> =
            blocks.iter().filter_map(|block| Metadata::parse(block).unwrap().title).collect();
        assert_eq!(titles, ["Artist - Cafe 'n' Title é"]);
        let scan = crate::media::scan_audio(&audio).unwrap();
        assert_eq!(scan.resyncs, 0, "a metadata byte left in the audio would break a frame");
    }

    #[test]
    fn a_stream_without_metaint_is_passed_through() {
        assert_eq!(deinterleave(0, b"OggS\x01", 2), (b"OggS\x01".to_vec(), vec![]));
    }

    proptest! {
        #[test]
        fn what_was_interleaved_comes_out_however_it_is_split(
            metaint in 1u32..40,
            blocks in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..3), 0..8),
            piece in 1usize..60
        ) {
            let (mut input, mut audio, mut expected) = (Vec::new(), Vec::new(), Vec::new());
            for (n, block) in blocks.iter().enumerate() {
                let sound = vec![u8::try_from(n).unwrap(); metaint as usize];
                audio.extend_from_slice(&sound);
                input.extend_from_slice(&sound);
                input.push(u8::try_from(block.len()).unwrap());
                let mut padded = block.clone();
                padded.resize(block.len() * 16, 0);
                input.extend_from_slice(&padded);
                if !padded.is_empty() {
                    expected.push(padded);
                }
            }
            prop_assert_eq!(deinterleave(metaint, &input, piece), (audio, expected));
        }
    }
}
