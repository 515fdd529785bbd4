//! `check_pnm` against the refereed test server, well and broken, and against hostile ones.

mod support;

use std::io::{Read as _, Write as _};
use std::time::Duration;

use support::{at_deadline, at_once, critical, ok, unknown, warning};
use weir_lab::{Fault, Hostile, Lab, Media, Outcome, Result, together};

fn pnm(lab: &Lab, arguments: &[&str]) -> Result<Outcome> {
    lab.check("check_pnm", arguments)
}

#[test]
fn a_live_stream_flows_at_the_pace_of_its_clock() -> Result<()> {
    let Some(lab) = Lab::for_test(&["ffmpeg"]) else { return Ok(()) };
    let server = lab.pna().start()?;
    let url = server.url("/news/live.rm?a=b%20c");
    let options = ["--expect-codec", "ra144", "--expect-tracks", "audio", "--expect-live"];
    let seen = pnm(&lab, &[["-v", &url].as_slice(), &options].concat())?;
    ok(&seen, &["RA144", "title: News_at_ten", "kind: live", "advertised: 8.0 kbit/s"]);
    assert!((seen.metric("bitrate") - 8000.0).abs() < 1600.0, "{seen:#?}");
    assert!((seen.metric("speed") - 100.0).abs() < 20.0, "{seen:#?}");
    assert!(seen.metric("first_media") > 0.0 && seen.metric("gap") < 1000.0, "{seen:#?}");
    assert_eq!(server.asked(), ["news/live.rm?a=b c"]);
    assert_eq!(server.alive(), 1, "one sign of life for 43 of about 60 packets");
    Ok(())
}

#[test]
fn a_challenge_is_answered_and_its_refusal_is_not_the_stream_s_fault() -> Result<()> {
    let Some(lab) = Lab::for_test(&["ffmpeg"]) else { return Ok(()) };
    let lenient = lab.pna().wants_proof().start()?;
    let strict = lab.pna().refuse_proof().start()?;
    ok(&pnm(&lab, &["-v", &lenient.url("/live.rm"), "--watch", "2.5"])?, &["challenge: "]);
    let refused = pnm(&lab, &[&strict.url("/live.rm")])?;
    unknown(&refused, &["E-PNM-PROOF", "RA144", "closed the connection after our answer", "--describe-only"]);
    let described = pnm(&lab, &[&strict.url("/live.rm"), "--describe-only"])?;
    ok(&described, &["RA144", "the path exists; whether media flows was not looked at"]);
    at_once(&described);
    Ok(())
}

#[test]
fn a_file_is_no_live_channel() -> Result<()> {
    let Some(lab) = Lab::for_test(&["ffmpeg"]) else { return Ok(()) };
    let file = lab.pna().on_demand().start()?;
    let url = file.url("/clip.rm");
    let seen = pnm(&lab, &["-v", &url])?;
    ok(&seen, &["kind: on demand", "duration: 30.00 s"]);
    assert!((seen.metric("bitrate") - 8000.0).abs() < 800.0 && seen.metric("speed").is_nan(), "{seen:#?}");
    critical(&pnm(&lab, &[&url, "--expect-live"])?, &["E-PNM-FILE", "a file of 30.00 s"]);
    let missing = pnm(&lab, &[&url, "--expect-codec", "cook", "--expect-tracks", "video", "--watch", "2.5"])?;
    critical(&missing, &["E-CODEC", "expected cook", "E-PNM-TRACKS", "expected video", "RA144"]);
    Ok(())
}

#[test]
fn a_stream_that_is_not_there_is_refused_in_the_server_s_words() -> Result<()> {
    let Some(lab) = Lab::for_test(&["ffmpeg"]) else { return Ok(()) };
    let servers: [(Media, &[&str]); 4] = [
        (lab.pna().refuse("File not found").start()?, &["E-PNM-REFUSED", "`gone.rm`: File not found"]),
        (lab.pna().not_found_in_http().start()?, &["E-PNM-REFUSED", "it answers HTTP/1.0 404 Not Found"]),
        (lab.pna().fail().start()?, &["E-PNM-REFUSED", "without a word"]),
        (lab.pna().no_streams().start()?, &["E-PNM-HEADER", "names no stream"]),
    ];
    for (server, words) in servers {
        for only in [&["--describe-only"][..], &[]] {
            let seen = pnm(&lab, &[&[server.url("/gone.rm").as_str()], only].concat())?;
            critical(&seen, words);
            at_once(&seen);
        }
    }
    Ok(())
}

#[test]
fn media_that_does_not_flow_is_told_from_media_that_stops() -> Result<()> {
    let Some(lab) = Lab::for_test(&["ffmpeg"]) else { return Ok(()) };
    let second = Duration::from_secs(1);
    let servers: [(Media, &[&str]); 5] = [
        (lab.pna().with(Fault::Silent).start()?, &["E-PNM-SILENT", "no media came within 2.0", "RA144"]),
        (
            lab.pna().with(Fault::StallAfter(Duration::ZERO)).start()?,
            &["E-STREAM-STALLED", "packets came in", "then nothing for"],
        ),
        (
            lab.pna().with(Fault::EndAfter(second)).start()?,
            &["E-PNM-ENDED", "the server ended the stream after"],
        ),
        (lab.pna().throw_out_after(second).start()?, &["E-PNM-ENDED", "said `Server is full`"]),
        (lab.pna().with(Fault::Garbage).start()?, &["E-PNM-SILENT", "that are no media"]),
    ];
    together(&servers, |(server, words)| {
        let seen = pnm(&lab, &[&server.url("/live.rm"), "--wait", "2"])?;
        critical(&seen, words);
        Ok(())
    })?;
    let slow = lab.pna().with(Fault::Slow).start()?;
    let seen = pnm(&lab, &[&slow.url("/live.rm")])?;
    warning(&seen, &["E-PNM-SPEED"]);
    assert!((seen.metric("speed") - 50.0).abs() < 12.0, "{seen:#?}");
    Ok(())
}

