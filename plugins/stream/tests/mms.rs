//! `check_mms` against VLC and ffmpeg (MMS over HTTP), and against a server for MMS over TCP which four players accept
//! (`mms_referee.rs`), well and broken.

mod support;

use std::time::Duration;

use support::{at_deadline, at_once, critical, ok, unknown, warning};
use weir_lab::{Fault, Hostile, Lab, MediaServer, Mmst, Outcome, Result, together};

/// The burst of the test server is over, and a second of real time shows.
const WATCH: &[&str] = &["--watch", "3"];

fn mms(lab: &Lab, arguments: &[&str]) -> Result<Outcome> {
    lab.check("check_mms", arguments)
}

#[test]
fn vlc_flows_over_http() -> Result<()> {
    let Some(lab) = Lab::for_test(&["vlc", "ffmpeg"]) else { return Ok(()) };
    let vlc = lab.vlc_mmsh().start()?;
    let (url, any) = (vlc.url().to_owned(), vlc.url().replace("mmsh://", "mms://"));
    let expected = ["-v", "--expect-tracks", "video,audio", "--expect-codec", "wmv2,WMA2", "--expect-live"];
    let seen = together([&url, &any], |url| mms(&lab, &[expected.as_slice(), &[url]].concat()))?;
    for seen in &seen {
        ok(seen, &["WMV2 320x180", "WMA2", "over MMSH", "kind: live", "server: Cougar"]);
        assert!(seen.metric("bitrate") > 100_000.0 && seen.metric("tracks") > 1.5, "{seen:#?}");
        assert!((60.0..160.0).contains(&seen.metric("speed")), "{seen:#?}");
        // Not a loss of none: VLC leaves one packet out when its file begins again.
        assert!(seen.metric("loss") < 5.0 && seen.metric("first_media") > 0.0, "{seen:#?}");
    }
    assert!(seen[1].stdout.contains("not over MMST: "), "{seen:#?}");
    vlc.pause()?;
    let hangs = mms(&lab, &["-t", "3", &url])?;
    critical(&hangs, &["E-SERVER-TIMEOUT"]);
    at_deadline(&hangs, 3);
    Ok(())
}

#[test]
fn vlc_knows_no_other_path() -> Result<()> {
    let Some(lab) = Lab::for_test(&["vlc", "ffmpeg"]) else { return Ok(()) };
    let vlc = lab.vlc_mmsh().start()?;
    let seen = mms(&lab, &[&vlc.url().replace("/live", "/other")])?;
    critical(&seen, &["E-HTTP-STATUS", "404"]);
    at_once(&seen);
    Ok(())
}

#[test]
fn ffmpeg_sends_media_unasked_on_its_only_connection() -> Result<()> {
    let Some(lab) = Lab::for_test(&["ffmpeg"]) else { return Ok(()) };
    let ffmpeg = lab.asf_stream()?;
    let seen = mms(&lab, &["-vvv", ffmpeg.url()])?;
    ok(&seen, &["WMV2 320x180 + WMA2", "over MMSH", "without being asked", "kind: live"]);
    assert!((80.0..120.0).contains(&seen.metric("speed")) && seen.metric("loss") < 0.01, "{seen:#?}");
    Ok(())
}

#[test]
fn a_stalled_encoder_over_http_is_critical() -> Result<()> {
    let Some(lab) = Lab::for_test(&["ffmpeg"]) else { return Ok(()) };
    let ffmpeg = lab.asf_stream()?;
    let url = ffmpeg.url().to_owned();
    let seen = std::thread::scope(|scope| {
        let check = scope.spawn(|| mms(&lab, &["--watch", "6", "-t", "20", &url]));
        ffmpeg.until_log("Output #0")?; // its client has come
        std::thread::sleep(Duration::from_secs(2));
        ffmpeg.pause()?;
        check.join().expect("no panic")
    })?;
    critical(&seen, &["E-STREAM-STALLED", "packets came in", "then nothing for"]);
    Ok(())
}

