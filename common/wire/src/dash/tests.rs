//! Recorded manifests, what they inherit, and where their edges are.

use proptest::prelude::*;

use super::*;

const FFMPEG: &[u8] = include_bytes!("../../testdata/dash/ffmpeg-live.mpd");
const NGINX_RTMP: &[u8] = include_bytes!("../../testdata/dash/nginx-rtmp-live.mpd");
const LIST: &[u8] = include_bytes!("../../testdata/dash/ffmpeg-live-segment-list.mpd");
const SINGLE_FILE: &[u8] = include_bytes!("../../testdata/dash/ffmpeg-live-single-file.mpd");
/// `2026-11-21T04:20:52.877Z`
const FFMPEG_START: f64 = 1_795_234_852.877;

fn representations(mpd: &Mpd) -> Vec<&Representation> {
    mpd.periods.iter().flat_map(|period| &period.representations).collect()
}

/// A live manifest whose one representation has these segments.
fn live(segments: &str) -> Mpd {
    let text = format!(
        r#"<MPD type="dynamic" availabilityStartTime="1970-01-01T00:00:00Z"><Period start="PT0S"><AdaptationSet>
        <Representation id="v" bandwidth="5">{segments}</Representation></AdaptationSet></Period></MPD>"#
    );
    parse(text.as_bytes()).expect("a manifest")
}

fn newest(segments: &str, elapsed: f64, length: Option<f64>) -> Option<(u64, u64, f64)> {
    let mpd = live(segments);
    let place = representations(&mpd)[0].segments.newest(elapsed, length)?;
    Some((place.number, place.time, place.end))
}

#[test]
fn ffmpeg_omits_times_after_the_first() {
    let mpd = parse(FFMPEG).expect("a manifest");
    assert!(mpd.dynamic && mpd.flaws.is_empty(), "{:?}", mpd.flaws);
    assert_eq!(mpd.availability_start, Some(FFMPEG_START));
    assert_eq!(mpd.publish_time, Some(1_795_234_870.951));
    assert_eq!((mpd.minimum_update_period, mpd.time_shift_buffer_depth), (Some(2.0), Some(10.0)));
    assert_eq!(mpd.clocks[0].scheme, "urn:mpeg:dash:utc:http-xsdate:2014");
    assert_eq!(mpd.clocks[0].value, "http://127.0.0.1:8080/time");
    let [video, audio] = representations(&mpd)[..] else { panic!("two representations") };
    assert_eq!((video.content_type.as_str(), video.resolution), ("video", Some((320, 180))));
    assert_eq!((video.bandwidth, audio.bandwidth), (Some(204_620), Some(48_400)));

    let place = video.segments.newest(20.0, None).expect("a segment");
    assert_eq!((place.number, place.time, place.duration, place.end), (9, 122_880 + 4 * 30_720, 2.0, 18.0));
    assert_eq!(video.media(&place).expect("a URI").uri.as_deref(), Some("chunk-stream0-00009.m4s"));
    let init = video.initialization().expect("a URI").and_then(|init| init.uri);
    assert_eq!(init.as_deref(), Some("init-stream0.m4s"));
    // Three of one duration, then one longer, then one of the first again.
    let place = audio.segments.newest(20.0, None).expect("a segment");
    assert_eq!((place.number, place.time), (9, 353_280 + 3 * 88_064 + 89_088));
    assert_eq!(audio.segments.oldest(20.0, Some(10.0)).map(|place| place.number), Some(5));
}

#[test]
fn ffmpeg_lists_segments_of_many_files_and_of_one() {
    let uris = |mpd: &[u8], elapsed: f64| {
        let mpd = parse(mpd).expect("a manifest");
        assert!(mpd.dynamic && mpd.flaws.is_empty(), "{:?}", mpd.flaws);
        let [video, audio] = representations(&mpd)[..] else { panic!("two representations") };
        // The period moves along with the list: both begin with the fourth segment.
        assert_eq!(mpd.periods[0].start, Some(3.0));
        let one = |representation: &Representation| {
            let place = representation.segments.newest(elapsed, None).expect("a segment");
            let media = representation.media(&place).expect("a URI");
            (place.number, place.end, media.uri, media.range)
        };
        [one(video), one(audio)]
    };
    let name = |track: u8, number: u8| Some(format!("chunk-stream{track}-0000{number}.m4s").into());
    assert_eq!(uris(LIST, 99.0), [(8, 5.0, name(0, 8), None), (8, 5.0, name(1, 8), None)]);
    assert_eq!(uris(LIST, 2.5)[0], (5, 2.0, name(0, 5), None));
    let range = |first: u64, last: u64| Some((first, last + 1 - first));
    let expected = [(8, 5.0, None, range(205_822, 233_426)), (8, 5.0, None, range(45_595, 51_955))];
    assert_eq!(uris(SINGLE_FILE, 99.0), expected);
}

