//! Real bytes of every container: what is heard and seen does not depend on where a stream is cut, and hostile lengths end.
#![allow(clippy::expect_used, reason = "a failing test ends here")]

use proptest::prelude::*;
use weir_media::{Ask, Demuxer, Report, RtpTrack, Watcher};

const ASK: Ask = Ask { silence: Some(-50.0), picture: true, most: 60.0 };
const ADTS: &[u8] = include_bytes!("../../wire/testdata/media/mono.aac");
const MP2: &[u8] = include_bytes!("../../wire/testdata/media/mono-22050.mp2");
const VBR: &[u8] = include_bytes!("../../wire/testdata/media/vbr.mp3");
const FLV: &[u8] = include_bytes!("../../wire/testdata/media/a.flv");
const TS: &[u8] = include_bytes!("../../wire/testdata/ts/h264-aac-2s.ts");
const HEVC_OPUS: &[u8] = include_bytes!("../../wire/testdata/ts/hevc-opus.ts");
const MPEG2_AC3: &[u8] = include_bytes!("../../wire/testdata/ts/mpeg2-ac3.ts");
const INIT: &[u8] = include_bytes!("../../wire/testdata/ts/init.mp4");
const SEGMENT: &[u8] = include_bytes!("../../wire/testdata/ts/segment.m4s");

fn heard(pieces: impl IntoIterator<Item = impl AsRef<[u8]>>) -> Report {
    let (mut watcher, mut demuxer) = (Watcher::new(ASK), Demuxer::new());
    for piece in pieces {
        demuxer.feed(piece.as_ref(), &mut watcher);
    }
    demuxer.finish(&mut watcher);
    watcher.report()
}

fn fragments(init: &[u8], segment: &[u8]) -> Report {
    let (mut watcher, mut demuxer) = (Watcher::new(ASK), Demuxer::new());
    demuxer.init(init);
    demuxer.segment(segment, &mut watcher);
    watcher.report()
}

#[test]
fn tones_are_heard_in_every_container() {
    for (bytes, codec) in [(ADTS, "AAC"), (MP2, "MPEG audio"), (VBR, "MPEG audio"), (TS, "AAC")] {
        let report = heard([bytes]);
        let sound = report.sounds.first().expect("a track of sound");
        assert_eq!((sound.codec, sound.trouble.as_deref()), (codec, None));
        assert!(sound.loudness.is_some_and(|level| (-40.0..-5.0).contains(&level)), "{sound:?}");
        assert!(sound.silent.total > 0.5 && sound.silent.dead < 0.2, "{sound:?}");
    }
}

#[test]
fn pictures_have_a_size_and_a_time() {
    for (report, codec) in
        [(heard([TS]), "H.264"), (heard([HEVC_OPUS]), "H.265"), (fragments(INIT, SEGMENT), "H.264")]
    {
        let picture = report.pictures.first().expect("a track of pictures");
        assert_eq!((picture.codec, picture.trouble.as_deref()), (codec, None));
        assert!(picture.size.is_some() && picture.frozen.total > 0.5, "{picture:?}");
        assert!(picture.black.dead == 0.0, "{picture:?}");
    }
}

#[test]
fn what_cannot_be_read_is_said() {
    let report = heard([MPEG2_AC3]);
    assert!(
        report.sounds.iter().all(|sound| sound.trouble.as_deref() == Some("nobody here decodes ac3")),
        "{report:?}"
    );
    assert!(report.pictures.iter().all(|picture| picture.trouble.is_some()), "{report:?}");
    assert!(!report.sounds.is_empty() && !report.pictures.is_empty());
    let speech = heard([HEVC_OPUS]).sounds;
    assert_eq!(speech[0].trouble.as_deref(), Some("Opus speech frames (SILK) are not decoded"));
    let mut hidden = INIT.to_vec();
    let at = hidden.windows(4).position(|four| four == b"avc1").expect("a sample entry");
    hidden[at..at + 4].copy_from_slice(b"encv");
    assert_eq!(fragments(&hidden, SEGMENT).trouble.as_deref(), Some("the media is encrypted"));
    assert_eq!(
        fragments(b"", SEGMENT).trouble.as_deref(),
        Some("the initialization of the MP4 fragments is missing")
    );
    assert!(heard([b"<html>".repeat(1000)]).trouble.is_some_and(|why| why.contains("HTML")));
}

#[test]
fn hours_in_a_small_body_are_not_decoded() {
    let began = std::time::Instant::now();
    let (mut watcher, mut demuxer) = (Watcher::new(Ask { most: 5.0, ..ASK }), Demuxer::new());
    for _ in 0..2000 {
        demuxer.feed(MP2, &mut watcher);
    }
    let heard = watcher.report().sounds[0].silent.total;
    assert!(
        (5.0..5.1).contains(&heard) && began.elapsed().as_secs() < 20,
        "{heard} s in {:?}",
        began.elapsed()
    );
}

/// RFC 6184, 5.8: a unit in three fragments is as large as the whole.
#[test]
fn fragments_of_a_picture_are_put_together() {
    let description = b"v=0\r\nm=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=fmtp:96 sprop-parameter-sets=Z0LADdkBQfsBEAAAAwAQAAADAejxQqkg,aMuDyyA=\r\n";
    let description = weir_wire::sdp::parse(description).expect("a description");
    let format = description.media[0].formats.first().expect("a format");
    let seen = |packets: &[&[u8]]| {
        let (mut watcher, mut track) = (Watcher::new(ASK), RtpTrack::new(0, format));
        for frame in 0..100u32 {
            for packet in packets {
                track.packet(frame * 3600, false, packet, &mut watcher);
            }
        }
        watcher.report().pictures
    };
    let body = [7u8; 300];
    let whole = seen(&[&[&[0x41][..], &body].concat()]);
    let parts = seen(&[
        &[&[0x5c, 0x81][..], &body[..100]].concat(),
        &[&[0x5c, 0x01][..], &body[100..200]].concat(),
        &[&[0x5c, 0x41][..], &body[200..]].concat(),
    ]);
    assert!(whole[0].size.is_some() && whole[0].frozen.total > 3.0, "{whole:?}");
    assert_eq!(whole, parts);
    let skipped = seen(&[&[0x41, 0x9a, 0x24, 0x6c, 0x41]]);
    assert!(skipped[0].frozen.dead > 3.0, "frames of a few bytes change nothing: {skipped:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn cut_anywhere_is_equal_to_whole(piece in 1usize..3000, which in 0usize..6) {
        let bytes = [ADTS, MP2, VBR, FLV, TS, HEVC_OPUS][which];
        prop_assert_eq!(heard(bytes.chunks(piece)), heard([bytes]));
    }

    #[test]
    fn damage_neither_panics_nor_counts_time_twice(at in 0usize..100_000, value in any::<u8>(), which in 0usize..7) {
        let mut bytes = [ADTS, MP2, VBR, FLV, TS, HEVC_OPUS, SEGMENT][which].to_vec();
        let at = at % bytes.len();
        bytes[at] = value;
        for report in [heard([&bytes]), fragments(INIT, &bytes), fragments(&bytes, SEGMENT)] {
            for span in report.sounds.iter().map(|s| s.silent).chain(report.pictures.iter().map(|p| p.frozen)) {
                prop_assert!(span.dead <= span.possible && span.possible <= span.total + 1e-9);
            }
        }
    }
}
