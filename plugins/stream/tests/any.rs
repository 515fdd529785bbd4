//! `check_stream` and `stream_`: the URL chooses the check, and a quorum decides.
#![allow(clippy::expect_used, reason = "a failing test ends here")]

use std::time::Duration;

use weir_lab::{Clip, Lab, wait_until};

#[test]
fn one_of_two_urls_is_enough_when_the_quorum_says_so() {
    let Some(lab) = Lab::for_test(&["icecast2", "ffmpeg"]) else { return };
    let icecast = lab.icecast().start().expect("icecast");
    let _source = icecast.source("live.mp3", Clip::Tone).expect("a source");
    let (live, dead) = (icecast.url("live.mp3"), "rtsp://127.0.0.1:9/x");
    let check = |arguments: &[&str]| lab.check("check_stream", arguments).expect("runs");

    let alone = check(&[&live, "--options", "--listen 2"]);
    assert_eq!(alone.code, Some(0), "{}", alone.stdout);
    assert!(alone.stdout.starts_with("HTTP STREAM OK"), "{}", alone.stdout);

    let both = check(&[&live, dead, "--options", "-v"]);
    assert_eq!(both.code, Some(2), "{}", both.stdout);
    assert!(both.stdout.contains("1 of 2 URLs serve, 2 are needed [E-STREAM-QUORUM]"), "{}", both.stdout);

    let enough = check(&[dead, &live, "--quorum", "1"]);
    assert_eq!(enough.code, Some(1), "{}", enough.stdout);
    assert!(enough.stdout.contains("url1 rtsp://127.0.0.1:9/x: 127.0.0.1:9 refuses"), "{}", enough.stdout);
    assert!(enough.stdout.contains(" url2_first_media=0"), "{}", enough.stdout);
}

#[test]
fn the_state_of_a_fault_is_the_operator_s_choice_for_one_url_too() {
    let Some(lab) = Lab::for_test(&[]) else { return };
    let dead = "rtsp://127.0.0.1:9/x";
    let check = |arguments: &[&str]| lab.check("check_stream", arguments).expect("runs");
    assert_eq!(check(&[dead]).code, Some(2));
    let quiet = check(&[dead, "--options", "--problem-state E-TCP-REFUSED=warning"]);
    assert_eq!(quiet.code, Some(1), "{}", quiet.stdout);

    // It counts before the quorum does: what may be down does not use up the quorum.
    let forgiven = check(&[dead, "rtsp://127.0.0.1:9/y", "--problem-state", "E-TCP-REFUSED=ok"]);
    assert_eq!(forgiven.code, Some(0), "{}", forgiven.stdout);
    assert!(forgiven.stdout.contains("2 of 2 URLs serve"), "{}", forgiven.stdout);
}

#[test]
fn one_programme_as_rtmp_dash_hls_and_playlist_is_one_channel_and_four_graphs() {
    let Some(lab) = Lab::for_test(&["nginx-rtmp", "ffmpeg"]) else { return };
    let server = lab.nginx_rtmp().expect("nginx");
    let encoder = server.publish("news", Clip::Video).expect("an encoder");
    let (rtmp, dash, hls) = (server.rtmp_url("news"), server.dash_url("news"), server.hls_url("news"));
    let entries = format!("[playlist]\nFile1={rtmp}\nFile2={dash}\nNumberOfEntries=2\n");
    server.web().write("news.pls", entries).expect("a playlist");
    let playlist = server.web().url("/news.pls");
    let dash_plays = || lab.check("check_stream", &[&dash]).is_ok_and(|seen| seen.code == Some(0));
    wait_until("a DASH manifest", Duration::from_secs(20), dash_plays).expect("DASH");

    let urls = [&*rtmp, &dash, &hls, &playlist];
    let seen = lab.check("check_stream", &[&urls[..], &["-v", "-t", "20"]].concat()).expect("runs");
    assert_eq!(seen.code, Some(0), "{}", seen.stdout);
    assert!(seen.stdout.contains("4 of 4 URLs serve"), "{}", seen.stdout);
    for metric in ["url1_speed=", "url2_lag=", "url3_lag=", "url4_"] {
        assert!(seen.stdout.contains(metric), "no {metric} in {}", seen.stdout);
    }

    let channels = lab.dir().join("channels");
    let lines = format!("tv_rtmp {rtmp} -w speed=80:\ntv_dash {dash}\ntv_hls {hls}\ntv_list {playlist}\n");
    std::fs::write(&channels, lines).expect("a channels file");
    let graph = |argument: &str| {
        let mut stream = lab.command(lab.dir().join("stream_all"));
        stream.env("channels", &channels).env("timeout", "20").arg(argument);
        lab.run(stream).expect("runs")
    };
    std::os::unix::fs::symlink(weir_lab::bin("stream_").expect("built"), lab.dir().join("stream_all"))
        .expect("a link");
    let config = graph("config").stdout;
    assert!(config.contains("multigraph ") && config.contains("tv_rtmp_speed.warning 80:"), "{config}");
    let values = graph("fetch").stdout;
    for (channel, at_least) in [("tv_rtmp", 4), ("tv_dash", 4), ("tv_hls", 4), ("tv_list", 1)] {
        let own = values.lines().filter(|line| line.starts_with(channel) && line.contains(".value "));
        let numbers = own.filter(|line| !line.ends_with(" U")).count();
        assert!(numbers >= at_least, "{channel}: {numbers} values in {values}");
    }

    // The encoder hangs: every way to the programme says so, and the channel is down.
    encoder.pause().expect("paused");
    std::thread::sleep(Duration::from_secs(8));
    let down = lab.check("check_stream", &[&urls[..3], &["-t", "20"]].concat()).expect("runs");
    assert_eq!(down.code, Some(2), "{}", down.stdout);
    for code in ["E-RTMP-SILENT", "E-DASH-STALE", "E-HLS-STALE", "0 of 3 URLs serve"] {
        assert!(down.stdout.contains(code), "no {code} in {}", down.stdout);
    }
}
