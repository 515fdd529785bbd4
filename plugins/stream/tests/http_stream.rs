//! `check_http_stream` against Icecast, a SHOUTcast and nginx: media that flows, stalls, ends, or is the wrong one.

mod support;

use std::io::{Read as _, Write as _};
use std::time::Duration;

use support::{at_once, critical, http, ok, unknown, warning};
use weir_lab::{Clip, Hostile, Icecast, Lab, Nginx, Result, Source, together, wait_until};

/// A source that has been on long enough for the server to have something in its buffer for new listeners.
fn source(icecast: &Icecast, mount: &str, clip: Clip) -> Result<Source> {
    let source = icecast.source(mount, clip)?;
    std::thread::sleep(Duration::from_secs(1));
    Ok(source)
}

#[test]
fn icecast_flows_in_every_codec() -> Result<()> {
    let Some(lab) = Lab::for_test(&["icecast2", "ffmpeg", "curl"]) else { return Ok(()) };
    let icecast = lab.icecast().start()?;
    let mounts = [
        ("a.mp3", Clip::Tone, "MPEG audio"),
        ("a.ogg", Clip::ToneOgg, "Ogg"),
        ("a.aac", Clip::ToneAac, "AAC"),
    ];
    let _sources = together(mounts, |(mount, clip, _)| source(&icecast, mount, clip))?;
    let seen = together(mounts, |(mount, _, name)| {
        http(&lab, &["-v", &icecast.url(mount), "--expect-codec", name, "--expect-title", "Weir test"])
    })?;
    for (seen, (_, _, name)) in seen.iter().zip(mounts) {
        ok(seen, &[name, "station: Weir test", "of which"]);
        assert!(seen.metric("gap") < 2.5, "{seen:#?}");
    }
    let bitrate = seen[0].metric("bitrate");
    assert!(
        (50_000.0..80_000.0).contains(&bitrate),
        "a source of 64 kbit/s, without the burst: {:#?}",
        seen[0]
    );
    Ok(())
}

#[test]
fn what_flows_is_compared_with_what_is_expected() -> Result<()> {
    let Some(lab) = Lab::for_test(&["icecast2", "ffmpeg", "curl"]) else { return Ok(()) };
    let icecast = lab.icecast().start()?;
    let _source = source(&icecast, "a.mp3", Clip::Tone)?;
    let url = icecast.url("a.mp3");
    let options: [&[&str]; 5] = [
        &["--min-bitrate", "48000"],
        &["--min-bitrate", "128000"],
        &["--expect-codec", "ogg"],
        &["--expect-title", "Another station"],
        &["-w", "0.0001"],
    ];
    let seen =
        together(options, |own| http(&lab, &[[url.as_str(), "--listen", "3"].as_slice(), own].concat()))?;
    ok(&seen[0], &["kbit/s"]);
    critical(&seen[1], &["E-BITRATE", "expected at least 128.0 kbit/s"]);
    critical(&seen[2], &["E-CODEC", "the media is MPEG audio, expected ogg"]);
    warning(&seen[3], &["E-TITLE", "`Weir test`", "`Another station`"]);
    warning(&seen[4], &["E-START-SLOW"]);
    Ok(())
}

#[test]
fn a_stalled_source_behind_a_healthy_server_is_critical() -> Result<()> {
    let Some(lab) = Lab::for_test(&["icecast2", "ffmpeg", "curl"]) else { return Ok(()) };
    let icecast = lab.icecast().start()?;
    let source = source(&icecast, "a.mp3", Clip::Tone)?;
    let url = icecast.url("a.mp3");
    ok(&http(&lab, &[&url, "--listen", "2"])?, &["MPEG audio"]);
    source.stall()?;
    let stalled = http(&lab, &[&url, "--listen", "2"])?;
    critical(&stalled, &["E-STREAM-STALLED", "came at once from the server's buffer, then nothing for"]);
    critical(&http(&lab, &[&icecast.url("b.mp3")])?, &["E-HTTP-STATUS", "404", "not mounted"]);
    Ok(())
}

