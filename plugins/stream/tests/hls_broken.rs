//! `check_hls` against servers and networks that are broken, each in its own way.

mod support;

use std::time::Duration;

use support::{at_deadline, at_once, critical, ok, warning};
use weir_lab::{Hostile, Lab, Outcome, Result, together};

fn check_hls(lab: &Lab, arguments: &[&str]) -> Result<Outcome> {
    lab.check("check_hls", arguments)
}

#[test]
fn hostile_servers_are_named_and_bounded() -> Result<()> {
    let Some(lab) = Lab::for_test(&["curl"]) else { return Ok(()) };
    let page = b"HTTP/1.1 200 OK\r\nContent-Length: 22\r\n\r\n<html>Not here.</html>";
    let kinds: [(Hostile, &[&str]); 13] = [
        (Hostile::Refuse, &["E-TCP-REFUSED", "refuses connections"]),
        (Hostile::Reset, &["E-CONN-CLOSED"]),
        (Hostile::CloseAtOnce, &["E-CONN-CLOSED"]),
        (Hostile::EndlessHeader, &["E-PROTOCOL", "too large"]),
        (Hostile::EndlessLine, &["E-PROTOCOL", "too large"]),
        (Hostile::EndlessBody, &["E-LIMIT", "more than 4194304 bytes"]),
        (Hostile::ShortBody, &["E-CONN-CLOSED", "after 8 of 1000 bytes"]),
        (Hostile::RedirectLoop, &["E-REDIRECT-LOOP", "more than 5"]),
        (Hostile::RedirectTo("ftp://files.example.net/a".to_owned()), &["E-REDIRECT-SCHEME", "ftp://"]),
        (Hostile::HugePlaylist, &["E-LIMIT", "more than 4194304 bytes"]),
        (Hostile::GzipBomb, &["E-LIMIT", "more than 4194304 bytes"]),
        (Hostile::Garbage, &["E-PROTOCOL"]),
        (Hostile::Answer(page.to_vec()), &["E-HLS-SYNTAX", "#EXTM3U expected"]),
    ];
    together(kinds, |(kind, words)| {
        let server = lab.hostile(kind)?;
        let seen = lab.bounded("check_hls", &[&server.url("http", "/live.m3u8")])?;
        critical(&seen, words);
        at_once(&seen);
        Ok(())
    })?;
    Ok(())
}

#[test]
fn what_never_ends_is_ended_at_the_deadline() -> Result<()> {
    let Some(lab) = Lab::for_test(&["curl"]) else { return Ok(()) };
    together([Hostile::Silent, Hostile::Drip(Duration::from_millis(300))], |kind| {
        let server = lab.hostile(kind)?;
        let seen = check_hls(&lab, &["-t", "2", &server.url("http", "/live.m3u8")])?;
        critical(&seen, &["E-SERVER-TIMEOUT", "stage playlist"]);
        at_deadline(&seen, 2);
        let seen = check_hls(&lab, &["-t", "1", "--timeout-state", "unknown", &server.url("http", "/")])?;
        assert_eq!(seen.code, Some(3), "{seen:#?}");
        Ok(())
    })?;
    Ok(())
}

#[test]
fn certificates_that_are_not_valid() -> Result<()> {
    let Some(lab) = Lab::for_test(&["namespace", "nginx", "ffmpeg", "openssl"]) else {
        return Ok(());
    };
    let authority = lab.authority()?;
    let name = "live.example.net";
    lab.hosts(&[(name, "127.0.0.1"), ("other.example.net", "127.0.0.1")])?;
    let ca = authority.ca_file().display().to_string();
    let live =
        lab.hls().tls(&authority.issue(&[name])?).with("location /plain { return 302 http://127.0.0.1/; }");
    let live = live.start()?;
    let expired = lab.nginx().tls(&authority.issue_expired(&[name])?).start()?;
    let unknown = lab.nginx().tls(&lab.self_signed(name)?).start()?;
    let check = |url: &str, more: &[&str]| check_hls(&lab, &[&[url, "--ca-file", &ca], more].concat());

    ok(&check(&live.web().tls_url(name, "/master.m3u8"), &[])?, &["1 of 1 variants play"]);
    critical(
        &check(&live.web().tls_url("other.example.net", "/master.m3u8"), &[])?,
        &["E-TLS-NAME", "live.example.net"],
    );
    critical(&check(&expired.tls_url(name, "/master.m3u8"), &[])?, &["E-TLS-EXPIRED"]);
    critical(&check(&unknown.tls_url(name, "/master.m3u8"), &[])?, &["E-TLS-UNTRUSTED"]);
    critical(
        &check(&live.web().tls_url(name, "/plain"), &[])?,
        &["E-REDIRECT-SCHEME", "not encrypted any more"],
    );
    critical(&check(&live.web().tls_url(name, "/plain"), &["--allow-downgrade"])?, &["E-TCP-REFUSED"]);
    let url = live.web().url("/master.m3u8").replace("http:", "https:");
    critical(&check(&url, &[])?, &["E-TLS-FAILED"]);
    // The kernel still takes connections for a server that hangs.
    unknown.pause()?;
    let hangs = check(&unknown.tls_url(name, "/master.m3u8"), &["-t", "2"])?;
    critical(&hangs, &["E-TLS-TIMEOUT", "no end of the TLS handshake"]);
    at_deadline(&hangs, 2);
    Ok(())
}

