//! Dead air on real servers: silent sound, black and frozen pictures, each beside a stream that is well.

mod support;

use std::time::Duration;

use support::{critical, http, ok, rtsp, unknown};
use weir_lab::{Clip, Lab, Result, together};

/// All that can be asked of a channel with pictures.
const ALL: [&str; 8] = ["-t", "20", "--silence", "-50:8s", "--frozen", "8s", "--black", "8s"];

#[test]
fn a_silent_mount_of_icecast_is_critical_and_one_that_plays_is_not() -> Result<()> {
    let Some(lab) = Lab::for_test(&["icecast2", "ffmpeg", "curl"]) else { return Ok(()) };
    let icecast = lab.icecast().start()?;
    let mounts =
        [("a.mp3", Clip::Tone), ("b.mp3", Clip::Silence), ("c.ogg", Clip::ToneOgg), ("d.aac", Clip::ToneAac)];
    let _sources = together(mounts, |(mount, clip)| {
        let source = icecast.source(mount, clip)?;
        std::thread::sleep(Duration::from_secs(1));
        Ok(source)
    })?;
    let seen = together(mounts, |(mount, _)| {
        http(&lab, &["-v", &icecast.url(mount), "-t", "20", "--silence", "-50:8s"])
    })?;
    for well in [&seen[0], &seen[2], &seen[3]] {
        ok(well, &["longest silence", "loudness=-2"]);
        assert!(well.metric("silence") < 0.5, "{well:#?}");
    }
    critical(&seen[1], &["E-AIR-SILENT", "no sound above -50 dBFS", "loudness=-96"]);
    assert!(seen[1].metric("silence") >= 8.0, "{:#?}", seen[1]);
    Ok(())
}

#[test]
fn hls_that_is_black_and_silent_or_frozen_is_critical() -> Result<()> {
    let Some(lab) = Lab::for_test(&["nginx", "ffmpeg"]) else { return Ok(()) };
    let look = |channel: &weir_lab::Hls| {
        let url = channel.url();
        lab.check("check_hls", &[["-v", url.as_str()].as_slice(), &ALL].concat())
    };
    let builders = [lab.hls(), lab.hls().clip(Clip::Black).fmp4(), lab.hls().clip(Clip::Still)];
    let channels = together(builders, weir_lab::HlsBuilder::start)?;
    // Ten seconds must be listed.
    std::thread::sleep(Duration::from_secs(6));
    let seen = together(&channels, look)?;
    ok(&seen[0], &["frozen=0s", "black=0s", "silence=0"]);
    critical(&seen[1], &["E-AIR-SILENT", "E-AIR-BLACK", "or of one colour, for"]);
    assert!(!seen[1].stdout.contains("E-AIR-FROZEN"), "black says it all: {:#?}", seen[1]);
    critical(&seen[2], &["E-AIR-FROZEN", "has not changed for", "black=0s"]);
    Ok(())
}

#[test]
fn rtsp_that_is_black_and_silent_is_critical_by_tcp_and_udp() -> Result<()> {
    let Some(lab) = Lab::for_test(&["gst", "ffmpeg"]) else { return Ok(()) };
    // GStreamer loses packets of one listener while another joins the same mount.
    let (first, second) = (lab.gst().start()?, lab.gst().start()?);
    let looks = [(&first, "/live", "tcp"), (&first, "/black", "tcp"), (&second, "/black", "udp")];
    let seen = together(looks, |(gst, mount, transport)| {
        rtsp(&lab, &[["-v", &gst.url(mount), "--transport", transport].as_slice(), &ALL].concat())
    })?;
    ok(&seen[0], &["sound: PCMA", "black=0s", "frozen=0s", "silence=0"]);
    for dead in &seen[1..] {
        critical(dead, &["E-AIR-SILENT", "E-AIR-BLACK", "loudness=-"]);
    }
    Ok(())
}

#[test]
fn groups_and_dash_are_looked_into() -> Result<()> {
    let Some(lab) = Lab::for_test(&["namespace", "nginx", "ffmpeg"]) else { return Ok(()) };
    let _senders = [
        lab.ffmpeg_sender(Clip::Video, "mpegts", "udp://239.1.2.1:5000?pkt_size=1316")?,
        lab.ffmpeg_sender(Clip::Black, "rtp_mpegts", "rtp://239.1.2.2:5004")?,
    ];
    let (_still, sdp) = lab.ffmpeg_rtp(Clip::Still, "rtp://239.1.2.3:5004")?;
    let sdp = sdp.to_string_lossy().into_owned();
    let dash = lab.dash().start()?;
    std::thread::sleep(Duration::from_secs(6));
    let url = dash.url();
    let picture = ["-t", "20", "--frozen", "8s", "--black", "8s", "--sdp", &sdp];
    let looks = [
        ("check_rtp", "udp://239.1.2.1:5000", &ALL[..]),
        ("check_dash", url.as_str(), &ALL[..]),
        ("check_rtp", "rtp://239.1.2.2:5004", &ALL[..]),
        ("check_rtp", "rtp://239.1.2.3:5004", &picture[..]),
    ];
    let seen = together(looks, |(check, url, asked)| lab.check(check, &[&["-v", url], asked].concat()))?;
    for well in &seen[..2] {
        ok(well, &["sound: AAC", "frozen=0s", "black=0s", "silence=0"]);
    }
    critical(&seen[2], &["E-AIR-SILENT", "E-AIR-BLACK"]);
    critical(&seen[3], &["E-AIR-FROZEN", "picture: H.264 320x180"]);
    Ok(())
}

#[test]
fn what_cannot_be_looked_into_is_unknown_and_says_why() -> Result<()> {
    let Some(lab) = Lab::for_test(&["icecast2", "ffmpeg", "curl"]) else { return Ok(()) };
    let icecast = lab.icecast().start()?;
    let _source = icecast.source("a.mp3", Clip::Tone)?;
    let url = icecast.url("a.mp3");
    let seen = http(&lab, &[&url, "-t", "9", "--frozen", "3s"])?;
    unknown(&seen, &["E-AIR-UNDECIDED", "a frozen picture cannot be told: no pictures came"]);
    let accepted = http(&lab, &[&url, "-t", "9", "--frozen", "3s", "--problem-state", "E-AIR-UNDECIDED=ok"])?;
    ok(&accepted, &[]);
    let hasty = http(&lab, &[&url, "-t", "5", "--silence", "-50:8s"])?;
    unknown(&hasty, &["E-USAGE", "use -t 10 or more"]);
    Ok(())
}
