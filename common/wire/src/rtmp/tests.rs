//! Recorded dialogues, cut at every place, and bytes that nobody would send in good faith.

use proptest::prelude::*;

use super::*;
use crate::sdp::{AudioConfig, Resolution};

const NGINX: &[u8] = include_bytes!("../../testdata/rtmp/nginx-live.bin");
const NMS: &[u8] = include_bytes!("../../testdata/rtmp/nms-live.bin");
const FFMPEG: &[u8] = include_bytes!("../../testdata/rtmp/ffmpeg-live.bin");
const FFMPEG_LONG: &[u8] = include_bytes!("../../testdata/rtmp/ffmpeg-five-hours.bin");
const NMS_LONG: &[u8] = include_bytes!("../../testdata/rtmp/nms-five-hours.bin");
const NGINX_NOBODY: &[u8] = include_bytes!("../../testdata/rtmp/nginx-nobody-publishes.bin");
const NMS_NOBODY: &[u8] = include_bytes!("../../testdata/rtmp/nms-nobody-publishes.bin");
const FFPROBE: &[u8] = include_bytes!("../../testdata/rtmp/ffprobe-requests.bin");

fn messages(pieces: &[&[u8]]) -> Result<Vec<Message>, ChunkError> {
    let (mut reader, mut messages) = (ChunkReader::default(), Vec::new());
    for piece in pieces {
        reader.push(piece);
        while let Some(message) = reader.next_message()? {
            messages.push(message);
        }
    }
    Ok(messages)
}

fn invokes(bytes: &[u8]) -> Vec<Invoke> {
    let all = messages(&[bytes]).unwrap();
    let invoke = |message: &Message| match message.event().unwrap() {
        Event::Invoke(invoke) => Some(invoke),
        _ => None,
    };
    all.iter().filter_map(invoke).collect()
}

fn tags(bytes: &[u8]) -> Vec<(u32, Tag)> {
    messages(&[bytes]).unwrap().iter().filter_map(|m| Some((m.timestamp, Tag::read(m)?))).collect()
}

fn metadata(bytes: &[u8]) -> Value {
    let found = messages(&[bytes]).unwrap().iter().find_map(|message| match message.event() {
        Ok(Event::Metadata(value)) => Some(value),
        _ => None,
    });
    found.unwrap()
}

#[test]
fn three_servers_play_the_same_stream() {
    for (name, bytes) in [("nginx", NGINX), ("nms", NMS), ("ffmpeg", FFMPEG)] {
        let codes: Vec<String> = invokes(bytes).iter().filter_map(Invoke::status).map(|s| s.code).collect();
        assert_eq!(codes.first().map(String::as_str), Some("NetConnection.Connect.Success"), "{name}");
        assert_eq!(codes.last().map(String::as_str), Some("NetStream.Play.Start"), "{name}");
        let stream = invokes(bytes).iter().find(|i| i.answers(2)).and_then(Invoke::number);
        assert_eq!(stream, Some(1.0), "{name}");

        let data = metadata(bytes);
        let number = |name: &str| data.get(name).and_then(Value::number);
        assert_eq!(
            (number("width"), number("height"), number("framerate")),
            (Some(320.0), Some(180.0), Some(15.0))
        );

        let tags = tags(bytes);
        let of = |track, role: Role| tags.iter().filter(move |(_, t)| t.track == track && t.role == role);
        let setup = |track| of(track, Role::Setup).map(|(_, tag)| tag.clone()).collect::<Vec<_>>();
        let size = Setup::Picture(Resolution { width: 320, height: 180 });
        let sound = Setup::Sound(AudioConfig { sample_rate: 44_100, channels: 1 });
        for (track, codec, own) in [(TrackKind::Video, "H264", size), (TrackKind::Audio, "AAC", sound)] {
            let expected = Tag { track, codec: Some(codec.into()), role: Role::Setup, setup: Some(own) };
            assert_eq!(setup(track), [expected], "{name}");
        }
        let first = of(TrackKind::Video, Role::Frame { key: true }).next().map(|(at, _)| *at);
        assert!(first.is_some(), "{name}: no key frame");
        let sounds: Vec<u32> = of(TrackKind::Audio, Role::Frame { key: true }).map(|(at, _)| *at).collect();
        assert!(
            sounds.len() > 5 && sounds.windows(2).all(|pair| (20..=26).contains(&(pair[1] - pair[0]))),
            "{name}: {sounds:?}"
        );
    }
}

