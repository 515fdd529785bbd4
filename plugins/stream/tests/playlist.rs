//! `check_playlist` against playlists that nginx serves and streams of Icecast, ffmpeg and GStreamer behind them.

mod support;

use std::time::Duration;

use support::{at_deadline, critical, ok, unknown, warning};
use weir_lab::{Clip, Hostile, Lab, Outcome, Result};

fn check(lab: &Lab, arguments: &[&str]) -> Result<Outcome> {
    lab.check("check_playlist", arguments)
}

/// Media needs no more to be told here.
const SHORT: [&str; 2] = ["--options", "--listen 1.5"];

#[test]
fn every_entry_of_every_format_is_looked_at() -> Result<()> {
    let Some(lab) = Lab::for_test(&["icecast2", "nginx", "ffmpeg"]) else { return Ok(()) };
    let icecast = lab.icecast().start()?;
    let _source = icecast.source("live.mp3", Clip::Tone)?;
    let web = lab.nginx().start()?;
    let (live, dead) = (icecast.url("live.mp3"), icecast.url("gone.mp3"));

    let files = [
        ("a.pls", format!("[playlist]\nFile1={live}\nTitle1=News\n"), "PLS with 1 entry"),
        ("a.m3u", format!("#EXTM3U\n#EXTINF:-1,News\n{live}\n"), "M3U with 1 entry"),
        (
            "a.xspf",
            format!("<playlist><trackList><track><location>{live}</location></track></trackList></playlist>"),
            "XSPF",
        ),
        ("a.asx", format!("<asx version=3.0><Entry><REF HREF={live} /></asx>"), "ASX with 1 entry"),
        ("a.qtl", format!("<?quicktime?><embed src=\"{live}\"/>"), "QuickTime link"),
        // Content decides: a page without an extension, relative to a base.
        (
            "smil",
            format!(
                "<smil><head><meta name=base content=\"{}\"/></head><audio src=\"live.mp3\"/></smil>",
                icecast.url("")
            ),
            "SMIL",
        ),
        ("wrong.asx", format!("{live}\n--stop--\nhttp://nobody.example.net/\n"), "RAM with 1 entry"),
    ];
    for (name, text, _) in &files {
        web.write(name, text)?;
    }
    let seen = weir_lab::together(&files, |(name, _, _)| {
        check(&lab, &[&[web.url(&format!("/{name}")).as_str()], SHORT.as_slice()].concat())
    })?;
    for (seen, (name, _, said)) in seen.iter().zip(&files) {
        ok(seen, &["1 of 1 entries serve", said]);
        assert!(seen.metric("entry1_bitrate") > 30_000.0, "{name}: {seen:#?}");
    }

    // One of two is gone.
    web.write("two.pls", format!("[playlist]\nFile1={dead}\nFile2={live}\n"))?;
    let two = web.url("/two.pls");
    let seen = check(&lab, &[&[two.as_str()], SHORT.as_slice()].concat())?;
    critical(&seen, &["entry1", "gone.mp3", "404", "E-HTTP-STATUS", "1 of 2 entries serve"]);
    let seen = check(&lab, &[&[two.as_str(), "--quorum", "1"], SHORT.as_slice()].concat())?;
    warning(&seen, &["gone.mp3", "E-HTTP-STATUS"]);
    let seen = check(&lab, &[&[two.as_str(), "--quorum", "3"], SHORT.as_slice()].concat())?;
    critical(&seen, &["E-PLAYLIST-EMPTY", "2 entries, 3 must serve"]);
    Ok(())
}

