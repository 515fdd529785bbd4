//! `check_rtsp` against the RTSP servers of three unrelated authors, well and broken.

mod support;

use std::time::Duration;

use support::{at_deadline, critical, ok, rtsp, unknown, warning};
use weir_lab::{Lab, Result, together};

/// Long enough for a first packet on a busy machine, then to be watched breaking.
const SETTLED: Duration = Duration::from_secs(3);

#[test]
fn gstreamer_flows_over_tcp_and_udp() -> Result<()> {
    let Some(lab) = Lab::for_test(&["namespace", "gst", "ffmpeg"]) else { return Ok(()) };
    let gst = lab.gst().start()?;
    let (live, vod) = (gst.url("/live"), gst.url("/vod"));
    let expected = ["--expect-tracks", "video,audio", "--expect-codec", "h264,PCMA"];
    for (how, over) in [("auto", "over TCP"), ("tcp", "over TCP"), ("udp", "over UDP")] {
        let seen = rtsp(&lab, &[[live.as_str(), "--transport", how].as_slice(), &expected].concat())?;
        ok(&seen, &["H264 320x180", "PCMA", "loss 0.0 %", over]);
        assert!(seen.metric("bitrate") > 100_000.0, "{seen:#?}");
        assert!(seen.metric("first_media") > 0.0 && seen.metric("tracks") > 1.0, "{seen:#?}");
    }
    let on_demand = rtsp(&lab, &["-v", "-u", &vod, "--expect-tracks", "2", "--expect-codec", "AAC"])?;
    ok(&on_demand, &["kind: on demand", "server: GStreamer"]);
    Ok(())
}

#[test]
fn what_is_described_is_compared_with_what_is_expected() -> Result<()> {
    let Some(lab) = Lab::for_test(&["gst", "ffmpeg"]) else { return Ok(()) };
    let gst = lab.gst().start()?;
    let url = gst.url("/live");
    let options: [&[&str]; 5] = [
        &["--expect-tracks", "3"],
        &["--expect-tracks", "video,application"],
        &["--expect-codec", "H265"],
        &["--min-bitrate", "5000000"],
        &["-w", "0.0001"],
    ];
    let seen =
        together(options, |own| rtsp(&lab, &[[url.as_str(), "--watch", "1"].as_slice(), own].concat()))?;
    critical(&seen[0], &["E-RTSP-TRACKS", "expected 3"]);
    critical(&seen[1], &["E-RTSP-TRACKS", "expected application", "H264 320x180"]);
    critical(&seen[2], &["E-CODEC", "expected H265", "H264"]);
    critical(&seen[3], &["E-BITRATE", "expected at least 5.0 Mbit/s"]);
    warning(&seen[4], &["E-START-SLOW", "expected at most"]);
    Ok(())
}

#[test]
fn udp_is_tried_when_a_server_refuses_tcp() -> Result<()> {
    let Some(lab) = Lab::for_test(&["gst", "vlc", "perl-rtsp", "ffmpeg"]) else { return Ok(()) };
    let gst = lab.gst().udp_only().start()?;
    let (vlc, perl) = (lab.vlc_rtsp().start()?, lab.perl_rtsp()?);
    let urls = [gst.url("/live"), vlc.url().to_owned(), perl.url().to_owned()];
    for seen in together(&urls, |url| rtsp(&lab, &[url, "--expect-tracks", "2"]))? {
        ok(&seen, &["H264 320x180", "over UDP"]);
    }
    let refused = together(&urls, |url| rtsp(&lab, &[url, "--transport", "tcp"]))?;
    for (seen, status) in refused.iter().zip(["461", "461", "400"]) {
        critical(seen, &["E-RTSP-TRANSPORT", status, "SETUP over TCP"]);
    }
    Ok(())
}

