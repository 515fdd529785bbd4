//! Recorded bodies and requests, cut at every place, and bytes that nobody would send in good faith.

use proptest::prelude::*;

use super::*;
use crate::asf::{Header, Kind, MAX_HEADER, Packet};

const VLC_DESCRIBE: &[u8] = include_bytes!("../../testdata/mms/vlc-describe.bin");
const VLC_PLAY: &[u8] = include_bytes!("../../testdata/mms/vlc-play.bin");
const FFMPEG: &[u8] = include_bytes!("../../testdata/mms/ffmpeg-asf-stream.bin");
const LIBMMS: &str = include_str!("../../testdata/mms/libmms-requests.hex");

fn frames(pieces: &[&[u8]]) -> Result<Vec<Frame>, FrameError> {
    let (mut reader, mut frames) = (HttpReader::default(), Vec::new());
    for piece in pieces {
        reader.push(piece);
        while let Some(frame) = reader.next_frame()? {
            frames.push(frame);
        }
    }
    Ok(frames)
}

fn items(pieces: &[&[u8]]) -> Result<Vec<Item>, TcpError> {
    let (mut reader, mut items) = (TcpReader::default(), Vec::new());
    for piece in pieces {
        reader.push(piece);
        while let Some(item) = reader.next_item()? {
            items.push(item);
        }
    }
    Ok(items)
}

/// The header and the packets of an MMSH body.
fn session(body: &[u8]) -> (Header, Vec<(u32, Packet)>) {
    let (mut pieces, mut header, mut packets) = (HeaderPieces::default(), None, Vec::new());
    for frame in frames(&[body]).unwrap() {
        match frame {
            Frame::Header(piece) => header = pieces.push(&piece).unwrap(),
            Frame::Data(data) => packets.push((data.location, Packet::parse(&data.payload).unwrap())),
            other => panic!("{other:?}"),
        }
    }
    (Header::parse(&header.unwrap()).unwrap(), packets)
}

#[test]
fn vlc_describes_a_live_stream() {
    let (header, packets) = session(VLC_DESCRIBE);
    assert!(packets.is_empty() && header.broadcast && header.duration.is_none());
    assert_eq!((header.length, header.packet_size), (733, Some(4096)));
    let video = Kind::Video { four_cc: "WMV2".into(), width: 320, height: 180 };
    let audio = Kind::Audio { format: 0x161, channels: 1, sample_rate: 44_100 };
    assert_eq!(header.streams.iter().map(|s| s.kind.clone()).collect::<Vec<_>>(), [video, audio]);
    assert_eq!(header.streams.iter().map(crate::asf::Stream::codec).collect::<Vec<_>>(), ["WMV2", "WMA2"]);
    assert_eq!(header.codec_names[0], "Windows Media Video 8");
}

#[test]
fn vlc_plays_both_streams_in_order() {
    let (_, packets) = session(VLC_PLAY);
    assert_eq!(packets.len(), 8);
    let locations: Vec<u32> = packets.iter().map(|(location, _)| *location).collect();
    assert_eq!(locations, (0x283..0x28b).collect::<Vec<_>>(), "one counter for all listeners");
    assert_eq!(packets[0].1.send_time, 69_215);
    assert!(packets.is_sorted_by_key(|(_, packet)| packet.send_time));
    for number in [1, 2] {
        assert!(packets.iter().flat_map(|(_, p)| &p.payloads).any(|payload| payload.stream == number));
    }
    let media: usize = packets.iter().map(|(_, packet)| packet.media()).sum();
    assert!((8 * 4096 * 9 / 10..8 * 4096).contains(&media), "{media} bytes in 8 packets of 4096");
}

#[test]
fn ffmpeg_counts_its_header_as_a_packet() {
    let (header, packets) = session(FFMPEG);
    assert!(header.broadcast && header.streams.len() == 2, "{header:?}");
    let locations: Vec<u32> = packets.iter().map(|(location, _)| *location).collect();
    assert_eq!(locations, (1..=packets.len()).map(|n| u32::try_from(n).unwrap()).collect::<Vec<_>>());
    assert!(packets.is_sorted_by_key(|(_, packet)| packet.send_time));
}

#[test]
fn frames_are_the_same_wherever_a_body_is_cut() {
    let whole = frames(&[&VLC_PLAY[..5000]]).unwrap();
    for at in (0..1000).chain(4880..5000) {
        let (first, second) = VLC_PLAY[..5000].split_at(at);
        assert_eq!(frames(&[first, second]).unwrap(), whole, "cut at {at}");
    }
}

#[test]
fn ends_changes_and_unknown_frames_are_told_apart() {
    let body = b"\x24C\x04\0\x01\0\0\0\xa4M\x02\0xy\x24P\0\0\x24E\x04\0\0\0\0\0";
    assert_eq!(
        frames(&[body]).unwrap(),
        [Frame::Change(1), Frame::Other, Frame::Other, Frame::End(0)],
        "the upper bit of the mark is not part of it"
    );
    assert_eq!(frames(&[b"<html>"]), Err(FrameError::NoFrame { at: 0, found: b'<' }));
    let short = frames(&[b"\x24E\x04\0\0\0\0\0\x24D\x03\0abc"]);
    assert_eq!(short, Err(FrameError::Short { at: 8, kind: 'D', length: 3 }));
}

fn unhex(line: &str) -> Vec<u8> {
    (0..line.len() / 2).map(|n| u8::from_str_radix(&line[2 * n..2 * n + 2], 16).unwrap()).collect()
}

