//! Headers that ffmpeg writes, and bytes that nobody would.

use proptest::prelude::*;

use super::*;

const AUDIO: &[u8] = include_bytes!("../../testdata/realmedia/ffmpeg-ra144.rm");
const VIDEO: &[u8] = include_bytes!("../../testdata/realmedia/ffmpeg-rv20-ac3.rm");

/// The chunks of a file up to its media.
fn chunks(file: &[u8]) -> Vec<&[u8]> {
    let (mut rest, mut chunks) = (file, Vec::new());
    while let Some(length) = rest.get(4..8).filter(|_| !rest.starts_with(b"DATA")) {
        let length = u32::from_be_bytes(length.try_into().unwrap()) as usize;
        let (chunk, behind) = rest.split_at_checked(length).unwrap();
        chunks.push(chunk);
        rest = behind;
    }
    chunks
}

fn header(file: &[u8]) -> Header {
    let mut header = Header::default();
    for chunk in chunks(file) {
        header.take(chunk).unwrap();
    }
    header
}

#[test]
fn a_file_of_sound_says_its_codec_and_title() {
    let header = header(AUDIO);
    assert_eq!((header.live, header.bit_rate, header.duration_ms), (Some(false), 8000, None));
    assert_eq!(header.title.as_deref(), Some("News at ten"));
    let [stream] = header.streams.as_slice() else { panic!("{header:?}") };
    assert_eq!((stream.kind(), stream.codec_name().as_str(), stream.bit_rate), ("audio", "RA144", 8000));
    let codec = Codec::Audio { four_cc: "lpcJ".to_owned(), sample_rate: 8000, channels: 1 };
    assert_eq!((stream.codec.as_ref(), stream.mime.as_str()), (Some(&codec), "audio/x-pn-realaudio"));
}

#[test]
fn a_file_of_picture_and_sound_says_both() {
    let header = header(VIDEO);
    assert_eq!((header.bit_rate, header.duration_ms, header.title), (248_000, Some(30_023), None));
    let names: Vec<String> = header.streams.iter().map(Stream::codec_name).collect();
    assert_eq!(names, ["RV20", "AC3"]);
    let picture = Codec::Video { four_cc: "RV20".to_owned(), width: 352, height: 288, frame_rate: 15.0 };
    assert_eq!(header.streams[0].codec, Some(picture));
    assert!(header.streams.iter().all(Stream::is_media));
}

#[test]
fn a_live_source_has_no_duration() {
    let mut chunk = chunks(VIDEO)[1].to_vec();
    chunk[49] |= 4;
    let mut header = Header::default();
    header.take(&chunk).unwrap();
    assert_eq!((header.live, header.duration_ms), (Some(true), None));
}

#[test]
fn a_cut_chunk_is_named_with_its_place() {
    let cut = |tag, what, at, length| Err(RealMediaError::Cut { tag, what, at, length });
    let chunks = chunks(VIDEO);
    let take = |chunk: &[u8]| Header::default().take(chunk);
    assert_eq!(take(&chunks[1][..49]), cut("PROP", "flags", 48, 49));
    assert_eq!(take(b"PROP"), cut("PROP", "the greatest bit rate", 10, 4));
    let mut stream = chunks[3].to_vec();
    let at = stream.len() - 34 - 4;
    stream[at..at + 4].fill(0xff);
    let length = stream.len();
    assert_eq!(take(&stream), cut("MDPR", "the codec's data", at + 4, length));
    let mut header = Header::default();
    for _ in 0..MAX_STREAMS {
        header.take(chunks[3]).unwrap();
    }
    assert_eq!(header.take(chunks[3]), Err(RealMediaError::TooManyStreams));
}

#[test]
fn version_5_has_its_fields_elsewhere() {
    let mut data = [&b".ra\xfd\0\x05"[..], &[0; 64]].concat();
    data[54..56].copy_from_slice(&44_100_u16.to_be_bytes());
    data[61] = 2;
    data[66..].copy_from_slice(b"cook");
    let codec = Codec::Audio { four_cc: "cook".to_owned(), sample_rate: 44_100, channels: 2 };
    assert_eq!(Codec::parse(&data), Some(codec));
    assert_eq!(Codec::parse(&data[..69]), None, "cut");
    data[66] = 0;
    assert_eq!(Codec::parse(&data), None, "no name");
}

#[test]
fn a_table_of_several_bit_rates_is_looked_up_by_rule() {
    // Four rules, of which two share a stream each; two streams.
    let table = b"MLTI\0\x04\0\0\0\0\0\x01\0\x01\0\x02\0\0\0\x03one\0\0\0\x05other";
    let data = |rule| CodecData::new(table).of_rule(rule);
    assert_eq!([data(0), data(1), data(3), data(4)], [Some(&b"one"[..]), Some(b"one"), Some(b"other"), None]);
    assert_eq!(CodecData::new(b"alone").of_rule(7), Some(&b"alone"[..]));
    for length in 4..table.len() {
        assert_eq!(CodecData::new(&table[..length]).of_rule(3), None, "cut after {length}");
    }
}

proptest! {
    #[test]
    fn any_chunk_is_read_or_refused(
        tag in prop::sample::select(vec![*b"PROP", *b"CONT", *b"MDPR"]),
        bytes in proptest::collection::vec(any::<u8>(), 0..200),
    ) {
        let _ = Header::default().take(&[&tag[..], &bytes].concat());
        let _ = Codec::parse(&bytes);
        let _ = Codec::parse(&[b".ra\xfd\0\x04", &bytes[..]].concat());
        let _ = CodecData::new(&[b"MLTI", &bytes[..]].concat()).of_rule(usize::from(tag[0] & 1));
    }
}
