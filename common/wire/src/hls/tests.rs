//! Whole playlists: recorded from real servers, written from the draft, damaged, and random.

use super::*;
use proptest::prelude::*;

macro_rules! playlist {
    ($name:literal) => {
        include_bytes!(concat!("../../testdata/hls/", $name, ".m3u8"))
    };
}

fn media(bytes: &[u8]) -> MediaPlaylist {
    match parse(bytes).unwrap() {
        Playlist::Media(media) => media,
        Playlist::Master(master) => panic!("a master playlist: {master:?}"),
    }
}

fn master(bytes: &[u8], scope: &Scope) -> MasterPlaylist {
    match parse_in(bytes, scope).unwrap() {
        Playlist::Master(master) => master,
        Playlist::Media(media) => panic!("a media playlist: {media:?}"),
    }
}

fn defects(text: &str) -> Vec<String> {
    let list = match parse(text.as_bytes()).unwrap() {
        Playlist::Media(media) => media.defects,
        Playlist::Master(master) => master.defects,
    };
    list.iter().map(ToString::to_string).collect()
}

#[test]
fn recorded_live_playlist_of_ffmpeg_has_its_edge_in_time() {
    let live = media(playlist!("ffmpeg-live-pdt"));
    assert_eq!(live.defects, []);
    assert_eq!((live.version, live.target_duration, live.media_sequence), (Some(3), Some(2.0), 4));
    assert_eq!(live.segments.iter().map(|s| s.sequence).collect::<Vec<_>>(), [4, 5, 6, 7, 8]);
    // 2026-11-21T04:21:08.887+0000 and two seconds
    assert_eq!(live.edge_date_time(), Some(1_795_234_870.887));
    assert_eq!(live.edge(), Edge { next_sequence: 9, parts: 0, last_uri: Some("v8.ts".into()) });
    assert!((live.duration() - 10.0).abs() < 1e-9 && live.is_live());
}

#[test]
fn recorded_playlist_of_nginx_rtmp_has_its_tags_in_another_order() {
    let live = media(playlist!("nginx-rtmp-live"));
    assert_eq!((live.media_sequence, live.target_duration, live.segments.len()), (4, Some(2.0), 5));
    assert_eq!((live.edge_date_time(), live.defects), (None, vec![]));
}

#[test]
fn recorded_discontinuity_belongs_to_the_segment_behind_it() {
    let live = media(playlist!("ffmpeg-live-discontinuity"));
    let marks: Vec<_> = live.segments.iter().filter(|s| s.discontinuity).map(|s| s.uri.as_str()).collect();
    assert_eq!(marks, ["v0.ts", "v4.ts"]);
    assert!(live.is_live());
}

#[test]
fn recorded_key_map_and_byte_ranges_are_read() {
    let keyed = media(playlist!("ffmpeg-vod-aes128"));
    let key = &keyed.segments[3].keys[0];
    assert_eq!(
        (key.method.as_str(), key.uri.as_deref()),
        ("AES-128", Some("https://keys.example.net/k?id=1,2"))
    );
    assert_eq!(key.iv.as_deref(), Some("0x00112233445566778899aabbccddeeff"));
    assert!(!keyed.is_live());
    let mapped = media(playlist!("ffmpeg-vod-fmp4"));
    assert_eq!(mapped.segments[0].map.as_ref().unwrap().uri, "init.mp4");
    assert_eq!((mapped.playlist_type, mapped.ended), (Some(PlaylistType::Vod), true));
    let ranges: Vec<_> =
        media(playlist!("ffmpeg-vod-byterange")).segments.iter().map(|s| s.byte_range).collect();
    assert_eq!(ranges[1], Some(ByteRange { offset: 18_424, length: 17_860 }));
}

#[test]
fn recorded_masters_list_variants_and_renditions() {
    let plain = master(playlist!("ffmpeg-master"), &Scope::default());
    assert_eq!((plain.variants[0].bandwidth, plain.variants[0].resolution), (278_322, Some((320, 180))));
    let grouped = master(playlist!("ffmpeg-master-audio-group"), &Scope::default());
    assert_eq!(grouped.variants[1].audio.as_deref(), Some("group_aac"));
    assert_eq!(grouped.variants[1].codecs.as_deref(), Some("avc1.64000a,mp4a.40.2"));
    let audio = &grouped.renditions[0];
    assert_eq!(
        (audio.kind, audio.language.as_deref(), audio.is_default),
        (RenditionType::Audio, Some("en"), true)
    );
    assert_eq!(grouped.media_uris(), ["v0.m3u8", "v1.m3u8", "vmain.m3u8"]);
    assert_eq!(grouped.defects, []);
}