#[test]
fn an_encoder_that_dies_is_critical() -> Result<()> {
    let Some(lab) = Lab::for_test(&["ffmpeg"]) else { return Ok(()) };
    let ffmpeg = lab.asf_stream()?;
    let url = ffmpeg.url().to_owned();
    let seen = std::thread::scope(|scope| {
        let check = scope.spawn(|| mms(&lab, &["--watch", "8", "-t", "20", &url]));
        ffmpeg.until_log("Output #0")?; // its client has come
        std::thread::sleep(Duration::from_secs(2));
        ffmpeg.kill()?;
        check.join().expect("no panic")
    })?;
    critical(&seen, &["E-MMS-ENDED", "packets"]);
    Ok(())
}

#[test]
fn the_tcp_handshake_in_all_its_forms() -> Result<()> {
    let Some(lab) = Lab::for_test(&["ffmpeg"]) else { return Ok(()) };
    let servers = [
        lab.mmst().start()?,
        lab.mmst().split().start()?,
        lab.mmst().spec_count().start()?,
        lab.mmst().on_demand().start()?,
    ];
    let expected = ["-v", "--expect-tracks", "2", "--expect-codec", "WMV2,WMA2"];
    let seen = together(&servers, |server| {
        let url = server.url("/a%20b?c=d").replace("mmst://", "mms://");
        mms(&lab, &[WATCH, &expected, &[&url]].concat())
    })?;
    for (seen, server) in seen.iter().zip(&servers) {
        ok(
            seen,
            &[
                "WMV2 320x180 + WMA2",
                "over MMST",
                "server: Windows Media 9.01.01.3814",
                "video 1: WMV2 320x180",
            ],
        );
        assert!(seen.metric("bitrate") > 100_000.0 && seen.metric("loss") < 0.01, "{seen:#?}");
        assert_eq!(server.asked(), ["a b?c=d"], "no slash, no percent-encoding");
        assert!(server.alive() >= 1, "the ping was not answered: {seen:#?}");
    }
    assert!((80.0..120.0).contains(&seen[0].metric("speed")), "{:#?}", seen[0]);
    ok(&seen[3], &["kind: on demand", "duration: "]);
    critical(&mms(&lab, &[&servers[3].url("/x"), "--expect-live"])?, &["E-MMS-FILE", "is a file of"]);
    Ok(())
}

#[test]
fn what_a_tcp_server_refuses_is_said_in_words() -> Result<()> {
    let Some(lab) = Lab::for_test(&["ffmpeg"]) else { return Ok(()) };
    let cases: [(MediaServer<Mmst>, &[&str]); 6] = [
        (lab.mmst().refuse(0x8007_0002), &["E-MMS-REFUSED", "`live`", "file not found (0x80070002)"]),
        (lab.mmst().refuse(0xc00d_001a), &["E-MMS-REFUSED", "file not found (0xC00D001A)"]),
        (lab.mmst().refuse(0x8007_0005), &["E-AUTH", "access denied"]),
        (lab.mmst().refuse(0xc00d_9999), &["E-MMS-REFUSED", "0xC00D9999"]),
        (lab.mmst().challenge(), &["E-AUTH", "a user and a password"]),
        (lab.mmst().refuse_funnel(), &["E-MMS-FUNNEL"]),
    ];
    for (server, words) in cases {
        let server = server.start()?;
        let seen = mms(&lab, &[&server.url("/live")])?;
        critical(&seen, words);
        at_once(&seen);
    }
    // An answer is believed: nobody is asked for the same thing over HTTP.
    let server = lab.mmst().refuse(0x8007_0002).start()?;
    critical(&mms(&lab, &[&server.url("/live").replace("mmst", "mms")])?, &["E-MMS-REFUSED"]);
    assert_eq!(server.clients(), 1);
    Ok(())
}

