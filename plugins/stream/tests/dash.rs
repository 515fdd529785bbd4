//! `check_dash` against real packagers: ffmpeg behind nginx, and nginx's RTMP module.

mod support;

use std::fs;
use std::time::Duration;

use support::{at_deadline, critical, ok, warning};
use weir_lab::{Clip, Hostile, Lab, Outcome, Result, wait_until};

/// A busy machine fetches its segments slowly, where that is not the question.
const SLOW: &str = "segment_ratio=9";

fn check_dash(lab: &Lab, arguments: &[&str]) -> Result<Outcome> {
    lab.check("check_dash", arguments)
}

#[test]
fn a_live_timeline_with_picture_and_sound() -> Result<()> {
    let Some(lab) = Lab::for_test(&["nginx", "ffmpeg"]) else { return Ok(()) };
    // A packager that gets no processor for two seconds is not late yet.
    let dash = lab.dash().segment_seconds(2).start()?;
    let url = dash.url();

    let seen = check_dash(&lab, &["-v", &url, "--expect-variants", "2"])?;
    ok(
        &seen,
        &["2 of 2 representations play", "MP4 at", "clock: UTCTiming http-xsdate", "audio 1", "video 0"],
    );
    assert!(seen.took.as_secs_f64() < 3.0, "one look is enough, it took {:?}", seen.took);
    assert!(seen.metric("lag") <= 6.0, "{seen:#?}");
    assert!((100_000.0..2_000_000.0).contains(&seen.metric("bitrate")));
    assert!(seen.metric("segment_ratio") < 0.5 && seen.metric("skew") < 1.5);

    critical(
        &check_dash(&lab, &[&url, "--expect-variants", "3"])?,
        &["E-DASH-VARIANTS", "2 representations"],
    );
    critical(&check_dash(&lab, &[&url, "--min-bitrate", "9000000"])?, &["E-BITRATE"]);
    warning(&check_dash(&lab, &[&url, "-w", "@0:100"])?, &["E-DASH-LATE"]);
    warning(
        &check_dash(&lab, &[&url, "--problem-state", "E-DASH-ENDED=ok", "-w", "skew=0.0000001:0.0000002"])?,
        &["E-DASH-SKEW"],
    );
    ok(&check_dash(&lab, &[&url, "--watch", "2", "--segments", "ends"])?, &["variants=2"]);

    // What the clock says is wrong is said; the server's Date is used instead.
    let text = fs::read_to_string(dash.web().root().join("live.mpd"))?;
    dash.web().write("clockless.mpd", text.replace("/time", "/no-clock"))?;
    let seen = check_dash(&lab, &["-v", &dash.web().url("/clockless.mpd")])?;
    warning(&seen, &["E-DASH-CLOCK", "404", "clock: the server's Date"]);
    Ok(())
}

#[test]
fn a_frozen_encoder_is_stale_and_an_ended_one_has_ended() -> Result<()> {
    let Some(lab) = Lab::for_test(&["nginx", "ffmpeg"]) else { return Ok(()) };
    let dash = lab.dash().start()?;
    dash.encoder().pause()?;
    std::thread::sleep(Duration::from_secs(7));
    let seen = check_dash(&lab, &[&dash.url()])?;
    critical(&seen, &["E-DASH-STALE", "the live edge stands still", "shall be renewed every"]);
    assert!(seen.took.as_secs_f64() < 3.0, "both witnesses agree, it took {:?}", seen.took);
    dash.encoder().resume()?;
    wait_until("the channel advances", Duration::from_secs(15), || {
        check_dash(&lab, &[&dash.url()]).is_ok_and(|seen| seen.code == Some(0))
    })?;
    // ffmpeg writes a static manifest when it is told to end.
    dash.encoder().stop()?;
    critical(&check_dash(&lab, &[&dash.url()])?, &["E-DASH-ENDED"]);
    ok(&check_dash(&lab, &[&dash.url(), "--vod", "--segments", "ends"])?, &["2 of 2"]);
    Ok(())
}

#[test]
fn numbers_that_follow_the_clock_are_believed_only_when_they_exist() -> Result<()> {
    let Some(lab) = Lab::for_test(&["nginx", "ffmpeg"]) else { return Ok(()) };
    let dash = lab.dash().numbered().without_clock().start()?;
    let seen = check_dash(&lab, &["-v", &dash.url()])?;
    ok(&seen, &["2 of 2 representations play", "clock: the server's Date"]);
    assert!(seen.metric("lag") < 3.5, "{seen:#?}");
    dash.encoder().pause()?;
    wait_until("the edge is late", Duration::from_secs(8), || {
        check_dash(&lab, &[&dash.url()])
            .is_ok_and(|seen| seen.stdout.contains("after it that the clock promises do not exist"))
    })?;
    std::thread::sleep(Duration::from_secs(6));
    let seen = check_dash(&lab, &[&dash.url()])?;
    critical(&seen, &["E-DASH-STALE", "none of the newest", "404", "0 of 2 representations play"]);
    Ok(())
}