#[test]
fn low_latency_playlist_ends_with_its_last_part() {
    let live = media(playlist!("spec-low-latency"));
    assert_eq!(live.defects, []);
    assert_eq!((live.part_target, live.skipped), (Some(0.33334), 3));
    assert_eq!(live.segments[0].sequence, 269);
    assert_eq!((live.segments[1].parts.len(), live.parts.len()), (2, 2));
    assert_eq!(live.parts[1].byte_range, Some(ByteRange { offset: 20_000, length: 21_000 }));
    let control = live.server_control.unwrap();
    assert_eq!(
        (control.can_block_reload, control.part_hold_back, control.hold_back),
        (true, Some(1.0), Some(12.5))
    );
    assert_eq!((live.preload_hints[0].is_map, live.preload_hints[0].offset), (false, 41_000));
    assert_eq!(live.rendition_reports[1].last_part, Some(0));
    let edge = live.edge();
    assert_eq!((edge.next_sequence, edge.parts, edge.last_uri.as_deref()), (271, 2, Some("filePart271.mp4")));
    let begin = live.segments[1].date_time.unwrap();
    assert!((live.edge_date_time().unwrap() - begin - 4.00008 - 0.66668).abs() < 1e-6);
}

#[test]
fn variables_come_from_definition_query_and_master() {
    let scope = Scope { imports: None, query: "token=a%2Cb" };
    let found = master(playlist!("spec-master-define"), &scope);
    assert_eq!(found.defects, []);
    assert_eq!(found.renditions[0].uri.as_deref(), Some("https://cdn.example.net/en.m3u8?t=a,b"));
    assert_eq!(found.variants[0].uri, "https://cdn.example.net/720.m3u8");
    assert_eq!(found.variants[0].frame_rate, Some(29.97));
    assert_eq!(found.session_keys[0].uri.as_deref(), Some("skd://a,b"));
    assert_eq!(found.start, Some(Start { offset: -12.5, precise: true }));
    assert_eq!((found.iframe_streams[0].uri.as_str(), found.independent_segments), ("iframe.m3u8", true));
    assert_eq!(
        parse(playlist!("spec-master-define")),
        Err(HlsError::Undefined { line: 5, name: "token".into() })
    );
    let child =
        b"#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXT-X-DEFINE:IMPORT=\"host\"\n#EXTINF:2,\n{$host}/a.ts\n";
    let scope = Scope { imports: Some(&found.variables), query: "" };
    let Ok(Playlist::Media(child)) = parse_in(child, &scope) else { panic!("not read") };
    assert_eq!(child.segments[0].uri, "https://cdn.example.net/a.ts");
}

#[test]
fn byte_order_mark_crlf_blanks_and_unknown_tags_are_forgiven() {
    let text = "\u{feff}#EXTM3U\r\n# a comment\r\n#EXT-X-TARGETDURATION: 6 \r\n#EXT-X-CUE-OUT:30\r\n#EXTINF:5.5 tvg-id=\"x\", A, b \r\n a.ts \r\n\r\n#EXTINF:4\r\nhttp://example.net/b.ts#{$x}";
    let list = media(text.as_bytes());
    assert_eq!((list.defects, list.target_duration), (vec![], Some(6.0)));
    assert_eq!((list.segments[0].duration, list.segments[0].title.as_deref()), (5.5, Some("A, b")));
    assert_eq!(
        (list.segments[1].duration, list.segments[1].uri.as_str()),
        (4.0, "http://example.net/b.ts#{$x}")
    );
}

