//! Descriptions of real servers and encoders, and made-up ones.

use proptest::prelude::*;

use super::*;

fn sdp(bytes: &[u8]) -> Description {
    parse(bytes).unwrap()
}

macro_rules! recorded {
    ($name:literal) => {
        sdp(include_bytes!(concat!("../../testdata/sdp/", $name, ".sdp")))
    };
}

/// Codec, clock rate, control, resolution and audio of every track, one line each.
fn summary(description: &Description) -> Vec<String> {
    let line = |media: &Media| {
        let mut words = vec![media.kind.clone(), media.codec().unwrap_or("?").to_owned()];
        words.extend(media.clock_rate().map(|rate| rate.to_string()));
        words.extend(media.control().map(str::to_owned));
        words.extend(media.resolution().map(|r| r.to_string()));
        words.extend(media.audio().map(|a| format!("{} Hz {} ch", a.sample_rate, a.channels)));
        words.join(" ")
    };
    description.media.iter().map(line).collect()
}

#[test]
fn five_servers_describe_their_streams() {
    for (description, tracks) in [
        (recorded!("gst"), ["video H264 90000 stream=0 320x180", "audio PCMA 8000 stream=1 8000 Hz 1 ch"]),
        (
            recorded!("gst-vod"),
            ["video H264 90000 stream=0 320x180", "audio AAC 44100 stream=1 44100 Hz 1 ch"],
        ),
        (recorded!("live555"), ["video H264 90000 track1 320x180", "audio PCMA 8000 track2 8000 Hz 1 ch"]),
        (
            recorded!("perl"),
            ["video H264 90000 streamid=0 320x180", "audio AAC 44100 streamid=1 44100 Hz 1 ch"],
        ),
        (recorded!("aio"), ["video H264 90000 track1 320x180", "audio AAC 44100 track2 44100 Hz 1 ch"]),
        (
            recorded!("vlc"),
            [
                "audio AAC 44100 rtsp://127.0.0.1:28557/live/trackID=0 44100 Hz 1 ch",
                "video H264 90000 rtsp://127.0.0.1:28557/live/trackID=1 320x180",
            ],
        ),
    ] {
        assert_eq!(summary(&description), tracks);
    }
}

#[test]
fn encoders_describe_their_pictures_and_sound() {
    for (description, track) in [
        (recorded!("ffmpeg-h264-1920x1080"), "video H264 90000 1920x1080"),
        (recorded!("ffmpeg-h264-720x576-interlaced"), "video H264 90000 720x576"),
        (recorded!("ffmpeg-h264-1366x768-yuv444"), "video H264 90000 1366x768"),
        (recorded!("ffmpeg-h264-960x540-yuv422-10bit"), "video H264 90000 960x540"),
        (recorded!("ffmpeg-h265-1920x1080"), "video H265 90000 1920x1080"),
        (recorded!("ffmpeg-h265-854x480-10bit"), "video H265 90000 854x480"),
        (recorded!("ffmpeg-h264-1920x1080-interlaced"), "video H264 90000 1920x1080"),
        (recorded!("ffmpeg-h265-1280x720-temporal-layers"), "video H265 90000 1280x720"),
        (recorded!("ffmpeg-h265-1282x722-yuv422"), "video H265 90000 1282x722"),
        (recorded!("ffmpeg-mpv-static"), "video MPV 90000"),
        (recorded!("ffmpeg-jpeg-static"), "video JPEG 90000"),
        (recorded!("ffmpeg-pcmu-static"), "audio PCMU 8000 8000 Hz 1 ch"),
        (recorded!("ffmpeg-mpa-static"), "audio MPA 90000"),
        (recorded!("ffmpeg-aac-48000-6ch"), "audio AAC 48000 48000 Hz 6 ch"),
        (recorded!("ffmpeg-opus"), "audio OPUS 48000 48000 Hz 2 ch"),
    ] {
        assert_eq!(summary(&description), [track]);
    }
}

#[test]
fn the_session_tells_control_liveness_and_bandwidth() {
    let gst = recorded!("gst");
    assert_eq!((gst.control(), gst.range(), gst.is_live()), (Some("*"), Some("npt=now-"), true));
    assert_eq!(
        (gst.name.as_str(), gst.media[0].frame_rate()),
        ("Session streamed with GStreamer", Some(15.0))
    );
    assert_eq!(gst.media[0].section.bandwidth, Some(204_000));
    assert_eq!(gst.media[0].section.connection.as_deref(), Some("0.0.0.0"));
    assert!(recorded!("perl").is_live(), "only stored streams have a range");
    assert!(!recorded!("gst-vod").is_live(), "GStreamer calls files a broadcast, but knows their end");
    let perl = recorded!("perl");
    assert_eq!((perl.control(), perl.common.connection.as_deref()), (None, Some("127.0.0.1")));
    let vlc = recorded!("vlc");
    assert_eq!(vlc.control(), Some("rtsp://127.0.0.1:28557/live"));
    assert!(
        vlc.media.iter().all(|media| media.formats[0].payload_type == 96),
        "VLC gives both tracks the same type"
    );
}

