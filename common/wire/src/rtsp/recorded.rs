//! Dialogues recorded from five servers (and made-up bytes) through the decoder.

use proptest::prelude::*;

use super::*;
use crate::headers::Headers;

/// Every recorded dialogue: what the server sent, from connect to close.
const DIALOGUES: [(&str, &[u8]); 12] = [
    ("gst-live-tcp", include_bytes!("../../testdata/rtsp/gst-live-tcp.rtsp")),
    ("gst-live-udp", include_bytes!("../../testdata/rtsp/gst-live-udp.rtsp")),
    ("gst-vod-tcp", include_bytes!("../../testdata/rtsp/gst-vod-tcp.rtsp")),
    ("gst-digest-then-play-tcp", include_bytes!("../../testdata/rtsp/gst-digest-then-play-tcp.rtsp")),
    ("vlc-live-udp", include_bytes!("../../testdata/rtsp/vlc-live-udp.rtsp")),
    ("vlc-refuses-tcp-461", include_bytes!("../../testdata/rtsp/vlc-refuses-tcp-461.rtsp")),
    ("vlc-basic-401-without-cseq", include_bytes!("../../testdata/rtsp/vlc-basic-401-without-cseq.rtsp")),
    (
        "perl-live-udp-no-content-base",
        include_bytes!("../../testdata/rtsp/perl-live-udp-no-content-base.rtsp"),
    ),
    ("perl-refuses-tcp-400", include_bytes!("../../testdata/rtsp/perl-refuses-tcp-400.rtsp")),
    ("live555-live-tcp-replies", include_bytes!("../../testdata/rtsp/live555-live-tcp-replies.rtsp")),
    ("aio-vod-tcp", include_bytes!("../../testdata/rtsp/aio-vod-tcp.rtsp")),
    ("aio-refuses-udp-461", include_bytes!("../../testdata/rtsp/aio-refuses-udp-461.rtsp")),
];

fn dialogue(name: &str) -> &'static [u8] {
    DIALOGUES.iter().find(|(n, _)| *n == name).unwrap().1
}

/// Feeds the pieces; gives the messages and how many bytes were left.
fn decode<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Result<(Vec<Message>, usize), RtspError> {
    let (mut decoder, mut messages) = (Decoder::default(), Vec::new());
    for piece in pieces {
        decoder.push(piece);
        while let Some(message) = decoder.next_message()? {
            messages.push(message);
        }
    }
    Ok((messages, decoder.pending().len()))
}

fn responses(bytes: &[u8]) -> Vec<Response> {
    let only_responses = |message| match message {
        Message::Response(response) => Some(response),
        _ => None,
    };
    decode([bytes]).unwrap().0.into_iter().filter_map(only_responses).collect()
}

fn statuses(name: &str) -> Vec<u16> {
    responses(dialogue(name)).iter().map(|r| r.status).collect()
}

fn one(bytes: &[u8]) -> Message {
    let (mut messages, left) = decode([bytes]).unwrap();
    assert_eq!((messages.len(), left), (1, 0), "{}", bytes.escape_ascii());
    messages.remove(0)
}

fn response(bytes: &[u8]) -> Response {
    let Message::Response(response) = one(bytes) else { panic!("no response") };
    response
}

#[test]
fn every_server_is_understood_to_the_last_byte() {
    for (name, bytes) in DIALOGUES {
        let (messages, left) = decode([bytes]).unwrap();
        assert!(!messages.is_empty() && left == 0, "{name}: {left} bytes left");
    }
    assert_eq!(statuses("gst-live-tcp"), [200; 6]);
    assert_eq!(statuses("gst-digest-then-play-tcp"), [200, 401, 200, 200, 200, 200, 200]);
    assert_eq!(statuses("vlc-refuses-tcp-461"), [200, 200, 461, 461, 200, 200]);
    assert_eq!(statuses("vlc-basic-401-without-cseq"), [200, 401, 200, 200, 200, 200, 200]);
    assert_eq!(statuses("perl-refuses-tcp-400"), [200, 200, 400, 400, 200]);
    assert_eq!(statuses("aio-refuses-udp-461"), [200, 200, 461, 461, 454, 454]);
    assert_eq!(statuses("live555-live-tcp-replies"), [200; 6]);
}

#[test]
fn the_same_messages_come_out_wherever_the_bytes_are_cut() {
    for (name, bytes) in DIALOGUES {
        let whole = decode([bytes]).unwrap();
        assert!(decode(bytes.chunks(1)).unwrap() == whole, "{name}, byte by byte");
        for cut in 0..bytes.len().min(4096) {
            let (a, b) = bytes.split_at(cut);
            assert!(decode([a, b]).unwrap() == whole, "{name}, cut at {cut}");
        }
    }
}