#[test]
fn lists_of_segments_and_ranges_of_one_file_are_live_too() -> Result<()> {
    let Some(lab) = Lab::for_test(&["nginx", "ffmpeg"]) else { return Ok(()) };
    let channels = [lab.dash().listed().start()?, lab.dash().single_file().start()?];
    for dash in &channels {
        wait_until("three segments after the first look", Duration::from_secs(15), || {
            check_dash(&lab, &[&dash.url()]).is_ok_and(|seen| seen.code == Some(0))
        })?;
        let seen = check_dash(&lab, &["-v", &dash.url(), "--segments", "ends"])?;
        ok(&seen, &["2 of 2 representations play", "clock: UTCTiming http-xsdate"]);
        assert!(seen.metric("lag") < 3.5 && seen.metric("bitrate") > 100_000.0, "{seen:#?}");
        dash.encoder().pause()?;
    }
    std::thread::sleep(Duration::from_secs(8));
    for dash in &channels {
        critical(&check_dash(&lab, &[&dash.url()])?, &["E-DASH-STALE", "the live edge stands still"]);
    }
    Ok(())
}

#[test]
fn a_whole_file_with_an_index_plays_on_demand() -> Result<()> {
    let Some(lab) = Lab::for_test(&["nginx", "ffmpeg"]) else { return Ok(()) };
    let web = lab.nginx().start()?;
    let run = |arguments: &str| -> Result<()> {
        let mut ffmpeg = lab.command("ffmpeg");
        ffmpeg.current_dir(web.root()).args(["-v", "error", "-y"]).args(arguments.split(' '));
        let seen = lab.run(ffmpeg)?;
        assert_eq!(seen.code, Some(0), "{seen:#?}");
        Ok(())
    };
    let clip = Clip::Video.path()?.display().to_string();
    run(&format!(
        "-i {clip} -t 4 -an -c:v libvpx -deadline realtime -cpu-used 8 -b:v 200k -g 15 -dash 1 v.webm"
    ))?;
    run(
        "-f webm_dash_manifest -i v.webm -c copy -map 0 -f webm_dash_manifest -adaptation_sets id=0,streams=0 live.mpd",
    )?;
    assert!(fs::read_to_string(web.root().join("live.mpd"))?.contains("<SegmentBase"));
    let seen = check_dash(&lab, &["-v", "--vod", &web.url("/live.mpd")])?;
    ok(&seen, &["1 of 1 representations play", "Matroska/WebM"]);
    // The file is shorter than its index says.
    let file = web.root().join("v.webm");
    let whole = fs::read(&file)?;
    fs::write(&file, &whole[..300])?;
    critical(
        &check_dash(&lab, &["--vod", &web.url("/live.mpd")])?,
        &["E-DASH-SEGMENT-BAD", "300 bytes, 629 are announced"],
    );
    Ok(())
}

#[test]
fn nginx_rtmp_names_segments_by_time_and_is_understood() -> Result<()> {
    let Some(lab) = Lab::for_test(&["nginx-rtmp", "ffmpeg"]) else { return Ok(()) };
    let server = lab.nginx_rtmp()?;
    let encoder = server.publish("a", Clip::Video)?;
    let url = server.dash_url("a");
    wait_until("a manifest", Duration::from_secs(15), || {
        check_dash(&lab, &[&url]).is_ok_and(|seen| seen.code == Some(0))
    })?;
    encoder.pause()?;
    std::thread::sleep(Duration::from_secs(8));
    critical(&check_dash(&lab, &[&url])?, &["E-DASH-STALE"]);
    Ok(())
}

#[test]
fn what_is_missing_or_no_media_is_named() -> Result<()> {
    let Some(lab) = Lab::for_test(&["nginx", "ffmpeg"]) else { return Ok(()) };
    let dash = lab.dash().start()?;
    dash.encoder().stop()?;
    let manifest = fs::read_to_string(dash.web().root().join("live.mpd"))?;
    let web = dash.web();
    let vod = |manifest: &str| -> Result<Outcome> {
        web.write("changed.mpd", manifest)?;
        check_dash(&lab, &[&web.url("/changed.mpd"), "--vod", "-w", SLOW, "-c", SLOW])
    };
    ok(&vod(&manifest)?, &["2 of 2"]);

    // Bases from two levels, an absolute one among them; nothing is beside the manifest.
    for file in fs::read_dir(web.root())? {
        let file = file?;
        if file.path().extension().is_some_and(|extension| extension == "m4s") {
            web.write(&format!("else/where/{}", file.file_name().display()), fs::read(file.path())?)?;
        }
    }
    let based = manifest
        .replacen("<Period ", &format!("<BaseURL>{}</BaseURL><Period ", web.url("/else/")), 1)
        .replace("<SegmentTemplate", "<BaseURL>where/</BaseURL><SegmentTemplate");
    web.write("sub/based.mpd", based)?;
    ok(&check_dash(&lab, &[&web.url("/sub/based.mpd"), "--vod", "-w", SLOW, "-c", SLOW])?, &["2 of 2"]);

    web.write("page.m4s", "<!doctype html><title>Not found</title>")?;
    let paged = manifest.replacen(
        "media=\"chunk-stream$RepresentationID$-$Number%05d$.m4s\"",
        "media=\"page.m4s\"",
        1,
    );
    critical(&vod(&paged)?, &["E-DASH-SEGMENT-BAD", "HTML"]);
    let unnamed = manifest.replacen("$Number%05d$", "$Nummer$", 1);
    critical(&vod(&unnamed)?, &["E-DASH-SYNTAX", "$Nummer$"]);
    web.delete("init-stream1.m4s")?;
    critical(
        &vod(&manifest)?,
        &["E-DASH-SEGMENT", "audio 1", "initialization section init-stream1.m4s", "404"],
    );

    critical(&vod(&manifest[..manifest.len() / 2])?, &["E-DASH-SYNTAX", "byte"]);
    critical(&vod("<html></html>")?, &["E-DASH-SYNTAX", "not a DASH manifest"]);
    critical(&vod("<MPD><Period/></MPD>")?, &["E-DASH-EMPTY"]);
    Ok(())
}