#[test]
fn playlists_inside_playlists_end_somewhere() -> Result<()> {
    let Some(lab) = Lab::for_test(&["icecast2", "nginx", "ffmpeg"]) else { return Ok(()) };
    let icecast = lab.icecast().start()?;
    let _source = icecast.source("live.mp3", Clip::Tone)?;
    let web = lab.nginx().with("location = /hidden { default_type text/plain; }").start()?;
    let live = icecast.url("live.mp3");
    let at = |path: &str| web.url(path);

    // By extension, by EntryRef, and by content alone.
    web.write("outer.asx", "<asx><entryref href=inner.m3u><entry><ref href=hidden></entry></asx>")?;
    web.write("inner.m3u", format!("{live}\n"))?;
    web.write("hidden", format!("[playlist]\nFile1={live}?second\n"))?;
    let seen = check(&lab, &[&["-v", &at("/outer.asx")], SHORT.as_slice()].concat())?;
    ok(
        &seen,
        &[
            "2 of 2 entries serve",
            "ASX with 2 entries",
            "M3U with 1 entry",
            "PLS with 1 entry",
            "entry1_1_",
            "entry2_1_",
        ],
    );

    web.write("circle.m3u", "#EXTM3U\nround.m3u\n")?;
    web.write("round.m3u", "#EXTM3U\ncircle.m3u\n")?;
    critical(&check(&lab, &[&at("/circle.m3u")])?, &["E-PLAYLIST-LOOP", "circle.m3u"]);
    for deep in 1..9 {
        web.write(&format!("{deep}.m3u"), format!("#EXTM3U\n{}.m3u\n", deep + 1))?;
    }
    critical(&check(&lab, &[&at("/1.m3u")])?, &["E-PLAYLIST-NESTING", "6.m3u"]);

    web.write("page.asx", "<!doctype html><title>Error</title>")?;
    web.write("empty.asx", "<asx></asx>")?;
    web.write("odd.m3u", "#EXTM3U\nhttp://[\n")?;
    critical(&check(&lab, &[&at("/page.asx")])?, &["E-PLAYLIST-SYNTAX", "doctype"]);
    critical(&check(&lab, &[&at("/empty.asx")])?, &["E-PLAYLIST-EMPTY", "ASX without an entry"]);
    critical(&check(&lab, &[&at("/odd.m3u")])?, &["E-PLAYLIST-SYNTAX", "is no URL"]);
    critical(&check(&lab, &[&at("/gone.m3u")])?, &["E-HTTP-STATUS", "404"]);
    // An entry that is a page stays one.
    web.write("to-page.m3u", format!("{}\n", at("/page.html")))?;
    web.write("page.html", "<!doctype html><title>Error</title>")?;
    critical(&check(&lab, &[&at("/to-page.m3u")])?, &["E-NOT-MEDIA", "HTML"]);
    Ok(())
}

#[test]
fn hls_and_dash_under_any_name_are_looked_at_as_such() -> Result<()> {
    let Some(lab) = Lab::for_test(&["nginx", "ffmpeg"]) else { return Ok(()) };
    let hls =
        lab.hls().segment_seconds(1).with("location = /news.m3u { return 302 /master.m3u8; }").start()?;
    let seen = check(&lab, &[&hls.web().url("/news.m3u"), "--options", "--expect-variants 1"])?;
    ok(&seen, &["1 of 1 entries serve", "1 of 1 variants play"]);
    hls.web().write("list.m3u", format!("#EXTM3U\n{}\n", hls.url()))?;
    ok(&check(&lab, &[&hls.web().url("/list.m3u")])?, &["M3U with 1 entry", "1 of 1 variants play"]);
    Ok(())
}