#[test]
fn a_server_without_udp_refuses_it() -> Result<()> {
    let Some(lab) = Lab::for_test(&["gst", "ffmpeg"]) else { return Ok(()) };
    let gst = lab.gst().tcp_only().start()?;
    let url = gst.url("/live");
    critical(&rtsp(&lab, &[&url, "--transport", "udp"])?, &["E-RTSP-TRANSPORT", "461", "SETUP over UDP"]);
    Ok(())
}

#[test]
fn credentials_are_asked_for_used_and_hidden() -> Result<()> {
    let Some(lab) = Lab::for_test(&["gst", "vlc", "ffmpeg"]) else { return Ok(()) };
    let (digest, basic) = (lab.gst().digest().start()?, lab.gst().basic().start()?);
    let vlc = lab.vlc_rtsp().basic("user", "s3cret").start()?;
    let urls = [digest.url("/live"), basic.url("/live"), vlc.url().to_owned()];
    let file = lab.dir().join("password");
    std::fs::write(&file, "s3cret\n")?;
    let file = file.to_str().expect("plain path");
    for (url, scheme) in urls.iter().zip(["Digest", "Basic", "Basic"]) {
        let in_url = |credentials: &str| url.replace("//", &format!("//{credentials}@"));
        let (right, wrong) = (in_url("user:s3cret"), in_url("user:wr0ng"));
        let run = |arguments: &[&str]| rtsp(&lab, arguments);
        let admitted = run(&[&right, "-vvv", "--watch", "1"])?;
        ok(&admitted, &["H264", scheme, "Authorization: ***"]);
        admitted.hides("s3cret");
        ok(&run(&[url, "-l", "user", "--password-file", file, "--watch", "1"])?, &["H264"]);
        let refused = run(&[&wrong, "-vvv"])?;
        critical(&refused, &["E-AUTH", "401"]);
        refused.hides("wr0ng");
        critical(&run(&[url])?, &["E-AUTH", "401"]);
        unknown(&run(&[url, "-l", "user", "--password-file", "/nonexistent"])?, &["E-USAGE", "/nonexistent"]);
    }
    Ok(())
}

#[test]
fn certificates_are_verified() -> Result<()> {
    let Some(lab) = Lab::for_test(&["namespace", "gst", "ffmpeg", "openssl"]) else { return Ok(()) };
    lab.hosts(&[("live.example", "127.0.0.1"), ("other.example", "127.0.0.1")])?;
    let authority = lab.authority()?;
    let ca = authority.ca_file().to_str().expect("plain path").to_owned();
    let name = &["live.example", "127.0.0.1"][..];
    let good = lab.gst().tls(&authority.issue(name)?).start()?;
    let expired = lab.gst().tls(&authority.issue_expired(name)?).start()?;
    let own = lab.gst().tls(&lab.self_signed("live.example")?).start()?;
    let plain = lab.gst().start()?;
    let runs = [
        good.url_at("live.example", "/live"),
        expired.url_at("live.example", "/live"),
        own.url_at("live.example", "/live"),
        good.url_at("other.example", "/live"),
        plain.url("/live").replace("rtsp:", "rtsps:"),
    ];
    let run = |url: &String| rtsp(&lab, &[url, "--watch", "1", "--ca-file", &ca, "-t", "5"]);
    let seen = together(&runs, run)?;
    ok(&seen[0], &["H264", "over TCP"]);
    critical(&seen[1], &["E-TLS-EXPIRED", "live.example"]);
    critical(&seen[2], &["E-TLS-UNTRUSTED", "live.example"]);
    critical(&seen[3], &["E-TLS-NAME", "other.example"]);
    critical(&seen[4], &["E-TLS-"]);
    ok(&run(&good.url("/live"))?, &["H264", "over TCP"]);
    let distrusted = rtsp(&lab, &[&runs[0]])?;
    critical(&distrusted, &["E-TLS-UNTRUSTED", "--ca-file"]);
    Ok(())
}

