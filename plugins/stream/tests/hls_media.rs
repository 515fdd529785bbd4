//! `check_hls` and what hides behind a playlist: keys, byte ranges, parts, sequences that go back.

mod support;

use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use support::{critical, ok, warning};
use weir_lab::{Clip, Lab, Outcome, Result, Served};

/// A segment that ffmpeg wrote: two seconds of H.264 and AAC.
const SEGMENT: &[u8] = include_bytes!("../testdata/hls/segment.ts");
/// The part target of the low-latency origin.
const PART: Duration = Duration::from_millis(400);

fn check_hls(lab: &Lab, arguments: &[&str]) -> Result<Outcome> {
    lab.check("check_hls", arguments)
}

#[test]
fn keys_are_fetched_and_encrypted_segments_come_in_blocks() -> Result<()> {
    let Some(lab) = Lab::for_test(&["nginx", "ffmpeg"]) else { return Ok(()) };
    let key = lab.dir().join("channel.key");
    std::fs::write(&key, b"sixteen bytes ok")?;
    let info = lab.dir().join("key.info");
    std::fs::write(&info, format!("channel.key\n{}\n", key.display()))?;
    let hls =
        lab.hls().segment_seconds(1).option("-hls_key_info_file", &info.display().to_string()).start()?;
    let missing = check_hls(&lab, &[&hls.url()])?;
    critical(&missing, &["E-HLS-KEY", "key channel.key", "404"]);
    hls.web().write("v0/channel.key", b"sixteen bytes ok")?;
    ok(&check_hls(&lab, &["-v", &hls.url()])?, &["key 16 B"]);
    hls.web().write("v0/channel.key", b"<html>no</html>")?;
    critical(&check_hls(&lab, &[&hls.url()])?, &["E-HLS-KEY", "it has 15 bytes, a key has 16"]);
    Ok(())
}

#[test]
fn byte_ranges_must_be_honoured() -> Result<()> {
    let Some(lab) = Lab::for_test(&["nginx"]) else { return Ok(()) };
    let web =
        lab.nginx().with("location /deaf/ { max_ranges 0; rewrite ^/deaf/(.*)$ /$1 break; }").start()?;
    web.write("all.ts", [SEGMENT, SEGMENT].concat())?;
    let (length, range) = (SEGMENT.len(), "#EXTINF:2,\n#EXT-X-BYTERANGE");
    let head = "#EXTM3U\n#EXT-X-VERSION:4\n#EXT-X-TARGETDURATION:2\n";
    let playlist = format!("{head}{range}:{length}@0\nall.ts\n{range}:{length}\nall.ts\n#EXT-X-ENDLIST\n");
    web.write("film.m3u8", playlist)?;
    let film = ["--vod", "--segments", "ends"];
    ok(&check_hls(&lab, &[&film[..], &[&web.url("/film.m3u8")]].concat())?, &["MPEG-TS at 73.7 kbit/s"]);
    let deaf = check_hls(&lab, &[&film[..], &[&web.url("/deaf/film.m3u8")]].concat())?;
    critical(&deaf, &["E-HLS-SEGMENT", "a byte range was asked for"]);
    Ok(())
}

#[test]
fn renditions_are_looked_at_too() -> Result<()> {
    let Some(lab) = Lab::for_test(&["nginx", "ffmpeg"]) else { return Ok(()) };
    let web = lab.nginx().start()?;
    web.write("a.ts", SEGMENT)?;
    web.write("a.aac", &std::fs::read(Clip::ToneAac.path()?)?[..24_000])?;
    web.write("s.vtt", "WEBVTT\n\n")?;
    let media =
        |name: &str| format!("#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXTINF:4,\n{name}\n#EXT-X-ENDLIST\n");
    web.write("video.m3u8", media("a.ts"))?;
    web.write("audio.m3u8", media("a.aac"))?;
    web.write("subtitles.m3u8", media("s.vtt"))?;
    let rendition = |kind: &str, uri: &str| {
        format!("#EXT-X-MEDIA:TYPE={kind},GROUP-ID=\"g\",NAME=\"English\",URI=\"{uri}\"\n")
    };
    let master = ["#EXTM3U\n", &rendition("AUDIO", "audio.m3u8"), &rendition("SUBTITLES", "subtitles.m3u8")]
        .concat()
        + "#EXT-X-STREAM-INF:BANDWIDTH=90000,AUDIO=\"g\",SUBTITLES=\"g\"\nvideo.m3u8\n";
    web.write("master.m3u8", master)?;
    let film = ["--vod", "-v", &web.url("/master.m3u8")];
    let seen = check_hls(&lab, &film)?;
    ok(&seen, &["1 of 1 variants play", "audio \"English\": 1 segments", "AAC (ADTS)", "WebVTT"]);
    web.delete("audio.m3u8")?;
    critical(&check_hls(&lab, &film)?, &["E-HLS-VARIANT-GONE", "audio \"English\"", "404"]);
    Ok(())
}

