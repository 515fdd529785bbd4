//! `check_rtp` against the senders that operators have, and against what breaks: the stream, the way, the listener.

mod support;

use std::net::UdpSocket;
use std::time::Duration;

use support::{critical, ok, unknown, warning};
use weir_lab::{Clip, Lab, Outcome, Process, Result, together, wait_until};

/// Bytes of a transport packet.
const PACKET: usize = 188;

fn rtp(lab: &Lab, arguments: &[&str]) -> Result<Outcome> {
    lab.check("check_rtp", arguments)
}

/// The number before `word` in the lines that `-v` shows.
#[track_caller]
fn counted(seen: &Outcome, word: &str) -> u64 {
    let mut parts = seen.stdout.lines().flat_map(|line| line.split([',', ':']));
    let number = parts.find_map(|part| part.trim().strip_suffix(word)?.trim().parse().ok());
    assert!(number.is_some(), "no number before `{word}`: {seen:#?}");
    number.unwrap_or_default()
}

/// An ffmpeg whose transport stream passes through `change` on its way to a group, packet by packet.
fn broken(
    lab: &Lab,
    group: &str,
    mut change: impl FnMut(&mut [u8]) + Send + 'static,
) -> Result<(weir_lab::Relay, Process)> {
    let relay = lab.relay(group.parse()?, move |mut datagram| {
        datagram.chunks_exact_mut(PACKET).for_each(&mut change);
        Some(datagram)
    })?;
    let url = format!("udp://127.0.0.1:{}?pkt_size=1316", relay.port());
    let sender = lab.ffmpeg_sender(Clip::VideoTs, "mpegts", &url)?;
    Ok((relay, sender))
}

fn pid(packet: &[u8]) -> u16 {
    u16::from_be_bytes([packet[1] & 0x1f, packet[2]])
}

/// True at every `n`-th call.
fn every(n: u32) -> impl FnMut() -> bool + Send {
    let mut calls = 0;
    move || {
        calls = (calls + 1) % n;
        calls == 0
    }
}

/// Makes stuffing of a packet.
fn to_null(packet: &mut [u8]) {
    packet[1..4].copy_from_slice(&[0x1f, 0xff, 0x10]);
}

#[test]
fn what_real_senders_send_is_well() -> Result<()> {
    let Some(lab) = Lab::for_test(&["namespace", "ffmpeg", "vlc"]) else { return Ok(()) };
    let _senders = [
        lab.ffmpeg_sender(Clip::VideoTs, "mpegts", "udp://239.1.2.1:5000?pkt_size=1316")?,
        lab.ffmpeg_sender(Clip::VideoTs, "mpegts", "udp://239.1.2.2:5000")?,
        lab.ffmpeg_sender(Clip::VideoTs, "rtp_mpegts", "rtp://239.1.2.3:5004")?,
        lab.ffmpeg_sender(Clip::VideoTs, "mpegts", "udp://127.0.0.1:6000?pkt_size=1316")?,
        lab.vlc_sender("#rtp{mux=ts,dst=239.1.2.4,port=5004}")?,
        lab.vlc_sender("#std{access=udp,mux=ts,dst=239.1.2.5:5000}")?,
    ];
    let expected =
        ["--expect-tracks", "video,audio", "--expect-codec", "h264,aac", "--min-bitrate", "100000", "-v"];
    let runs: [&[&str]; 6] = [
        &["udp://239.1.2.1:5000", "--expect-service", "Service01", "--expect-pid", "256,0x101"],
        &["udp://@239.1.2.2:5000", "--expect-service", "1"],
        &["rtp://239.1.2.3:5004", "--expect-payload-type", "33"],
        &["udp://@:6000"],
        &["rtp://239.1.2.4:5004"],
        &["udp://239.1.2.5:5000"],
    ];
    let seen = together(runs, |run| rtp(&lab, &[run, &expected[..]].concat()))?;
    for (run, seen) in runs.iter().zip(&seen) {
        ok(seen, &["h264", "aac", "loss 0.0 %"]);
        assert!(seen.metric("bitrate") < 1_000_000.0, "{run:?}: {seen:#?}");
        assert!((seen.metric("speed") - 100.0).abs() < 10.0, "{run:?}: {seen:#?}");
        assert!(seen.metric("pcr") <= 0.1 && seen.metric("pat") <= 0.5, "{run:?}: {seen:#?}");
    }
    // A player with the same URL is one more listener, not one instead.
    let missing = rtp(
        &lab,
        &["udp://239.1.2.1:5000", "--expect-service", "Other", "--expect-codec", "hevc", "--watch", "2"],
    )?;
    critical(&missing, &["E-TS-SERVICE", "Service01 (program 1)", "E-CODEC", "h264 + aac"]);
    let absent = rtp(
        &lab,
        &["rtp://239.1.2.3:5004", "--expect-pid", "4000", "--expect-payload-type", "96", "--watch", "2"],
    )?;
    critical(&absent, &["E-TS-PID", "PID 4000", "E-RTP-TYPE"]);
    critical(&rtp(&lab, &["rtp://239.1.2.1:5000", "--watch", "1"])?, &["E-RTP-FORMAT", "use udp://"]);
    Ok(())
}