#[test]
fn a_source_that_dies_while_it_is_heard_has_ended_the_stream() -> Result<()> {
    let Some(lab) = Lab::for_test(&["icecast2", "ffmpeg", "curl"]) else { return Ok(()) };
    let icecast = lab.icecast().start()?;
    let source = source(&icecast, "a.mp3", Clip::Tone)?;
    let url = icecast.url("a.mp3");
    let seen = std::thread::scope(|scope| {
        let heard = scope.spawn(|| http(&lab, &[&url, "--listen", "8", "-t", "15"]));
        std::thread::sleep(Duration::from_secs(2));
        source.kill()?;
        heard.join().expect("no panic")
    })?;
    critical(&seen, &["E-STREAM-ENDED", "the server ended the stream after"]);
    assert!(seen.metric("first_media") > 0.0, "what was measured is kept: {seen:#?}");
    Ok(())
}

#[test]
fn titles_are_read_with_quotes_and_umlauts() -> Result<()> {
    let Some(lab) = Lab::for_test(&["icecast2", "ffmpeg", "curl"]) else { return Ok(()) };
    let icecast = lab.icecast().start()?;
    let _source = source(&icecast, "a.mp3", Clip::Tone)?;
    let shoutcast = lab.hostile(Hostile::Shoutcast)?;
    icecast.set_title("a.mp3", "Bläck 'n' Blü")?;
    let runs =
        [(icecast.url("a.mp3"), "Bläck 'n' Blü"), (shoutcast.url("http", "/"), "Artist - Cafe 'n' Title")];
    for (seen, title) in
        together(&runs, |(url, title)| Ok((http(&lab, &[url, "--expect-title", title])?, title)))?
    {
        ok(&seen, &[&format!("\"{title}\"")]);
    }
    Ok(())
}

#[test]
fn shoutcast_flows_and_stalls() -> Result<()> {
    let Some(lab) = Lab::for_test(&["ffmpeg"]) else { return Ok(()) };
    let (well, stalled) = (lab.hostile(Hostile::Shoutcast)?, lab.hostile(Hostile::ShoutcastStalled)?);
    let seen = together([&well, &stalled], |server| http(&lab, &["-v", &server.url("http", "/")]))?;
    ok(&seen[0], &["ICY (SHOUTcast v1)", "advertised: 64 kbit/s"]);
    assert!((48_000.0..80_000.0).contains(&seen[0].metric("bitrate")), "{:#?}", seen[0]);
    critical(&seen[1], &["E-STREAM-STALLED", "64.0 KiB came at once", "then nothing for"]);
    Ok(())
}

#[test]
fn half_of_the_advertised_bit_rate_is_a_warning() -> Result<()> {
    let Some(lab) = Lab::for_test(&["ffmpeg"]) else { return Ok(()) };
    let media = std::fs::read(Clip::Tone.path()?)?;
    let server = lab.serve(move |client| {
        let _ = client.read(&mut [0; 4096]);
        let _ = client.write_all(b"HTTP/1.0 200 OK\r\nContent-Type: audio/mpeg\r\nicy-br: 64\r\n\r\n");
        for piece in media.chunks(400) {
            if client.write_all(piece).is_err() {
                return;
            }
            std::thread::sleep(Duration::from_millis(100)); // 32 kbit/s
        }
    })?;
    let seen = http(&lab, &[&server.url("http", "/")])?;
    warning(&seen, &["E-BITRATE", "64.0 kbit/s are advertised"]);
    Ok(())
}

#[test]
fn a_file_with_a_length_is_on_demand_and_may_end() -> Result<()> {
    let Some(lab) = Lab::for_test(&["nginx", "ffmpeg"]) else { return Ok(()) };
    let nginx = lab.nginx().start()?;
    let tone = std::fs::read(Clip::Tone.path()?)?;
    nginx.write("/tone.mp3", &tone)?;
    nginx.write("/long.mp3", tone.repeat(40))?; // 9 MB, of which 4 MiB are enough
    nginx.write("/page.mp3", "<!DOCTYPE html><html><body>We are sorry</body></html>")?;
    nginx.write("/empty.mp3", "")?;
    let runs = ["/tone.mp3", "/long.mp3", "/page.mp3", "/empty.mp3", "/missing.mp3"];
    let seen = together(runs, |path| http(&lab, &[&nginx.url(path), "-v"]))?;
    ok(&seen[0], &["MPEG audio"]);
    ok(&seen[1], &["MPEG audio", "media: 4.0 MiB"]);
    critical(&seen[2], &["E-NOT-MEDIA", "the body is HTML, the server claims audio/mpeg"]);
    critical(&seen[3], &["E-STREAM-SILENT"]);
    critical(&seen[4], &["E-HTTP-STATUS", "404"]);
    seen.iter().for_each(at_once);
    assert!(seen[1].metric("bitrate") > 64_000.0, "the rate of the download: {:#?}", seen[1]);
    Ok(())
}

