//! `check_rtsp --only-host`: what real servers name of themselves behind a balancer that translates addresses, and what they must not.

mod support;

use std::io::{BufRead as _, BufReader, Write as _};

use support::{critical, ok, rtsp, unknown, warning};
use weir_lab::{Hostile, Lab, Result, Served};

const VIP: &str = "192.0.2.10";
const REAL: &str = "198.51.100.7";

/// The URL with the virtual address for the server's own.
fn behind(url: &str) -> String {
    let (_, rest) = url.split_once("://").unwrap_or_default();
    let (_, rest) = rest.split_once(':').unwrap_or_default();
    format!("rtsp://{VIP}:{rest}")
}

#[test]
fn real_servers_behind_translated_addresses_name_themselves() -> Result<()> {
    let Some(lab) = Lab::for_test(&["namespace", "gst", "vlc", "ffmpeg", "nft"]) else { return Ok(()) };
    let _balancer = lab.translate(VIP, REAL)?;
    let (gst, vlc) = (lab.gst().start()?, lab.vlc_rtsp().start()?);
    let (gst, vlc) = (behind(&gst.url("/live")), behind(vlc.url()));
    // GStreamer writes its own address where nobody looks, VLC where every client asks.
    ok(&rtsp(&lab, &[&gst, "--watch", "1"])?, &["H264"]);
    warning(
        &rtsp(&lab, &[&gst, "--watch", "1", "--only-host", VIP])?,
        &["E-VIP-LEAK", "o= of the description", REAL],
    );
    let leak = rtsp(&lab, &[&vlc, "--watch", "1", "--only-host", VIP])?;
    critical(
        &leak,
        &["E-VIP-LEAK", "a=control is rtsp://198.51.100.7", "only 192.0.2.10 may be named", "H264"],
    );
    ok(&rtsp(&lab, &[&vlc, "--watch", "1", "--only-host", VIP, "--only-host", REAL])?, &["H264"]);
    let stream = format!("--only-host {VIP}");
    critical(&lab.check("check_stream", &[&vlc, "--options", &stream])?, &["E-VIP-LEAK", REAL]);
    Ok(())
}

#[test]
fn a_service_on_the_virtual_address_itself_is_well() -> Result<()> {
    let Some(lab) = Lab::for_test(&["namespace", "gst", "vlc", "perl-rtsp", "ffmpeg"]) else { return Ok(()) };
    lab.hosts(&[("vip.example", VIP)])?;
    let (gst, vlc) = (lab.gst().start()?, lab.vlc_rtsp().start()?);
    for url in [behind(&gst.url("/live")), behind(vlc.url())] {
        ok(&rtsp(&lab, &[&url, "--watch", "1", "--only-host", VIP])?, &["H264"]);
        // The address that the name led to is the name.
        let named = url.replace(VIP, "vip.example");
        ok(&rtsp(&lab, &[&named, "--watch", "1", "--only-host", "vip.example"])?, &["H264"]);
    }
    ok(&rtsp(&lab, &[lab.perl_rtsp()?.url(), "--watch", "1", "--only-host", "127.0.0.1"])?, &["over UDP"]);
    Ok(())
}

/// Answers DESCRIBE and SETUP with these.
fn server(
    lab: &Lab,
    base: &'static str,
    description: &'static str,
    transport: &'static str,
) -> Result<Served> {
    lab.serve(move |client| {
        let Ok(copy) = client.try_clone() else { return };
        let (mut method, mut cseq) = (String::new(), String::new());
        for line in BufReader::new(copy).lines().map_while(std::result::Result::ok) {
            match line.split_once(' ') {
                Some(("CSeq:", number)) => number.clone_into(&mut cseq),
                Some((word, rest)) if rest.ends_with("RTSP/1.0") => word.clone_into(&mut method),
                _ => {}
            }
            if line.is_empty() {
                let (field, body) = match method.as_str() {
                    "DESCRIBE" => (format!("Content-Base: {base}\r\n"), description),
                    "SETUP" => (format!("Transport: {transport}\r\nSession: 1\r\n"), ""),
                    _ => (String::new(), ""),
                };
                let length = body.len();
                let _ = write!(
                    client,
                    "RTSP/1.0 200 OK\r\nCSeq: {cseq}\r\n{field}Content-Length: {length}\r\n\r\n{body}"
                );
            }
        }
    })
}

