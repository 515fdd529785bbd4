//! RTSP as Windows Media servers speak it, from MS-RTSP: the ASF header in the description, ASF packets in RTP (`x-asf-pf`), on the
//! RTSP connection. ffprobe referees it (`tests/mms_referee.rs` of the stream family).

use std::io::{self, Write as _};
use std::net::TcpStream;
use std::time::Instant;

use anyhow::Result;

use crate::mmst::{Asf, is_picture_only, send_time};
use crate::rtsp::{Requests, base64};
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

fn serve(client: &mut TcpStream, file: &Asf, header: &str) -> io::Result<()> {
    let mut requests = Requests::of(client)?;
    let known = "Server: WMServer/9.1.1.3814\r\nSession: 12345;timeout=60\r\n";
    while let Some(request) = requests.next()? {
        let transport = request.field("Transport");
        let (status, fields, body) = match request.method.as_str() {
            "OPTIONS" => (
                "200 OK",
                "Public: DESCRIBE, SETUP, PLAY, TEARDOWN, GET_PARAMETER\r\n".to_owned(),
                String::new(),
            ),
            "DESCRIBE" => {
                let fields = format!("Content-Type: application/sdp\r\nContent-Base: {}/\r\n", request.url);
                ("200 OK", fields, description(header, file.packet_size))
            }
            "SETUP" if !transport.contains("TCP") => {
                ("461 Unsupported Transport", String::new(), String::new())
            }
            "SETUP" => ("200 OK", format!("Transport: {transport}\r\n"), String::new()),
            _ => ("200 OK", String::new(), String::new()),
        };
        request.answer(client, status, &format!("{known}{fields}"), &body)?;
        if request.method == "PLAY" {
            return play(client, file);
        }
    }
    Ok(())
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