#[test]
fn odd_spellings_are_read() {
    let odd = sdp("\u{feff}v = 0\nnoise\ns=Caf\u{e9}\nb=TIAS:64000\nb=AS:x\n\
        m=video 5004/2 RTP/AVP 97 26 word 300\n\
        a=RTPMAP:97   h264 / 90000 \na=rtpmap:x y\na=rtpmap:26\na=fmtp:97 A=1 ;; b;C=d=e==\n\
        a=x-dimensions: 640,480\na=framerate:nan\na=\na\nm=\nm=audio 0 RTP/AVP 9\nc=IN IP4 233.252.0.1/127\n"
        .as_bytes());
    assert_eq!(
        (odd.name.as_str(), odd.common.bandwidth_tias, odd.common.bandwidth),
        ("Caf\u{e9}", Some(64000), None)
    );
    let video = &odd.media[0];
    assert_eq!((video.port, video.frame_rate()), (5004, None));
    assert_eq!(video.formats.iter().map(|f| f.payload_type).collect::<Vec<_>>(), [97, 26]);
    assert_eq!((video.codec(), video.clock_rate()), (Some("H264"), Some(90000)));
    assert_eq!(video.format(97).unwrap().parameter("c"), Some("d=e=="));
    assert_eq!(video.resolution().map(|r| r.to_string()).as_deref(), Some("640x480"));
    assert_eq!((odd.media[1].codec(), odd.media[1].resolution()), (None, None));
    assert_eq!(
        odd.media[2].audio(),
        Some(AudioConfig { sample_rate: 16000, channels: 1 }),
        "G722 lies about its clock"
    );
    assert_eq!(odd.media[2].section.connection.as_deref(), Some("233.252.0.1/127"));
}

#[test]
fn resolution_is_found_in_attributes_when_there_are_no_parameter_sets() {
    for (attribute, size) in [
        ("a=framesize:96 352-288", Some("352x288")),
        ("a=x-dimensions:720,576", Some("720x576")),
        ("a=fmtp:96 sprop-parameter-sets=!!!,aM48gA\r\na=framesize:96 352-288", Some("352x288")),
        ("a=fmtp:96 sprop-parameter-sets=Z0LADNoFBn58BagwMDUoAAADAAgAAAMA9HihVQ", Some("320x180")),
        ("a=framesize:96 0-288", None),
        ("a=framesize:96 99999-288", None),
    ] {
        let found =
            sdp(format!("m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n{attribute}\r\n").as_bytes());
        assert_eq!(found.media[0].resolution().map(|r| r.to_string()).as_deref(), size, "{attribute}");
    }
}

#[test]
fn aac_configurations_tell_the_real_rate() {
    for (mapping, config, rate, channels) in [
        ("mpeg4-generic/44100", "120856e500", 44100, 1),
        ("MPEG4-GENERIC/48000/6", "11B056E500", 48000, 6),
        ("mpeg4-generic/24000/2", "2B118800", 48000, 2), // HE-AAC: the clock counts the base layer
        ("mpeg4-generic/44100/2", "1780bb8010", 96000, 2), // a rate in full instead of an index
        ("mpeg4-generic/44100/2", "1790", 44100, 2),     // the same, cut
        ("mpeg4-generic/44100/2", "zz", 44100, 2),
        ("mpeg4-generic/44100/2", "", 44100, 2),
        ("MP4A-LATM/90000", "40002610", 24000, 1),
    ] {
        let text =
            format!("m=audio 0 RTP/AVP 97\na=rtpmap:97 {mapping}\na=fmtp:97 mode=AAC-hbr; config={config}\n");
        let audio = sdp(text.as_bytes()).media[0].audio().unwrap();
        assert_eq!((audio.sample_rate, audio.channels), (rate, channels), "{mapping} {config}");
    }
}

#[test]
fn marks_of_real_and_windows_media_are_kept_and_do_not_disturb() {
    let real = sdp(b"v=0\no=- 1 1 IN IP4 192.0.2.1\na=IsRealDataType:integer;1\nm=video 0 RTP/AVP 101\na=control:streamid=0\n\
        a=OpaqueData:buffer;\"TUxUSQAB\"\na=ASMRuleBook:string;\"marker=0;\"\na=mimetype:string;\"video/x-pn-realvideo\"\n");
    assert_eq!(real.common.attribute("isrealdatatype"), Some("integer;1"));
    assert_eq!(real.media[0].section.attribute("OpaqueData"), Some("buffer;\"TUxUSQAB\""));
    let windows = sdp(b"v=0\na=pgmpu:data:application/vnd.ms.wms-hdr.asfv1;base64,MCaydQ==\nm=audio 0 RTP/AVP 96\n\
        a=rtpmap:96 x-asf-pf/1000\na=control:audio\nm=application 0 RTP/AVP 97\na=rtpmap:97 x-wms-rtx/1000\na=control:rtx\n");
    assert_eq!((windows.media[0].codec(), windows.media[0].clock_rate()), (Some("X-ASF-PF"), Some(1000)));
    assert_eq!(windows.media[1].codec(), Some("X-WMS-RTX"));
}