#[test]
fn each_place_where_a_host_is_named_is_looked_at() -> Result<()> {
    let Some(lab) = Lab::for_test(&[]) else { return Ok(()) };
    let sdp =
        "v=0\r\no=- 1 1 IN IP4 127.0.1.1\r\nc=IN IP4 0.0.0.0\r\nm=audio 0 RTP/AVP 8\r\na=control:t1\r\n";
    let seen_c =
        "v=0\r\no=- 1 1 IN IP4 streamer\r\nc=IN IP4 198.51.100.7\r\nm=audio 0 RTP/AVP 8\r\na=control:t1\r\n";
    let tcp = "RTP/AVP/TCP;unicast;interleaved=0-1";
    let (source, by_udp) = (
        "RTP/AVP/TCP;unicast;interleaved=0-1;source=198.51.100.7",
        "RTP/AVP;server_port=9-10;source=198.51.100.7",
    );
    let look = |base, description, transport, how| -> Result<_> {
        let server = server(&lab, base, description, transport)?;
        let excused = ["--wait", "0.2", "--problem-state", "E-RTSP-SILENT=ok"];
        rtsp(
            &lab,
            &[&[&server.url("rtsp", "/a"), "--transport", how, "--only-host", "127.0.0.1"], &excused[..]]
                .concat(),
        )
    };
    let own = "rtsp://127.0.0.1/a/";
    ok(&look(own, sdp, tcp, "tcp")?, &["PCMA"]);
    critical(
        &look("rtsp://198.51.100.7/a/", sdp, tcp, "tcp")?,
        &["E-VIP-LEAK", "Content-Base is rtsp://198.51.100.7/a/"],
    );
    warning(&look(own, seen_c, tcp, "tcp")?, &["E-VIP-LEAK", "c= of the description is 198.51.100.7"]);
    warning(&look(own, sdp, source, "tcp")?, &["E-VIP-LEAK", "Transport names as source 198.51.100.7"]);
    critical(&look(own, sdp, by_udp, "udp")?, &["E-VIP-LEAK", "Transport names as source 198.51.100.7"]);

    let silent = lab.hostile(Hostile::RtspSilent)?;
    let elsewhere = silent.url("rtsp", "/live").replace("127.0.0.1", "localhost");
    let redirecting = lab.hostile(Hostile::RtspRedirect(elsewhere))?;
    let redirect = redirecting.url("rtsp", "/a");
    let led = rtsp(&lab, &[&redirect, "--only-host", "127.0.0.1", "--wait", "0.3"])?;
    critical(&led, &["E-VIP-LEAK", "the server redirects to rtsp://localhost"]);
    unknown(&rtsp(&lab, &[&redirect, "--only-host"])?, &["--only-host"]);
    Ok(())
}

#[test]
fn playlists_compare_what_their_rtsp_entries_name() -> Result<()> {
    let Some(lab) = Lab::for_test(&["namespace", "vlc", "nginx", "ffmpeg", "nft"]) else { return Ok(()) };
    let _balancer = lab.translate(VIP, REAL)?;
    let vlc = lab.vlc_rtsp().start()?;
    let web = lab.nginx().start()?;
    web.write("live.ram", format!("{}\n", behind(vlc.url())))?;
    let list = web.url("/live.ram");
    let seen = lab.check("check_playlist", &[&list, "--only-host", VIP, "--only-host", "127.0.0.1"])?;
    critical(&seen, &["E-VIP-LEAK", "a=control is rtsp://198.51.100.7"]);
    Ok(())
}
