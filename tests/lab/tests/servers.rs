//! Every real server of the lab starts, answers, can be broken, and ends.

use std::time::{Duration, Instant};

use weir_lab::{Clip, Lab, Result, wait_until};

/// What ffprobe, an unrelated client, says about a stream.
fn ffprobe(lab: &Lab, options: &[&str], url: &str) -> Result<String> {
    let mut ffprobe = lab.command("timeout");
    ffprobe.args(["15", "ffprobe", "-hide_banner", "-show_entries", "stream=codec_name", "-of", "csv=p=0"]);
    ffprobe.args(options).arg(url);
    let outcome = lab.run(ffprobe)?;
    Ok(if outcome.code == Some(0) { outcome.stdout } else { format!("failed: {}", outcome.stderr) })
}

/// Bytes that come from `url` within two seconds.
fn bytes_within_two_seconds(lab: &Lab, url: &str) -> Result<usize> {
    let mut curl = lab.command("curl");
    curl.args(["-sS", "-o", "/dev/null", "-w", "%{size_download}", "--max-time", "2", url]);
    Ok(lab.run(curl)?.stdout.parse()?)
}

#[test]
fn gstreamer_serves_udp_and_tcp() -> Result<()> {
    let Some(lab) = Lab::for_test(&["gst", "ffmpeg"]) else { return Ok(()) };
    let gst = lab.gst().start()?;
    for transport in ["udp", "tcp"] {
        let seen = ffprobe(&lab, &["-rtsp_transport", transport], &gst.url("/live"))?;
        assert!(seen.contains("h264") && seen.contains("pcm_alaw"), "{transport}: {seen}");
    }
    let vod = ffprobe(&lab, &["-rtsp_transport", "tcp"], &gst.url("/vod"))?;
    assert!(vod.contains("aac"), "{vod}");
    Ok(())
}

#[test]
fn gstreamer_wants_the_password() -> Result<()> {
    let Some(lab) = Lab::for_test(&["gst", "ffmpeg"]) else { return Ok(()) };
    for gst in [lab.gst().digest().start()?, lab.gst().basic().start()?] {
        let refused = ffprobe(&lab, &["-rtsp_transport", "tcp"], &gst.url("/live"))?;
        assert!(refused.contains("401"), "{refused}");
        let admitted =
            ffprobe(&lab, &["-rtsp_transport", "tcp"], &gst.url_at("user:s3cret@127.0.0.1", "/live"))?;
        assert!(admitted.contains("h264"), "{admitted}");
    }
    Ok(())
}

#[test]
fn gstreamer_speaks_tls() -> Result<()> {
    let Some(lab) = Lab::for_test(&["gst", "ffmpeg", "openssl"]) else { return Ok(()) };
    let gst = lab.gst().tls(&lab.authority()?.issue(&["127.0.0.1"])?).start()?;
    assert!(gst.url("/live").starts_with("rtsps://"));
    let seen = ffprobe(&lab, &["-rtsp_transport", "tcp"], &gst.url("/live"))?;
    assert!(seen.contains("h264"), "{seen}");
    Ok(())
}

#[test]
fn a_paused_server_accepts_and_says_nothing() -> Result<()> {
    let Some(lab) = Lab::for_test(&["gst", "ffmpeg"]) else { return Ok(()) };
    let gst = lab.gst().start()?;
    gst.pause()?;
    let silent = ffprobe(&lab, &["-timeout", "1000000"], &gst.url("/live"))?;
    assert!(silent.starts_with("failed"), "{silent}");
    gst.resume()?;
    let awake = ffprobe(&lab, &["-rtsp_transport", "tcp"], &gst.url("/live"))?;
    assert!(awake.contains("h264"), "{awake}");
    Ok(())
}

#[test]
fn vlc_serves_rtsp_and_mmsh() -> Result<()> {
    let Some(lab) = Lab::for_test(&["vlc", "ffmpeg"]) else { return Ok(()) };
    let seen = ffprobe(&lab, &["-rtsp_transport", "udp"], lab.vlc_rtsp().start()?.url())?;
    assert!(seen.contains("h264"), "{seen}");
    let refused = ffprobe(&lab, &[], lab.vlc_rtsp().basic("user", "s3cret").start()?.url())?;
    assert!(refused.contains("401"), "{refused}");
    let seen = ffprobe(&lab, &[], lab.vlc_mmsh().start()?.url())?;
    assert!(seen.contains("wmv2"), "{seen}");
    Ok(())
}

#[test]
fn the_perl_server_serves_udp() -> Result<()> {
    let Some(lab) = Lab::for_test(&["perl-rtsp", "ffmpeg"]) else { return Ok(()) };
    let perl = lab.perl_rtsp()?;
    let seen = ffprobe(&lab, &["-rtsp_transport", "udp"], perl.url())?;
    assert!(seen.contains("h264"), "{seen}");
    Ok(())
}