#[test]
fn ipv6_alone_is_enough() -> Result<()> {
    let Some(lab) = Lab::for_test(&["namespace", "nginx", "ffmpeg"]) else { return Ok(()) };
    lab.hosts(&[("six.example", "2001:db8::7")])?;
    let nginx = lab.nginx().start()?;
    nginx.write("/tone.mp3", std::fs::read(Clip::Tone.path()?)?)?;
    let (named, literal) =
        (nginx.url_at("six.example", "/tone.mp3"), nginx.url_at("[2001:db8::7]", "/tone.mp3"));
    for run in [&[named.as_str()][..], &[&literal], &[&named, "-6"]] {
        ok(&http(&lab, run)?, &["MPEG audio"]);
    }
    unknown(&http(&lab, &[&literal, "-4"])?, &["E-USAGE", "2001:db8::7"]);
    Ok(())
}

#[test]
fn listeners_credentials_are_asked_for_used_and_hidden() -> Result<()> {
    let Some(lab) = Lab::for_test(&["nginx", "ffmpeg"]) else { return Ok(()) };
    let users = lab.dir().join("users");
    std::fs::write(&users, "user:{PLAIN}s3cret\n")?;
    let protected = format!("auth_basic members; auth_basic_user_file {};", users.display());
    let nginx = lab.nginx().with(&protected).start()?;
    nginx.write("/tone.mp3", std::fs::read(Clip::Tone.path()?)?)?;
    let file = lab.dir().join("password");
    std::fs::write(&file, "s3cret\n")?;
    let (url, file) = (nginx.url("/tone.mp3"), file.to_str().expect("plain path"));
    let right = nginx.url_at("user:s3cret@127.0.0.1", "/tone.mp3");
    let wrong = nginx.url_at("user:wr0ng@127.0.0.1", "/tone.mp3");
    let runs: [&[&str]; 4] =
        [&[&right, "-vvv"], &[&url, "-l", "user", "--password-file", file], &[&wrong, "-vvv"], &[&url]];
    let seen = together(runs, |arguments| http(&lab, arguments))?;
    ok(&seen[0], &["MPEG audio", "Authorization: ***"]);
    ok(&seen[1], &["MPEG audio"]);
    critical(&seen[2], &["E-AUTH", "401", "the credentials are refused"]);
    critical(&seen[3], &["E-AUTH", "401", "it wants credentials"]);
    let mut by_environment = lab.command(weir_lab::bin("check_http_stream")?);
    by_environment.args([&url, "-l", "user"]).env("WEIR_PASSWORD", "s3cret");
    ok(&lab.run(by_environment)?, &["MPEG audio"]);
    seen[0].hides("s3cret");
    seen[2].hides("wr0ng");
    Ok(())
}

#[test]
fn certificates_are_verified() -> Result<()> {
    let Some(lab) = Lab::for_test(&["namespace", "nginx", "ffmpeg", "openssl"]) else { return Ok(()) };
    lab.hosts(&[("live.example", "127.0.0.1"), ("other.example", "127.0.0.1")])?;
    let authority = lab.authority()?;
    let ca = authority.ca_file().to_str().expect("plain path").to_owned();
    let tone = std::fs::read(Clip::Tone.path()?)?;
    let serve = |certificate| -> Result<Nginx> {
        let nginx = lab.nginx().tls(&certificate).start()?;
        nginx.write("/tone.mp3", &tone)?;
        Ok(nginx)
    };
    let good = serve(authority.issue(&["live.example"])?)?;
    let expired = serve(authority.issue_expired(&["live.example"])?)?;
    let own = serve(lab.self_signed("live.example")?)?;
    let runs = [
        good.tls_url("live.example", "/tone.mp3"),
        expired.tls_url("live.example", "/tone.mp3"),
        own.tls_url("live.example", "/tone.mp3"),
        good.tls_url("other.example", "/tone.mp3"),
        good.url("/tone.mp3").replace("http:", "https:"),
    ];
    let seen = together(&runs, |url| http(&lab, &[url, "--ca-file", &ca]))?;
    ok(&seen[0], &["MPEG audio"]);
    critical(&seen[1], &["E-TLS-EXPIRED", "live.example"]);
    critical(&seen[2], &["E-TLS-UNTRUSTED", "live.example"]);
    critical(&seen[3], &["E-TLS-NAME", "other.example"]);
    critical(&seen[4], &["E-TLS-FAILED"]);
    unknown(&http(&lab, &[&runs[0], "--ca-file", "/nonexistent"])?, &["E-USAGE", "/nonexistent"]);
    Ok(())
}