#[test]
fn media_that_does_not_come_or_stops_is_critical() -> Result<()> {
    let Some(lab) = Lab::for_test(&["ffmpeg"]) else { return Ok(()) };
    let cases: [(MediaServer<Mmst>, &str, &[&str]); 5] = [
        (lab.mmst().with(Fault::Silent), "1", &["E-MMS-SILENT", "no media came within 1.0"]),
        (lab.mmst().with(Fault::StallAfter(Duration::ZERO)), "4", &["E-STREAM-STALLED", "then nothing for"]),
        (
            lab.mmst().with(Fault::EndAfter(Duration::from_secs(1))),
            "4",
            &["E-MMS-ENDED", "the server ended the stream"],
        ),
        (lab.mmst().with(Fault::PictureOnly), "4", &["E-MMS-TRACK-SILENT", "audio: no media"]),
        (lab.mmst().with(Fault::Lose(3)), "4", &["E-MMS-LOSS", "expected at most 25.0 %"]),
    ];
    together(cases, |(server, wait, words)| {
        let server = server.start()?;
        critical(&mms(&lab, &[&server.url("/live"), "--wait", wait])?, words);
        Ok(())
    })?;
    Ok(())
}

#[test]
fn a_source_at_half_speed_is_a_warning() -> Result<()> {
    let Some(lab) = Lab::for_test(&["ffmpeg"]) else { return Ok(()) };
    let server = lab.mmst().with(Fault::Slow).start()?;
    let seen = mms(&lab, &[&server.url("/live"), "--watch", "6", "-t", "20"])?;
    warning(&seen, &["E-MMS-SPEED", "expected at least 70.0 %"]);
    assert!((30.0..65.0).contains(&seen.metric("speed")), "{seen:#?}");
    Ok(())
}

#[test]
fn limits_and_expectations_are_judged() -> Result<()> {
    let Some(lab) = Lab::for_test(&["ffmpeg"]) else { return Ok(()) };
    let server = lab.mmst().start()?;
    let url = server.url("/live");
    let options: [&[&str]; 6] = [
        &["--expect-tracks", "3"],
        &["--expect-tracks", "video,data"],
        &["--expect-codec", "WMV3"],
        &["--min-bitrate", "5000000"],
        &["-w", "0.0001"],
        &["--silence", "-50:2s"],
    ];
    let seen = together(options, |own| mms(&lab, &[WATCH, &[url.as_str()], own].concat()))?;
    critical(&seen[0], &["E-MMS-TRACKS", "expected 3"]);
    critical(&seen[1], &["E-MMS-TRACKS", "expected data"]);
    critical(&seen[2], &["E-CODEC", "expected WMV3, the stream has WMV2 320x180 + WMA2"]);
    critical(&seen[3], &["E-BITRATE", "expected at least 5.0 Mbit/s"]);
    warning(&seen[4], &["E-START-SLOW"]);
    unknown(&seen[5], &["E-AIR-UNDECIDED", "the codecs of Windows Media are not decoded", "silence=U"]);
    unknown(&mms(&lab, &["http://media.example.net/"])?, &["E-USAGE", "mms://host/path"]);
    unknown(&mms(&lab, &[&url, "--watch", "1"])?, &["E-USAGE", "2.5 seconds"]);
    unknown(&mms(&lab, &[&url, "-t", "2"])?, &["E-NO-DATA", "the deadline left only", "raise -t"]);
    let silent = lab.mmst().with(Fault::Silent).start()?;
    unknown(&mms(&lab, &[&silent.url("/live"), "-t", "1"])?, &["E-NO-DATA", "to wait for media"]);
    Ok(())
}