#[test]
fn loss_is_what_the_firewall_counted() -> Result<()> {
    let Some(lab) = Lab::for_test(&["namespace", "ffmpeg", "nft"]) else { return Ok(()) };
    let _rtp = lab.ffmpeg_sender(Clip::VideoTs, "rtp_mpegts", "rtp://239.1.2.3:5004")?;
    let _bare = lab.ffmpeg_sender(Clip::VideoTs, "mpegts", "udp://239.1.2.4:5000?pkt_size=1316")?;
    let rules = [
        lab.drop_packets("udp dport 5004 numgen inc mod 10 == 0")?,
        lab.drop_packets("udp dport 5000 numgen inc mod 10 == 0")?,
    ];
    let before = rules[0].dropped()?;
    let urls = ["rtp://239.1.2.3:5004", "udp://239.1.2.4:5000"];
    let seen = together(urls, |url| rtp(&lab, &["-v", url]))?;
    let dropped = rules[0].dropped()? - before;
    critical(&seen[0], &["E-UDP-LOSS"]);
    // Those before the first packet, and those after the last, cannot be missed.
    let lost = counted(&seen[0], " lost");
    assert!(lost > 0 && (lost..=lost + 8).contains(&dropped), "{lost} of {dropped} noticed: {:#?}", seen[0]);
    assert!((seen[0].metric("loss") - 10.0).abs() < 3.0, "{:#?}", seen[0]);
    assert!(!seen[0].stdout.contains("E-TS-CONTINUITY"), "what RTP lost is no second fault: {:#?}", seen[0]);
    // Continuity counters wrap at 16, so seven packets of one PID at once may count as less.
    critical(&seen[1], &["E-UDP-LOSS"]);
    assert!((2.0..=14.0).contains(&seen[1].metric("loss")), "{:#?}", seen[1]);
    Ok(())
}

