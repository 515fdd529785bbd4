//! Any container, whole or in pieces, and any RTP payload must give a report: spans add up, levels are numbers.
#![no_main]
use libfuzzer_sys::fuzz_target;
use weir_media::{Ask, Demuxer, Report, RtpTrack, Watcher};
use weir_wire::sdp;

const ASK: Ask = Ask { silence: Some(-50.0), picture: true, most: 60.0 };
const DESCRIPTION: &[u8] = b"v=0\r\nm=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\nm=video 0 RTP/AVP 97\r\na=rtpmap:97 H265/90000\r\n\
m=audio 0 RTP/AVP 98\r\na=rtpmap:98 MPEG4-GENERIC/44100/1\r\na=fmtp:98 mode=AAC-hbr;config=1208;sizelength=13;indexlength=3\r\n\
m=audio 0 RTP/AVP 99\r\na=rtpmap:99 MP4A-LATM/44100\r\na=fmtp:99 config=40002420\r\nm=audio 0 RTP/AVP 14 0 8 10 33\r\n\
m=audio 0 RTP/AVP 100\r\na=rtpmap:100 OPUS/48000/2\r\n";

fn check(report: &Report) {
    let spans = report.sounds.iter().map(|s| s.silent).chain(report.pictures.iter().flat_map(|p| [p.frozen, p.black]));
    for span in spans {
        assert!(span.dead <= span.possible && span.possible <= span.total + 1e-6 && span.total.is_finite(), "{span:?}");
    }
    assert!(report.loudness().is_none_or(f64::is_finite));
    let _ = (report.silent(8.0), report.frozen(8.0), report.black(8.0));
}

fuzz_target!(|input: (u16, &[u8])| {
    let (at, bytes) = input;
    let (mut watcher, mut demuxer) = (Watcher::new(ASK), Demuxer::new());
    let (first, second) = bytes.split_at(usize::from(at).min(bytes.len()));
    if at & 1 == 0 {
        demuxer.init(first);
        demuxer.segment(second, &mut watcher);
        demuxer.segment(bytes, &mut watcher);
    } else {
        demuxer.feed(first, &mut watcher);
        demuxer.feed(second, &mut watcher);
        demuxer.finish(&mut watcher);
    }
    check(&watcher.report());
    let description = sdp::parse(DESCRIPTION).expect("a description");
    let mut watcher = Watcher::new(ASK);
    for (number, format) in description.media.iter().flat_map(|media| &media.formats).enumerate() {
        let mut track = RtpTrack::new(number as u32, format);
        for (n, packet) in bytes.chunks(1 + usize::from(at) % 1400).enumerate() {
            track.packet(n as u32 * u32::from(at), n % 3 == 0, packet, &mut watcher);
        }
    }
    check(&watcher.report());
});