#[test]
fn hostile_servers_are_named_in_time_and_in_little_memory() -> Result<()> {
    let Some(lab) = Lab::for_test(&["ffmpeg"]) else { return Ok(()) };
    let tcp: [(MediaServer<Mmst>, &[&str]); 5] = [
        (lab.mmst().with(Fault::EndlessHeader), &["E-LIMIT", "did not end within"]),
        (lab.mmst().with(Fault::Length(0)), &["E-PROTOCOL", "a command packet of 0 bytes"]),
        (lab.mmst().with(Fault::Length(u32::MAX)), &["E-PROTOCOL", "a command packet of 4294967295 bytes"]),
        (lab.mmst().with(Fault::NeverAnswer), &["E-SERVER-TIMEOUT", "stage open"]),
        (lab.mmst().with(Fault::Drip), &["E-SERVER-TIMEOUT", "stage open"]),
    ];
    together(tcp, |(server, words)| {
        let server = server.start()?;
        let seen = lab.bounded("check_mms", &["-t", "3", &server.url("/live")])?;
        critical(&seen, words);
        assert!(seen.took < Duration::from_secs(5), "{seen:#?}");
        Ok(())
    })?;
    // An endless header whose pieces are whole; a data frame first; a page; bytes that are nothing.
    let piece = [b"$H\x08\x40".as_slice(), &[0, 0, 0, 0, 0, 4, 8, 0x40], &[0; 0x4000]].concat();
    let answer = |body: &[u8]| Hostile::Answer([b"HTTP/1.0 200 OK\r\n\r\n", body].concat());
    let http: [(Hostile, &[&str]); 9] = [
        (answer(&piece.repeat(40)), &["E-LIMIT", "did not end within"]),
        (answer(b"$D\x0c\0\0\0\0\0\0\0\x0c\0abcd"), &["E-MMS-HEADER", "media came before"]),
        (answer(b"$H\0\0"), &["E-PROTOCOL", "a frame `$H` of 0 bytes"]),
        (answer(b"$E\x04\0\x02\0\x07\x80"), &["E-MMS-HEADER", "file not found"]),
        (answer(b"<html>no stream here</html>"), &["E-NOT-MEDIA", "begins with 0x3c"]),
        (answer(b""), &["E-MMS-HEADER", "ended before its ASF header"]),
        (Hostile::EndlessHeader, &["E-LIMIT"]),
        (Hostile::Garbage, &["E-PROTOCOL"]),
        (Hostile::Drip(Duration::from_millis(200)), &["E-SERVER-TIMEOUT"]),
    ];
    together(http, |(kind, words)| {
        let server = lab.hostile(kind)?;
        let seen = lab.bounded("check_mms", &["-t", "3", &server.url("mmsh", "/live")])?;
        critical(&seen, words);
        assert!(seen.took < Duration::from_secs(5), "{seen:#?}");
        Ok(())
    })?;
    Ok(())
}

#[test]
fn both_transports_are_named_when_neither_answers() -> Result<()> {
    let Some(lab) = Lab::for_test(&[]) else { return Ok(()) };
    let nobody = lab.hostile(Hostile::Refuse)?;
    let seen = mms(&lab, &[&nobody.url("mms", "/live")])?;
    critical(&seen, &["E-TCP-REFUSED", "over MMST", "over MMSH"]);
    let silent = lab.hostile(Hostile::Silent)?;
    let seen = mms(&lab, &["-t", "3", &silent.url("mms", "/live")])?;
    critical(&seen, &["E-SERVER-TIMEOUT", "over MMST", "over MMSH"]);
    at_deadline(&seen, 3);
    Ok(())
}

#[test]
fn a_password_is_sent_when_asked_for_and_never_shown() -> Result<()> {
    let Some(lab) = Lab::for_test(&[]) else { return Ok(()) };
    let refusal = b"HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"media\"\r\n\r\n";
    let server = lab.hostile(Hostile::Answer(refusal.to_vec()))?;
    let url = server.url("mmsh", "/live").replace("//", "//viewer:s3cret@");
    let seen = mms(&lab, &["-vvv", &url])?;
    critical(&seen, &["E-AUTH", "the credentials are refused", "Authorization: ***"]);
    seen.hides("s3cret");
    assert_eq!(server.clients(), 2);
    Ok(())
}