#[test]
fn keys_of_several_formats_are_in_force_until_none() {
    let list = media(b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXT-X-KEY:METHOD=SAMPLE-AES,URI=\"a\",KEYFORMAT=\"x\"\n#EXT-X-KEY:METHOD=SAMPLE-AES,URI=\"b\"\n#EXTINF:1,\n1\n#EXT-X-KEY:METHOD=SAMPLE-AES,URI=\"c\",KEYFORMAT=\"x\"\n#EXTINF:1,\n2\n#EXT-X-KEY:METHOD=NONE\n#EXTINF:1,\n3\n");
    let uris = |at: usize| list.segments[at].keys.iter().filter_map(|k| k.uri.clone()).collect::<Vec<_>>();
    assert_eq!(
        (uris(0), uris(1), uris(2)),
        (vec!["a".into(), "b".into()], vec!["b".into(), "c".into()], vec![])
    );
}

#[test]
fn date_times_count_on_and_byte_ranges_follow() {
    let list = media(b"#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXTINF:4,\n0\n#EXT-X-PROGRAM-DATE-TIME:1970-01-01T00:00:10Z\n#EXTINF:3.5,\n#EXT-X-BYTERANGE:10@5\nall\n#EXT-X-BYTERANGE:20\n#EXTINF:4,\nall\n#EXT-X-GAP\n#EXT-X-BITRATE:800\n#EXTINF:4,\nlast\n");
    let times: Vec<_> = list.segments.iter().map(|s| s.date_time).collect();
    assert_eq!(times, [None, Some(10.0), Some(13.5), Some(17.5)]);
    assert_eq!(list.segments[2].byte_range, Some(ByteRange { offset: 15, length: 20 }));
    assert_eq!((list.segments[3].gap, list.segments[3].bit_rate_kbit), (true, Some(800)));
    assert_eq!(list.edge_date_time(), Some(21.5));
}

