//! The test server for PNA was written from what players say. Here players that nobody of us wrote judge it: what they play, a test
//! of `check_pnm` may rely on.

mod support;

use weir_lab::{Lab, Media, Result, together};

/// Runs `MPlayer` on the stream for a second of media.
fn mplayer(lab: &Lab, server: &Media) -> Result<weir_lab::Outcome> {
    let mut mplayer = lab.command("mplayer");
    // Without -nocache it writes megabytes of progress.
    mplayer.args(["-nocache", "-nolirc", "-identify", "-vo", "null", "-ao", "null", "-endpos", "1"]);
    mplayer.arg(server.url("/news/live.rm"));
    lab.run(mplayer)
}

#[test]
fn mplayer_plays_from_the_test_server() -> Result<()> {
    let Some(lab) = Lab::for_test(&["mplayer", "ffmpeg"]) else { return Ok(()) };
    let servers = [
        ("live", lab.pna().start()?),
        ("on demand", lab.pna().on_demand().start()?),
        ("with a challenge", lab.pna().wants_proof().start()?),
    ];
    together(&servers, |(name, server)| {
        let seen = mplayer(&lab, server)?;
        for word in ["ID_AUDIO_FORMAT=lpcJ", "ID_AUDIO_RATE=8000", "ID_AUDIO_CODEC=ffra144", "ID_EXIT=EOF"] {
            assert!(seen.stdout.contains(word), "{name}: no {word} in {seen:#?}");
        }
        // It leaves the slash in front, which xine takes away.
        assert_eq!(server.asked(), ["/news/live.rm"], "{name}");
        Ok(())
    })?;
    Ok(())
}

#[test]
fn mplayer_understands_every_refusal() -> Result<()> {
    let Some(lab) = Lab::for_test(&["mplayer", "ffmpeg"]) else { return Ok(()) };
    let servers = [
        (lab.pna().refuse("File not found").start()?, "got a message from server:\nFile not found"),
        (lab.pna().fail().start()?, "input_pnm: server error"),
    ];
    together(&servers, |(server, word)| {
        let seen = mplayer(&lab, server)?;
        let said = format!("{}{}", seen.stdout, seen.stderr);
        assert!(said.contains(word), "no `{word}` in {seen:#?}");
        assert!(!said.contains("ID_AUDIO_FORMAT"), "{seen:#?}");
        Ok(())
    })?;
    Ok(())
}

/// A second player, of another ancestry: it decodes what it gets into a file.
#[test]
fn xine_plays_from_the_test_server() -> Result<()> {
    let Some(lab) = Lab::for_test(&["xine", "ffmpeg"]) else { return Ok(()) };
    let server = lab.pna().start()?;
    // It wants a terminal, and goes on for ever.
    let player = format!(
        "aaxine -driver stdout -kbddriver stdin -A file {} >player.log 2>&1",
        server.url("/news/live.rm")
    );
    let mut xine = lab.command("timeout");
    xine.env("TERM", "xterm").env("HOME", lab.dir()).current_dir(lab.dir());
    xine.args(["10", "script", "--quiet", "--command", &player, "/dev/null"]);
    let seen = lab.run(xine)?;
    let sound = std::fs::read(lab.dir().join("xine-out.wav")).unwrap_or_default();
    // A second of 16 bits at 8000 Hz, and sound in it.
    let loud = sound.iter().skip(44).filter(|byte| **byte != 0).count();
    assert!(loud > 16_000, "{loud} of {} bytes are sound: {seen:#?}", sound.len());
    assert_eq!(server.asked().first().map(String::as_str), Some("news/live.rm"));
    Ok(())
}