#[test]
fn a_second_look_goes_where_the_manifest_says() -> Result<()> {
    let Some(lab) = Lab::for_test(&["nginx", "ffmpeg"]) else { return Ok(()) };
    let dash = lab.dash().start()?;
    let web = dash.web();
    let manifest = fs::read_to_string(web.root().join("live.mpd"))?;
    // An old copy, which leads to the one that advances.
    let located = manifest.replace("<Period ", "<Location>live.mpd</Location><Period ");
    std::thread::sleep(Duration::from_secs(7));
    web.write("old.mpd", located)?;
    let seen = check_dash(&lab, &[&web.url("/old.mpd"), "--segments", "none"])?;
    assert!(seen.code != Some(2) && !seen.stdout.contains("E-DASH-STALE"), "{seen:#?}");
    Ok(())
}

#[test]
fn hostile_servers_meet_bounds() -> Result<()> {
    let Some(lab) = Lab::for_test(&["nginx"]) else { return Ok(()) };
    let run = |url: &str| lab.bounded("check_dash", &["-t", "2", url]);
    let hostile = |kind: Hostile| -> Result<Outcome> { run(&lab.hostile(kind)?.url("http", "/live.mpd")) };
    critical(&hostile(Hostile::EndlessBody)?, &["E-LIMIT"]);
    for slow in [Hostile::Silent, Hostile::Drip(Duration::from_millis(100))] {
        let seen = hostile(slow)?;
        critical(&seen, &["E-SERVER-TIMEOUT", "in stage manifest"]);
        at_deadline(&seen, 2);
    }
    // As much as a manifest may hold: of attributes, of depth, of representations with a long timeline that they share.
    let web = lab.nginx().start()?;
    let timeline = "<SegmentTimeline>".to_owned() + &"<S d=\"1\"/>".repeat(130_000) + "</SegmentTimeline>";
    let many = "<Representation id=\"a\"/>".repeat(900);
    let set = format!(
        "<AdaptationSet><SegmentTemplate media=\"$Number$\">{timeline}</SegmentTemplate>{many}</AdaptationSet>"
    );
    for (name, text) in [
        ("attributes.mpd", format!("<MPD {}/>", "a=\"\" ".repeat(700_000))),
        ("deep.mpd", format!("<MPD>{}", "<a>".repeat(1_000_000))),
        (
            "many.mpd",
            format!(
                "<MPD type=\"dynamic\" availabilityStartTime=\"2026-01-01T00:00:00Z\"><Period>{set}</Period></MPD>"
            ),
        ),
    ] {
        web.write(name, text)?;
        let seen = run(&web.url(&format!("/{name}")))?;
        assert!(
            seen.code.is_some_and(|code| code > 0) && seen.stdout.starts_with("DASH "),
            "{name}: {seen:#?}"
        );
    }
    Ok(())
}

#[test]
fn the_live_period_is_the_newest_with_a_segment() -> Result<()> {
    let Some(lab) = Lab::for_test(&["nginx", "ffmpeg"]) else { return Ok(()) };
    let dash = lab.dash().start()?;
    let manifest = fs::read_to_string(dash.web().root().join("live.mpd"))?;
    // One that is over before it, one that is announced after it.
    let old = "<Period id=\"old\" start=\"PT0S\"><AdaptationSet><Representation id=\"x\" bandwidth=\"1\">\
               <SegmentTemplate media=\"old$Number$\" duration=\"1\"/></Representation></AdaptationSet></Period>";
    let next = old.replace("PT0S", "PT9H").replace("old", "next");
    let live = manifest.replace("start=\"PT0.0S\"", "start=\"PT0.001S\"");
    let periods = live
        .replacen("<Period ", &format!("{old}<Period "), 1)
        .replace("</Period>\n\t<UTC", &format!("</Period>{next}\n\t<UTC"));
    dash.web().write("periods.mpd", periods)?;
    let seen = check_dash(&lab, &["-v", &dash.web().url("/periods.mpd")])?;
    ok(&seen, &["2 of 2 representations play", "period: 2 of 3"]);
    Ok(())
}