#[test]
fn a_broken_transport_stream_is_told_by_its_fault() -> Result<()> {
    let Some(lab) = Lab::for_test(&["namespace", "ffmpeg"]) else { return Ok(()) };
    let (mut tenth, mut sixtieth, mut second, mut hundredth) = (every(10), every(60), every(2), every(100));
    let mut kept = 0;
    let _streams = [
        broken(&lab, "239.1.2.1:5000", |p| {
            if pid(p) == 0 {
                to_null(p);
            }
        })?,
        broken(&lab, "239.1.2.2:5000", |p| {
            if pid(p) == 4096 {
                to_null(p);
            }
        })?,
        broken(&lab, "239.1.2.3:5000", |p| {
            if pid(p) == 256 {
                to_null(p);
            }
        })?,
        broken(&lab, "239.1.2.4:5000", |p| {
            if pid(p) >= 256 && pid(p) != 4096 {
                to_null(p);
            }
        })?,
        broken(&lab, "239.1.2.5:5000", to_null)?,
        broken(&lab, "239.1.2.6:5000", |p| {
            if (256..258).contains(&pid(p)) {
                p[3] |= 0x80;
            }
        })?,
        broken(&lab, "239.1.2.7:5000", move |p| {
            if pid(p) == 256 && hundredth() {
                p[1] |= 0x80;
            }
        })?,
        broken(&lab, "239.1.2.8:5000", move |p| {
            if sixtieth() {
                p[0] = 0;
            }
        })?,
        // A clock in the adaptation field of picture packets: its flag taken away.
        broken(&lab, "239.1.2.9:5000", |p| {
            if pid(p) == 256 && p[3] & 0x20 != 0 && p[4] > 0 {
                p[5] &= !0x10;
            }
        })?,
        broken(&lab, "239.1.2.10:5000", move |p| match pid(p) {
            0 if tenth() => {
                p[3] = p[3] & 0xf0 | kept & 0x0f;
                kept += 1;
            }
            0 => to_null(p),
            _ => {}
        })?,
        broken(&lab, "239.1.2.11:5000", move |p| {
            if pid(p) == 0 && second() {
                p[10] ^= 1;
            }
        })?,
    ];
    let cases: [(&str, &[&str]); 11] = [
        ("239.1.2.1", &["E-TS-PAT", "no PAT in"]),
        ("239.1.2.2", &["E-TS-PMT", "no PMT (PID 4096)"]),
        ("239.1.2.3", &["E-TS-PID", "h264 (PID 256): no packet in"]),
        ("239.1.2.4", &["E-TS-EMPTY", "nothing of h264 + aac"]),
        ("239.1.2.5", &["E-TS-EMPTY", "packets are stuffing"]),
        ("239.1.2.6", &["E-TS-SCRAMBLED", "no CAT"]),
        ("239.1.2.7", &["E-TS-ERRORS", "damaged packets"]),
        ("239.1.2.8", &["E-TS-SYNC", "wrong sync bytes"]),
        ("239.1.2.9", &["E-TS-CLOCK", "no clock (PCR) on PID 256"]),
        ("239.1.2.10", &["E-TS-INTERVAL", "PAT interval"]),
        ("239.1.2.11", &["E-TS-ERRORS", "wrong checksum"]),
    ];
    let seen =
        together(cases, |(group, _)| rtp(&lab, &[&format!("udp://{group}:5000"), "--watch", "3", "-v"]))?;
    for (seen, (group, words)) in seen.iter().zip(cases) {
        assert!(matches!(seen.code, Some(1 | 2)), "{group}: {seen:#?}");
        for word in words {
            assert!(seen.stdout.contains(word), "`{word}` is not in {group}: {seen:#?}");
        }
    }
    assert!(seen[5].metric("scrambled") > 80.0, "{:#?}", seen[5]);
    Ok(())
}

#[test]
fn what_was_lost_before_the_sender_is_not_called_loss_on_the_way() -> Result<()> {
    let Some(lab) = Lab::for_test(&["namespace", "ffmpeg"]) else { return Ok(()) };
    // RTP is whole, and transport packets in it are missing.
    let mut hundredth = every(100);
    let relay = lab.relay("239.1.2.3:5004".parse()?, move |mut datagram| {
        let packets = datagram.split_at_mut(12).1.chunks_exact_mut(PACKET);
        packets.filter(|packet| pid(packet) == 256).filter(|_| hundredth()).for_each(to_null);
        Some(datagram)
    })?;
    let _sender =
        lab.ffmpeg_sender(Clip::VideoTs, "rtp_mpegts", &format!("rtp://127.0.0.1:{}", relay.port()))?;
    let seen = rtp(&lab, &["rtp://239.1.2.3:5004", "-v"])?;
    warning(&seen, &["E-TS-CONTINUITY", "loss 0.0 %"]);
    assert!((3..30).contains(&counted(&seen, " continuity errors")), "{seen:#?}");
    Ok(())
}