#[test]
fn nginx_rtmp_names_segments_by_time() {
    let mpd = parse(NGINX_RTMP).expect("a manifest");
    let [video, audio] = representations(&mpd)[..] else { panic!("two representations") };
    let place = audio.segments.newest(99.0, None).expect("a segment");
    assert_eq!((place.end, place.duration), (18.023, 2.0));
    assert_eq!(audio.media(&place).expect("a URI").uri.as_deref(), Some("a-16023.m4a"));
    assert_eq!(video.content_type, "video");
    assert_eq!(audio.adaptation_set, 1);
}

#[test]
fn numbers_follow_the_clock() {
    let segments = r#"<SegmentTemplate timescale="10" duration="20" startNumber="100" media="$Number$"/>"#;
    assert_eq!(newest(segments, 1.9, None), None);
    assert_eq!(newest(segments, 2.0, None), Some((100, 0, 2.0)));
    assert_eq!(newest(segments, 9.9, None), Some((103, 60, 8.0)));
    // A period of 7 s has four segments, the last one shorter; one of 6 s has three.
    assert_eq!(newest(segments, 99.0, Some(7.0)).map(|place| place.0), Some(103));
    assert_eq!(newest(segments, f64::INFINITY, Some(6.0)).map(|place| place.0), Some(102));
    assert_eq!(newest(segments, f64::INFINITY, None), None);
    let early = segments.replace("duration", "availabilityTimeOffset=\"1.5\" duration");
    assert_eq!(newest(&early, 2.5, None).map(|place| place.0), Some(101));
    let ends = segments.replace("startNumber", "endNumber=\"101\" startNumber");
    assert_eq!(newest(&ends, 99.0, None).map(|place| place.0), Some(101));
}