#[test]
fn a_stalled_icecast_source_keeps_its_mount() -> Result<()> {
    let Some(lab) = Lab::for_test(&["icecast2", "ffmpeg", "curl"]) else { return Ok(()) };
    let icecast = lab.icecast().burst(0).start()?;
    let source = icecast.source("live.mp3", Clip::Tone)?;
    let url = icecast.url("live.mp3");
    let flowing = bytes_within_two_seconds(&lab, &url)?;
    assert!(flowing > 8000, "{flowing} bytes");
    icecast.set_title("live.mp3", "Artist - Cafe 'n' Title")?;
    source.stall()?;
    std::thread::sleep(Duration::from_millis(500));
    let stalled = bytes_within_two_seconds(&lab, &url)?;
    assert!(stalled < 2000, "{stalled} bytes");
    assert!(icecast.mounts().contains("Cafe"), "{}", icecast.mounts());
    source.stop()?;
    wait_until("the end of the mount", Duration::from_secs(5), || !icecast.mounts().contains("/live.mp3"))
}

#[test]
fn nginx_serves_files_by_both_protocols_and_families() -> Result<()> {
    let Some(lab) = Lab::for_test(&["namespace", "nginx", "openssl", "curl"]) else { return Ok(()) };
    let authority = lab.authority()?;
    let good = lab
        .nginx()
        .tls(&authority.issue(&["web.example"])?)
        .with("location /old { return 302 /a; }")
        .start()?;
    let expired = lab.nginx().tls(&authority.issue_expired(&["web.example"])?).start()?;
    let own = lab.nginx().tls(&lab.self_signed("web.example")?).start()?;
    lab.hosts(&[("web.example", "192.0.2.7"), ("six.example", "2001:db8::7")])?;
    for nginx in [&good, &expired, &own] {
        nginx.write("/a", "hello")?;
    }
    assert_eq!(lab.get(&good.url("/a"))?, "hello");
    assert_eq!(lab.get(&good.url_at("six.example", "/a"))?, "hello");
    assert!(good.url("/old").ends_with("/old") && lab.get(&good.url("/old")).is_ok());
    let verified = |url: &str| -> Result<String> {
        let mut curl = lab.command("curl");
        curl.args(["-sS", "--max-time", "5", url, "--cacert"]).arg(authority.ca_file());
        let outcome = lab.run(curl)?;
        Ok(outcome.stdout + &outcome.stderr)
    };
    assert_eq!(verified(&good.tls_url("web.example", "/a"))?, "hello");
    let refused = verified(&expired.tls_url("web.example", "/a"))?;
    assert!(refused.contains("expired"), "{refused}");
    let refused = verified(&own.tls_url("web.example", "/a"))?;
    assert!(refused.contains("self-signed") || refused.contains("self signed"), "{refused}");
    good.delete("/a")?;
    assert!(lab.get(&good.url("/a")).is_err());
    Ok(())
}

#[test]
fn a_frozen_hls_channel_stops_advancing_and_a_thawed_one_goes_on() -> Result<()> {
    let Some(lab) = Lab::for_test(&["nginx", "ffmpeg", "curl"]) else { return Ok(()) };
    let hls = lab.hls().variants(2).segment_seconds(1).start()?;
    assert!(ffprobe(&lab, &[], &hls.url())?.contains("h264"));
    let second = || lab.get(&hls.variant_url(1)).unwrap_or_default();
    let before = second();
    assert!(before.contains("#EXT-X-PROGRAM-DATE-TIME"), "{before}");
    wait_until("a new segment", Duration::from_secs(10), || second() != before)?;
    hls.freeze()?;
    let frozen = second();
    std::thread::sleep(Duration::from_secs(3));
    assert_eq!(second(), frozen);
    hls.thaw()?;
    wait_until("a segment after the thaw", Duration::from_secs(10), || second() != frozen)?;
    hls.delete_variant(1)?;
    assert!(lab.get(&hls.variant_url(1)).is_err());
    assert!(lab.get(&hls.variant_url(0)).is_ok());
    Ok(())
}

#[test]
fn fragmented_hls_names_its_header() -> Result<()> {
    let Some(lab) = Lab::for_test(&["nginx", "ffmpeg", "curl"]) else { return Ok(()) };
    let hls = lab.hls().fmp4().segment_seconds(1).start()?;
    let playlist = lab.get(&hls.variant_url(0))?;
    assert!(playlist.contains("#EXT-X-MAP") && playlist.contains(".m4s"), "{playlist}");
    assert!(ffprobe(&lab, &[], &hls.url())?.contains("h264"));
    Ok(())
}

#[test]
fn nginx_rtmp_makes_hls_and_dash() -> Result<()> {
    let Some(lab) = Lab::for_test(&["nginx-rtmp", "ffmpeg", "curl"]) else { return Ok(()) };
    let rtmp = lab.nginx_rtmp()?;
    let _encoder = rtmp.publish("a", Clip::Video)?;
    assert!(ffprobe(&lab, &[], &rtmp.hls_url("a"))?.contains("h264"));
    assert!(lab.get(&rtmp.dash_url("a"))?.contains("<MPD"));
    assert!(lab.get(&rtmp.web().url("/stat"))?.contains("<name>a</name>"));
    Ok(())
}

#[test]
fn a_server_that_cannot_start_says_why_at_once() {
    let Some(lab) = Lab::for_test(&["nginx"]) else { return };
    let begin = Instant::now();
    let problem =
        lab.nginx().with("no_such_directive on;").start().err().expect("nginx must refuse").to_string();
    assert!(problem.contains("no_such_directive"), "{problem}");
    assert!(begin.elapsed() < Duration::from_secs(10));
}