#[test]
fn media_before_between_and_after_replies_is_told_from_them() {
    let order = |name: &str| -> String {
        let kind = |message: &Message| match message {
            Message::Response(_) => 'r',
            Message::Request(_) => 'q',
            Message::Interleaved { channel, .. } => char::from(b'0' + channel),
        };
        decode([dialogue(name)]).unwrap().0.iter().map(kind).collect()
    };
    assert_eq!(order("gst-live-tcp"), "rrrrr0020000000000000200000000200000000200000000r");
    assert_eq!(order("aio-vod-tcp"), "rrrrr23010000000222000222000222000222002220022r13");
}

#[test]
fn the_odd_replies_of_real_servers_keep_their_meaning() {
    let vlc = responses(dialogue("vlc-basic-401-without-cseq"));
    assert_eq!((vlc[0].cseq(), vlc[1].cseq()), (Some(1), None));
    assert!(vlc[1].body.starts_with(b"<?xml") && vlc[1].body.ends_with(b"</html>\n"));
    let vlc = responses(dialogue("vlc-refuses-tcp-461"));
    assert_eq!((vlc[4].status, vlc[4].headers.get("Session")), (200, None), "VLC plays without a session");

    let session = |name: &str, index: usize| {
        let responses = responses(dialogue(name));
        Session::parse(responses[index].headers.get("Session").unwrap()).unwrap()
    };
    assert_eq!(session("gst-live-tcp", 2).id, "+.8DjYgkNlVxV2m+");
    assert_eq!(session("live555-live-tcp-replies", 2).timeout.as_secs(), 65);
    assert_eq!(session("perl-live-udp-no-content-base", 0).id, "2", "Perl opens a session with OPTIONS");
}

#[test]
fn tracks_and_their_first_packets_are_found_on_every_server() {
    for (name, url, controls, seqs) in [
        ("gst-live-udp", "rtsp://127.0.0.1:28554/live", ["stream=0", "stream=1"], [Some(4165), Some(21109)]),
        (
            "vlc-live-udp",
            "rtsp://127.0.0.1:28557/live",
            ["rtsp://127.0.0.1:28557/live/trackID=0", "rtsp://127.0.0.1:28557/live/trackID=1"],
            [Some(24493), Some(22078)],
        ),
        (
            "perl-live-udp-no-content-base",
            "rtsp://127.0.0.1:28560/abc",
            ["streamid=0", "streamid=1"],
            [None, None],
        ),
        (
            "live555-live-tcp-replies",
            "rtsp://127.0.0.1:8563/live",
            ["track1", "track2"],
            [Some(57328), Some(37699)],
        ),
        ("aio-vod-tcp", "rtsp://127.0.0.1:28562/t.mp4", ["track1", "track2"], [Some(1), Some(1)]),
    ] {
        let responses = responses(dialogue(name));
        let base = base_url(&responses[1].headers, url);
        let entries = RtpInfo::parse(responses[4].headers.get("RTP-Info").unwrap_or_default());
        let track_url = |control: &str| resolve(&base, control);
        let last_word = controls.map(|c| c.rsplit('/').next().unwrap());
        assert_eq!(controls.map(track_url), last_word.map(|word| format!("{url}/{word}")), "{name}");
        let first = controls.map(|c| RtpInfo::find(&entries, &track_url(c), &base).and_then(|e| e.seq));
        assert_eq!(first, seqs, "{name}");
    }
}

#[test]
fn a_head_is_read_leniently() {
    let reply = response(b"\r\n\nRTSP/1.0 200\nCseq: 7\nX: one\n two\ncontent-length:3\n\nabc");
    assert_eq!((reply.status, reply.reason.as_str(), reply.cseq()), (200, "", Some(7)));
    assert_eq!((reply.headers.get("x"), reply.body.as_slice()), (Some("one two"), b"abc".as_slice()));
    assert_eq!(response(b"RTSP/1.0 404 Not Found\r\n\r\n").headers, Headers::default());
    let Message::Request(request) = one(b"ANNOUNCE rtsp://example.org/a b RTSP/1.0\r\nCSeq: 1\r\n\r\n")
    else {
        panic!("no request")
    };
    assert_eq!((request.method.as_str(), request.url.as_str()), ("ANNOUNCE", "rtsp://example.org/a b"));
}

#[test]
fn another_protocol_is_refused_at_its_first_line() {
    for greeting in [
        "HTTP/1.1 400 Bad Request\r\n",
        "SSH-2.0-OpenSSH_9.2\r\n",
        "<html>\n",
        "RTSP/1.0 OK\r\n",
        "RTSP/1.0 99 Low\r\n",
        "\x15\x03\x01\0\x02",
    ] {
        let error = decode([greeting.as_bytes()]).unwrap_err();
        assert!(matches!(error, RtspError::NotRtsp { at: 0, .. }), "{greeting:?}: {error}");
    }
}

