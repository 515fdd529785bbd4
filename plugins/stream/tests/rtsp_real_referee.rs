//! The test server for RTSP of `RealNetworks` was written from the protocol's documents. Here players that nobody of us wrote judge
//! it: what they accept, a test of `check_rtsp` may rely on.

mod support;

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;

use weir_lab::{Lab, Media, Result, together};

/// The ways in which the server can be right.
fn servers(lab: &Lab) -> Result<Vec<(&'static str, Media)>> {
    Ok(vec![
        ("live", lab.real_rtsp().start()?),
        ("on demand", lab.real_rtsp().on_demand().start()?),
        ("a challenge of 40 digits", lab.real_rtsp().long_challenge().start()?),
    ])
}

#[test]
fn ffprobe_accepts_the_test_server() -> Result<()> {
    let Some(lab) = Lab::for_test(&["ffmpeg"]) else { return Ok(()) };
    together(servers(&lab)?, |(name, server)| {
        let mut ffprobe = lab.command("ffprobe");
        let url = server.url("/live.rm");
        ffprobe.args(["-v", "error", "-rtsp_transport", "tcp", "-analyzeduration", "500000"]);
        ffprobe.args([
            "-show_entries",
            "packet=stream_index,size",
            "-of",
            "csv=p=0",
            "-read_intervals",
            "%+1",
            &url,
        ]);
        let seen = lab.run(ffprobe)?;
        // It takes no codec out of this description, and puts pictures together all the same.
        let pictures = seen.stdout.lines().filter_map(|line| line.split(',').nth(1)?.parse::<u32>().ok());
        assert!(pictures.filter(|size| *size > 1500).count() >= 8, "{name}: {seen:#?}");
        let rules = "stream=0;rule=0,stream=0;rule=1,stream=1;rule=0,stream=1;rule=1";
        assert!(server.asked().concat().starts_with(rules), "{name}: {:?}", server.asked());
        Ok(())
    })
    .map(drop)
}

#[test]
fn vlc_accepts_the_test_server() -> Result<()> {
    let Some(lab) = Lab::for_test(&["vlc", "ffmpeg"]) else { return Ok(()) };
    together(servers(&lab)?, |(name, server)| {
        // It refuses to be root, and writes what it plays into a file of a folder that is open to it.
        let home = lab.dir().join(format!("vlc-{}", server.address().port()));
        std::fs::create_dir(&home)?;
        std::fs::set_permissions(&home, Permissions::from_mode(0o777))?;
        let file = home.join("played.avi");
        let output = format!("#std{{access=file,mux=avi,dst={}}}", file.display());
        let mut vlc = lab.command_as("nobody", "cvlc");
        vlc.env("HOME", &home).args(["-I", "dummy", "--run-time", "3", "--sout", &output]);
        vlc.arg(server.url("/live.rm")).arg("vlc://quit");
        let seen = lab.run(vlc)?;
        let size = std::fs::metadata(&file).map_or(0, |file| file.len());
        assert!(size > 20_000, "{name}: {size} bytes were written; {:?} {}", server.asked(), seen.stderr);
        Ok(())
    })
    .map(drop)
}
