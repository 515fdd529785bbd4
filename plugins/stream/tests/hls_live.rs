//! `check_hls` against real packagers: ffmpeg behind nginx, and nginx's RTMP module.

mod support;

use std::time::Duration;

use support::{critical, ok, unknown, warning};
use weir_lab::{Clip, Lab, Outcome, Result, wait_until};

fn check_hls(lab: &Lab, arguments: &[&str]) -> Result<Outcome> {
    lab.check("check_hls", arguments)
}

#[test]
fn a_live_channel_with_two_variants() -> Result<()> {
    let Some(lab) = Lab::for_test(&["nginx", "ffmpeg"]) else { return Ok(()) };
    let hls = lab.hls().variants(2).start()?;
    let url = hls.url();

    let seen = check_hls(&lab, &["-v", &url, "--expect-variants", "2"])?;
    ok(&seen, &["2 of 2 variants play", "MPEG-TS"]);
    assert!(seen.took.as_secs_f64() < 3.0, "one look is enough, it took {:?}", seen.took);
    assert!(seen.metric("lag") < 6.0);
    assert!((100_000.0..2_000_000.0).contains(&seen.metric("bitrate")));
    assert!(seen.metric("segment_ratio") < 0.5);

    let seen = check_hls(&lab, &[&hls.variant_url(1), "--segments", "ends"])?;
    ok(&seen, &["variants=1"]);

    let seen = check_hls(&lab, &[&url, "--expect-variants", "3"])?;
    critical(&seen, &["E-HLS-VARIANTS", "2 variants, expected 3"]);
    let seen = check_hls(&lab, &[&url, "--min-bitrate", "9000000"])?;
    critical(&seen, &["E-BITRATE"]);
    let seen = check_hls(&lab, &[&url, "-w", "0.001"])?;
    warning(&seen, &["E-HLS-LATE"]);
    let seen = check_hls(&lab, &[&url, "--watch", "3"])?;
    ok(&seen, &[]);
    assert!(seen.took.as_secs_f64() >= 3.0);

    // A variant vanishes; the master playlist still names it.
    hls.delete_variant(1)?;
    let seen = check_hls(&lab, &[&url])?;
    critical(&seen, &["E-HLS-VARIANT-GONE", "variant 2 (640x360", "404", "known: 1 of 2 variants play"]);
    Ok(())
}

#[test]
fn a_frozen_encoder_is_stale_at_once() -> Result<()> {
    let Some(lab) = Lab::for_test(&["nginx", "ffmpeg"]) else { return Ok(()) };
    let hls = lab.hls().variants(2).segment_seconds(1).start()?;
    hls.freeze_variant(1)?;
    std::thread::sleep(Duration::from_secs(6));
    let seen = check_hls(&lab, &[&hls.url()])?;
    critical(&seen, &["E-HLS-STALE", "variant 2 (640x360", "stands still", "E-HLS-SKEW"]);
    assert!(seen.took.as_secs_f64() < 3.0, "both witnesses agree, it took {:?}", seen.took);
    // The other variant goes on.
    ok(&check_hls(&lab, &[&hls.variant_url(0)])?, &[]);
    hls.thaw()?;
    wait_until("the frozen variant advances", Duration::from_secs(15), || {
        check_hls(&lab, &[&hls.variant_url(1)]).is_ok_and(|seen| seen.code == Some(0))
    })?;
    Ok(())
}

#[test]
fn without_dates_a_second_look_tells() -> Result<()> {
    let Some(lab) = Lab::for_test(&["nginx", "ffmpeg"]) else { return Ok(()) };
    // A server that makes playlists on the fly: no Last-Modified; an encoder without dates.
    let hls = lab
        .hls()
        .segment_seconds(1)
        .option("-hls_flags", "delete_segments")
        .with("add_header Last-Modified '';")
        .start()?;
    let url = hls.variant_url(0);
    ok(&check_hls(&lab, &[&url])?, &[]);
    hls.freeze()?;
    std::thread::sleep(Duration::from_millis(1500));
    let seen = check_hls(&lab, &[&url])?;
    critical(&seen, &["E-HLS-STALE", "nothing changed in"]);
    // Two seconds are no proof of anything.
    let seen = check_hls(&lab, &[&url, "-t", "1"])?;
    unknown(&seen, &["E-NO-DATA", "raise -t"]);
    Ok(())
}

#[test]
fn nginx_rtmp_writes_no_dates_and_is_understood() -> Result<()> {
    let Some(lab) = Lab::for_test(&["nginx-rtmp", "ffmpeg"]) else { return Ok(()) };
    let server = lab.nginx_rtmp()?;
    let encoder = server.publish("a", Clip::Video)?;
    let url = server.hls_url("a");
    let seen = check_hls(&lab, &[&url])?;
    ok(&seen, &["MPEG-TS"]);
    encoder.pause()?;
    std::thread::sleep(Duration::from_secs(5));
    let seen = check_hls(&lab, &[&url])?;
    critical(&seen, &["E-HLS-STALE"]);
    Ok(())
}

#[test]
fn fragmented_mp4_and_its_initialization_section() -> Result<()> {
    let Some(lab) = Lab::for_test(&["nginx", "ffmpeg"]) else { return Ok(()) };
    let hls = lab.hls().segment_seconds(1).fmp4().start()?;
    let seen = check_hls(&lab, &["-v", &hls.url()])?;
    ok(&seen, &["MP4 at", "initialization section MP4"]);
    hls.web().delete("v0/init.mp4")?;
    let seen = check_hls(&lab, &[&hls.url()])?;
    critical(&seen, &["E-HLS-SEGMENT", "initialization section init.mp4", "404"]);
    Ok(())
}

#[test]
fn what_has_ended_is_well_on_demand_only() -> Result<()> {
    let Some(lab) = Lab::for_test(&["nginx", "ffmpeg"]) else { return Ok(()) };
    let hls = lab.hls().segment_seconds(1).start()?;
    // ffmpeg writes EXT-X-ENDLIST when it is told to end.
    hls.encoder(0).expect("an encoder").stop()?;
    let seen = check_hls(&lab, &[&hls.url()])?;
    critical(&seen, &["E-HLS-ENDED"]);
    let seen = check_hls(&lab, &[&hls.url(), "--vod", "--segments", "ends"])?;
    ok(&seen, &[]);
    Ok(())
}