#[test]
fn segments_that_are_marked_as_missing_are_not_asked_for() -> Result<()> {
    let Some(lab) = Lab::for_test(&["nginx"]) else { return Ok(()) };
    let web = lab.nginx().start()?;
    web.write("a.ts", SEGMENT)?;
    let head = "#EXTM3U\n#EXT-X-TARGETDURATION:2\n";
    let (there, gone) = ("#EXTINF:2,\na.ts\n", "#EXT-X-GAP\n#EXTINF:2,\ngone.ts\n");
    web.write("gap.m3u8", format!("{head}{there}{there}{gone}#EXT-X-ENDLIST\n"))?;
    ok(&check_hls(&lab, &["--vod", &web.url("/gap.m3u8")])?, &["MPEG-TS"]);
    web.write("gaps.m3u8", format!("{head}{gone}{gone}#EXT-X-ENDLIST\n"))?;
    critical(&check_hls(&lab, &["--vod", &web.url("/gaps.m3u8")])?, &["E-HLS-SEGMENT", "all 2 segments"]);
    web.write("empty.m3u8", head)?;
    critical(&check_hls(&lab, &["-t", "3", &web.url("/empty.m3u8")])?, &["E-HLS-EMPTY"]);
    web.write("long.m3u8", format!("{head}{there}#EXTINF:2.9,\na.ts\n#EXT-X-ENDLIST\n"))?;
    warning(
        &check_hls(&lab, &["--vod", &web.url("/long.m3u8")])?,
        &["E-HLS-RULES", "longer than TARGETDURATION"],
    );
    Ok(())
}

#[test]
fn a_balancer_that_mixes_two_packagers_goes_back() -> Result<()> {
    let Some(lab) = Lab::for_test(&["curl"]) else { return Ok(()) };
    let looks = AtomicUsize::new(0);
    let server = lab.serve(move |client| {
        let _ = serve(client, |path| {
            if path == "/a.ts" {
                return SEGMENT.to_vec();
            }
            // Each connection would see one packager; each request sees the other.
            let sequence = if looks.fetch_add(1, Ordering::Relaxed).is_multiple_of(2) { 500 } else { 100 };
            let head = format!("#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXT-X-MEDIA-SEQUENCE:{sequence}\n");
            (head + &"#EXTINF:1,\na.ts\n".repeat(4)).into_bytes()
        });
    })?;
    let seen = check_hls(&lab, &[&server.url("http", "/live.m3u8"), "--watch", "1"])?;
    critical(&seen, &["E-HLS-BACKWARDS", "went back by 400 segments"]);
    Ok(())
}

#[test]
fn low_latency_parts_come_and_blocked_reloads_are_answered() -> Result<()> {
    let Some(lab) = Lab::for_test(&["curl"]) else { return Ok(()) };
    let seen = check_hls(&lab, &["-v", &low_latency(&lab, true)?.url("http", "/live.m3u8")])?;
    ok(&seen, &["newest part MPEG-TS", "blocking reload answered after"]);
    let seen = check_hls(&lab, &["-v", &low_latency(&lab, false)?.url("http", "/live.m3u8")])?;
    warning(&seen, &["E-HLS-RULES", "CAN-BLOCK-RELOAD", "without it"]);
    Ok(())
}

/// An origin whose playlist grows by a part every [`PART`]; five parts are a segment. It blocks reloads, or ignores that it should.
fn low_latency(lab: &Lab, blocks: bool) -> Result<Served> {
    let began = OnceLock::new(); // at the first request, two parts into the thirteenth segment
    lab.serve(move |client| {
        let _ = serve(client, |path| {
            let Some((_, query)) = path.split_once(".m3u8") else { return SEGMENT.to_vec() };
            let number = |name: &str| {
                let value =
                    query.split(['?', '&']).find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
                value.and_then(|value| value.parse::<u128>().ok())
            };
            let now = || 62 + began.get_or_init(Instant::now).elapsed().as_millis() / PART.as_millis();
            if let (Some(segment), Some(part)) = (number("_HLS_msn"), number("_HLS_part")) {
                let wanted = segment * 5 + part;
                if !blocks {
                    return playlist(wanted).into_bytes();
                }
                while now() <= wanted {
                    std::thread::sleep(Duration::from_millis(10));
                }
            }
            playlist(now()).into_bytes()
        });
    })
}

/// The playlist after so many parts.
fn playlist(parts: u128) -> String {
    let whole = parts / 5;
    let mut text = format!(
        "#EXTM3U\n#EXT-X-VERSION:9\n#EXT-X-TARGETDURATION:2\n#EXT-X-PART-INF:PART-TARGET=0.4\n\
         #EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,PART-HOLD-BACK=1.2\n#EXT-X-MEDIA-SEQUENCE:{}\n",
        whole - 4
    );
    for segment in whole - 4..whole {
        let _ = writeln!(text, "#EXTINF:2,\ns{segment}.ts");
    }
    for part in 0..parts % 5 {
        let _ = writeln!(text, "#EXT-X-PART:DURATION=0.4,URI=\"s{whole}.{part}.ts\",INDEPENDENT=YES");
    }
    text
}

/// Answers the requests of one connection until the client closes it.
fn serve(client: &mut TcpStream, answer: impl Fn(&str) -> Vec<u8>) -> std::io::Result<()> {
    let mut reader = BufReader::new(client.try_clone()?);
    loop {
        let mut request = String::new();
        while !request.ends_with("\r\n\r\n") {
            if reader.read_line(&mut request)? == 0 {
                return Ok(());
            }
        }
        let body = answer(request.split(' ').nth(1).unwrap_or_default());
        write!(client, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len())?;
        client.write_all(&body)?;
    }
}