#[test]
fn times_beyond_three_bytes_are_those_of_both_servers() {
    // ffmpeg writes the four bytes in front of each chunk, node-media-server in front of each message.
    for (bytes, least) in [(FFMPEG_LONG, 19_999_000), (NMS_LONG, 20_005_000)] {
        let frames = tags(bytes).into_iter().filter(|(_, tag)| matches!(tag.role, Role::Frame { .. }));
        let times: Vec<u32> = frames.map(|(time, _)| time).collect();
        assert!(
            times.len() >= 5 && times.iter().all(|time| (least..least + 60_000).contains(time)),
            "{times:?}"
        );
    }
}

#[test]
fn a_stream_that_nobody_publishes_starts_and_stays_silent() {
    for (bytes, codes) in [(NGINX_NOBODY, 2), (NMS_NOBODY, 3)] {
        let status: Vec<Status> = invokes(bytes).iter().filter_map(Invoke::status).collect();
        assert_eq!(status.len(), codes);
        assert_eq!(status.last().unwrap().code, "NetStream.Play.Start");
        assert!(tags(bytes).is_empty());
    }
}

#[test]
fn requests_are_read_back_as_those_of_a_player_are() {
    let theirs = invokes(FFPROBE);
    assert_eq!(theirs.iter().map(|i| i.name.as_str()).collect::<Vec<_>>()[..2], ["connect", "createStream"]);
    let app = "live".repeat(80); // longer than a chunk
    let connect =
        Connect { app: &app, tc_url: "rtmp://h.example.net/live", page_url: Some("p"), swf_url: None };
    let bytes: Vec<u8> = [
        Request::Connect(connect).encode(),
        Request::Window(5000).encode(),
        Request::CreateStream.encode(),
        Request::BufferLength(1, 3000).encode(),
        Request::Play { stream: 1, name: "news", live_only: true }.encode(),
        Request::Pong(7).encode(),
        Request::Delete(1).encode(),
    ]
    .concat();
    let ours = invokes(&bytes);
    let object = &ours[0].arguments[0];
    assert_eq!(object.get("app").and_then(Value::text), Some(app.as_str()));
    assert_eq!(object.get("pageUrl").and_then(Value::text), Some("p"));
    assert_eq!(ours[1], theirs[1]);
    assert_eq!(ours[2].arguments, [Value::Null, "news".into(), (-1000.0).into()]);
    let all = messages(&[&bytes]).unwrap();
    assert_eq!((all[1].kind, &all[1].body[..]), (kind::WINDOW, &[0, 0, 0x13, 0x88][..]));
    assert_eq!((all[3].kind, &all[3].body[..]), (kind::CONTROL, &[0, 3, 0, 0, 0, 1, 0, 0, 0x0b, 0xb8][..]));
    assert_eq!((all[4].stream, all[5].body[1]), (1, 7));
}

/// A chunk with a full header.
fn full(id: u8, time: u32, length: u32, kind: u8, body: &[u8]) -> Vec<u8> {
    let (time, length) = (time.to_be_bytes(), length.to_be_bytes());
    [&[id], &time[1..], &length[1..], &[kind, 1, 0, 0, 0], body].concat()
}

