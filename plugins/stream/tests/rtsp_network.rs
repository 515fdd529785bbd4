//! `check_rtsp` and the network between: loss that a firewall counts, IPv6, several addresses, redirects, hostile servers.

mod support;

use std::io::{Read as _, Write as _};
use std::time::Duration;

use support::{at_deadline, at_once, critical, ok, rtsp, unknown, warning};
use weir_lab::{Hostile, Lab, Result, together};

/// The numbers before `word` in the lines that `-v` shows of the tracks, added up.
fn counted(stdout: &str, word: &str) -> u64 {
    let lines = stdout.lines().filter(|line| line.starts_with("video:") || line.starts_with("audio:"));
    lines
        .flat_map(|line| line.split(", "))
        .filter_map(|part| part.strip_suffix(word)?.trim().parse::<u64>().ok())
        .sum()
}

#[test]
fn loss_over_udp_is_what_the_firewall_counted() -> Result<()> {
    let Some(lab) = Lab::for_test(&["namespace", "gst", "ffmpeg", "nft"]) else { return Ok(()) };
    let gst = lab.gst().start()?;
    let url = gst.url("/live");
    let rule = lab.lose_every_nth_rtp(10)?;
    let lossy = rtsp(&lab, &["-v", &url, "--transport", "udp", "--watch", "3"])?;
    let dropped = rule.dropped()?;
    let spared = rtsp(&lab, &["-v", &url, "--transport", "tcp", "--watch", "1"])?;
    rule.lift();
    critical(&lossy, &["E-RTP-LOSS", "expected at most 5.0 %"]);
    let lost = counted(&lossy.stdout, " lost") + counted(&lossy.stdout, " lost at the start");
    // What is dropped after the last packet that came cannot be missed: at most one in ten of the packets on their way.
    assert!(lost > 0 && (lost..=lost + 2).contains(&dropped), "{lost} of {dropped} noticed: {lossy:#?}");
    assert!((lossy.metric("loss") - 10.0).abs() < 3.0, "{lossy:#?}");
    ok(&spared, &["loss 0.0 %"]);

    let all = lab.lose_rtp(100)?;
    let silent = rtsp(&lab, &[&url, "--transport", "udp", "--wait", "1"])?;
    critical(&silent, &["E-RTSP-SILENT", "over UDP", "firewall"]);
    assert!(silent.metric("loss").is_nan() && all.dropped()? > 0);
    Ok(())
}

#[test]
fn ipv6_alone_is_enough() -> Result<()> {
    let Some(lab) = Lab::for_test(&["namespace", "gst", "ffmpeg"]) else { return Ok(()) };
    lab.hosts(&[("six.example", "2001:db8::7")])?;
    let gst = lab.gst().on("::").start()?;
    let (named, literal) = (gst.url_at("six.example", "/live"), gst.url_at("[2001:db8::7]", "/live"));
    let runs: [&[&str]; 3] =
        [&[&named], &[&literal, "--transport", "udp"], &[&named, "-6", "--transport", "udp"]];
    for (run, over) in runs.iter().zip(["over TCP", "over UDP", "over UDP"]) {
        ok(&rtsp(&lab, &[*run, &["--watch", "1"]].concat())?, &[over]);
    }
    critical(&rtsp(&lab, &[&named, "-4", "-t", "3"])?, &["E-DNS-", "six.example"]);
    unknown(&rtsp(&lab, &[&literal, "-4"])?, &["E-USAGE", "2001:db8::7"]);
    Ok(())
}

