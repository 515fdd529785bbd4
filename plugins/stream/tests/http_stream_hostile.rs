//! `check_http_stream` and servers that do wrong: the deadline holds, memory is bounded, the message names the stage.

mod support;

use std::io::{Read as _, Write as _};
use std::time::Duration;

use support::{at_deadline, at_once, critical};
use weir_lab::{Hostile, Lab, Result};

/// What a server does wrong, and what is said of it.
type Case = (Hostile, &'static [&'static str]);

fn check((kind, words): Case, lab: &Lab) -> Result<weir_lab::Outcome> {
    let server = lab.hostile(kind)?;
    let seen = lab.bounded("check_http_stream", &[&server.url("http", "/live"), "-t", "2"])?;
    critical(&seen, words);
    Ok(seen)
}

#[test]
fn servers_that_say_too_little_meet_the_deadline() -> Result<()> {
    let Some(lab) = Lab::for_test(&["namespace"]) else { return Ok(()) };
    let cases: [Case; 3] = [
        (Hostile::Silent, &["E-SERVER-TIMEOUT", "deadline of 2.0 s", "stage request"]),
        (Hostile::Drip(Duration::from_millis(100)), &["E-SERVER-TIMEOUT", "stage request"]),
        (Hostile::Drip(Duration::from_secs(5)), &["E-SERVER-TIMEOUT", "stage request"]),
    ];
    weir_lab::together(cases, |case| check(case, &lab))?.iter().for_each(|seen| at_deadline(seen, 2));
    Ok(())
}

#[test]
fn servers_that_say_nonsense_are_found_out_at_once() -> Result<()> {
    let Some(lab) = Lab::for_test(&["namespace", "ffmpeg"]) else { return Ok(()) };
    let cases: [Case; 11] = [
        (Hostile::Refuse, &["E-TCP-REFUSED"]),
        (Hostile::CloseAtOnce, &["E-CONN-CLOSED"]),
        (Hostile::Reset, &["E-CONN-CLOSED"]),
        (Hostile::Garbage, &["E-PROTOCOL"]),
        (Hostile::EndlessHeader, &["E-LIMIT"]),
        (Hostile::EndlessLine, &["E-LIMIT"]),
        (Hostile::EndlessBody, &["E-LIMIT", "no stream that a source paces"]),
        (Hostile::ShortBody, &["E-STREAM-ENDED", "before the end of the body"]),
        (Hostile::RedirectLoop, &["E-REDIRECT-LOOP"]),
        (Hostile::RedirectTo("http://".to_owned()), &["E-PROTOCOL"]),
        (Hostile::Answer(b"SSH-2.0-OpenSSH_9.2\r\n".to_vec()), &["E-PROTOCOL", "SSH"]),
    ];
    // One after the other: a flood leaves nothing of a small machine for the others.
    for case in cases {
        at_once(&check(case, &lab)?);
    }
    Ok(())
}

#[test]
fn answers_of_a_few_bytes_are_judged_by_what_they_hold() -> Result<()> {
    let Some(lab) = Lab::for_test(&["namespace"]) else { return Ok(()) };
    let answer = |text: &str| Hostile::Answer(text.as_bytes().to_vec());
    let cases: [Case; 6] = [
        (answer("HTTP/1.0 200 OK\r\nContent-Type: audio/mpeg\r\n\r\n"), &["E-STREAM-SILENT"]),
        (answer("HTTP/1.0 200 OK\r\n\r\n<html>gone</html>"), &["E-STREAM-ENDED", "E-NOT-MEDIA", "HTML"]),
        (answer("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"), &["E-PROTOCOL", "0x7a"]),
        (answer("HTTP/1.0 200 OK\r\nicy-metaint: 99999999999\r\n\r\n"), &["E-PROTOCOL", "icy-metaint"]),
        (answer("HTTP/1.0 503 Too Many Users\r\n\r\n"), &["E-HTTP-STATUS", "503 Too Many Users"]),
        (answer("ICY 400 Server Full\r\n\r\n"), &["E-HTTP-STATUS", "400 Server Full"]),
    ];
    weir_lab::together(cases, |case| check(case, &lab))?.iter().for_each(at_once);
    Ok(())
}

#[test]
fn media_that_drips_is_heard_to_the_end() -> Result<()> {
    let Some(lab) = Lab::for_test(&["namespace"]) else { return Ok(()) };
    let silent = lab.serve(|client| {
        let _ = client.read(&mut [0; 4096]);
        let _ = client.write_all(b"HTTP/1.0 200 OK\r\nContent-Type: audio/mpeg\r\n\r\n");
        let _ = client.read(&mut [0; 1]);
    })?;
    let dripping = lab.serve(|client| {
        let _ = client.read(&mut [0; 4096]);
        let _ = client.write_all(b"HTTP/1.0 200 OK\r\nContent-Type: audio/mpeg\r\n\r\n");
        while client.write_all(&[0xff]).is_ok() {
            std::thread::sleep(Duration::from_millis(50));
        }
    })?;
    let urls = [silent.url("http", "/"), dripping.url("http", "/")];
    let seen = weir_lab::together(&urls, |url| {
        lab.bounded("check_http_stream", &[url, "-t", "2", "--min-bitrate", "8000"])
    })?;
    critical(&seen[0], &["E-STREAM-SILENT"]);
    critical(&seen[1], &["E-NOT-MEDIA", "unknown data"]);
    for seen in &seen {
        at_deadline(seen, 2);
    }
    Ok(())
}