#[test]
fn we_say_what_libmms_says() {
    let said: Vec<Vec<u8>> = LIBMMS.lines().map(unhex).collect();
    let streams = [1, 2];
    let ours = [
        Request::Connect { user_agent: "NSPlayer/7.0.0.1956", host: "127.0.0.1" },
        Request::Funnel,
        Request::Open("t.wmv"),
        Request::ReadHeader(1),
        Request::Select(&streams),
        Request::Start(1),
    ];
    assert_eq!(said.len(), ours.len());
    for (sequence, (request, mut theirs)) in ours.into_iter().zip(said).enumerate() {
        let mut own = request.encode(u16::try_from(sequence).unwrap(), 0);
        if sequence == 0 {
            // Each has an identity of its own, of the same length.
            own[96..172].fill(0);
            theirs[96..172].fill(0);
        }
        if sequence == 5 {
            // What stands behind the handle is not read: libmms has the same 0x0001FFFF.
            assert_eq!(own[44..48], theirs[44..48]);
        }
        assert_eq!(own, theirs, "{request:?}");
    }
}

/// A packet of replies as the specification has it.
fn packet(messages: &[(u32, &[u8])]) -> Vec<u8> {
    let mut out = Request::Close.encode(0, 0)[..32].to_vec();
    for (id, body) in messages {
        let length = (8 + body.len()).next_multiple_of(8);
        let begin = out.len();
        out.extend(u32::try_from(length / 8).unwrap().to_le_bytes());
        out.extend(id.to_le_bytes());
        out.extend_from_slice(body);
        out.resize(begin + length, 0);
    }
    let length = u32::try_from(out.len() - 16).unwrap();
    out[8..12].copy_from_slice(&length.to_le_bytes());
    out
}

fn data(location: u32, incarnation: u8, flags: u8, payload: &[u8]) -> Vec<u8> {
    let size = u16::try_from(8 + payload.len()).unwrap();
    [&location.to_le_bytes()[..], &[incarnation, flags], &size.to_le_bytes(), payload].concat()
}

#[test]
fn several_messages_in_one_packet_and_data_between() {
    let refused = 0xc00d_001a_u32.to_le_bytes();
    let bytes = [
        packet(&[(id::CONNECTED, &[0; 4]), (id::PING, &[])]),
        data(7, 4, 0, b"media"),
        packet(&[(id::OPENED, &refused)]),
    ]
    .concat();
    let whole = items(&[&bytes]).unwrap();
    let replies: Vec<u32> =
        whole.iter().filter_map(|i| if let Item::Reply(r) = i { Some(r.id) } else { None }).collect();
    assert_eq!(replies, [id::CONNECTED, id::PING, id::OPENED]);
    let Item::Data(piece) = &whole[2] else { panic!("{whole:?}") };
    assert_eq!((piece.location, piece.incarnation, piece.payload.as_slice()), (7, 4, &b"media"[..]));
    let Item::Reply(reply) = &whole[3] else { panic!("{whole:?}") };
    assert_eq!(reply.status().refusal(), Refusal::NotFound);
    assert_eq!(reply.status().to_string(), "file not found (0xC00D001A)");
    for at in 0..bytes.len() {
        let (first, second) = bytes.split_at(at);
        assert_eq!(items(&[first, second]).unwrap(), whole, "cut at {at}");
    }
}

#[test]
fn a_web_server_on_the_port_is_not_mms() {
    let Err(TcpError::NotMms { at: 0, found }) = items(&[b"HTTP/1.0 400 Bad Request\r\n"]) else { panic!() };
    assert!(found.starts_with("HTTP/1.0 400"));
}

#[test]
fn lengths_that_cannot_be_are_refused() {
    for length in [0, 15, u32::MAX] {
        let mut bytes = packet(&[(id::PING, &[])]);
        bytes[8..12].copy_from_slice(&length.to_le_bytes());
        assert_eq!(items(&[&bytes]), Err(TcpError::BadLength { at: 0, length }));
    }
    for units in [0, 3, u32::MAX] {
        let mut bytes = packet(&[(id::PING, &[0; 8])]);
        bytes[32..36].copy_from_slice(&units.to_le_bytes());
        assert_eq!(items(&[&bytes]), Err(TcpError::BadMessage { at: 0, units, left: 16 }));
    }
    let bytes = [packet(&[(id::PING, &[])]), vec![0; 8]].concat();
    assert_eq!(items(&[&bytes]), Err(TcpError::BadData { at: 40, size: 0 }));
}

#[test]
fn a_header_without_end_is_refused() {
    let (mut pieces, mut taken) = (HeaderPieces::default(), 0);
    let piece = Data { location: 0, incarnation: 0, flags: 4, payload: vec![0; 60_000] };
    while pieces.push(&piece) == Ok(None) {
        taken += piece.payload.len();
        assert!(taken <= MAX_HEADER);
    }
    assert!(taken > 0);
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..300), at in 0_usize..300) {
        let (first, second) = bytes.split_at(at.min(bytes.len()));
        prop_assert_eq!(frames(&[&bytes]), frames(&[first, second]));
        let _ = items(&[&bytes]);
        let greeted = [packet(&[(id::PING, &[])]), bytes].concat();
        let _ = items(&[&greeted]);
    }

    #[test]
    fn any_request_is_one_packet_of_whole_units(host in "\\PC{0,40}", path in "\\PC{0,80}") {
        for request in [Request::Connect { user_agent: "NSPlayer/1", host: &host }, Request::Open(&path)] {
            let bytes = request.encode(1, 2);
            prop_assert_eq!(bytes.len() % 8, 0);
            prop_assert_eq!(items(&[&bytes]).unwrap().len(), 1);
        }
    }
}
