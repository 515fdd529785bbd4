//! RTSP as Windows Media servers speak it, from MS-RTSP: the ASF header in the description, ASF packets in RTP (`x-asf-pf`), on the
//! RTSP connection. ffprobe referees it (`tests/mms_referee.rs` of the stream family).

use std::io::{self, BufRead as _, BufReader, Write as _};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::Result;

use crate::mmst::{Asf, is_picture_only, send_time};
use crate::{Lab, Served};

/// Payload header: length (not offset) of a whole packet, no optional fields.
const WHOLE: u8 = 0x40;

impl Lab {
    /// A Windows Media server over RTSP, one live stream at any path (needs "ffmpeg" for its clip).
    pub fn wms_rtsp(&self) -> Result<Served> {
        let file = Asf::read(true)?;
        let header = base64(&file.header)?;
        self.serve(move |client| {
            // An error here means that the client has gone, which is its right.
            let _ = serve(client, &file, &header);
        })
    }
}

/// By coreutils: the lab has no crate for it, and is no place for a codec.
fn base64(bytes: &[u8]) -> Result<String> {
    let mut encoder = Command::new("base64");
    let mut child = encoder.arg("-w0").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    if let Some(mut input) = child.stdin.take() {
        input.write_all(bytes)?;
    }
    Ok(String::from_utf8(child.wait_with_output()?.stdout)?)
}

fn serve(client: &mut TcpStream, file: &Asf, header: &str) -> io::Result<()> {
    let mut lines = BufReader::new(client.try_clone()?).lines();
    loop {
        let (mut first, mut cseq, mut transport) = (String::new(), String::new(), String::new());
        loop {
            let Some(line) = lines.next().transpose()? else { return Ok(()) };
            match line.split_once(": ") {
                _ if line.is_empty() => break,
                Some(("CSeq", value)) => value.clone_into(&mut cseq),
                Some(("Transport", value)) => value.clone_into(&mut transport),
                _ if first.is_empty() => first = line,
                _ => {}
            }
        }
        let (method, url) = first.split_once(' ').unwrap_or_default();
        let url = url.split(' ').next().unwrap_or_default();
        let mut answer = |status: &str, fields: &str, body: &str| {
            let length = body.len();
            write!(
                client,
                "RTSP/1.0 {status}\r\nCSeq: {cseq}\r\nServer: WMServer/9.1.1.3814\r\nSession: 12345;timeout=60\r\n{fields}\
                 Content-Length: {length}\r\n\r\n{body}"
            )
        };
        match method {
            "OPTIONS" => answer("200 OK", "Public: DESCRIBE, SETUP, PLAY, TEARDOWN, GET_PARAMETER\r\n", "")?,
            "DESCRIBE" => {
                let fields = format!("Content-Type: application/sdp\r\nContent-Base: {url}/\r\n");
                answer("200 OK", &fields, &description(header, file.packet_size))?;
            }
            "SETUP" if !transport.contains("TCP") => answer("461 Unsupported Transport", "", "")?,
            "SETUP" => answer("200 OK", &format!("Transport: {transport}\r\n"), "")?,
            "PLAY" => {
                answer("200 OK", "", "")?;
                return play(client, file);
            }
            _ => answer("200 OK", "", "")?,
        }
    }
}

fn description(header: &str, packet_size: usize) -> String {
    let media = |kind: &str, stream: u8| {
        format!(
            "m={kind} 0 RTP/AVP 96\r\nb=AS:200\r\na=rtpmap:96 x-asf-pf/1000\r\na=control:{kind}\r\na=stream:{stream}\r\n"
        )
    };
    format!(
        "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=live\r\nc=IN IP4 0.0.0.0\r\nt=0 0\r\na=maxps:{packet_size}\r\na=control:*\r\n\
         a=pgmpu:data:application/vnd.ms.wms-hdr.asfv1;base64,{header}\r\n{}{}\
         m=application 0 RTP/AVP 97\r\na=rtpmap:97 x-wms-rtx/1000\r\na=control:rtx\r\na=stream:65536\r\n",
        media("audio", 2),
        media("video", 1)
    )
}

/// A packet with payloads of both tracks goes to the channel of the sound, one of the picture alone to that of the picture.
fn play(client: &mut TcpStream, file: &Asf) -> io::Result<()> {
    let (begin, mut sequences) = (Instant::now(), [0_u16; 2]);
    for packet in &file.packets {
        let time = send_time(packet);
        std::thread::sleep(time.saturating_sub(begin.elapsed()));
        let track = u8::from(is_picture_only(packet));
        let sequence = &mut sequences[usize::from(track)];
        let mut rtp = vec![0x80, 0xe0]; // version 2; marker, payload type 96
        rtp.extend(sequence.to_be_bytes());
        rtp.extend(u32::try_from(time.as_millis()).unwrap_or(0).to_be_bytes());
        rtp.extend([0, 0, 0, track + 1]);
        let length = u32::try_from(packet.len() + 4).unwrap_or(0).to_be_bytes();
        rtp.extend([WHOLE, length[1], length[2], length[3]]);
        rtp.extend_from_slice(packet);
        *sequence += 1;
        let size = u16::try_from(rtp.len()).map_err(|_| io::ErrorKind::InvalidData)?.to_be_bytes();
        client.write_all(&[&[b'$', 2 * track, size[0], size[1]][..], &rtp].concat())?;
    }
    Ok(())
}
