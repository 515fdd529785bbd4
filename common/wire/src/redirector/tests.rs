//! Every format, told by its content, and what is ill-formed.

use proptest::prelude::*;

use super::*;

macro_rules! sample {
    ($name:literal) => {
        include_bytes!(concat!("../../testdata/redirector/", $name)).as_slice()
    };
}

const ASX: &[u8] = sample!("asx-ill-formed.asx");
const SAMPLES: [&[u8]; 9] = [
    ASX,
    sample!("asx-utf16.asx"),
    sample!("wms-reference.asf"),
    sample!("real.ram"),
    sample!("real.smil"),
    sample!("shoutcast.pls"),
    sample!("extended.m3u"),
    sample!("icecast.xspf"),
    sample!("quicktime.qtl"),
];

fn read(bytes: &[u8]) -> (Format, Vec<String>) {
    let playlist = parse(bytes).expect("a playlist");
    (playlist.format, playlist.entries.into_iter().map(|entry| entry.uri).collect())
}

fn uris(bytes: &[u8]) -> Vec<String> {
    read(bytes).1
}

#[test]
fn asx_is_read_as_players_read_it() {
    let playlist = parse(ASX).expect("a playlist");
    assert_eq!((playlist.format, playlist.title.as_str()), (Format::Asx, "News & Views"));
    assert_eq!(playlist.base.as_deref(), Some("http://media.example.net/"));
    let entry =
        |uri: &str, title: &str, playlist| Entry { uri: uri.to_owned(), title: title.to_owned(), playlist };
    let expected = [
        entry("mms://wm1.example.net/news?a=1&b=2", "Live & well", false),
        entry("mmsh://wm2.example.net/news", "Live & well", false),
        entry("more.asx", "", true),
        entry("http://wm3.example.net/late.wmv", "Live & well", false),
    ];
    assert_eq!(playlist.entries, expected);
    assert_eq!(uris(sample!("asx-utf16.asx")), ["mms://wm.example.net/utf16"]);
}

#[test]
fn windows_media_servers_mean_mms_when_they_say_http() {
    let expected = ["mmsh://wm1.example.net:8080/live?MSWMExt=.asf", "mmsh://192.0.2.7:80/live?MSWMExt=.asf"];
    assert_eq!(read(sample!("wms-reference.asf")), (Format::Reference, expected.map(str::to_owned).to_vec()));
    assert_eq!(uris(b"ASF http://wm.example.net/a.asf\r\n"), ["mmsh://wm.example.net/a.asf"]);
}

#[test]
fn ram_stops_where_it_says() {
    let (format, uris) = read(sample!("real.ram"));
    assert_eq!((format, uris.len()), (Format::Ram, 2));
    assert_eq!(uris[0], "pnm://vip.example.net:7070/news.rm");
    assert_eq!(read(b"rtsp://h.example.net/a\n").0, Format::Ram);
}

#[test]
fn smil_names_its_base_and_media_alone() {
    let playlist = parse(sample!("real.smil")).expect("a playlist");
    assert_eq!(playlist.base.as_deref(), Some("rtsp://vip.example.net/"));
    assert_eq!(uris(sample!("real.smil")), ["news-300.rm", "news-100.rm", "rtsp://other.example.net/a.rm"]);
    assert_eq!(parse(b"<smil><meta base='http://h/'>").expect("one").base.as_deref(), Some("http://h/"));
}

#[test]
fn numbered_entries_come_in_their_order() {
    let playlist = parse(sample!("shoutcast.pls")).expect("a playlist");
    let titles: Vec<&str> = playlist.entries.iter().map(|entry| entry.title.as_str()).collect();
    assert_eq!((playlist.format, titles), (Format::Pls, vec!["One = first", "Two"]));
    assert_eq!(playlist.entries[0].uri, "http://192.0.2.1:8000/live.mp3");
}

#[test]
fn m3u_is_told_from_hls_and_from_text() {
    let playlist = parse(sample!("extended.m3u")).expect("a playlist");
    assert_eq!(playlist.entries[0].title, "News, live");
    assert_eq!(playlist.entries[1].uri, "files/a b.mp3");
    assert_eq!(uris(b"\xef\xbb\xbf# note\nhttp://h.example.net/a.mp3\n"), ["http://h.example.net/a.mp3"]);
    assert_eq!(parse(include_bytes!("../../testdata/hls/ffmpeg-live-pdt.m3u8")), Err(RedirectorError::Hls));
    assert_eq!(parse(include_bytes!("../../testdata/dash/ffmpeg-live.mpd")), Err(RedirectorError::Dash));
    for text in [
        "",
        "Not found",
        "<html><a href='http://h/'>",
        "http://h.example.net/a and more\nis text\n",
        "<",
        "<é",
        "\0",
    ] {
        assert!(matches!(parse(text.as_bytes()), Err(RedirectorError::Unknown { .. })), "{text}");
    }
}

#[test]
fn xspf_and_quicktime() {
    let playlist = parse(sample!("icecast.xspf")).expect("a playlist");
    assert_eq!(playlist.entries[0].uri, "http://radio.example.net:8000/live.mp3?a=1&b=2");
    assert_eq!(playlist.entries[0].title, "Live <now>");
    let quicktime = (Format::Qtl, vec!["rtsp://qt.example.net/news.sdp".to_owned()]);
    assert_eq!(read(sample!("quicktime.qtl")), quicktime);
    assert_eq!(read(b"RTSPtextrtsp://qt.example.net/news.sdp\r"), quicktime);
}

#[test]
fn a_playlist_has_its_end() {
    let many = format!("#EXTM3U\n{}", "http://h/\n".repeat(MAX_ENTRIES + 5));
    let playlist = parse(many.as_bytes()).expect("a playlist");
    assert_eq!((playlist.entries.len(), playlist.more), (MAX_ENTRIES, 5));
    assert!(uris(format!("#EXTM3U\nhttp://{}/\n", "a".repeat(MAX_URI)).as_bytes()).is_empty());
    assert!(matches!(parse(&vec![b'#'; MAX_PLAYLIST + 1]), Err(RedirectorError::TooLarge { .. })));
    for one in ["<a ", "<asx a=\"", "<ref href='", "<!--", "<![CDATA[", "&#", "a="] {
        let text = format!("<asx>{}", one.repeat(MAX_PLAYLIST / one.len() / 2));
        let began = std::time::Instant::now();
        let _ = parse(text.as_bytes());
        assert!(began.elapsed().as_secs() < 5, "{one}");
    }
}

#[test]
fn schemes_are_words_before_a_colon_and_two_slashes() {
    assert_eq!(scheme("rtsp://h/"), Some("rtsp"));
    for text in ["//h/", "a b://h", "1a://h", "://h", "c:\\x", "a/b"] {
        assert_eq!(scheme(text), None, "{text}");
    }
}

proptest! {
    #[test]
    fn never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = parse(&bytes);
        let _ = parse(&[b"<asx>".as_slice(), &bytes].concat());
    }

    #[test]
    fn a_damaged_playlist_never_panics(which in 0..SAMPLES.len(), at: prop::sample::Index, byte: u8, cut: bool) {
        let mut bytes = SAMPLES[which].to_vec();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        if cut { bytes.truncate(at); }
        if let Ok(playlist) = parse(&bytes) {
            prop_assert!(playlist.entries.iter().all(|entry| !entry.uri.is_empty() && entry.uri.len() <= MAX_URI));
        }
    }
}