#[test]
fn names_addresses_and_dead_ones_among_them() -> Result<()> {
    let Some(lab) = Lab::for_test(&["namespace", "nginx", "ffmpeg", "nft"]) else { return Ok(()) };
    lab.hosts(&[
        ("six.example.net", "::1"),
        ("two.example.net", "192.0.2.9"),
        ("two.example.net", "127.0.0.1"),
        ("lost.example.net", "192.0.2.9"),
    ])?;
    let hls = lab.hls().start()?;
    let at = |name: &str| hls.web().url_at(name, "/master.m3u8");
    ok(&check_hls(&lab, &["-v", &at("six.example.net")])?, &["address [::1]"]);
    let _hole = lab.black_hole("192.0.2.9")?;
    let (two, lost) = (at("two.example.net"), at("lost.example.net"));
    let seen = together(["any", "1", "all", "lost"], |how| match how {
        "any" => check_hls(&lab, &["-v", "-t", "4", &two]),
        "lost" => check_hls(&lab, &["-t", "2", &lost]),
        how => check_hls(&lab, &["-t", "4", &two, "--addresses", how]),
    })?;
    ok(&seen[0], &["address 192.0.2.9", "does not serve: no connection to", "address 127.0.0.1"]);
    warning(&seen[1], &["192.0.2.9", "E-TCP-TIMEOUT", "1 of 2 addresses serve"]);
    critical(&seen[2], &["E-ADDR-DEAD"]);
    critical(&seen[3], &["E-TCP-TIMEOUT", "no connection to lost.example.net"]);
    at_deadline(&seen[3], 2);
    Ok(())
}

#[test]
fn servers_that_change_what_they_serve() -> Result<()> {
    let Some(lab) = Lab::for_test(&["nginx", "ffmpeg"]) else { return Ok(()) };
    let hls = lab
        .hls()
        .with("gzip on; gzip_min_length 1; gzip_types application/vnd.apple.mpegurl;")
        .with("location = /moved/here.m3u8 { return 302 /master.m3u8; }")
        .with("location = /again/master.m3u8 { rewrite ^ /master.m3u8 break; }")
        .with("location ~ ^/again/(.*ts)$ { return 200 '<html>Sorry.</html>'; }")
        .with("location /again/ { rewrite ^/again/(.*)$ /$1 break; }")
        .with("location = /slow/master.m3u8 { rewrite ^ /master.m3u8 break; }")
        .with("location /slow/ { rewrite ^/slow/(.*)$ /$1 break; limit_rate 20k; }")
        .with("location = /closed/master.m3u8 { auth_basic closed; auth_basic_user_file users; rewrite ^ /master.m3u8 break; }")
        .with("location /closed/ { auth_basic closed; auth_basic_user_file users; rewrite ^/closed/(.*)$ /$1 break; }")
        .start()?;
    let web = hls.web();
    std::fs::write(web.root().join("../users"), "watcher:{PLAIN}s3cret\n")?;

    // Relative URLs count from where the redirect led.
    ok(&check_hls(&lab, &["-v", &web.url("/moved/here.m3u8")])?, &["redirected to:", "/master.m3u8"]);
    // Playlists come compressed, segments do not; nobody notices.
    ok(&check_hls(&lab, &[&hls.url()])?, &["1 of 1 variants play"]);
    critical(
        &check_hls(&lab, &[&web.url("/again/master.m3u8")])?,
        &["E-HLS-SEGMENT-BAD", "it is HTML", "known: 0 of 1 variants play"],
    );
    critical(
        &check_hls(&lab, &[&web.url("/slow/master.m3u8")])?,
        &["E-HLS-SEGMENT-SLOW", "segment download time is"],
    );

    let closed = web.url("/closed/master.m3u8");
    critical(&check_hls(&lab, &[&closed])?, &["E-AUTH", "wants credentials"]);
    let wrong = check_hls(&lab, &["-l", "watcher", "-a", "gue55", &closed])?;
    critical(&wrong, &["E-AUTH", "refuses the credentials"]);
    wrong.hides("gue55");
    let right = check_hls(&lab, &["-vvv", &closed.replace("http://", "http://watcher:s3cret@")])?;
    ok(&right, &["1 of 1 variants play"]);
    right.hides("s3cret");
    Ok(())
}