#[test]
fn redirects_are_followed_to_http_only_and_not_for_ever() -> Result<()> {
    let Some(lab) = Lab::for_test(&["nginx", "ffmpeg"]) else { return Ok(()) };
    let nginx = lab
        .nginx()
        .with("location /old { return 302 /tone.mp3; } location /circle { return 301 /circle; }")
        .with("location /file { return 302 file:///etc/passwd; } location /mms { return 302 mms://192.0.2.1/x; }")
        .start()?;
    nginx.write("/tone.mp3", std::fs::read(Clip::Tone.path()?)?)?;
    let runs = ["/old", "/circle", "/file", "/mms"];
    let seen = together(runs, |path| http(&lab, &["-v", &nginx.url(path)]))?;
    ok(&seen[0], &["MPEG audio", "redirected to: http://127.0.0.1", "/tone.mp3"]);
    critical(&seen[1], &["E-REDIRECT-LOOP", "more than 5 redirects"]);
    critical(&seen[2], &["E-REDIRECT-SCHEME", "file:///etc/passwd"]);
    critical(&seen[3], &["E-REDIRECT-SCHEME", "mms://192.0.2.1/x"]);
    Ok(())
}

#[test]
fn one_dead_address_of_two_counts_as_the_operator_says() -> Result<()> {
    let Some(lab) = Lab::for_test(&["namespace", "ffmpeg", "nft"]) else { return Ok(()) };
    lab.hosts(&[("two.example", "192.0.2.1"), ("two.example", "127.0.0.1")])?;
    let shoutcast = lab.hostile(Hostile::Shoutcast)?; // on 127.0.0.1 only
    let url = format!("http://two.example:{}/", shoutcast.address().port());
    let with = |policy| http(&lab, &["-v", &url, "--listen", "1.5", "-t", "6", "--addresses", policy]);
    let judged = |why: &str| -> Result<()> {
        let seen = together(["first", "any", "1", "all"], with)?;
        critical(&seen[0], &[why, "192.0.2.1"]);
        ok(&seen[1], &["address 127.0.0.1", "192.0.2.1", "does not serve"]);
        warning(&seen[2], &[why, "1 of 2 addresses serve"]);
        critical(&seen[3], &["E-ADDR-DEAD", why, "1 of 2 addresses serve, 2 are needed"]);
        Ok(())
    };
    judged("E-TCP-REFUSED")?;
    let forgiven = ["--listen", "1.5", "--addresses", "all", "--problem-state", "E-TCP-REFUSED=ok", &url];
    ok(&http(&lab, &forgiven)?, &["2 of 2 addresses serve"]);
    let _hole = lab.black_hole("192.0.2.1")?;
    judged("E-TCP-TIMEOUT")
}

#[test]
fn a_source_that_comes_back_is_well_again() -> Result<()> {
    let Some(lab) = Lab::for_test(&["icecast2", "ffmpeg", "curl"]) else { return Ok(()) };
    let icecast = lab.icecast().source_timeout(3).start()?;
    let url = icecast.url("a.mp3");
    source(&icecast, "a.mp3", Clip::Tone)?.stall()?;
    wait_until("the end of the mount", Duration::from_secs(20), || !icecast.mounts().contains("a.mp3"))?;
    critical(&http(&lab, &[&url])?, &["E-HTTP-STATUS", "404"]);
    let _source = source(&icecast, "a.mp3", Clip::Tone)?;
    ok(&http(&lab, &[&url, "--listen", "2"])?, &["MPEG audio"]);
    Ok(())
}
