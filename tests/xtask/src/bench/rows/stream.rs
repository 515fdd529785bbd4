//! Streams, and the start-up of their binaries.

use anyhow::Result;
use weir_lab::{Clip, Lab};

use super::{Group, Started, row, started};

pub(super) const GROUPS: &[Group] = &[
    Group { name: "rtsp", binaries: &["check_rtsp"], start: rtsp },
    Group { name: "hls", binaries: &["check_hls"], start: hls },
    Group { name: "dash", binaries: &["check_dash"], start: dash },
    Group { name: "icecast", binaries: &["check_http_stream"], start: icecast },
    Group { name: "dead-air", binaries: &["check_http_stream", "check_hls"], start: dead_air },
    Group { name: "mms", binaries: &["check_mms"], start: mms },
    Group { name: "pna", binaries: &["check_pnm"], start: pna },
    Group { name: "srt", binaries: &["check_srt"], start: srt },
    Group { name: "ts", binaries: &["check_rtp"], start: ts },
    Group { name: "rtmp", binaries: &["check_rtmp"], start: rtmp },
    Group { name: "start-up", binaries: &["check_rtsp", "stream_"], start: start_up },
];

fn rtsp(lab: &Lab) -> Result<Started> {
    let server = lab.gst().start()?;
    let (url, port) = (server.url("/live"), server.port());
    let ours = format!("check_rtsp {url}");
    let rows = [
        row("RTSP", &ours, format!("ffprobe -rtsp_transport tcp {url}")).cpu(1.0 / 15.0).rss(6.0),
        row("RTSP over UDP", format!("{ours} --transport udp"), format!("ffprobe -rtsp_transport udp {url}"))
            .cpu(1.0 / 15.0)
            .rss(6.0),
        row("RTSP, theirs DESCRIBE", &ours, format!("check_real -H 127.0.0.1 -p {port} -u {url}")),
    ];
    Ok(started(rows, server))
}

fn hls(lab: &Lab) -> Result<Started> {
    let server = lab.hls().variants(2).start()?;
    let (ours, variant) = (format!("check_hls {}", server.url()), server.variant_url(0));
    let what = "HLS, two variants, theirs one";
    let rows = [
        row(what, &ours, format!("ffprobe {variant}")).cpu(1.0 / 15.0),
        row(what, &ours, format!("streamtop --summary --timeout 3 {variant}")).cpu(0.5),
    ];
    Ok(started(rows, server))
}

fn dash(lab: &Lab) -> Result<Started> {
    let server = lab.dash().start()?;
    let url = server.url();
    let rows = [row("DASH", format!("check_dash {url}"), format!("ffprobe {url}")).cpu(1.0 / 15.0).rss(6.0)];
    Ok(started(rows, server))
}

fn icecast(lab: &Lab) -> Result<Started> {
    let server = lab.icecast().start()?;
    let source = server.source("live.mp3", Clip::Tone)?;
    let (url, port) = (server.url("live.mp3"), server.port());
    let ours = format!("check_http_stream {url}");
    let rows = [
        row("Icecast", &ours, format!("ffprobe {url}")),
        row("Icecast, theirs header", &ours, format!("check_http -H 127.0.0.1 -p {port} -u /live.mp3 -N"))
            .cpu(1.0),
        row("Icecast, theirs connect", &ours, format!("check_tcp -H 127.0.0.1 -p {port}")),
    ];
    Ok(started(rows, (source, server)))
}