#[test]
fn times_are_those_of_the_specification() {
    let frame = |n: u8| [0xaf, 1, n];
    let bytes = [
        full(4, 1000, 3, kind::AUDIO, &frame(0)),
        [&[0x44, 0, 0, 20, 0, 0, 3, kind::AUDIO][..], &frame(1)].concat(),
        [&[0x84, 0, 0, 30][..], &frame(2)].concat(),
        [&[0xc4][..], &frame(3)].concat(),
        // Four bytes of time, also in front of what continues the message, ...
        full(5, 0xff_ffff, 130, kind::VIDEO, &[&[1, 0, 0, 0][..], &[7; 128]].concat()),
        [&[0xc5, 1, 0, 0, 0][..], &[7; 2]].concat(),
        // ... unless the encoder has left them out there.
        full(6, 0xff_ffff, 130, kind::VIDEO, &[&[2, 0, 0, 0][..], &[7; 128]].concat()),
        [&[0xc6][..], &[7; 2]].concat(),
        // Ids of two and three bytes.
        [&[0x00, 6][..], &full(0, 5, 3, kind::AUDIO, &frame(0))[1..]].concat(),
        [&[0x01, 6, 1][..], &full(0, 6, 3, kind::AUDIO, &frame(0))[1..]].concat(),
    ]
    .concat();
    let times: Vec<u32> = messages(&[&bytes]).unwrap().iter().map(|m| m.timestamp).collect();
    assert_eq!(times, [1000, 1020, 1050, 1080, 0x0100_0000, 0x0200_0000, 5, 6]);
}

#[test]
fn interleaved_messages_are_put_together() {
    let (sound, picture) = ([0xaf; 200], [0x17; 300]);
    let bytes = [
        full(4, 0, 200, kind::AUDIO, &sound[..128]),
        full(6, 0, 300, kind::VIDEO, &picture[..128]),
        [&[0xc4][..], &sound[128..]].concat(),
        [&[0xc6][..], &picture[128..256]].concat(),
        [&[0xc6][..], &picture[256..]].concat(),
    ]
    .concat();
    let all = messages(&[&bytes]).unwrap();
    assert_eq!(all.iter().map(|m| (m.kind, m.length)).collect::<Vec<_>>(), [(8, 200), (9, 300)]);
    assert_eq!((all[0].body.len(), all[1].body.len()), (200, HEAD));
}

#[test]
fn a_chunk_size_counts_from_the_next_chunk_on() {
    let large = full(6, 0, 1000, kind::VIDEO, &[0x27; 1000]);
    let bytes = [full(2, 0, 4, kind::CHUNK_SIZE, &[0, 0, 4, 0]), large].concat();
    assert_eq!(messages(&[&bytes]).unwrap().last().unwrap().length, 1000);
    for size in [[0, 0, 0, 0], [0x80, 0, 0, 0], [0xff; 4]] {
        let error = messages(&[&full(2, 0, 4, kind::CHUNK_SIZE, &size)]).unwrap_err();
        assert!(matches!(error, ChunkError::ChunkSize { .. }) && !error.is_limit(), "{error}");
    }
    // The largest possible one costs nothing: a message is not held by it.
    let bytes =
        [full(2, 0, 4, kind::CHUNK_SIZE, &[0x7f, 0xff, 0xff, 0xff]), full(6, 0, 0xff_ffff, kind::VIDEO, &[])]
            .concat();
    let mut reader = ChunkReader::default();
    reader.push(&bytes);
    assert_eq!(reader.next_message().unwrap().map(|m| m.kind), Some(kind::CHUNK_SIZE));
    let part = vec![7; 65_535];
    for _ in 0..0xff_ffff / 65_535 {
        reader.push(&part);
        assert_eq!(reader.next_message().unwrap(), None);
    }
    reader.push(&[7; 256]);
    let message = reader.next_message().unwrap().unwrap();
    assert_eq!((message.length, message.body.len()), (0xff_ffff, HEAD));
}