#[test]
fn a_real_servers_name_is_a_leak() -> Result<()> {
    let Some(lab) = Lab::for_test(&["nginx", "ffmpeg", "namespace"]) else { return Ok(()) };
    let web = lab
        .nginx()
        .with("location = /moved { return 302 http://192.0.2.7:$server_port/vip.ram; }")
        .start()?;
    let (vip, real) = ("192.0.2.10", "192.0.2.7");
    // The media itself is a file: what matters here is where it is said to be.
    std::fs::copy(Clip::Tone.path()?, web.root().join("news.mp3"))?;
    web.write("vip.ram", format!("http://{vip}:{0}/news.mp3\n", web.port()))?;
    web.write("leak.ram", format!("http://{vip}:{0}/news.mp3\nhttp://{real}:{0}/news.mp3\n", web.port()))?;
    let run =
        |path: &str, more: &[&str]| check(&lab, &[&[web.url_at(vip, path).as_str()], more, &SHORT].concat());

    ok(&run("/vip.ram", &["--only-host", vip])?, &[]);
    ok(&run("/vip.ram", &["--only-host", &format!("{vip}:{}", web.port())])?, &[]);
    critical(&run("/vip.ram", &["--only-host", &format!("{vip}:1")])?, &["E-VIP-LEAK"]);
    critical(
        &run("/leak.ram", &["--only-host", vip])?,
        &["E-VIP-LEAK", "entry 2 is http://192.0.2.7", "only 192.0.2.10 may be named"],
    );
    ok(&run("/leak.ram", &["--only-host", vip, "--only-host", real])?, &[]);
    critical(&run("/moved", &["--only-host", vip])?, &["E-VIP-LEAK", "redirects to http://192.0.2.7"]);

    // The entry itself redirects to a real server.
    let web2 = lab
        .nginx()
        .with(&format!("location / {{ return 302 http://{real}:{}/news.mp3; }}", web.port()))
        .start()?;
    web.write("later.ram", format!("{}\n", web2.url_at(vip, "/x.mp3")))?;
    critical(
        &run("/later.ram", &["--only-host", vip])?,
        &["E-VIP-LEAK", "x.mp3: clients are led for the stream to http://192.0.2.7"],
    );

    // A real server in the middle of a chain that ends where it should.
    let web3 = lab
        .nginx()
        .with(&format!("location = /a {{ return 302 http://{real}:$server_port/b; }}"))
        .with(&format!("location = /b {{ return 302 http://{vip}:{}/news.mp3; }}", web.port()))
        .with(&format!("location = /c {{ return 302 http://{real}:$server_port/d; }}"))
        .with(&format!("location = /d {{ return 302 http://{vip}:{}/vip.ram; }}", web.port()))
        .start()?;
    let led = "clients are led for the stream to http://192.0.2.7";
    web.write("chain.ram", format!("{}\n", web3.url_at(vip, "/a")))?;
    critical(&run("/chain.ram", &["--only-host", vip])?, &["E-VIP-LEAK", led]);
    let moved = check(&lab, &[&[web3.url_at(vip, "/c").as_str(), "--only-host", vip][..], &SHORT].concat())?;
    critical(&moved, &["E-VIP-LEAK", "/c redirects to http://192.0.2.7"]);
    let alone = support::http(&lab, &[&web3.url_at(vip, "/a"), "--only-host", vip, "--listen", "1.5"])?;
    critical(&alone, &["E-VIP-LEAK", led]);

    // HLS whose media lies at a real server.
    web.write(
        "master.m3u8",
        format!("#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=256000\nhttp://{real}:{}/media.m3u8\n", web.port()),
    )?;
    web.write("media.m3u8", "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\nnews.mp3\n#EXT-X-ENDLIST\n")?;
    let hls = web.url_at(vip, "/master.m3u8");
    let seen = lab.check("check_hls", &[&hls, "--vod", "--only-host", vip])?;
    critical(&seen, &["E-VIP-LEAK", "clients are led for the playlist to http://192.0.2.7"]);
    ok(&lab.check("check_hls", &[&hls, "--vod", "--only-host", vip, "--only-host", real])?, &[]);
    Ok(())
}

#[test]
fn what_nobody_here_speaks_is_said() -> Result<()> {
    let Some(lab) = Lab::for_test(&["nginx"]) else { return Ok(()) };
    let web = lab.nginx().start()?;
    let silent = lab.hostile(Hostile::Silent)?;
    web.write("a.ram", format!("mmsu://{}/news.rm\ngopher://h.example.net/\n", silent.address()))?;
    let seen = check(&lab, &["-v", &web.url("/a.ram")])?;
    ok(&seen, &["nobody here speaks mmsu", "1 more not looked at", "gopher://h.example.net/: not looked at"]);
    web.write("c.ram", "rtsp+odd://h.example.net/\ngopher://h.example.net/\n")?;
    unknown(&check(&lab, &[&web.url("/c.ram")])?, &["E-NO-DATA", "2 more not looked at"]);
    let refused = lab.hostile(Hostile::Refuse)?;
    web.write("b.ram", format!("pnm://{}/news.rm\n", refused.address()))?;
    critical(&check(&lab, &[&web.url("/b.ram")])?, &["E-TCP-REFUSED", "pnm://"]);
    Ok(())
}

#[test]
fn hostile_servers_meet_bounds() -> Result<()> {
    let Some(lab) = Lab::for_test(&["nginx"]) else { return Ok(()) };
    let run = |hostile: Hostile| -> Result<Outcome> {
        let server = lab.hostile(hostile)?;
        lab.bounded("check_playlist", &["-t", "2", &server.url("http", "/a.asx")])
    };
    critical(&run(Hostile::EndlessBody)?, &["E-LIMIT"]);
    critical(&run(Hostile::RedirectLoop)?, &["E-REDIRECT-LOOP"]);
    for slow in [Hostile::Silent, Hostile::Drip(Duration::from_millis(100))] {
        let seen = run(slow)?;
        critical(&seen, &["E-SERVER-TIMEOUT", "in stage playlist"]);
        at_deadline(&seen, 2);
    }
    unknown(&check(&lab, &["http://127.0.0.1/", "--options", "\"x"])?, &["E-USAGE", "--options"]);
    unknown(&check(&lab, &["rtsp://127.0.0.1/"])?, &["E-USAGE"]);
    Ok(())
}