fn dead_air(lab: &Lab) -> Result<Started> {
    let icecast = lab.icecast().start()?;
    let mounts = [("a.mp3", Clip::Tone), ("b.ogg", Clip::ToneOgg), ("c.aac", Clip::ToneAac)];
    let mut sources = Vec::new();
    for (mount, clip) in mounts {
        sources.push(icecast.source(mount, clip)?);
    }
    let channel = lab.hls().start()?;
    // The server's buffer and the time to listen: as much sound for both.
    let detect = "-af silencedetect=n=-50dB:d=8 -f null -";
    let mut rows: Vec<_> = mounts
        .iter()
        .map(|(mount, _)| {
            let url = icecast.url(mount);
            let ours = format!("check_http_stream {url} -t 20 --silence -50:8s");
            row(format!("Silence, {mount}"), ours, format!("ffmpeg -v error -i {url} -t 16 {detect}"))
                .cpu(0.1)
                .rss(16.0)
        })
        .collect();
    let url = channel.variant_url(0);
    rows.push(
        row(
            "Silence, frozen, black, HLS",
            format!("check_hls {url} -t 20 --silence -50:8s --frozen 8s --black 8s"),
            format!("ffmpeg -v error -i {url} -t 9 -vf blackdetect=d=8,freezedetect=d=8 {detect}"),
        )
        .cpu(0.1)
        .rss(16.0),
    );
    Ok(started(rows, (sources, icecast, channel)))
}

fn mms(lab: &Lab) -> Result<Started> {
    let server = lab.vlc_mmsh().start()?;
    let url = server.url();
    let rows =
        [row("MMS over HTTP", format!("check_mms {url}"), format!("ffprobe {url}")).cpu(1.0 / 15.0).rss(6.0)];
    Ok(started(rows, server))
}

fn pna(lab: &Lab) -> Result<Started> {
    let server = lab.pna().start()?;
    let url = server.url("/live.rm");
    let theirs = format!("mplayer -nocache -nolirc -really-quiet -vo null -ao null -endpos 4 {url}");
    let rows = [row("RealNetworks over PNA", format!("check_pnm {url}"), theirs).cpu(0.5).rss(6.0)];
    Ok(started(rows, server))
}

fn srt(lab: &Lab) -> Result<Started> {
    let server = lab.srt_rules().start()?;
    let rows = ["tv1", "secret&passphrase=correct-horse", "fast"].map(|stream| {
        let url = server.url(&format!("?streamid={stream}"));
        let what = match stream {
            "tv1" => "SRT",
            "fast" => "SRT, 20 Mbit/s",
            _ => "SRT, encrypted",
        };
        row(what, format!("check_srt {url}"), format!("ffprobe {url}")).cpu(1.0 / 15.0).rss(6.0)
    });
    Ok(started(rows, server))
}

fn ts(lab: &Lab) -> Result<Started> {
    let senders = (
        lab.ffmpeg_sender(Clip::VideoTs, "rtp_mpegts", "rtp://239.1.2.3:5004")?,
        lab.ffmpeg_sender(Clip::VideoTs, "mpegts -muxrate 20M", "udp://239.1.2.4:5000?pkt_size=1316")?,
    );
    // Most of the second is the kernel's work of handing over 1900 datagrams a second; ffprobe stops looking when it knows the codecs.
    let streams =
        [("TS in RTP", "rtp://239.1.2.3:5004", 15.0), ("TS by UDP, 20 Mbit/s", "udp://239.1.2.4:5000", 7.0)];
    let rows = streams.map(|(what, url, part)| {
        row(what, format!("check_rtp {url}"), format!("ffprobe {url}")).cpu(1.0 / part).rss(6.0)
    });
    Ok(started(rows, senders))
}

fn rtmp(lab: &Lab) -> Result<Started> {
    let server = lab.nginx_rtmp()?;
    let encoder = server.publish("news", Clip::Video)?;
    let url = server.rtmp_url("news");
    let rows = [row("RTMP", format!("check_rtmp {url}"), format!("ffprobe {url}")).cpu(1.0 / 15.0).rss(6.0)];
    Ok(started(rows, (encoder, server)))
}

#[expect(clippy::unnecessary_wraps, reason = "the form of every group; this one has no server")]
fn start_up(_lab: &Lab) -> Result<Started> {
    let rows = [
        row("start-up", "check_rtsp -V", "weir-noop").cpu(1.5),
        row("start-up of a graph", "url=rtsp://192.0.2.1/live stream_ config", "weir-noop").cpu(1.5),
    ];
    Ok(started(rows, ()))
}
