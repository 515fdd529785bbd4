//! `check_srt` against libsrt in three forms: ffmpeg, `srt-live-transmit` of two releases, and a listener with rules; well and broken.

mod support;

use std::time::Duration;

use support::{at_deadline, at_once, critical, ok, unknown, warning};
use weir_lab::{Clip, Lab, Outcome, ReleaseRoot, Result, Srt, together, wait_until};

const SECRET: &str = "correct horse";
/// Data packets that are sent for the first time: the F bit and the R bit are 0.
const FIRST_TIME: &str = "@th,64,1 0 @th,101,1 0";
/// Data packets that are sent again.
const AGAIN: &str = "@th,64,1 0 @th,101,1 1";

fn srt(lab: &Lab, arguments: &[&str]) -> Result<Outcome> {
    lab.check("check_srt", arguments)
}

/// A number in a line of the details: `detail(&seen, "packets: ", 1)` is the second one of that line.
#[track_caller]
fn detail(seen: &Outcome, line: &str, number: usize) -> u64 {
    let line = seen.stdout.lines().find_map(|text| text.strip_prefix(line)).unwrap_or_default();
    let mut numbers = line.split(|c: char| !c.is_ascii_digit()).filter_map(|word| word.parse().ok());
    let found = numbers.nth(number);
    assert!(found.is_some(), "no number {number} in `{line}` of {seen:#?}");
    found.unwrap_or_default()
}

fn well(seen: &Outcome) {
    ok(seen, &["h264 + aac", "first media after", "continuity errors, stuffing 0", "service: Service01"]);
    assert!((150_000.0..600_000.0).contains(&seen.metric("bitrate")), "{seen:#?}");
    assert!(seen.metric("loss") < 0.01 && seen.metric("tracks") > 1.5, "{seen:#?}");
    assert!(seen.metric("rtt") > 0.0 && seen.metric("rtt") < 0.1, "{seen:#?}");
}

#[test]
fn ffmpeg_serves_one_caller_and_the_second_is_told_so() -> Result<()> {
    let Some(lab) = Lab::for_test(&["ffmpeg"]) else { return Ok(()) };
    let ffmpeg = lab.srt_ffmpeg().start()?;
    let (first, second) = std::thread::scope(|scope| {
        let first = scope.spawn(|| srt(&lab, &["-v", "--expect-tracks", "video,audio", &ffmpeg.url("")]));
        ffmpeg.until_log("Output #0")?; // its caller has come
        let second = srt(&lab, &["-t", "2", &ffmpeg.url("")])?;
        Ok::<_, anyhow::Error>((first.join().expect("no panic")?, second))
    })?;
    well(&first);
    ok(&first, &["server: SRT 1.5.1", "latency: 120.0 ms"]);
    critical(&second, &["E-SRT-TIMEOUT", "neither answers nor refuses", "serves its only caller"]);
    at_deadline(&second, 2);
    // It ends with its caller, which has said goodbye.
    wait_until("the end of ffmpeg", Duration::from_secs(3), || !ffmpeg.is_running())?;
    let refused = srt(&lab, &[&ffmpeg.url("")])?;
    critical(&refused, &["E-UDP-REFUSED", "nothing listens on UDP"]);
    at_once(&refused);
    Ok(())
}