#[test]
fn what_is_no_description_says_so() {
    let html = parse(b"<?xml version=\"1.0\"?>\n<html>a=b</html>").unwrap_err();
    assert_eq!(html.to_string(), r#"not a session description: line 1 is "<?xml version=\"1.0\"?>""#);
    assert!(matches!(parse(b""), Err(SdpError::NotSdp { .. })));
}

#[test]
fn too_much_of_anything_is_refused() {
    for (bytes, what) in [
        (vec![b'a'; MAX_SDP + 1], "bytes"),
        ("a=\n".repeat(MAX_LINES + 1).into_bytes(), "lines"),
        ("m=audio 0 RTP/AVP 0\n".repeat(MAX_MEDIA + 1).into_bytes(), "media"),
    ] {
        assert!(matches!(parse(&bytes), Err(SdpError::TooLarge { what: w, .. }) if w == what), "{what}");
    }
    let wide = sdp(format!("m=audio 0 RTP/AVP{}\n", " 0".repeat(500)).as_bytes());
    assert_eq!(wide.media[0].formats.len(), MAX_FORMATS);
}

#[test]
fn scaling_lists_and_order_cycles_are_passed_over() {
    // Written bit by bit after ITU-T H.264, 7.3.2.1.1: no encoder at hand sends these.
    let (zero, eight) = ("1", "0001001");
    let list_16 = format!("1{}", zero.repeat(16));
    let list_64 = format!("1{}", zero.repeat(64));
    let list_ended_by_minus_8 = "1000010001";
    let bits = [
        "11110100 00000000 00011110", // profile 244, level 30
        "1 00100 0 1 1 0 1",          // id; chroma 3, one plane; depths; scaling lists follow
        &list_16,
        list_ended_by_minus_8,
        "0000",
        &list_64,
        "0000",
        &list_64,
        "1 010 0 1 1 011 00110 00111", // frame numbers; order type 1 with a cycle of two, +3 and -3
        "1 0 00000101000 000010111 1 0", // 40 by 23 macroblocks, frames only
        "1 1 1 1",
        eight,
        "0 1",
    ];
    let bits: Vec<u8> = bits.concat().bytes().filter(|b| *b != b' ').map(|b| b - b'0').collect();
    let bytes = bits.chunks(8).map(|bits| bits.iter().enumerate().map(|(n, bit)| bit << (7 - n)).sum());
    let nal: Vec<u8> = std::iter::once(0x67).chain(bytes).collect();
    assert_eq!(h264_resolution(&nal).map(|r| r.to_string()).as_deref(), Some("640x360"));
}

#[test]
fn emulation_prevention_and_damage_do_not_change_or_crash_the_size() {
    let nal = crate::base64::decode("Z0LADNoFBn58BagwMDUoAAADAAgAAAMA9HihVQ==").unwrap();
    assert_eq!(h264_resolution(&nal).unwrap().to_string(), "320x180");
    for end in 0..nal.len() {
        let _ = h264_resolution(&nal[..end]);
    }
    assert_eq!(h265_resolution(&nal), None, "another codec's unit");
    // All ones and all zeros: the longest and shortest codes.
    assert_eq!(h264_resolution(&[&[0x67][..], &[0; 64]].concat()), None);
    let _ = h264_resolution(&[&[0x67][..], &[0xff; 64]].concat());
}

proptest! {
    #[test]
    fn no_bytes_make_the_parser_panic(bytes: Vec<u8>, lines in proptest::collection::vec("[a-z]=[ -~]{0,30}", 0..20)) {
        let _ = parse(&bytes);
        if let Ok(description) = parse(lines.join("\r\n").as_bytes()) {
            summary(&description);
        }
    }

    #[test]
    fn no_parameter_set_makes_the_reader_panic(bytes in proptest::collection::vec(any::<u8>(), 0..80), bits in 0u8..8) {
        for header in [[0x67, 66], [0x67, 100], [0x42, 1]] {
            let nal = [&header[..], &bytes].concat();
            let _ = (h264_resolution(&nal), h265_resolution(&nal));
            let padded: Vec<u8> = nal.iter().map(|b| b >> bits).collect();
            let _ = (h264_resolution(&padded), h265_resolution(&padded));
        }
        let hex = format!("{bytes:02x?}").replace(|c: char| !c.is_ascii_hexdigit(), "");
        for name in ["mpeg4-generic", "MP4A-LATM"] {
            let text = format!("m=audio 0 RTP/AVP 97\na=rtpmap:97 {name}/1\na=fmtp:97 mode=AAC-hbr; config={hex}\n");
            let _ = sdp(text.as_bytes()).media[0].audio();
        }
    }
}