#[test]
fn a_sender_that_stops_and_a_second_one_are_told() -> Result<()> {
    let Some(lab) = Lab::for_test(&["namespace", "ffmpeg"]) else { return Ok(()) };
    let sender = lab.ffmpeg_sender(Clip::VideoTs, "mpegts", "udp://239.1.2.3:5000?pkt_size=1316")?;
    let stalled = std::thread::scope(|scope| {
        let check =
            scope.spawn(|| rtp(&lab, &["udp://239.1.2.3:5000", "--watch", "5", "--wait", "10", "-t", "20"]));
        std::thread::sleep(Duration::from_millis(2500));
        sender.pause()?;
        check.join().unwrap()
    })?;
    critical(&stalled, &["E-STREAM-STALLED", "then nothing for"]);
    assert!(!stalled.stdout.contains("E-TS-"), "one fault, one finding: {stalled:#?}");
    critical(&rtp(&lab, &["udp://239.1.2.3:5000", "--wait", "2"])?, &["E-MCAST-SILENT"]);
    sender.resume()?;
    let _second = lab.ffmpeg_sender(Clip::VideoTs, "mpegts", "udp://239.1.2.3:5000?pkt_size=1316")?;
    // The first catches up with what it has missed in a burst: its end is not what this is about.
    wait_until("two senders", Duration::from_secs(20), || {
        let seen = rtp(&lab, &["udp://239.1.2.3:5000", "--watch", "3"]);
        seen.is_ok_and(|seen| seen.stdout.contains("E-RTP-SENDERS"))
    })
}

#[test]
fn plain_rtp_is_named_by_its_session_description() -> Result<()> {
    let Some(lab) = Lab::for_test(&["namespace", "ffmpeg"]) else { return Ok(()) };
    let (_sender, sdp) = lab.ffmpeg_rtp(Clip::Video, "rtp://239.1.2.3:5004")?;
    let sdp = sdp.display().to_string();
    let named =
        rtp(&lab, &["rtp://239.1.2.3:5004", "--sdp", &sdp, "--expect-codec", "H264", "--watch", "2", "-v"])?;
    ok(&named, &["H264", "payload type 96 (H264)", "loss 0.0 %"]);
    assert!(named.metric("jitter") < 0.1, "{named:#?}");
    let bare = rtp(&lab, &["rtp://239.1.2.3:5004", "--watch", "1", "-v"])?;
    ok(&bare, &["RTP payload type 96"]);
    assert!(bare.metric("jitter").is_nan(), "{bare:#?}");
    Ok(())
}

#[test]
fn an_unrelated_analyzer_counts_the_same() -> Result<()> {
    let Some(lab) = Lab::for_test(&["dvbinfo", "ffmpeg"]) else { return Ok(()) };
    let clip = std::fs::read(Clip::VideoTs.path()?)?;
    let file = lab.dir().join("cut.ts");
    // Every so many packets one is missing, or is there twice.
    for (missing, twice) in [(0, 0), (97, 0), (13, 0), (0, 31), (41, 29)] {
        let (mut cut, mut repeated) = (Vec::new(), 0);
        for (packet, n) in clip.chunks_exact(PACKET).zip(1..) {
            let is_nth = |nth: usize| nth > 0 && n % nth == 0;
            if !is_nth(missing) {
                cut.extend_from_slice(packet);
            }
            if is_nth(twice) {
                cut.extend_from_slice(packet);
                repeated += u64::from(!is_nth(missing));
            }
        }
        std::fs::write(&file, &cut)?;
        let mut dvbinfo = lab.command("dvbinfo");
        dvbinfo.arg("-f").arg(&file);
        let said = lab.run(dvbinfo)?;
        let said = said.stdout + &said.stderr;
        let theirs = said.matches("Continuity counter discontinuity").count() as u64;
        let ours = weir_wire::ts::analyze(&cut);
        // ISO 13818-1 lets a packet come twice (section 2.4.3.3); they count that as well.
        assert_eq!(ours.continuity_errors() + repeated, theirs, "{missing} {twice}");
        assert!(
            said.contains(&format!("Number of packets: {}, stuffing 0 packets", ours.packets)),
            "{ours:?}"
        );
        assert!(missing == 0 || theirs > 0);
    }
    Ok(())
}