#[test]
fn what_is_wrong_is_told_with_its_line() {
    assert_eq!(
        defects(
            "#EXTM3U\n#EXT-X-MEDIA-SEQUENCE:-1\n#EXTINF:abc,\na.ts\nb.ts\n#EXT-X-PROGRAM-DATE-TIME:now\n#EXTINF:inf,\nc.ts"
        ),
        [
            "line 2: EXT-X-MEDIA-SEQUENCE: \"-1\"",
            "line 3: EXTINF duration: \"abc\"",
            "line 5: segment without EXTINF: \"b.ts\"",
            "line 6: EXT-X-PROGRAM-DATE-TIME is no date: \"now\"",
            "line 7: EXTINF duration: \"inf\"",
            "line 8: no EXT-X-TARGETDURATION: \"\"",
        ]
    );
    assert_eq!(
        defects(
            "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=fast,RESOLUTION=big,CODECS=\"x\nv.m3u8\nstray.m3u8\n#EXT-X-STREAM-INF:CODECS=\"y\""
        ),
        [
            "line 2: bad attribute list: \"\\\"x\"",
            "line 2: BANDWIDTH: \"fast\"",
            "line 2: RESOLUTION: \"big\"",
            "line 4: URI without EXT-X-STREAM-INF: \"stray.m3u8\"",
            "line 5: attribute missing: \"BANDWIDTH\"",
            "line 5: EXT-X-STREAM-INF without a URI: \"\"",
        ]
    );
    assert_eq!(media(b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,Caf\xe9\na").defects[0].line, 3);
    let many = format!("#EXTM3U\n#EXT-X-TARGETDURATION:1\n{}", "#EXT-X-BYTERANGE:x\n".repeat(1000));
    assert_eq!(defects(&many).len(), MAX_DEFECTS);
}

#[test]
fn what_is_no_hls_playlist_is_refused_in_words() {
    let refused = |text: &str| parse(text.as_bytes()).unwrap_err().to_string();
    assert_eq!(refused("<html>"), "not a playlist: #EXTM3U expected, found \"<html>\"");
    assert_eq!(refused(""), "not a playlist: #EXTM3U expected, found \"\"");
    assert_eq!(parse(b"#EXTM3U\n#EXTINF:-1,Radio\nhttp://radio.example.net/"), Err(HlsError::PlainM3u));
    assert_eq!(
        refused("#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXT-X-STREAM-INF:BANDWIDTH=1\na"),
        "line 3: #EXT-X-STREAM-INF makes this a master and a media playlist at once"
    );
}

#[test]
fn limits_hold() {
    let refused = |text: String| parse(text.as_bytes()).unwrap_err();
    assert_eq!(refused("x".repeat(MAX_PLAYLIST + 1)), HlsError::TooLarge { size: MAX_PLAYLIST + 1 });
    let head = "#EXTM3U\n#EXT-X-TARGETDURATION:2\n";
    assert_eq!(refused(format!("{head}{}", "x".repeat(MAX_LINE + 1))), HlsError::LineTooLong { line: 3 });
    let segments = refused(format!("{head}{}", "a\n".repeat(MAX_SEGMENTS + 1)));
    assert_eq!(
        segments,
        HlsError::TooMany { line: MAX_SEGMENTS + 3, what: "segments and parts", limit: MAX_SEGMENTS }
    );
    let variants = "#EXT-X-STREAM-INF:BANDWIDTH=1\nv\n".repeat(MAX_ENTRIES + 1);
    assert!(matches!(refused(format!("#EXTM3U\n{variants}")), HlsError::TooMany { what: "variants", .. }));
    let keys: Vec<_> = (0..=MAX_KEYS).map(|n| format!("#EXT-X-KEY:METHOD=X,KEYFORMAT=\"{n}\"\n")).collect();
    assert!(matches!(
        refused(format!("{head}{}", keys.concat())),
        HlsError::TooMany { what: "keys at once", .. }
    ));
    let last =
        media(format!("{head}#EXT-X-MEDIA-SEQUENCE:{}\n#EXTINF:1,\na\n#EXTINF:1,\nb\n", u64::MAX).as_bytes());
    assert_eq!(last.next_sequence(), u64::MAX);
}

#[test]
fn progress_is_told_from_two_looks() {
    let edge = |next_sequence, parts, last: &str| Edge { next_sequence, parts, last_uri: Some(last.into()) };
    let before = edge(10, 2, "b");
    assert_eq!(before.since(&before), Progress::Same);
    assert_eq!(edge(12, 0, "c").since(&before), Progress::Advanced { segments: 2 });
    assert_eq!(edge(10, 3, "c").since(&before), Progress::Advanced { segments: 0 });
    assert_eq!(edge(10, 2, "c").since(&before), Progress::Advanced { segments: 0 });
    assert_eq!(edge(4, 5, "c").since(&before), Progress::WentBack { segments: 6 });
    assert_eq!(edge(10, 1, "c").since(&before), Progress::WentBack { segments: 0 });
}

proptest! {
    #[test]
    fn what_is_written_is_read(sequence in 0u64..1 << 60, durations in proptest::collection::vec(0u32..20_000, 1..30), title in "[a-z ,]{0,10}") {
        let mut lines = vec![format!("#EXTM3U\n#EXT-X-TARGETDURATION:20\n#EXT-X-MEDIA-SEQUENCE:{sequence}")];
        lines.extend(durations.iter().enumerate().map(|(n, ms)| format!("#EXTINF:{}.{:03},{title}\n{n}.ts", ms / 1000, ms % 1000)));
        let text = lines.join("\n");
        let list = media(text.as_bytes());
        prop_assert_eq!(&list.defects, &[]);
        prop_assert_eq!(list.next_sequence(), sequence + durations.len() as u64);
        for (n, (segment, ms)) in list.segments.iter().zip(&durations).enumerate() {
            prop_assert!((segment.duration - f64::from(*ms) / 1000.0).abs() < 1e-9);
            prop_assert_eq!(&segment.uri, &format!("{n}.ts"));
            prop_assert_eq!(segment.title.as_deref().unwrap_or_default(), title.trim());
        }
    }

    #[test]
    fn damaged_playlists_never_panic(which in 0usize..5, cuts in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 0..20)) {
        let files: [&[u8]; 5] = [playlist!("spec-low-latency"), playlist!("spec-master-define"), playlist!("ffmpeg-live-pdt"), playlist!("ffmpeg-vod-aes128"), playlist!("ffmpeg-vod-byterange")];
        let mut bytes = files[which].to_vec();
        for (at, byte) in cuts {
            let at = 8 + at.index(bytes.len() - 8);
            bytes[at] = byte;
        }
        let _ = parse_in(&bytes, &Scope { imports: None, query: "token=x" });
    }
}