#[test]
fn frames_are_kept_whole_where_they_are_wanted() {
    let mut reader = ChunkReader::whole_frames();
    let size = full(2, 0, 4, kind::CHUNK_SIZE, &[0x7f, 0xff, 0xff, 0xff]);
    reader.push(
        &[size, full(6, 0, 5000, kind::VIDEO, &[0x27; 5000]), full(4, 0, 300, kind::AUDIO, &[0xaf; 300])]
            .concat(),
    );
    let mut lengths = Vec::new();
    while let Some(message) = reader.next_message().unwrap() {
        lengths.push(message.body.len());
    }
    assert_eq!(lengths, [4, 5000, 300]);
    // Not more of them than two at a time, and none that is too long.
    let mut reader = ChunkReader::whole_frames();
    let begun: Vec<u8> = (3..10).flat_map(|id| full(id, 0, 300, kind::VIDEO, &[0x27; 128])).collect();
    let ended: Vec<u8> = (3..10)
        .flat_map(|id| [vec![0xc0 | id; 1], vec![7; 128], vec![0xc0 | id; 1], vec![7; 44]].concat())
        .collect();
    reader.push(&[begun, ended].concat());
    let kept: Vec<usize> =
        std::iter::from_fn(|| reader.next_message().unwrap()).map(|m| m.body.len()).collect();
    assert_eq!(kept, [300, 300, HEAD, HEAD, HEAD, HEAD, HEAD]);
    let long = u32::try_from(MAX_FRAME + 1).unwrap();
    reader.push(
        &[
            full(2, 0, 4, kind::CHUNK_SIZE, &[0x7f, 0xff, 0xff, 0xff]),
            full(11, 0, long, kind::VIDEO, &vec![7; MAX_FRAME + 1]),
        ]
        .concat(),
    );
    assert_eq!(std::iter::from_fn(|| reader.next_message().unwrap()).last().unwrap().body.len(), HEAD);
}

#[test]
fn a_message_is_a_tag_of_flv() {
    let message =
        Message { kind: kind::AUDIO, timestamp: 0x0102_0304, stream: 1, length: 3, body: vec![0xaf, 1, 7] };
    let tag = message.flv_tag().unwrap();
    assert_eq!(tag, [8, 0, 0, 3, 2, 3, 4, 1, 0, 0, 0, 0xaf, 1, 7, 0, 0, 0, 14]);
    // What comes back out of an aggregate is what an FLV file holds.
    let aggregate =
        Message { kind: kind::AGGREGATE, timestamp: message.timestamp, stream: 1, length: 18, body: tag };
    assert_eq!(submessages(&aggregate).next().as_ref(), Some(&message));
    assert_eq!(Message { length: 4, ..message }.flv_tag(), None);
}

#[test]
fn an_aborted_message_leaves_room() {
    let half = full(3, 0, 1000, kind::COMMAND, &[0; 128]);
    let abort = full(2, 0, 4, kind::ABORT, &[0, 0, 0, 3]);
    let whole = full(3, 0, 3, kind::COMMAND, &[5, 5, 5]);
    let all = messages(&[&[half.clone(), abort, whole].concat()]).unwrap();
    assert_eq!(all.iter().map(|m| m.length).collect::<Vec<_>>(), [4, 3]);
    let error = messages(&[&[half, full(3, 0, 3, kind::COMMAND, &[5; 3])].concat()]).unwrap_err();
    assert_eq!(error, ChunkError::Unfinished { at: 140, id: 3, left: 872 });
}

#[test]
fn bounds_hold() {
    let commands: Vec<u8> = (3..60).flat_map(|id| full(id, 0, 0xffff, kind::COMMAND, &[0; 128])).collect();
    let error = messages(&[&commands]).unwrap_err();
    assert!(matches!(error, ChunkError::Held { length: 0xffff, .. }) && error.is_limit(), "{error}");
    let streams: Vec<u8> =
        (0..=255).flat_map(|id| [&[0, id][..], &full(0, 0, 0, 20, &[])[1..]].concat()).collect();
    assert!(matches!(messages(&[&streams]), Err(ChunkError::Streams { .. })));
    assert!(matches!(messages(&[b"\xc3HTTP"]), Err(ChunkError::NoStream { at: 0, id: 3, .. })));
}