#[test]
fn too_little_time_is_not_the_stream_s_fault() -> Result<()> {
    let Some(lab) = Lab::for_test(&["ffmpeg"]) else { return Ok(()) };
    let (good, silent) = (lab.pna().start()?, lab.pna().with(Fault::Silent).start()?);
    unknown(&pnm(&lab, &[&good.url("/live.rm"), "-t", "1.5"])?, &["E-NO-DATA", "raise -t"]);
    unknown(&pnm(&lab, &[&silent.url("/live.rm"), "-t", "1"])?, &["E-NO-DATA", "raise -t"]);
    unknown(&pnm(&lab, &["pnm://u:secret@127.0.0.1:1/x", "-t", "1"])?, &["E-USAGE", "user and a password"]);
    unknown(&pnm(&lab, &["rtsp://127.0.0.1/x"])?, &["E-USAGE", "use pnm://host/path or pna://host/path"]);
    Ok(())
}

#[test]
fn check_stream_and_playlists_know_the_scheme() -> Result<()> {
    let Some(lab) = Lab::for_test(&["ffmpeg", "nginx"]) else { return Ok(()) };
    let server = lab.pna().start()?;
    let web = lab.nginx().start()?;
    web.write("news.ram", format!("{}\n", server.url("/live.rm")))?;
    let urls = [server.url("/live.rm"), web.url("/news.ram")];
    for seen in together(&urls, |url| lab.check("check_stream", &[url, "--options", "-v"]))? {
        ok(&seen, &["RA144", "kbit/s, speed "]);
    }
    Ok(())
}

#[test]
fn hostile_servers_meet_the_deadline_in_bounded_memory() -> Result<()> {
    let Some(lab) = Lab::for_test(&["namespace", "ffmpeg"]) else { return Ok(()) };
    let check = |url: String, words: &[&str]| {
        let seen = lab.bounded("check_pnm", &[&url, "-t", "2"])?;
        critical(&seen, words);
        Ok(seen)
    };
    let kinds: [(Hostile, &[&str]); 3] = [
        (Hostile::Refuse, &["E-TCP-REFUSED"]),
        (Hostile::CloseAtOnce, &["E-CONN-CLOSED"]),
        (Hostile::Reset, &["E-CONN-CLOSED"]),
    ];
    together(kinds, |(kind, words)| check(lab.hostile(kind)?.url("pnm", "/live.rm"), words))?
        .iter()
        .for_each(at_once);
    let others: [(&[u8], &[&str]); 3] = [
        (b"SSH-2.0-OpenSSH_9.2\r\n", &["E-PROTOCOL", "expected the hello", "SSH"]),
        (b"\x00\x01\x02\x03", &["E-PROTOCOL", "expected the hello"]),
        (
            b"HTTP/1.1 200 OK\r\nX-More: and more\r\n",
            &["E-PROTOCOL", "speaks HTTP instead of PNA: HTTP/1.1 200 OK"],
        ),
    ];
    let other = |(bytes, words): (&'static [u8], &[&str])| {
        let server = lab.serve(move |client| {
            let _ = client.read(&mut [0; 1024]);
            while client.write_all(bytes).is_ok() {}
        })?;
        check(server.url("pnm", "/live.rm"), words)
    };
    together(others, other)?.iter().for_each(at_once);
    let at_their_word: [(Media, &[&str]); 3] = [
        (lab.pna().with(Fault::EndlessHeader).start()?, &["E-LIMIT", "262144 bytes"]),
        (lab.pna().with(Fault::Length(0)).start()?, &["E-PROTOCOL", "a chunk of 0 bytes"]),
        (lab.pna().with(Fault::Length(u32::MAX)).start()?, &["E-PROTOCOL", "a chunk of 4294967295 bytes"]),
    ];
    together(&at_their_word, |(server, words)| check(server.url("/live.rm"), words))?
        .iter()
        .for_each(at_once);
    let at_the_end: [(Media, &[&str]); 2] = [
        (lab.pna().with(Fault::NeverAnswer).start()?, &["E-SERVER-TIMEOUT", "stage describe"]),
        (lab.pna().with(Fault::Drip).start()?, &["E-SERVER-TIMEOUT", "stage describe"]),
    ];
    for seen in together(&at_the_end, |(server, words)| check(server.url("/live.rm"), words))? {
        at_deadline(&seen, 2);
    }
    let endless = lab.pna().with(Fault::Garbage).start()?;
    let seen = lab.bounded("check_pnm", &[&endless.url("/live.rm"), "-t", "4"])?;
    critical(&seen, &["E-PNM-SILENT", "that are no media"]);
    Ok(())
}