#[test]
fn an_error_names_the_place_and_stays() {
    let mut decoder = Decoder::default();
    for piece in
        [b"$\0\0\x01x".as_slice(), b"RTSP/1.0 200 OK\r\nContent-Length: 1\r\n\r\nbodyRTSP/1.0 200 OK\r\n\r\n"]
    {
        decoder.push(piece);
        while let Ok(Some(_)) = decoder.next_message() {}
    }
    let error = decoder.next_message().unwrap_err();
    assert_eq!(
        error.to_string(),
        "byte 44: expected an RTSP message, found \"odyRTSP/1.0 200 OK\\r\\n\\r\\n\""
    );
    assert_eq!(decoder.next_message(), Err(error));
}

#[test]
fn a_body_of_unknown_or_enormous_length_is_an_error() {
    for value in ["", "-1", "12 bytes", "0x10", "99999999999999999999"] {
        let head = format!("RTSP/1.0 200 OK\r\nContent-Length: {value}\r\n\r\n");
        assert!(
            matches!(decode([head.as_bytes()]), Err(RtspError::BadContentLength { at: 0, .. })),
            "{value}"
        );
    }
    for length in [MAX_BODY as u64 + 1, u64::from(u32::MAX), u64::MAX] {
        let head = format!("RTSP/1.0 200 OK\r\nContent-Length: {length}\r\n\r\n");
        assert_eq!(decode([head.as_bytes()]), Err(RtspError::BodyTooLarge { at: 0, length }));
    }
}

#[test]
fn endless_heads_are_cut_off() {
    let line = b"X-Padding: 0123456789\r\n".as_slice();
    let head = std::iter::once(b"RTSP/1.0 200 OK\r\n".as_slice()).chain(std::iter::repeat_n(line, 4000));
    assert_eq!(decode(head), Err(RtspError::HeadTooLarge { at: 0 }));
    let at_once = [b"RTSP/1.0 200 OK\r\n", line.repeat(4000).as_slice(), b"\r\n"].concat();
    assert_eq!(decode([at_once.as_slice()]), Err(RtspError::HeadTooLarge { at: 0 }));
    let endless_line = std::iter::repeat_n(b"RTSP/1.0 ".as_slice(), 1000);
    assert!(matches!(decode(endless_line), Err(RtspError::NotRtsp { .. })));
}

#[test]
fn a_cut_message_is_left_pending() {
    for bytes in
        [b"RTSP/1.0 200 OK\r\nContent-Length: 4\r\n\r\nabc".as_slice(), b"$\0\0\x02x", b"$", b"RTSP/1."]
    {
        assert_eq!(decode([bytes]).unwrap(), (vec![], bytes.len()));
    }
}

proptest! {
    #[test]
    fn no_bytes_make_the_decoder_panic_or_depend_on_the_cut(
        bytes in proptest::collection::vec(prop_oneof![any::<u8>(), Just(b'\n'), Just(b'$'), Just(0)], 0..200),
        dialogue in 0..DIALOGUES.len(), from in 0usize..2000, cut in 0usize..400,
    ) {
        let real = DIALOGUES[dialogue].1;
        let real = &real[from.min(real.len())..];
        let both: Vec<u8> = [&bytes, &real[..real.len().min(600)]].concat();
        // What an error shows of the bytes depends on how many have come.
        let outcome = |result: Result<_, RtspError>| result.map_err(|e| std::mem::discriminant(&e));
        for bytes in [bytes.as_slice(), &both] {
            let (a, b) = bytes.split_at(cut.min(bytes.len()));
            prop_assert!(outcome(decode([a, b])) == outcome(decode([bytes])));
        }
    }

    #[test]
    fn what_we_build_reads_back(cseq: u32, path in "[!-~]{0,40}", value in "[ -~\u{a0}-\u{ff}]{0,40}", body: Vec<u8>) {
        let url = format!("rtsp://example.org/{path}");
        let request = Request::new(Method::SetParameter, &url, cseq).header("X-Test", value.clone()).body("a/b", body.clone());
        let Message::Request(read) = one(&request.encode().unwrap()) else { panic!("no request") };
        prop_assert_eq!((read.method.as_str(), read.url.as_str(), read.body), ("SET_PARAMETER", url.as_str(), body));
        prop_assert_eq!(read.headers.get("CSeq").map(str::parse), Some(Ok(cseq)));
        prop_assert_eq!(read.headers.get("x-test"), Some(value.trim()));
    }

    #[test]
    fn header_values_never_make_a_parser_panic(value in ".{0,120}", base in ".{0,40}") {
        Transport::parse(&value);
        Session::parse(&value);
        RtpInfo::find(&RtpInfo::parse(&format!("{value},url={base}")), &value, &base);
        allows(&value, Method::Play);
        resolve(&base, &value);
    }
}