#[test]
fn amf_holds_its_bounds() {
    let deep = [3, 0, 1, b'a'].repeat(1000);
    assert!(matches!(read_all(&deep), Err(AmfError::Deep(_))));
    assert!(matches!(read_all(&[10, 0xff, 0xff, 0xff, 0xff]), Err(AmfError::Short(5))));
    assert!(matches!(
        read_all(&[[10, 0xff, 0xff, 0xff, 0xff].as_slice(), &vec![5; 20_000]].concat()),
        Err(AmfError::Many(_))
    ));
    assert_eq!(read_all(&[2, 0, 9, 1]), Err(AmfError::Short(3)));
    assert_eq!(read_all(&[0x55]), Err(AmfError::Marker { at: 0, marker: 0x55 }));
    let long = [&[12, 0, 0, 0x40, 0][..], &[b'x'; 0x4000]].concat();
    assert_eq!(read_all(&long).unwrap()[0].text().unwrap().len(), MAX_TEXT);
    // An ECMA array whose count is wrong and whose end is missing; a typed object; a date.
    let values = read_all(&[
        16, 0, 1, b'T', 0, 1, b'a', 1, 1, 0, 0, 9, 11, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 8, 0, 0, 0, 9, 0, 1,
        b'b', 5,
    ]);
    let members = |name: &str, value| Value::Object(vec![(name.to_owned(), value)]);
    assert_eq!(values.unwrap(), [members("a", Value::Boolean(true)), 0.0.into(), members("b", Value::Null)]);
}

#[test]
fn a_rejection_names_code_words_and_redirect() {
    let member = |name: &str, value: Value| (name.to_owned(), value);
    let ex = Value::Object(vec![
        member("code", 302.0.into()),
        member("redirect", "rtmp://b.example.net/live".into()),
    ]);
    let info = Value::Object(vec![
        member("level", "error".into()),
        member("code", "NetConnection.Connect.Rejected".into()),
        member("description", "no".into()),
        member("ex", ex),
    ]);
    let mut body = Vec::new();
    for value in ["_error".into(), 1.0.into(), Value::Null, info] {
        value.write(&mut body);
    }
    let status = invokes(&ChunkWriter::write(3, kind::COMMAND, 0, &body))[0].status().unwrap();
    let expected = Status {
        level: "error".into(),
        code: "NetConnection.Connect.Rejected".into(),
        description: "no".into(),
        redirect: Some("rtmp://b.example.net/live".into()),
    };
    assert_eq!(status, expected);
}

fn tag(kind: u8, body: &[u8]) -> (Option<String>, Role) {
    let length = u32::try_from(body.len()).unwrap();
    let tag = Tag::read(&Message { kind, timestamp: 0, stream: 1, length, body: body.to_vec() }).unwrap();
    (tag.codec, tag.role)
}

