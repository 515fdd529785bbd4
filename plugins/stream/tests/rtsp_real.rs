//! `check_rtsp` against the refereed test server for RTSP of `RealNetworks`, well and broken.

mod support;

use std::time::Duration;

use support::{critical, ok, rtsp};
use weir_lab::{Fault, Lab, Media, Result, together};

/// Both tracks, the best rules of each.
const RULES: &str = "stream=0;rule=0,stream=0;rule=1,stream=1;rule=0,stream=1;rule=1";

#[test]
fn rdt_flows_on_both_tracks() -> Result<()> {
    let Some(lab) = Lab::for_test(&["ffmpeg"]) else { return Ok(()) };
    let servers = [
        (lab.real_rtsp().start()?, "kind: live"),
        (lab.real_rtsp().on_demand().start()?, "kind: on demand"),
        (lab.real_rtsp().long_challenge().start()?, "kind: live"),
        (lab.real_rtsp().one_channel().start()?, "kind: live"),
    ];
    together(&servers, |(server, kind)| {
        let url = server.url("/live.rm");
        let expected = ["--expect-tracks", "video,audio", "--expect-codec", "rv20,ra144"];
        let seen = rtsp(&lab, &[["-v", &url].as_slice(), &expected].concat())?;
        ok(&seen, &["RV20 320x180 15 fps + RA144", "over RDT", "loss 0.0 %", "server: Helix Server", kind]);
        assert!(seen.metric("bitrate") > 100_000.0 && seen.metric("tracks") > 1.0, "{seen:#?}");
        assert!(seen.metric("jitter") < 100.0, "{seen:#?}");
        assert_eq!(server.asked(), [RULES]);
        Ok(())
    })
    .map(drop)
}

#[test]
fn plain_rtp_is_taken_where_rdt_is_refused() -> Result<()> {
    let Some(lab) = Lab::for_test(&["ffmpeg"]) else { return Ok(()) };
    let server = lab.real_rtsp().plain_rtp().start()?;
    let url = server.url("/live.rm");
    ok(&rtsp(&lab, &[&url])?, &["RV20 320x180", "over TCP", "loss 0.0 %"]);
    critical(&rtsp(&lab, &[&url, "--transport", "udp"])?, &["E-RTSP-TRANSPORT", "461", "SETUP over UDP"]);
    Ok(())
}

#[test]
fn loss_silence_stalls_and_ends_are_told_apart() -> Result<()> {
    let Some(lab) = Lab::for_test(&["ffmpeg"]) else { return Ok(()) };
    let second = Duration::from_secs(1);
    let servers: [(Media, &[&str]); 6] = [
        (lab.real_rtsp().with(Fault::Lose(3)).start()?, &["E-RTP-LOSS"]),
        (lab.real_rtsp().with(Fault::Silent).start()?, &["E-RTSP-SILENT", "no media within 2.0", "over RDT"]),
        (lab.real_rtsp().with(Fault::StallAfter(second)).start()?, &["E-STREAM-STALLED", "then nothing for"]),
        (lab.real_rtsp().with(Fault::EndAfter(second)).start()?, &["E-RTSP-ENDED", "ended the stream after"]),
        (
            lab.real_rtsp().with(Fault::PictureOnly).start()?,
            &["E-RTSP-TRACK-SILENT", "audio: no media of this track"],
        ),
        (lab.real_rtsp().with(Fault::Garbage).start()?, &["E-RTSP-SILENT", "packets that are none of it"]),
    ];
    let seen = together(&servers, |(server, words)| {
        let url = server.url("/live.rm");
        let seen = lab.bounded("check_rtsp", &[&url, "--watch", "3", "--wait", "2"])?;
        critical(&seen, words);
        Ok(seen)
    })?;
    // Every third packet of the picture, which are 15 of 65 a second.
    assert!((seen[0].metric("loss") - 7.7).abs() < 2.0, "{:#?}", seen[0]);
    Ok(())
}
