//! `check_rtmp` against nginx-rtmp, node-media-server and ffmpeg, well and broken.

mod support;

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use support::{at_deadline, at_once, critical, ok, unknown, warning};
use weir_lab::{Clip, Hostile, Lab, Outcome, Process, Result, Served, together};

/// What both servers say of a stream, published or not.
const STARTED: &str = "NetStream.Play.Start";

fn rtmp(lab: &Lab, arguments: &[&str]) -> Result<Outcome> {
    lab.check("check_rtmp", arguments)
}

/// Breaks something while the check watches.
fn meanwhile(lab: &Lab, url: &str, breaks: impl FnOnce() -> Result<()>) -> Result<Outcome> {
    std::thread::scope(|scope| {
        let check = scope.spawn(|| rtmp(lab, &["--watch", "6", "-t", "20", url]));
        std::thread::sleep(Duration::from_millis(2500));
        breaks()?;
        check.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

#[test]
fn nginx_flows_and_is_silent_where_nobody_publishes() -> Result<()> {
    let Some(lab) = Lab::for_test(&["nginx-rtmp", "ffmpeg"]) else { return Ok(()) };
    let nginx = lab.nginx_rtmp()?;
    let _encoder = nginx.publish("news", Clip::Video)?;
    let expected = ["-v", "--expect-tracks", "video,audio", "--expect-codec", "h264,AAC", "--expect-live"];
    let live = nginx.rtmp_url("news?token=a/b");
    let cases: [(&str, &[&str]); 7] = [
        (&live, &expected),
        (&nginx.rtmp_url("other"), &["--wait", "2"]),
        (&nginx.app_url("wrong", "news"), &[]),
        (&nginx.app_url("closed", "news"), &[]),
        (&nginx.app_url("vod", "mp4:none.mp4"), &[]),
        (&nginx.on_demand(Clip::Video)?, &["-v"]),
        (&nginx.on_demand(Clip::Video)?, &["--expect-live"]),
    ];
    let seen = together(cases, |(url, options)| rtmp(&lab, &[&[url], options].concat()))?;
    ok(&seen[0], &["H264 320x180 15 fps + AAC", "kind: live", "44100 Hz, 1 channels", "stream: news?token="]);
    assert!((80.0..120.0).contains(&seen[0].metric("speed")), "{:#?}", seen[0]);
    assert!((150_000.0..400_000.0).contains(&seen[0].metric("bitrate")), "{:#?}", seen[0]);
    assert!(seen[0].metric("first_media") > 0.0 && seen[0].metric("tracks") > 1.5, "{:#?}", seen[0]);
    critical(&seen[1], &["E-RTMP-SILENT", "no frame came within 2.0", STARTED]);
    critical(
        &seen[2],
        &["E-RTMP-REFUSED", "closed the connection when it was asked for the application `wrong`"],
    );
    critical(&seen[3], &["E-RTMP-REFUSED", "closed the connection within", STARTED]);
    critical(&seen[4], &["E-RTMP-REFUSED", "`mp4:none.mp4`", "NetStream.Play.StreamNotFound"]);
    ok(&seen[5], &["kind: recording", "duration: 30.0", "H264 320x180"]);
    critical(&seen[6], &["E-RTMP-FILE", "a recording of 30.0"]);
    seen[2..5].iter().for_each(at_once);
    Ok(())
}

#[test]
fn a_publisher_that_stalls_or_leaves_is_critical() -> Result<()> {
    let Some(lab) = Lab::for_test(&["nginx-rtmp", "ffmpeg"]) else { return Ok(()) };
    let nginx = lab.nginx_rtmp()?;
    let (stalls, leaves) = (nginx.publish("stalls", Clip::Video)?, nginx.publish("leaves", Clip::Video)?);
    let cases: [(&str, &dyn Fn() -> Result<()>); 2] =
        [("stalls", &|| stalls.pause()), ("leaves", &|| leaves.kill())];
    let mut seen = Vec::new();
    for (stream, breaks) in cases {
        seen.push(meanwhile(&lab, &nginx.rtmp_url(stream), breaks)?);
    }
    critical(&seen[0], &["E-STREAM-STALLED", "frames came in", "then nothing for"]);
    critical(&seen[1], &["E-RTMP-ENDED", "the stream ended", "frames"]);
    // Whoever comes later gets the headers that nginx has kept, and nothing else.
    let later = rtmp(&lab, &["--wait", "2", &nginx.rtmp_url("stalls")])?;
    critical(&later, &["E-RTMP-SILENT", "within 2.0"]);
    Ok(())
}

#[test]
fn a_server_that_hangs_or_is_gone_is_critical() -> Result<()> {
    let Some(lab) = Lab::for_test(&["nginx-rtmp", "ffmpeg"]) else { return Ok(()) };
    let nginx = lab.nginx_rtmp()?;
    nginx.web().pause()?;
    let hangs = rtmp(&lab, &["-t", "3", &nginx.rtmp_url("news")])?;
    critical(&hangs, &["E-SERVER-TIMEOUT", "stage handshake"]);
    at_deadline(&hangs, 3);
    let nobody = lab.hostile(Hostile::Refuse)?;
    critical(&rtmp(&lab, &[&nobody.url("rtmp", "/live/news")])?, &["E-TCP-REFUSED"]);
    Ok(())
}

#[test]
fn ffmpeg_serves_its_only_player() -> Result<()> {
    let Some(lab) = Lab::for_test(&["ffmpeg"]) else { return Ok(()) };
    let clips = [(Clip::Video, "H264 320x180 15 fps + AAC"), (Clip::Tone, "MP3"), (Clip::ToneAac, "AAC")];
    together(clips, |(clip, codecs)| {
        let server = lab.rtmp_listen(clip)?;
        ok(&rtmp(&lab, &["--watch", "3", server.url()])?, &[codecs]);
        Ok(())
    })?;
    let (stalls, dies) = (lab.rtmp_listen(Clip::Video)?, lab.rtmp_listen(Clip::Video)?);
    let after = |process: &Process| process.until_log("time=00:00:02");
    let cases: [(&str, &(dyn Fn() -> Result<()> + Sync)); 2] = [
        (stalls.url(), &|| after(&stalls).and_then(|()| stalls.pause())),
        (dies.url(), &|| after(&dies).and_then(|()| dies.kill())),
    ];
    let seen = together(cases, |(url, breaks)| meanwhile(&lab, url, breaks))?;
    critical(&seen[0], &["E-STREAM-STALLED", "then nothing for"]);
    critical(&seen[1], &["E-RTMP-ENDED", "closed the connection, after"]);
    Ok(())
}

#[test]
fn node_media_server_flows_and_is_silent_where_nobody_publishes() -> Result<()> {
    let Some(lab) = Lab::for_test(&["node-media-server", "ffmpeg"]) else { return Ok(()) };
    let server = lab.node_media_server(None, None)?;
    let encoder = server.publish("news", Clip::Video)?;
    let (live, other) = (server.url("news"), server.url("other"));
    let cases: [&[&str]; 2] = [&["-v", "--expect-codec", "H264,AAC", &live], &["--wait", "2", &other]];
    let seen = together(cases, |arguments| rtmp(&lab, arguments))?;
    ok(&seen[0], &["H264 320x180 15 fps + AAC", "encoder: Lavf", "kind: live"]);
    // The kept group of pictures comes at once, and is neither speed nor bit rate.
    assert!((80.0..120.0).contains(&seen[0].metric("speed")), "{:#?}", seen[0]);
    critical(&seen[1], &["E-RTMP-SILENT", STARTED]);
    // It has kept headers and pictures, which come at once; and then nothing.
    encoder.pause()?;
    critical(&rtmp(&lab, &[&live])?, &["E-STREAM-STALLED", "then nothing for"]);
    Ok(())
}

#[test]
fn rtmps_is_verified_and_a_signature_wanted() -> Result<()> {
    let Some(lab) = Lab::for_test(&["namespace", "node-media-server", "ffmpeg", "openssl"]) else {
        return Ok(());
    };
    lab.hosts(&[("live.example.net", "127.0.0.1"), ("other.example.net", "127.0.0.1")])?;
    let authority = lab.authority()?;
    let certificate = authority.issue(&["live.example.net"])?;
    let (open, signed) = (
        lab.node_media_server(Some(&certificate), None)?,
        lab.node_media_server(None, Some("only for the test"))?,
    );
    let _encoder = open.publish("news", Clip::Video)?;
    let ca = authority.ca_file().display().to_string();
    let (good, other) = (open.tls_url("live.example.net", "news"), open.tls_url("other.example.net", "news"));
    let cases: [&[&str]; 4] =
        [&["--ca-file", &ca, &good], &[&good], &["--ca-file", &ca, &other], &[&signed.url("news")]];
    let seen = together(cases, |arguments| rtmp(&lab, arguments))?;
    ok(&seen[0], &["H264 320x180", "speed"]);
    critical(&seen[1], &["E-TLS-UNTRUSTED"]);
    critical(&seen[2], &["E-TLS-NAME"]);
    critical(&seen[3], &["E-RTMP-REFUSED", "closed the connection within"]);
    Ok(())
}

#[test]
fn limits_and_expectations_are_judged() -> Result<()> {
    let Some(lab) = Lab::for_test(&["nginx-rtmp", "ffmpeg"]) else { return Ok(()) };
    let nginx = lab.nginx_rtmp()?;
    let _encoder = nginx.publish("news", Clip::Video)?;
    let url = nginx.rtmp_url("news");
    let options: [&[&str]; 7] = [
        &["--expect-tracks", "3"],
        &["--expect-tracks", "video,data"],
        &["--expect-codec", "H265"],
        &["--min-bitrate", "5000000"],
        &["-w", "0.0001"],
        &["-w", "gap=0.001"],
        &["--app", "live", "--stream", "news"],
    ];
    let seen = together(options, |own| rtmp(&lab, &[&["--watch", "3", &url], own].concat()))?;
    critical(&seen[0], &["E-RTMP-TRACKS", "expected 3"]);
    critical(&seen[1], &["E-RTMP-TRACKS", "expected data"]);
    critical(&seen[2], &["E-CODEC", "expected H265, the stream has H264 320x180 15 fps + AAC"]);
    critical(&seen[3], &["E-BITRATE", "expected at least 5.0 Mbit/s"]);
    warning(&seen[4], &["E-START-SLOW"]);
    warning(&seen[5], &["E-STREAM-GAP"]);
    ok(&seen[6], &[]);
    unknown(&rtmp(&lab, &["http://media.example.net/live/news"])?, &["E-USAGE", "rtmp://host/path"]);
    unknown(&rtmp(&lab, &["rtmp://127.0.0.1/live"])?, &["E-USAGE", "names no stream", "APPLICATION/STREAM"]);
    unknown(&rtmp(&lab, &[&url, "--watch", "1"])?, &["E-USAGE", "2.5 seconds"]);
    unknown(&rtmp(&lab, &[&url, "-t", "2"])?, &["E-NO-DATA", "raise -t"]);
    unknown(&rtmp(&lab, &[&nginx.rtmp_url("other"), "-t", "1"])?, &["E-NO-DATA", "to wait for media"]);
    Ok(())
}

#[test]
fn dead_air_is_heard_and_seen() -> Result<()> {
    let Some(lab) = Lab::for_test(&["ffmpeg"]) else { return Ok(()) };
    let clips = [Clip::Video, Clip::Black, Clip::Still, Clip::Silence];
    let seen = together(clips, |clip| {
        let server = lab.rtmp_listen(clip)?;
        let picture: &[&str] = if clip == Clip::Silence { &[] } else { &["--frozen", "5s", "--black", "5s"] };
        rtmp(&lab, &[&["-v", "-t", "20", "--silence", "-50:5s", server.url()], picture].concat())
    })?;
    ok(&seen[0], &["frozen=0s", "black=0s", "silence=0"]);
    critical(&seen[1], &["E-AIR-SILENT", "E-AIR-BLACK"]);
    critical(&seen[2], &["E-AIR-FROZEN", "has not changed for"]);
    critical(&seen[3], &["E-AIR-SILENT", "no sound above -50 dBFS"]);
    unknown(&rtmp(&lab, &["rtmp://127.0.0.1:9/live/a", "--silence", "-50:20s"])?, &["E-USAGE", "use -t"]);
    Ok(())
}

#[test]
fn the_scheme_chooses_this_check_and_its_graphs() -> Result<()> {
    let Some(lab) = Lab::for_test(&["nginx-rtmp", "ffmpeg"]) else { return Ok(()) };
    let nginx = lab.nginx_rtmp()?;
    let _encoder = nginx.publish("news", Clip::Video)?;
    let url = nginx.rtmp_url("news");
    let options = "--watch 3 --expect-codec H264";
    ok(&lab.check("check_stream", &[&url, "--options", options])?, &["RTMP OK", "H264 320x180"]);
    let mut graphs = lab.command(weir_lab::bin("stream_")?);
    graphs.env("url", &url).env("options", options).env("MUNIN_CAP_DIRTYCONFIG", "1").arg("config");
    let seen = lab.run(graphs)?;
    for line in ["speed.warning 70:", "bitrate.value ", "first_media.value "] {
        assert!(seen.stdout.contains(line), "no {line} in {seen:#?}");
    }
    Ok(())
}

/// What a server says, piece by piece.
type Answers = &'static [&'static [u8]];

/// A server that shakes hands, reads what it is asked, and says `answers`, the last of them for ever when `again` is set.
fn server(lab: &Lab, answers: Answers, again: bool) -> Result<Served> {
    lab.serve(move |client| {
        // An error here means that the client has gone, which is its right.
        let _ = behave(client, answers, again);
    })
}

fn behave(client: &mut TcpStream, answers: &[&[u8]], again: bool) -> std::io::Result<()> {
    let mut hello = [0; 1537];
    client.read_exact(&mut hello)?;
    client.write_all(&[3; 1])?;
    client.write_all(&[0; 3072])?;
    let mut rest = [0; 1536];
    client.read_exact(&mut rest)?;
    for answer in answers {
        client.write_all(answer)?;
    }
    if again {
        let last = answers.last().copied().unwrap_or_default();
        let many = last.repeat(1 + 16_384 / last.len().max(1));
        loop {
            client.write_all(&many)?;
        }
    }
    std::io::copy(client, &mut std::io::sink()).map(drop)
}

/// The answers to `connect` and `createStream`, and the start of play, in chunks that need no header of more than one.
const AGREED: &[u8] = b"\x03\0\0\0\0\0\x15\x14\0\0\0\0\x02\0\x07_result\0\x3f\xf0\0\0\0\0\0\0\x05\x05\
    \x03\0\0\0\0\0\x1d\x14\0\0\0\0\x02\0\x07_result\0\x40\0\0\0\0\0\0\0\x05\0\x3f\xf0\0\0\0\0\0\0";

/// `_error` with a redirect, as Flash Media Server words it, to the URL behind it.
fn redirect(to: &str) -> Vec<u8> {
    let text = |text: &str| {
        [&u16::try_from(text.len()).unwrap_or(u16::MAX).to_be_bytes()[..], text.as_bytes()].concat()
    };
    let member = |name: &str, value: &[u8]| [&text(name)[..], value].concat();
    let string = |value: &str| [&[2][..], &text(value)].concat();
    let object = |members: &[Vec<u8>]| [&[3][..], &members.concat(), &[0, 0, 9]].concat();
    let ex = object(&[member("code", b"\0\x40\x72\xe0\0\0\0\0\0"), member("redirect", &string(to))]);
    let info = object(&[
        member("level", &string("error")),
        member("code", &string("NetConnection.Connect.Rejected")),
        member("ex", &ex),
    ]);
    let body = [&string("_error")[..], b"\0\x3f\xf0\0\0\0\0\0\0\x05", &info].concat();
    let size = b"\x02\0\0\0\0\0\x04\x01\0\0\0\0\0\0\x10\0";
    let length = u16::try_from(body.len()).unwrap_or(u16::MAX).to_be_bytes();
    [&size[..], &[3, 0, 0, 0, 0, length[0], length[1], 20, 0, 0, 0, 0], &body].concat()
}

#[test]
fn a_redirect_is_followed() -> Result<()> {
    let Some(lab) = Lab::for_test(&["ffmpeg"]) else { return Ok(()) };
    let there = lab.rtmp_listen(Clip::Video)?;
    let answer = |to: &str| -> Answers { Box::leak(Box::new([&*redirect(to).leak()])) };
    let here = server(&lab, answer(there.url()), false)?;
    let seen = rtmp(&lab, &["-v", "--watch", "3", &here.url("rtmp", "/live/news")])?;
    ok(&seen, &["H264 320x180", &format!("redirected to: {}", there.url())]);
    let second = server(&lab, answer("rtmp://127.0.0.1:1/"), false)?;
    let url = second.url("rtmp", "/live/news");
    critical(&rtmp(&lab, &[&url])?, &["E-TCP-REFUSED"]);
    // Behind a balancer nobody but the virtual address may be named.
    let leak = rtmp(&lab, &["--only-host", "vip.example.net", &url])?;
    critical(&leak, &["E-VIP-LEAK", "clients are led for the stream to rtmp://127.0.0.1:1"]);
    Ok(())
}

#[test]
fn hostile_servers_are_named_in_time_and_in_little_memory() -> Result<()> {
    let Some(lab) = Lab::for_test(&[]) else { return Ok(()) };
    let bytes: [(Answers, bool, &[&str]); 12] = [
        // Chunk sizes of 0 and 2^31; a chunk that continues nothing.
        (&[b"\x02\0\0\0\0\0\x04\x01\0\0\0\0\0\0\0\0"], false, &["E-PROTOCOL", "a chunk size of 0"]),
        (&[b"\x02\0\0\0\0\0\x04\x01\0\0\0\0\x80\0\0\0"], false, &["E-PROTOCOL", "a chunk size of 2147483648"]),
        (&[b"\xc7<html>"], false, &["E-PROTOCOL", "on which nothing came before"]),
        // A command of 2^24-1 bytes, once and on many chunk streams.
        (&[b"\x03\0\0\0\xff\xff\xff\x14\0\0\0\0"], false, &["E-LIMIT", "16777215 bytes"]),
        (&[b"\x03\0\0\0\xff\xff\xff\x16\0\0\0\0"], true, &["E-LIMIT"]),
        // Objects in objects; an array of 2^32-1; both in the answer to connect.
        (&[b"\x03\0\0\0\0\0\x40\x14\0\0\0\0\x03\0\x01a\x03\0\x01a\x03\0\x01a\x03\0\x01a\x03\0\x01a\x03\0\x01a\x03\0\x01a\x03\0\x01a\x03\0\x01a\x03\0\x01a\x03\0\x01a\x03\0\x01a\x03\0\x01a\x03\0\x01a\x03\0\x01a\x03\0\x01a"], false, &["E-PROTOCOL", "nested more than"]),
        (&[b"\x03\0\0\0\0\0\x05\x14\0\0\0\0\x0a\xff\xff\xff\xff"], false, &["E-PROTOCOL", "does not end within it"]),
        // Messages without a byte, for ever; a window of one byte; pings for ever.
        (&[b"\x04\0\0\0\0\0\0\x08\x01\0\0\0"], true, &["E-SERVER-TIMEOUT", "stage open"]),
        (&[b"\x02\0\0\0\0\0\x04\x05\0\0\0\0\0\0\0\x01", b"\xc2\0\0\0\x01"], true, &["E-SERVER-TIMEOUT", "stage open"]),
        (&[b"\x02\0\0\0\0\0\x06\x04\0\0\0\0\0\x06\0\0\0\x01"], true, &["E-", "stage open"]),
        // A frame of 2^24-1 bytes that is never whole; empty frames as fast as they are read.
        (&[AGREED, b"\x02\0\0\0\0\0\x04\x01\0\0\0\0\x7f\xff\xff\xff\x06\0\0\0\xff\xff\xff\x09\x01\0\0\0", &[7; 64]], false, &["E-RTMP-SILENT"]),
        (&[AGREED, b"\x04\0\0\0\0\0\x03\x08\x01\0\0\0\xaf\x01\x02", b"\xc4\xaf\x01\x02"], true, &["RTMP"]),
    ];
    together(bytes, |(answers, again, words)| {
        let server = server(&lab, answers, again)?;
        let seen =
            lab.bounded("check_rtmp", &["-t", "4", "--wait", "2", &server.url("rtmp", "/live/news")])?;
        for word in words {
            assert!(seen.stdout.contains(word), "`{word}` is not in {seen:#?}");
        }
        assert!(seen.took < Duration::from_secs(5) && seen.code != Some(0), "{seen:#?}");
        Ok(())
    })?;
    // What is no handshake, or not all of one.
    let others: [(&'static [u8], &[&str]); 4] = [
        (b"", &["E-CONN-CLOSED", "after 0 bytes of the handshake"]),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", &["E-PROTOCOL", "no RTMP", "HTTP/1.1 400"]),
        (b"\x06\0\0", &["E-PROTOCOL", "no RTMP"]),
        (&[3; 2000], &["E-CONN-CLOSED", "2000 bytes of the handshake"]),
    ];
    together(others, |(answer, words)| {
        let server = lab
            .serve(move |client| drop(client.read(&mut [0; 2000]).and_then(|_| client.write_all(answer))))?;
        let seen = lab.bounded("check_rtmp", &["-t", "3", &server.url("rtmp", "/live/news")])?;
        critical(&seen, words);
        at_once(&seen);
        Ok(())
    })?;
    let silent = lab.hostile(Hostile::Silent)?;
    let seen = rtmp(&lab, &["-t", "2", &silent.url("rtmp", "/live/news")])?;
    critical(&seen, &["E-SERVER-TIMEOUT", "stage handshake"]);
    at_deadline(&seen, 2);
    Ok(())
}