#[test]
fn live_transmit_serves_in_clear_and_encrypted() -> Result<()> {
    let Some(lab) = Lab::for_test(&["srt", "ffmpeg"]) else { return Ok(()) };
    let plain = lab.srt_live_transmit().start()?;
    let short = lab.srt_live_transmit().passphrase(SECRET).start()?;
    let long = lab.srt_live_transmit().passphrase(SECRET).option("pbkeylen", "32").start()?;
    // A new key every 60 packets.
    let changing = lab.srt_live_transmit().passphrase(SECRET).option("kmrefreshrate", "60").start()?;
    let file = lab.dir().join("secret");
    std::fs::write(&file, format!("{SECRET}\n"))?;
    let file = file.display().to_string();
    let calls = [
        (&plain, "", vec!["--latency", "0.3"], vec!["latency: 300.0 ms"]),
        (&short, "", vec!["--password-file", &file], vec!["encryption: AES with 128 bits"]),
        (&long, "?passphrase=correct%20horse", vec![], vec!["AES with 256 bits", "passphrase=***"]),
        (&changing, "", vec!["--password-file", &file, "-vvv"], vec!["AES with 128 bits"]),
    ];
    let seen = together(&calls, |(server, query, options, _)| {
        srt(&lab, &[&["-v", &server.url(query), "--watch", "6", "--wait", "8"], options.as_slice()].concat())
    })?;
    for (seen, (.., words)) in seen.iter().zip(&calls) {
        well(seen);
        ok(seen, words);
        seen.hides(SECRET);
        seen.hides("correct%20horse");
    }
    assert!(detail(&seen[3], "packets: ", 0) > 120, "the key has changed: {:#?}", seen[3]);
    Ok(())
}

#[test]
fn wrong_and_missing_passphrases_are_told() -> Result<()> {
    let Some(lab) = Lab::for_test(&["srt", "ffmpeg"]) else { return Ok(()) };
    let locked = lab.srt_live_transmit().passphrase(SECRET).start()?;
    let open = lab.srt_live_transmit().start()?;
    for (server, passphrase, words) in [
        (&locked, "correct house", ["the passphrase is wrong (code 1010)", "a passphrase was given here"]),
        (&locked, "", ["only one side has a passphrase (code 1011)", "a passphrase was not given here"]),
        (
            &open,
            "correct horse",
            ["only one side has a passphrase (code 1011)", "a passphrase was given here"],
        ),
    ] {
        let mut arguments = vec![server.url("")];
        if !passphrase.is_empty() {
            arguments.extend(["-a".to_owned(), passphrase.to_owned()]);
        }
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let seen = srt(&lab, &arguments)?;
        critical(&seen, &["E-SRT-PASSPHRASE", words[0], words[1]]);
        at_once(&seen);
    }
    let usage = srt(&lab, &["-a", "short", &open.url("")])?;
    unknown(&usage, &["E-USAGE", "the passphrase has 5 bytes: SRT wants 10 to 80"]);
    Ok(())
}

#[test]
fn a_listener_that_does_not_insist_on_encryption_is_judged_by_what_can_be_read() -> Result<()> {
    let Some(lab) = Lab::for_test(&["srt", "ffmpeg"]) else { return Ok(()) };
    let server = || lab.srt_live_transmit().passphrase(SECRET).option("enforcedencryption", "0").start();
    let open = || lab.srt_live_transmit().option("enforcedencryption", "0").start();
    let (first, second, third) = (server()?, server()?, open()?);
    let calls = [
        vec!["-v".to_owned(), first.url("")],
        vec!["-a".to_owned(), "correct house".to_owned(), second.url("")],
        vec!["-a".to_owned(), SECRET.to_owned(), third.url("")],
    ];
    let seen = together(&calls, |words| srt(&lab, &words.iter().map(String::as_str).collect::<Vec<_>>()))?;
    ok(&seen[0], &["encrypted media", "only the flow can be judged"]);
    critical(&seen[1], &["E-SRT-PASSPHRASE", "says that the passphrase is wrong"]);
    warning(&seen[2], &["E-SRT-PASSPHRASE", "media comes in clear"]);
    Ok(())
}

#[test]
fn a_newer_release_serves_too() -> Result<()> {
    let Some(lab) = Lab::for_test(&["namespace", "srt", "ffmpeg", "release-root"]) else { return Ok(()) };
    let root = ReleaseRoot::new("trixie", &["srt-tools"])?;
    let server = lab.srt_live_transmit_of(root).passphrase(SECRET).start()?;
    let seen = srt(&lab, &["-v", "-a", SECRET, &server.url("")])?;
    well(&seen);
    ok(&seen, &["server: SRT 1.5.4", "AES with 128 bits"]);
    Ok(())
}

