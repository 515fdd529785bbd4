//! What real callers and listeners said, recorded between them.

use std::time::Duration;

use super::*;

/// One datagram: whether the listener sent it, microseconds since the first, its bytes.
type Datagram<'a> = (bool, u32, &'a [u8]);

/// Records of a byte for the direction, four for the time, two for the length.
fn datagrams(mut bytes: &[u8]) -> Vec<Datagram<'_>> {
    let mut datagrams = Vec::new();
    while let Some(([from, t0, t1, t2, t3, l0, l1], rest)) = bytes.split_first_chunk() {
        let (datagram, rest) = rest.split_at(usize::from(u16::from_be_bytes([*l0, *l1])));
        datagrams.push((*from == 1, u32::from_be_bytes([*t0, *t1, *t2, *t3]), datagram));
        bytes = rest;
    }
    datagrams
}

macro_rules! recorded {
    ($name:literal) => {
        datagrams(include_bytes!(concat!("../../testdata/srt/", $name, ".bin")))
    };
}

/// The handshakes of one side.
fn handshakes(datagrams: &[Datagram<'_>], listener: bool) -> Vec<Handshake> {
    let own = datagrams.iter().filter(|(from, ..)| *from == listener);
    own.filter_map(|(_, _, bytes)| match Packet::parse(bytes).expect("a packet") {
        Packet::Control(control) if control.kind == Kind::Handshake => {
            Some(Handshake::parse(control.body).expect("a handshake"))
        }
        _ => None,
    })
    .collect()
}

fn data<'a>(datagrams: &[Datagram<'a>]) -> Vec<(u32, Data<'a>)> {
    let from_listener = datagrams.iter().filter(|(from, ..)| *from);
    from_listener
        .filter_map(|(_, time, bytes)| match Packet::parse(bytes) {
            Ok(Packet::Data(data)) => Some((*time, data)),
            _ => None,
        })
        .collect()
}

#[test]
fn libsrt_greets_and_negotiates_the_larger_latency() {
    let recorded = recorded!("live");
    let (caller, listener) = (handshakes(&recorded, false), handshakes(&recorded, true));
    let brief = |h: &Handshake| (h.version, h.kind, h.extension);
    assert_eq!(caller.iter().map(brief).collect::<Vec<_>>(), [(4, INDUCTION, 2), (5, CONCLUSION, 1)]);
    assert_eq!(listener.iter().map(brief).collect::<Vec<_>>(), [(5, INDUCTION, MAGIC), (5, CONCLUSION, 1)]);
    assert_eq!((caller[0].cookie, caller[1].cookie), (0, listener[0].cookie));
    let settings = listener[1].settings.expect("settings");
    assert_eq!(
        (settings.version_text().as_str(), settings.receiver_delay, settings.sender_delay),
        ("1.5.1", 200, 200)
    );
    let wanted = flags::TSBPD | flags::CRYPT | flags::TOO_LATE_DROP | flags::PERIODIC_NAK | flags::REXMIT;
    assert_eq!(settings.flags & (wanted | flags::STREAM), wanted);
    let data = data(&recorded);
    assert!(data.len() > 5 && data.iter().all(|(_, data)| data.payload[0] == 0x47));
    assert_eq!((data[0].1.sequence, data[0].1.destination), (listener[1].sequence, caller[0].socket));
}

#[test]
fn our_handshakes_are_those_of_libsrt() {
    let recorded = recorded!("live-aes-128-stream-id");
    let caller = handshakes(&recorded, false);
    let theirs = |at: usize| recorded.iter().filter(|(from, ..)| !from).nth(at).expect("two").2;
    let greeting =
        Greeting { socket: caller[0].socket, sequence: caller[0].sequence, mtu: 1500, window: 8192 };
    // They write an address, at bytes 32 to 47 of the body, of which nobody makes use.
    let without_address = |bytes: &[u8]| [&bytes[16..48], &[0; 16], &bytes[64..]].concat();
    assert_eq!(greeting.induction(), without_address(theirs(0)));
    let second = &caller[1];
    assert_eq!(second.stream_id.as_deref(), Some("#!::r=tv1,m=request"));
    let settings = second.settings.expect("settings");
    let mut ours =
        greeting.conclusion(second.cookie, settings, second.stream_id.as_deref(), second.keys.as_ref());
    assert_eq!(
        std::mem::take(&mut ours[5]),
        2,
        "the length of the keys, which they leave out when it is the usual one"
    );
    assert_eq!(ours, without_address(theirs(1)));
}