#[test]
fn the_scheme_chooses_this_check_and_its_graphs() -> Result<()> {
    let Some(lab) = Lab::for_test(&["ffmpeg"]) else { return Ok(()) };
    let server = lab.mmst().start()?;
    let url = server.url("/live");
    let options = "--watch 3 --expect-codec WMV2";
    ok(&lab.check("check_stream", &[&url, "--options", options])?, &["MMS OK", "over MMST"]);
    let mut graphs = lab.command(weir_lab::bin("stream_")?);
    graphs.env("url", &url).env("options", options).env("MUNIN_CAP_DIRTYCONFIG", "1").arg("config");
    let seen = lab.run(graphs)?;
    for line in ["speed.warning 70:", "loss.critical", "bitrate.value "] {
        assert!(seen.stdout.contains(line), "no {line} in {seen:#?}");
    }
    Ok(())
}

#[test]
fn check_rtsp_watches_windows_media_by_tcp_and_udp() -> Result<()> {
    let Some(lab) = Lab::for_test(&["ffmpeg"]) else { return Ok(()) };
    let server = lab.wms_rtsp()?;
    let expected = ["--expect-codec", "WMV2,WMA2", "--expect-tracks", "video,audio"];
    let url = server.url("rtsp", "/live");
    for (how, over) in [("auto", "over TCP"), ("udp", "over UDP")] {
        let seen = lab.check("check_rtsp", &[&expected[..], &["--transport", how, &url]].concat())?;
        ok(&seen, &["WMA2 + WMV2 320x180", "loss 0.0 %", over]);
        assert!(seen.metric("tracks") > 1.0 && seen.metric("bitrate") > 100_000.0, "{seen:#?}");
    }
    Ok(())
}

#[test]
fn the_next_entry_of_a_playlist_is_a_warning_and_is_watched() -> Result<()> {
    let Some(lab) = Lab::for_test(&["ffmpeg"]) else { return Ok(()) };
    let server = lab.mmsh_change()?;
    let url = server.url("mmsh", "/live");
    let seen = mms(&lab, &["-v", "--watch", "5", "-t", "20", &url])?;
    warning(&seen, &["E-MMS-RESTART", "announced 1 times", "kind: live", "0 unreadable"]);
    assert!(seen.metric("loss") < 0.01 && seen.metric("tracks") > 1.5, "{seen:#?}");
    Ok(())
}

#[test]
fn a_login_over_http_is_accepted() -> Result<()> {
    let Some(lab) = Lab::for_test(&["vlc", "ffmpeg", "nginx"]) else { return Ok(()) };
    let vlc = lab.vlc_mmsh().start()?;
    let users = lab.dir().join("users");
    std::fs::write(&users, "viewer:{PLAIN}s3cret\n")?;
    let upstream = vlc.url().replace("mmsh://", "http://");
    let proxy = lab.nginx().with(&format!(
        "location = /live {{ auth_basic media; auth_basic_user_file {}; proxy_pass {upstream}; proxy_buffering off; }}",
        users.display()
    ));
    let proxy = proxy.start()?;
    let login = |login: &str| proxy.url("/live").replace("http://", &format!("mmsh://{login}"));
    let urls = [login("viewer:s3cret@"), login("viewer:wrong@"), login("")];
    let seen = together(urls, |url| mms(&lab, &["-vvv", &url]))?;
    ok(&seen[0], &["WMV2 320x180", "speed", "Authorization: ***"]);
    critical(&seen[1], &["E-AUTH", "the credentials are refused"]);
    critical(&seen[2], &["E-AUTH"]);
    for seen in &seen {
        seen.hides("s3cret");
    }
    Ok(())
}

#[test]
fn every_redirect_is_compared_with_the_only_host() -> Result<()> {
    let Some(lab) = Lab::for_test(&["nginx"]) else { return Ok(()) };
    let web = lab.nginx().with("location /a { return 302 http://192.0.2.7:1/b; }").start()?;
    let url = web.url("/a").replace("http://", "mmsh://");
    let seen = mms(&lab, &["-t", "3", "--only-host", "127.0.0.1", &url])?;
    critical(&seen, &["E-VIP-LEAK", "clients are led for the stream to http://192.0.2.7:1/b"]);
    Ok(())
}