#[test]
fn a_missing_mount_is_404_and_a_hanging_one_meets_the_deadline() -> Result<()> {
    let Some(lab) = Lab::for_test(&["gst", "ffmpeg"]) else { return Ok(()) };
    let gst = lab.gst().start()?;
    critical(&rtsp(&lab, &[&gst.url("/nothing")])?, &["E-RTSP-STATUS", "404", "DESCRIBE"]);
    let hanging = rtsp(&lab, &[&gst.url("/hang"), "-t", "2"])?;
    critical(&hanging, &["E-SERVER-TIMEOUT", "deadline of 2.0 s", "stage describe"]);
    at_deadline(&hanging, 2);
    Ok(())
}

#[test]
fn a_frozen_server_is_critical_at_the_deadline() -> Result<()> {
    let Some(lab) = Lab::for_test(&["gst", "ffmpeg"]) else { return Ok(()) };
    let gst = lab.gst().start()?;
    gst.pause()?;
    let frozen = rtsp(&lab, &[&gst.url("/live"), "-t", "2"])?;
    critical(&frozen, &["E-SERVER-TIMEOUT", "stage options"]);
    at_deadline(&frozen, 2);
    let excused = rtsp(&lab, &[&gst.url("/live"), "-t", "1", "--timeout-state", "unknown"])?;
    unknown(&excused, &["E-SERVER-TIMEOUT"]);
    Ok(())
}

#[test]
fn media_that_stops_while_it_is_watched_has_stalled() -> Result<()> {
    let Some(lab) = Lab::for_test(&["gst", "perl-rtsp", "ffmpeg"]) else { return Ok(()) };
    let (one, other, perl) = (lab.gst().start()?, lab.gst().start()?, lab.perl_rtsp()?);
    let runs = [(one.url("/live"), "tcp"), (other.url("/live"), "udp"), (perl.url().to_owned(), "auto")];
    let watch = |(url, how): (String, &str)| {
        rtsp(&lab, &["-v", &url, "--transport", how, "--watch", "6", "-t", "13"])
    };
    let seen = std::thread::scope(|scope| {
        let watched = scope.spawn(|| together(runs, watch));
        std::thread::sleep(SETTLED);
        one.pause()?;
        other.pause()?;
        perl.encoder().pause()?;
        watched.join().expect("no panic")
    })?;
    for seen in &seen {
        critical(seen, &["E-STREAM-STALLED", "packets came in", "then nothing for"]);
    }
    let silent = rtsp(&lab, &[perl.url(), "--wait", "1"])?;
    critical(&silent, &["E-RTSP-SILENT", "no RTP within 1.0", "over UDP", "server said 200 OK"]);
    Ok(())
}

#[test]
fn a_server_that_dies_while_it_is_watched_has_ended_the_stream() -> Result<()> {
    let Some(lab) = Lab::for_test(&["gst", "ffmpeg"]) else { return Ok(()) };
    // One server each: this one may answer 503 to a second client that comes while the media of the first is being prepared.
    let servers = [lab.gst().start()?, lab.gst().start()?];
    let url = servers[0].url("/live");
    let runs = [(url.clone(), "tcp"), (servers[1].url("/live"), "udp")];
    let watch = |(url, how): (String, &str)| rtsp(&lab, &[&url, "--transport", how, "--watch", "6"]);
    let seen = std::thread::scope(|scope| {
        let watched = scope.spawn(|| together(runs, watch));
        std::thread::sleep(SETTLED);
        servers.iter().try_for_each(|server| server.kill())?;
        watched.join().expect("no panic")
    })?;
    for seen in &seen {
        critical(seen, &["E-RTSP-ENDED", "the server ended the stream after"]);
        assert!(seen.metric("bitrate") > 0.0, "what was measured is kept: {seen:#?}");
    }
    critical(&rtsp(&lab, &[&url])?, &["E-TCP-REFUSED", "refuses connections"]);
    Ok(())
}