#[test]
fn options_that_cannot_be_meant_are_told_the_right_form() -> Result<()> {
    let Some(lab) = Lab::for_test(&["namespace"]) else { return Ok(()) };
    let _taken = lab.enter(|| UdpSocket::bind("0.0.0.0:7000"))??;
    let cases: [(&[&str], &[&str]); 10] = [
        (&["239.1.2.3:5000"], &["E-USAGE", "use rtp://GROUP:PORT"]),
        (&["udp://ff15::1:5000"], &["E-USAGE", "without [ ]"]),
        (
            &["udp://239.1.2.3:5000", "--interface", "eth9"],
            &["E-USAGE", "no interface `eth9`: use one of lo"],
        ),
        (&["udp://239.1.2.3:5000", "--expect-pid", "9000"], &["use PIDs from 0 to 8191"]),
        (&["udp://239.1.2.3:5000", "--source", "2001:db8::1"], &["E-USAGE", "different families"]),
        (&["udp://192.0.2.1@232.1.2.3:5000", "--source", "192.0.2.2"], &["E-USAGE", "give one of them"]),
        (&["udp://239.1.2.3:5000", "--sdp", "/nonexistent"], &["E-USAGE", "--sdp /nonexistent"]),
        (&["udp://10.9.9.9:5000"], &["E-USAGE", "no address of this host"]),
        (&["udp://@:7000"], &["E-UDP-TAKEN", "in use by another process"]),
        (&["udp://[ff15::1]:5000"], &["E-MCAST-JOIN"]),
    ];
    for (seen, (arguments, words)) in
        together(cases, |(arguments, _)| rtp(&lab, arguments))?.iter().zip(cases)
    {
        unknown(seen, words);
        assert!(seen.took < Duration::from_secs(2), "{arguments:?} took {:?}", seen.took);
    }
    Ok(())
}

#[test]
fn a_hostile_sender_costs_neither_time_nor_memory() -> Result<()> {
    let Some(lab) = Lab::for_test(&["namespace"]) else { return Ok(()) };
    let socket = lab.enter(|| UdpSocket::bind("127.0.0.1:0"))??;
    let stop = std::sync::atomic::AtomicBool::new(false);
    let seen = std::thread::scope(|scope| {
        scope.spawn(|| {
            // Every PID, tables that contradict themselves, RTP of every kind, sizes from 0 to 64 kB: as fast as it goes.
            let mut state = 0x2545_f491_4f6c_dd1d_u64;
            let mut bytes = vec![0; 65_000];
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                for byte in &mut bytes[..4000] {
                    state ^= state << 13;
                    state ^= state >> 7;
                    state ^= state << 17;
                    *byte = state.to_le_bytes()[3];
                }
                bytes.chunks_exact_mut(PACKET).take(7).for_each(|packet| packet[0] = 0x47);
                let kind = state % 4;
                bytes[0] = if kind == 0 { 0x80 } else { bytes[0] };
                let length =
                    if kind == 1 { 7 * PACKET } else { usize::try_from(state % 65_000).unwrap_or(0) };
                let _ = socket.send_to(&bytes[..length], "127.0.0.1:6000");
            }
        });
        let seen = lab.bounded("check_rtp", &["udp://127.0.0.1:6000", "-v"]);
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
        seen
    })?;
    assert!(matches!(seen.code, Some(1..=3)) && seen.took < Duration::from_secs(11), "{seen:#?}");
    assert!(!seen.stdout.contains("E-INTERNAL"), "{seen:#?}");
    Ok(())
}