#[test]
fn encrypted_payload_opens_to_a_transport_stream() {
    for (recorded, bits, encryption) in
        [(recorded!("live-aes-128-stream-id"), 128, 0), (recorded!("live-aes-256"), 256, 4)]
    {
        let (caller, listener) = (handshakes(&recorded, false), handshakes(&recorded, true));
        assert_eq!(listener[0].encryption, encryption, "what the listener wants");
        let material = caller[1].keys.as_ref().expect("keys");
        assert_eq!((material.bits(), Some(material)), (bits, listener[1].keys.as_ref()));
        let keys = material.open("correct horse").expect("the passphrase");
        let data = data(&recorded);
        assert!(data.len() > 5);
        for (_, data) in data {
            let mut payload = data.payload.to_vec();
            assert!(data.key == Key::Even && payload[0] != 0x47);
            assert!(keys.open(data.key, data.sequence, &mut payload));
            assert!(payload.chunks(188).all(|packet| packet[0] == 0x47));
        }
    }
}

#[test]
fn keys_that_change_while_media_flows_open_what_follows() {
    let recorded = recorded!("aes-192-key-refresh");
    let mut keys =
        handshakes(&recorded, true)[1].keys.clone().expect("keys").open("correct horse").expect("open");
    let (mut even, mut odd) = (0, 0);
    for (_, _, bytes) in recorded.iter().filter(|(from, ..)| *from) {
        match Packet::parse(bytes).expect("a packet") {
            Packet::Control(Control { kind: Kind::KeyMaterial { reply: false }, body, .. }) => {
                let newer = KeyMaterial::parse(body).expect("keys");
                assert_eq!((newer.bits(), newer.to_bytes()), (192, body.to_vec()));
                keys.renew(newer.open("correct horse").expect("open"));
            }
            Packet::Data(data) => {
                let mut payload = data.payload.to_vec();
                assert!(keys.open(data.key, data.sequence, &mut payload));
                assert!(payload.chunks(188).all(|packet| packet[0] == 0x47));
                *if data.key == Key::Odd { &mut odd } else { &mut even } += 1;
            }
            Packet::Control(_) => {}
        }
    }
    assert_eq!((even, odd), (4, 2));
}

#[test]
fn rejections_are_told_apart() {
    for (recorded, refusal, words) in [
        (recorded!("rejects-bad-secret"), Refusal::Passphrase, "the passphrase is wrong (code 1010)"),
        (
            recorded!("rejects-missing-secret"),
            Refusal::Passphrase,
            "only one side has a passphrase (code 1011)",
        ),
        (
            recorded!("rejects-unexpected-secret"),
            Refusal::Passphrase,
            "only one side has a passphrase (code 1011)",
        ),
        (recorded!("gst-rejects-stream-id"), Refusal::Access, "no reason given"),
    ] {
        let answer = handshakes(&recorded, true).into_iter().next_back().expect("an answer");
        let rejection = Rejection::of(answer.kind).expect("a rejection");
        assert_eq!(rejection.refusal(), refusal);
        assert!(rejection.to_string().starts_with(words), "{rejection}");
    }
}

#[test]
fn listeners_that_do_not_insist_say_what_is_wrong_with_the_secret() {
    for (recorded, state) in [
        (recorded!("not-enforced-no-secret"), KeyState::Unsecured),
        (recorded!("not-enforced-bad-secret"), KeyState::BadSecret),
    ] {
        let answer = handshakes(&recorded, true).into_iter().next_back().expect("an answer");
        assert_eq!((answer.kind, answer.key_state), (CONCLUSION, Some(state)));
        assert!(data(&recorded).iter().all(|(_, data)| data.key == Key::Even));
    }
}

#[test]
fn one_packet_in_twelve_lost_on_the_way_is_asked_for_as_libsrt_asks() {
    let recorded = recorded!("live-one-in-twelve-lost");
    let first = handshakes(&recorded, true)[1].sequence;
    let mut books = Reception::new(first, Duration::from_millis(120));
    let (mut delivered, mut ours, mut theirs) = (Vec::new(), Vec::new(), Vec::new());
    for (from, time, bytes) in &recorded {
        let now = Duration::from_micros((*time).into());
        match Packet::parse(bytes).expect("a packet") {
            Packet::Data(data) if *from => {
                books.take(&data, now, |d| delivered.push(d.payload[0]));
                let list = loss_list(books.ask(now, Duration::from_secs(1)), 1456);
                ours.extend(losses(&list));
            }
            Packet::Control(Control { kind: Kind::Nak, body, .. }) if !from => theirs.extend(losses(body)),
            _ => {}
        }
    }
    let seen = books.statistics();
    assert!(seen.recovered >= 3 && seen.recovered == seen.retransmitted, "{seen:?}");
    assert_eq!((seen.lost, seen.repeated, seen.reordered), (0, 0, 0));
    books.expire(Duration::from_mins(1), |d| delivered.push(d.payload[0]));
    assert!((delivered.len() as u64) == seen.received && delivered.iter().all(|byte| *byte == 0x47));
    assert!(theirs.len() >= 3 && ours.starts_with(&theirs), "{ours:?} {theirs:?}");
}
