//! The test server for MMST was written from the protocol's documents. Here players that nobody of us wrote judge it: what they
//! accept, a test of `check_mms` may rely on.

mod support;

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;

use weir_lab::{Lab, Media, Result, together};

/// The ways in which the server can be right.
fn servers(lab: &Lab) -> Result<Vec<(&'static str, Media)>> {
    Ok(vec![
        ("live", lab.mmst().start()?),
        ("on demand", lab.mmst().on_demand().start()?),
        ("header in pieces, two replies in one packet", lab.mmst().split().start()?),
        ("chunks counted as specified", lab.mmst().spec_count().start()?),
    ])
}

/// Lets `judge` play each of them, all at once.
fn each(lab: &Lab, judge: impl Fn(&str, &Media) -> Result<()> + Sync) -> Result<()> {
    together(&servers(lab)?, |(name, server)| judge(name, server)).map(drop)
}

#[test]
fn ffprobe_accepts_the_test_server() -> Result<()> {
    let Some(lab) = Lab::for_test(&["ffmpeg"]) else { return Ok(()) };
    each(&lab, |name, server| {
        let url = server.url("/live.wmv");
        let entries = "stream=codec_name,width:packet=stream_index";
        let mut ffprobe = lab.command("ffprobe");
        ffprobe.args(["-v", "error", "-show_entries", entries, "-read_intervals", "%+1", &url]);
        let seen = lab.run(ffprobe)?;
        assert!(seen.code == Some(0), "{name}: {seen:#?}");
        for word in ["codec_name=wmv2", "codec_name=wmav2", "width=320", "stream_index=0", "stream_index=1"] {
            assert!(seen.stdout.contains(word), "{name}: no {word} in {seen:#?}");
        }
        assert_eq!(server.asked().last().map(String::as_str), Some("live.wmv"), "{name}");
        Ok(())
    })
}

#[test]
fn mplayer_accepts_the_test_server() -> Result<()> {
    let Some(lab) = Lab::for_test(&["mplayer", "ffmpeg"]) else { return Ok(()) };
    each(&lab, |name, server| {
        let url = server.url("/live.wmv");
        // Without -nocache it writes megabytes of progress.
        let mut mplayer = lab.command("mplayer");
        mplayer.args([
            "-nocache",
            "-nolirc",
            "-identify",
            "-vo",
            "null",
            "-ao",
            "null",
            "-frames",
            "15",
            &url,
        ]);
        let seen = lab.run(mplayer)?;
        for word in ["ID_VIDEO_FORMAT=WMV2", "ID_AUDIO_FORMAT=353", "ID_EXIT=EOF"] {
            assert!(seen.stdout.contains(word), "{name}: no {word} in {seen:#?}");
        }
        Ok(())
    })
}

#[test]
fn libmms_accepts_the_test_server() -> Result<()> {
    let Some(lab) = Lab::for_test(&["libmms", "ffmpeg"]) else { return Ok(()) };
    let (source, program) = (lab.dir().join("player.c"), lab.dir().join("player"));
    std::fs::write(&source, include_str!("support/libmms_player.c"))?;
    let mut gcc = lab.command("gcc");
    gcc.arg("-o").arg(&program).arg(&source).arg("-lmms");
    let built = lab.run(gcc)?;
    assert_eq!(built.code, Some(0), "{built:#?}");
    each(&lab, |name, server| {
        let mut player = lab.command(&program);
        player.arg(server.url("/live.wmv"));
        let seen = lab.run(player)?;
        assert!(seen.code == Some(0) && seen.stdout.contains("played"), "{name}: {seen:#?}");
        Ok(())
    })
}

#[test]
fn vlc_accepts_the_test_server() -> Result<()> {
    let Some(lab) = Lab::for_test(&["vlc", "ffmpeg"]) else { return Ok(()) };
    each(&lab, |name, server| {
        // It refuses to be root, and writes what it plays into a file of a folder that is open to it.
        let home = lab.dir().join(format!("vlc-{}", server.address().port()));
        std::fs::create_dir(&home)?;
        std::fs::set_permissions(&home, Permissions::from_mode(0o777))?;
        let file = home.join("played.asf");
        let output = format!("#std{{access=file,mux=asf,dst={}}}", file.display());
        let mut vlc = lab.command_as("nobody", "cvlc");
        vlc.env("HOME", &home).args(["-I", "dummy", "--run-time", "2", "--sout", &output]);
        vlc.arg(server.url("/live.wmv")).arg("vlc://quit");
        let seen = lab.run(vlc)?;
        let size = std::fs::metadata(&file).map_or(0, |file| file.len());
        assert!(size > 20_000, "{name}: {size} bytes were written; {seen:#?}");
        Ok(())
    })
}

#[test]
fn ffprobe_accepts_the_test_server_for_rtsp() -> Result<()> {
    let Some(lab) = Lab::for_test(&["ffmpeg"]) else { return Ok(()) };
    let server = lab.wms_rtsp()?;
    let url = server.url("rtsp", "/live");
    together(["tcp", "udp"], |how| {
        let mut ffprobe = lab.command("ffprobe");
        let entries = "stream=codec_name,width:packet=stream_index";
        ffprobe.args(["-v", "error", "-rtsp_transport", how, "-show_entries", entries]);
        ffprobe.args(["-read_intervals", "%+1", &url]);
        let seen = lab.run(ffprobe)?;
        for word in ["codec_name=wmv2", "codec_name=wmav2", "width=320", "stream_index=0", "stream_index=1"] {
            assert!(seen.stdout.contains(word), "{how}: no {word} in {seen:#?}");
        }
        Ok(())
    })
    .map(drop)
}

#[test]
fn ffprobe_follows_the_test_server_to_the_next_entry() -> Result<()> {
    let Some(lab) = Lab::for_test(&["ffmpeg"]) else { return Ok(()) };
    let server = lab.mmsh_change()?;
    let mut ffmpeg = lab.command("ffmpeg");
    ffmpeg.args([
        "-v",
        "error",
        "-i",
        &server.url("mmsh", "/live"),
        "-t",
        "6",
        "-c",
        "copy",
        "-f",
        "framecrc",
        "-",
    ]);
    let seen = lab.run(ffmpeg)?;
    // The second entry begins with the clip's first key frame once more: a frame that comes twice has the same checksum.
    let mut sums: Vec<&str> =
        seen.stdout.lines().filter_map(|line| line.rsplit_once("0x").map(|(_, sum)| sum)).collect();
    let count = sums.len();
    sums.sort_unstable();
    sums.dedup();
    assert!(
        count > 60 && sums.len() + 10 < count,
        "{count} frames, {} of them different: {seen:#?}",
        sums.len()
    );
    Ok(())
}