#[test]
fn one_dead_address_of_two_counts_as_the_operator_says() -> Result<()> {
    let Some(lab) = Lab::for_test(&["namespace", "gst", "ffmpeg", "nft"]) else { return Ok(()) };
    lab.hosts(&[("two.example", "192.0.2.1"), ("two.example", "192.0.2.2")])?;
    let gst = lab.gst().on("192.0.2.2").start()?; // nobody listens on 192.0.2.1
    let url = gst.url_at("two.example", "/live");
    let policies = ["first", "any", "1", "all", "2"];
    // Listeners who join at once cost each other a packet.
    let options = ["-v", &url, "--watch", "1", "-t", "4", "--problem-state", "E-RTP-LOSS=ok", "--addresses"];
    let with = |policy: &str| rtsp(&lab, &[options.as_slice(), &[policy]].concat());
    let judged = |why: &str| -> Result<()> {
        let seen = together(policies, with)?;
        critical(&seen[0], &[why, "192.0.2.1"]);
        ok(&seen[1], &["address 192.0.2.2", "192.0.2.1", "does not serve"]);
        warning(&seen[2], &[why, "192.0.2.1", "1 of 2 addresses serve"]);
        critical(&seen[3], &["E-ADDR-DEAD", why, "1 of 2 addresses serve, 2 are needed"]);
        critical(&seen[4], &["E-ADDR-DEAD", why]);
        Ok(())
    };
    judged("E-TCP-REFUSED")?;
    let _hole = lab.black_hole("192.0.2.1")?;
    judged("E-TCP-TIMEOUT")
}

#[test]
fn redirects_are_followed_to_rtsp_only_and_not_for_ever() -> Result<()> {
    let Some(lab) = Lab::for_test(&["gst", "ffmpeg"]) else { return Ok(()) };
    let gst = lab.gst().start()?;
    let to = |url: &str| lab.hostile(Hostile::RtspRedirect(url.to_owned()));
    let good = to(&gst.url("/live"))?;
    ok(&rtsp(&lab, &["-v", "--watch", "1", &good.url("rtsp", "/old")])?, &["redirected to: rtsp://", "H264"]);
    let circle = rtsp(&lab, &[&to("/again")?.url("rtsp", "/old")])?;
    critical(&circle, &["E-REDIRECT-LOOP", "more than 5 redirects", "/again"]);
    for elsewhere in ["http://192.0.2.1/", "file:///etc/passwd", "rtsp://"] {
        let seen = rtsp(&lab, &[&to(elsewhere)?.url("rtsp", "/old")])?;
        critical(&seen, &["E-REDIRECT-SCHEME"]);
        at_once(&seen);
    }
    Ok(())
}

#[test]
fn a_200_to_play_without_rtp_is_silence() -> Result<()> {
    let Some(lab) = Lab::for_test(&[]) else { return Ok(()) };
    let server = lab.hostile(Hostile::RtspSilent)?;
    let url = server.url("rtsp", "/live");
    let seen = together(["tcp", "udp"], |how| rtsp(&lab, &[&url, "--transport", how, "--wait", "1"]))?;
    critical(&seen[0], &["E-RTSP-SILENT", "no RTP within 1.0", "PLAY over TCP (server said 200 OK)", "PCMA"]);
    critical(&seen[1], &["E-RTSP-SILENT", "over UDP"]);
    let deadline = rtsp(&lab, &[&url, "--wait", "60", "-t", "2"])?;
    critical(&deadline, &["E-RTSP-SILENT"]);
    at_deadline(&deadline, 2);
    Ok(())
}

#[test]
fn hostile_servers_meet_the_deadline_in_bounded_memory() -> Result<()> {
    let Some(lab) = Lab::for_test(&["namespace"]) else { return Ok(()) };
    let at_the_end: [(Hostile, &[&str]); 1] = [(Hostile::Silent, &["E-SERVER-TIMEOUT", "stage options"])];
    let at_their_word: [(Hostile, &[&str]); 7] = [
        (Hostile::Refuse, &["E-TCP-REFUSED"]),
        (Hostile::CloseAtOnce, &["E-CONN-CLOSED", "OPTIONS"]),
        (Hostile::Reset, &["E-CONN-CLOSED", "reset"]),
        (Hostile::Garbage, &["E-PROTOCOL"]),
        (Hostile::EndlessHeader, &["E-PROTOCOL"]),
        (Hostile::RedirectLoop, &["E-PROTOCOL"]),
        (Hostile::Answer(b"SSH-2.0-OpenSSH_9.2\r\n".to_vec()), &["E-PROTOCOL", "SSH"]),
    ];
    let check = |(kind, words): (Hostile, &'static [&'static str])| {
        let server = lab.hostile(kind)?;
        let seen = lab.bounded("check_rtsp", &[&server.url("rtsp", "/live"), "-t", "2"])?;
        critical(&seen, words);
        Ok(seen)
    };
    together(at_the_end, check)?.iter().for_each(|seen| at_deadline(seen, 2));
    together(at_their_word, check)?.iter().for_each(at_once);
    Ok(())
}