#[test]
fn tags_of_all_kinds_are_told_apart() {
    let frame = |key| Role::Frame { key };
    for (kind, body, codec, role) in [
        (kind::VIDEO, &[0x17, 0, 0, 0, 0][..], Some("H264"), Role::Setup),
        (kind::VIDEO, &[0x27, 1, 0, 0, 0, 9], Some("H264"), frame(false)),
        (kind::VIDEO, &[0x17, 2, 0, 0, 0], Some("H264"), Role::Other),
        (kind::VIDEO, &[0x1c, 1, 0, 0, 0, 9], Some("H265"), frame(true)),
        (kind::VIDEO, &[0x22, 0], Some("H263"), frame(false)),
        (kind::VIDEO, &[0x57, 0], Some("H264"), Role::Setup),
        (kind::VIDEO, &[0x52, 0], Some("H263"), Role::Other),
        (kind::VIDEO, &[], None, Role::Other),
        (kind::VIDEO, b"\x90hvc1\0", Some("H265"), Role::Setup),
        (kind::VIDEO, b"\x91hvc1\0", Some("H265"), frame(true)),
        (kind::VIDEO, b"\xa3av01\0", Some("AV1"), frame(false)),
        (kind::VIDEO, b"\x92avc1", Some("H264"), Role::Other),
        (kind::VIDEO, b"\x97\x02abc\x01vp09\0", Some("VP9"), frame(true)),
        (kind::VIDEO, b"\x96\x01avc1\x00", Some("H264"), frame(true)),
        (kind::VIDEO, b"\x91xyz9", Some("xyz9"), frame(true)),
        (kind::VIDEO, b"\x97\xff\xff\xff", None, Role::Other),
        (kind::AUDIO, &[0xaf, 0, 0x12, 0x08], Some("AAC"), Role::Setup),
        (kind::AUDIO, &[0xaf, 1, 9], Some("AAC"), frame(true)),
        (kind::AUDIO, &[0x2f, 0xff], Some("MP3"), frame(true)),
        (kind::AUDIO, &[0x2f], Some("MP3"), Role::Other),
        (kind::AUDIO, b"\x90Opus", Some("OPUS"), Role::Setup),
        (kind::AUDIO, b"\x91Opus\0", Some("OPUS"), frame(true)),
        (kind::AUDIO, b"\x95\x01mp4a\0", Some("AAC"), frame(true)),
        (kind::AUDIO, b"\x97\x00a\x01ec-3\0", Some("EAC3"), frame(true)),
        (kind::AUDIO, &[], None, Role::Other),
    ] {
        assert_eq!(tag(kind, body), (codec.map(str::to_owned), role), "{body:02x?}");
    }
}

#[test]
fn an_aggregate_is_taken_apart() {
    let inside = |kind: u8, time: u32, body: &[u8]| {
        let count = u32::try_from(body.len()).unwrap();
        let (length, time) = (count.to_be_bytes(), time.to_be_bytes());
        let head = [kind, length[1], length[2], length[3], time[1], time[2], time[3], time[0], 0, 0, 0];
        [&head[..], body, &(11 + count).to_be_bytes()].concat()
    };
    let body =
        [inside(8, 0x0100_0000, &[0xaf, 1, 2]), inside(9, 0x0100_0010, &[0x27; 900]), vec![9, 0, 0, 9]]
            .concat();
    let length = u32::try_from(body.len()).unwrap();
    let aggregate = Message { kind: kind::AGGREGATE, timestamp: 500, stream: 1, length, body };
    let all: Vec<_> =
        submessages(&aggregate).map(|m| (m.kind, m.timestamp, m.length, m.body.len())).collect();
    assert_eq!(all, [(8, 500, 3, 3), (9, 516, 900, 900)]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn a_cut_changes_nothing(cut in 0..16_384_usize, second in 0..16_384_usize) {
        for bytes in [NGINX, NMS, FFMPEG, FFMPEG_LONG] {
            let (cut, second) = (cut.min(bytes.len()), second.min(bytes.len()));
            let (from, to) = (cut.min(second), cut.max(second));
            prop_assert_eq!(messages(&[&bytes[..from], &bytes[from..to], &bytes[to..]]), messages(&[bytes]));
        }
    }

    #[test]
    fn no_byte_does_harm(at in 0..2048_usize, byte: u8, noise in prop::collection::vec(any::<u8>(), 0..300)) {
        let mut bytes = NMS.to_vec();
        bytes[at] = byte;
        for bytes in [bytes, noise] {
            let mut reader = ChunkReader::default();
            reader.push(&bytes);
            while let Ok(Some(message)) = reader.next_message() {
                let _ = (message.event(), Tag::read(&message), submessages(&message).count());
            }
            let _ = read_all(&bytes);
        }
    }

    #[test]
    fn a_value_is_read_as_it_was_written(number: f64, text in ".{0,40}", truth: bool) {
        let value = Value::Object(vec![
            ("n".into(), Value::Number(number)),
            ("a".into(), Value::Array(vec![Value::Text(text), Value::Boolean(truth), Value::Null])),
        ]);
        let mut bytes = Vec::new();
        value.write(&mut bytes);
        prop_assert!(read_all(&bytes) == Ok(vec![value]) || number.is_nan());
    }
}