#[test]
fn an_open_repeat_goes_on_until_something_stops_it() {
    let timeline = |entries: &str| {
        format!(
            r#"<SegmentTemplate timescale="10" presentationTimeOffset="1000" media="$Time$">
            <SegmentTimeline>{entries}</SegmentTimeline></SegmentTemplate>"#
        )
    };
    // The clock.
    let open = timeline(r#"<S t="1000" d="20" r="-1"/>"#);
    assert_eq!(newest(&open, 9.9, None), Some((4, 1060, 8.0)));
    // The end of the period, where the last segment may be shorter.
    assert_eq!(newest(&open, 99.0, Some(7.0)), Some((4, 1060, 8.0)));
    // The next entry.
    let next = timeline(r#"<S t="1000" d="20" r="-1"/><S t="1060" d="10"/><S d="10" r="1"/>"#);
    assert_eq!(newest(&next, 0.0, None), Some((6, 1080, 9.0)));
    let lost = timeline(r#"<S t="1000" d="20" r="-1"/><S d="10"/>"#);
    let text = format!(
        "<MPD><Period><AdaptationSet><Representation>{lost}</Representation></AdaptationSet></Period></MPD>"
    );
    assert!(matches!(parse(text.as_bytes()), Err(DashError::Timeline { .. })));
    // Nothing is complete yet.
    assert_eq!(newest(&open, 1.0, None), None);
}

#[test]
fn periods_begin_where_the_one_before_ends() {
    let mpd = parse(
        br#"<MPD mediaPresentationDuration="PT60S"><Period duration="PT10S"/><Period id="b"/>
            <Period start="PT30S"/></MPD>"#,
    )
    .expect("a manifest");
    let times: Vec<_> = mpd.periods.iter().map(|period| (period.start, period.end)).collect();
    assert_eq!(times, [(Some(0.0), Some(10.0)), (Some(10.0), Some(30.0)), (Some(30.0), Some(60.0))]);
}

#[test]
fn what_is_inherited_is_put_together() {
    let mpd = parse(
        br#"<?xml version="1.0"?><!DOCTYPE MPD><x:MPD xmlns:x="urn:mpeg:dash:schema:mpd:2011"><x:BaseURL> http://cdn.example.net/a/?x=1&amp;y=2
            </x:BaseURL><x:BaseURL>http://other.example.net/</x:BaseURL><Location>new.mpd</Location>
            <Period><BaseURL>p/</BaseURL><SegmentTemplate timescale="90000" startNumber="7"/>
            <AdaptationSet mimeType="audio/mp4" lang="sv"><SegmentTemplate duration="180000" media="$RepresentationID$/$Number$"/>
            <Representation id="a&#49;"><BaseURL>r/</BaseURL><Unknown><Deep/></Unknown></Representation>
            <Representation id="b" mimeType="text/vtt" bandwidth="many"/>
            </AdaptationSet></Period></x:MPD>"#,
    )
    .expect("a manifest");
    let [a, b] = representations(&mpd)[..] else { panic!("two representations") };
    let bases: Vec<&str> = a.bases.iter().map(|base| &**base).collect();
    assert_eq!(bases, ["http://cdn.example.net/a/?x=1&y=2", "p/", "r/"]);
    assert_eq!(b.bases.len(), 2);
    assert_eq!((&*a.id, a.language.as_str(), a.content_type.as_str()), ("a1", "sv", "audio"));
    assert_eq!((b.content_type.as_str(), b.bandwidth), ("text", None));
    let place = a.segments.place(3).expect("a segment");
    assert_eq!(a.media(&place).expect("a URI").uri.as_deref(), Some("a1/10"));
    assert_eq!(place.number, 10);
    assert_eq!(mpd.locations, ["new.mpd"]);
    assert_eq!(mpd.flaws.len(), 1, "{:?}", mpd.flaws);
}

#[test]
fn lists_and_whole_files() {
    let list = r#"<SegmentList duration="2"><Initialization range="0-99"/><SegmentURL media="1.m4s"/>
                  <SegmentURL mediaRange="100-299"/></SegmentList>"#;
    let mpd = live(list);
    let listed = representations(&mpd)[0];
    let place = listed.segments.newest(f64::INFINITY, Some(4.0)).expect("a segment");
    assert_eq!(listed.media(&place), Ok(Resource { uri: None, range: Some((100, 200)) }));
    assert_eq!(listed.initialization(), Ok(Some(Resource { uri: None, range: Some((0, 100)) })));
    let mpd = live(r#"<SegmentBase indexRange="0-9"><Initialization range="10-19"/></SegmentBase>"#);
    let single = representations(&mpd)[0];
    assert_eq!(single.segments.form, Form::Single);
    assert_eq!(single.segments.newest(f64::INFINITY, Some(4.0)), None);
}

#[test]
fn what_is_no_manifest_is_said_with_its_place() {
    let not = |bytes: &[u8]| matches!(parse(bytes), Err(DashError::NotMpd { .. }));
    assert!(not(b"") && not(b"#EXTM3U\n") && not(b"<html><body/></html>") && not(b"\xff\xd8\xff"));
    assert!(matches!(parse(&FFMPEG[..1500]), Err(DashError::Xml { at: 1.., .. })));
    assert!(matches!(parse(b"<MPD><Period></MPD>"), Err(DashError::Xml { .. })));
    assert!(matches!(parse(&vec![b' '; MAX_MPD + 1]), Err(DashError::TooLarge { .. })));
}

#[test]
fn hostile_manifests_end_soon() {
    let many = |count: usize, one: &str| format!("<MPD>{}</MPD>", one.repeat(count));
    assert!(matches!(parse(many(MAX_PERIODS + 1, "<Period/>").as_bytes()), Err(DashError::TooMany { .. })));
    // What is unknown is skipped, but not as deep as it goes.
    let deep = |depth: usize| format!("<MPD>{}{}</MPD>", "<a>".repeat(depth), "</a>".repeat(depth));
    assert!(parse(deep(MAX_DEPTH).as_bytes()).is_ok());
    assert!(matches!(parse(deep(300_000).as_bytes()), Err(DashError::TooMany { .. })));
    let attributes = format!("<MPD {}/>", "a=\"\" ".repeat(400_000));
    assert!(parse(attributes.as_bytes()).is_ok());
    // Entities of its own are not expanded.
    let laughs = b"<!DOCTYPE MPD [<!ENTITY a \"aaaaaaaaaa\"><!ENTITY b \"&a;&a;&a;\">]><MPD><BaseURL>&b;</BaseURL></MPD>";
    let mpd = parse(laughs).expect("a manifest");
    assert!(mpd.flaws[0].contains("entity"), "{:?}", mpd.flaws);
    // Numbers at their ends.
    let max = u64::MAX;
    let segments = format!(
        r#"<SegmentTemplate timescale="{max}" presentationTimeOffset="{max}" startNumber="{max}" endNumber="{max}" media="$Number$">
        <SegmentTimeline><S t="{max}" d="{max}" r="{}"/><S d="1" r="-1"/></SegmentTimeline></SegmentTemplate>"#,
        i64::MAX
    );
    newest(&segments, f64::INFINITY, Some(f64::MAX));
    newest(&segments, -1e300, None);
}

proptest! {
    /// Every segment that a clock reaches is complete, and the next one is not.
    #[test]
    fn the_newest_segment_is_complete(duration in 1_u64..100, timescale in 1_u64..50, elapsed in 0_u32..100_000) {
        let elapsed = f64::from(elapsed) / 10.0;
        let segments = Segments { duration: Some(duration), timescale, form: Form::Template, ..Segments::default() };
        let length = duration as f64 / timescale as f64;
        match segments.newest(elapsed, None) {
            Some(place) => prop_assert!(place.end <= elapsed + 1e-6 && place.end + length > elapsed - 1e-6),
            None => prop_assert!(elapsed < length),
        }
    }

    #[test]
    fn never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = parse(&bytes);
    }

    #[test]
    fn a_damaged_manifest_never_panics(at in 0..FFMPEG.len(), byte: u8) {
        let mut bytes = FFMPEG.to_vec();
        bytes[at] = byte;
        if let Ok(mpd) = parse(&bytes) {
            for one in representations(&mpd) {
                let place = one.segments.newest(1e9, None);
                let _ = (place.map(|place| one.media(&place)), one.initialization());
            }
        }
    }
}