/// What is sent once, what is sent for ever, with what pauses, and what is said of it.
type Flood = (&'static [u8], &'static [u8], Duration, &'static [&'static str]);

#[test]
fn endless_answers_meet_their_limit_or_the_deadline_in_bounded_memory() -> Result<()> {
    let Some(lab) = Lab::for_test(&["namespace"]) else { return Ok(()) };
    let no_pause = Duration::ZERO;
    let floods: [Flood; 6] = [
        (b"RTSP/1.0 200 OK\r\n", b"X-More: and more\r\n", no_pause, &["E-LIMIT"]),
        (b"RTSP/1.0 200 OK\r\nX-Line: ", b"and more ", no_pause, &["E-LIMIT"]),
        (b"RTSP/1.0 200 OK\r\nContent-Length: 4294967295\r\n\r\n", b"v=0\r\n", no_pause, &["E-LIMIT"]),
        (b"", b"$\x00\x00\x04abcd", no_pause, &["E-SERVER-TIMEOUT", "stage options"]),
        (b"", b"RTSP/1.0 200 OK\r\nCSeq: 99\r\n\r\n", no_pause, &["E-SERVER-TIMEOUT", "stage options"]),
        (b"RTSP/1.0 200 OK\r\n", b"X", Duration::from_millis(50), &["E-SERVER-TIMEOUT", "stage options"]),
    ];
    let seen = together(floods, |(once, for_ever, pause, words)| {
        let server = lab.serve(move |client| {
            let _ = client.read(&mut [0; 1024]).and_then(|_| client.write_all(once));
            while client.write_all(for_ever).is_ok() {
                std::thread::sleep(pause);
            }
        })?;
        let seen = lab.bounded("check_rtsp", &[&server.url("rtsp", "/live"), "-t", "2"])?;
        critical(&seen, words);
        Ok(seen)
    })?;
    seen[..3].iter().for_each(at_once);
    for seen in &seen[3..] {
        at_deadline(seen, 2);
    }
    Ok(())
}

#[test]
fn a_name_is_missing_or_its_server_is_silent() -> Result<()> {
    let Some(lab) = Lab::for_test(&["namespace", "dnsmasq"]) else { return Ok(()) };
    let url = "rtsp://nowhere.example/live";
    {
        let _silent = lab.silent_dns()?;
        let seen = rtsp(&lab, &[url, "-t", "2"])?;
        critical(&seen, &["E-DNS-TIMEOUT"]);
        assert!(seen.took < Duration::from_secs(3), "{seen:#?}");
    }
    let _dns = lab.dns(&[("six.example", "2001:db8::1")])?;
    critical(&rtsp(&lab, &[url])?, &["E-DNS-NXDOMAIN", "nowhere.example"]);
    // Nobody is sent to look for a name that exists, whatever the search list makes of it.
    lab.resolv_conf("nameserver 127.0.0.1\nsearch example.net\n")?;
    critical(&rtsp(&lab, &["rtsp://six.example/live", "-4"])?, &["E-DNS-NO-ADDRESS", "six.example"]);
    critical(&rtsp(&lab, &[url])?, &["E-DNS-NXDOMAIN", "nowhere.example"]);
    Ok(())
}