#[test]
fn many_callers_choose_by_stream_id() -> Result<()> {
    let Some(lab) = Lab::for_test(&["srt", "ffmpeg"]) else { return Ok(()) };
    let server = lab.srt_rules().start()?;
    let plain = server.url("?streamid=tv1");
    let keyed = server.url("?streamid=#!::u=ops,r=tv1,m=request");
    let secret = server.url("?streamid=secret&passphrase=correct-horse");
    let seen = together([&plain, &keyed, &secret], |url| srt(&lab, &["-v", url]))?;
    seen.iter().for_each(well);
    let rejected = [
        ("tv2", "E-SRT-REJECTED", "stream not found (SRT_REJX 1404); the stream id is `tv2`"),
        ("#!::r=forbidden", "E-SRT-REJECTED", "forbidden (SRT_REJX 1403)"),
        ("full", "E-SRT-BUSY", "overloaded"),
        ("own", "E-SRT-REJECTED", "a code of the server's own (code 3005)"),
        ("secret", "E-SRT-PASSPHRASE", "only one side has a passphrase"),
    ];
    let seen = together(rejected, |(id, ..)| srt(&lab, &["--stream-id", id, &server.url("")]))?;
    for (seen, (_, code, words)) in seen.iter().zip(rejected) {
        critical(seen, &[code, words]);
        at_once(seen);
    }
    let none = srt(&lab, &[&server.url("")])?;
    critical(&none, &["E-SRT-REJECTED", "no stream id was given"]);
    Ok(())
}

#[test]
fn what_is_no_picture_is_told() -> Result<()> {
    let Some(lab) = Lab::for_test(&["srt", "ffmpeg"]) else { return Ok(()) };
    let server = lab.srt_rules().start()?;
    let url = |id: &str| server.url(&format!("?streamid={id}"));
    let calls = [
        vec![url("stuffing")],
        vec![url("bytes")],
        vec![url("bytes"), "--expect-tracks=video".into()],
        vec![url("silent")],
    ];
    let seen = together(&calls, |words| srt(&lab, &words.iter().map(String::as_str).collect::<Vec<_>>()))?;
    critical(&seen[0], &["E-TS-EMPTY", "transport packets are stuffing"]);
    ok(&seen[1], &["no MPEG-TS"]);
    critical(&seen[2], &["E-TS-TRACKS", "expected video, the stream has no MPEG-TS"]);
    critical(&seen[3], &["E-SRT-SILENT", "keeps the connection alive"]);
    Ok(())
}

/// Runs the check with a watch of `watch` seconds, and `breaks` after two and a half seconds, most of which the server has sent.
fn broken_on_the_way(
    lab: &Lab,
    server: &Srt,
    watch: &str,
    breaks: impl FnOnce() -> Result<()>,
) -> Result<Outcome> {
    std::thread::scope(|scope| {
        let check =
            scope.spawn(|| srt(lab, &["-v", "--watch", watch, "-t", "20", &server.url("?streamid=tv1")]));
        std::thread::sleep(Duration::from_millis(2500));
        breaks()?;
        check.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

#[test]
fn a_source_that_stalls_is_told_from_a_server_that_hangs_or_dies() -> Result<()> {
    let Some(lab) = Lab::for_test(&["srt", "ffmpeg"]) else { return Ok(()) };
    let start = || lab.srt_live_transmit().start();
    let (stalls, hangs, dies, ends) = (start()?, start()?, start()?, start()?);
    let seen = together(["stalls", "hangs", "dies", "ends"], |case| match case {
        "stalls" => broken_on_the_way(&lab, &stalls, "6", || stalls.feeder().expect("ffmpeg").pause()),
        "hangs" => broken_on_the_way(&lab, &hangs, "7", || hangs.pause()),
        "dies" => broken_on_the_way(&lab, &dies, "8", || dies.kill()),
        _ => broken_on_the_way(&lab, &ends, "8", || ends.stop()),
    })?;
    critical(&seen[0], &["E-STREAM-STALLED", "then nothing for", "keeps the connection alive"]);
    critical(&seen[1], &["E-SRT-LOST-PEER", "not even a sign of life"]);
    critical(&seen[2], &["E-SRT-LOST-PEER", "port was closed"]);
    critical(&seen[3], &["E-STREAM-ENDED", "the server ended the connection"]);
    assert!(seen[2].took < Duration::from_secs(7) && seen[3].took < Duration::from_secs(7), "{seen:#?}");
    Ok(())
}

#[test]
fn a_listener_that_is_stopped_or_filtered_is_a_timeout() -> Result<()> {
    let Some(lab) = Lab::for_test(&["namespace", "nft", "srt", "ffmpeg"]) else { return Ok(()) };
    let server = lab.srt_rules().start()?;
    server.pause()?;
    let seen = srt(&lab, &["-t", "2", &server.url("?streamid=tv1")])?;
    critical(&seen, &["E-SRT-TIMEOUT", "neither answers nor refuses 8 SRT handshakes"]);
    at_deadline(&seen, 2);
    server.resume()?;
    // Conclusions have extensions: only the first handshake passes.
    let rule = lab.drop_packets(&format!("udp dport {} udp length > 72", server.port()))?;
    let seen = srt(&lab, &["-t", "2", &server.url("?streamid=tv1")])?;
    critical(&seen, &["E-SRT-TIMEOUT", "answered the first handshake, and not the second one"]);
    rule.lift();
    ok(&srt(&lab, &[&server.url("?streamid=tv1")])?, &[]);
    Ok(())
}

#[test]
fn loss_on_the_way_is_counted_exactly_and_repaired() -> Result<()> {
    let Some(lab) = Lab::for_test(&["namespace", "nft", "srt", "ffmpeg"]) else { return Ok(()) };
    let server = lab.srt_rules().start()?;
    let url = server.url("?streamid=tv1&latency=500");
    // Every tenth packet, and never one that is sent again.
    let rule =
        lab.drop_packets(&format!("udp sport {} {FIRST_TIME} numgen inc mod 10 == 9", server.port()))?;
    let seen = srt(&lab, &["-v", "--watch", "5", "-w", "resent=50", &url])?;
    let dropped = rule.dropped()?;
    rule.lift();
    ok(&seen, &["h264 + aac", "loss 0.0 %", " 0 continuity errors"]);
    let (recovered, lost, missing) =
        (detail(&seen, "packets: ", 1), detail(&seen, "packets: ", 2), detail(&seen, "packets: ", 4));
    // What is dropped behind the last packet that came is not known to be missing.
    assert!(
        lost == 0 && (dropped.saturating_sub(2)..=dropped).contains(&(recovered + missing)),
        "{dropped} dropped: {seen:#?}"
    );
    assert!((8.0..12.0).contains(&seen.metric("resent")), "{seen:#?}");
    assert!(dropped >= 10, "{seen:#?}");
    // The same, and nothing that is sent again comes either.
    let rule =
        lab.drop_packets(&format!("udp sport {} {FIRST_TIME} numgen inc mod 10 == 9", server.port()))?;
    let again = lab.drop_packets(&format!("udp sport {} {AGAIN}", server.port()))?;
    let seen = srt(&lab, &["-v", "--watch", "5", &url])?;
    let dropped = rule.dropped()?;
    critical(&seen, &["E-SRT-LOSS", "expected at most 5.0 %", "latency 500.0 ms"]);
    let (lost, missing) = (detail(&seen, "packets: ", 2), detail(&seen, "packets: ", 4));
    assert!(
        (dropped.saturating_sub(2)..=dropped).contains(&(lost + missing)),
        "{dropped} dropped: {seen:#?}"
    );
    assert!(again.dropped()? >= lost, "we asked for what was missing: {seen:#?}");
    assert!((8.0..12.0).contains(&seen.metric("loss")), "{seen:#?}");
    Ok(())
}

#[test]
fn a_server_sees_a_good_receiver() -> Result<()> {
    let Some(lab) = Lab::for_test(&["srt", "ffmpeg"]) else { return Ok(()) };
    let statistics = lab.dir().join("statistics.csv");
    let file = format!("-statsout:{}", statistics.display());
    let server = lab.srt_live_transmit().argument("-s:20").argument("-pf:csv").argument(&file).start()?;
    well(&srt(&lab, &["-v", &server.url("")])?);
    let text = std::fs::read_to_string(&statistics)?;
    let mut lines = text.lines();
    let names: Vec<&str> = lines.next().unwrap_or_default().split(',').collect();
    let rows: Vec<Vec<&str>> = lines.map(|line| line.split(',').collect()).collect();
    let column = |name: &str| {
        let at = names.iter().position(|own| *own == name).unwrap_or_else(|| panic!("no {name} in {text}"));
        rows.iter().filter_map(|row| row.get(at)?.parse::<f64>().ok()).collect::<Vec<_>>()
    };
    assert!(rows.len() >= 3 && column("pktSent").iter().sum::<f64>() > 60.0, "{text}");
    for quiet in ["pktSndLoss", "pktSndDrop", "pktRetrans"] {
        assert!(column(quiet).iter().all(|value| *value == 0.0), "{quiet}: {text}");
    }
    assert!(column("pktFlightSize").iter().all(|value| *value < 60.0), "acknowledged in time: {text}");
    assert!(column("msRTT").last().is_some_and(|rtt| *rtt < 100.0), "{text}");
    Ok(())
}

#[test]
fn dead_air_is_heard_and_seen_through_encryption() -> Result<()> {
    let Some(lab) = Lab::for_test(&["srt", "ffmpeg"]) else { return Ok(()) };
    let alive = lab.srt_live_transmit().passphrase(SECRET).start()?;
    let dead = lab.srt_live_transmit().passphrase(SECRET).clip(Clip::Black).start()?;
    let asked = ["-v", "-a", SECRET, "--silence=-50:3s", "--black", "3s"];
    let seen = together([&alive, &dead], |server| srt(&lab, &[&asked[..], &[&server.url("")]].concat()))?;
    well(&seen[0]);
    critical(&seen[1], &["E-AIR-SILENT", "E-AIR-BLACK"]);
    Ok(())
}

#[test]
fn check_stream_and_graphs_know_the_scheme() -> Result<()> {
    let Some(lab) = Lab::for_test(&["srt", "ffmpeg"]) else { return Ok(()) };
    let server = lab.srt_rules().start()?;
    let url = server.url("?streamid=tv1");
    ok(&lab.check("check_stream", &[&url])?, &["SRT OK", "h264 + aac"]);
    let draw = |argument: &str| {
        let mut graphs = lab.command(weir_lab::bin("stream_")?);
        graphs.env("url", &url).env("options", "-w resent=20").arg(argument);
        lab.run(graphs)
    };
    let (config, fetched) = (draw("config")?, draw("")?);
    for field in ["first_media", "bitrate", "loss", "resent", "rtt", "gap"] {
        assert!(config.stdout.contains(&format!("{field}.label")), "{config:#?}");
        assert!(fetched.stdout.contains(&format!("{field}.value ")), "{fetched:#?}");
    }
    assert!(config.stdout.contains("resent.warning "), "{config:#?}");
    assert!(!config.stdout.contains("jitter.label"), "{config:#?}");
    Ok(())
}
