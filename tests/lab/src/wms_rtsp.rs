//! RTSP as Windows Media servers speak it, from MS-RTSP: the ASF header in the description, ASF packets in RTP (`x-asf-pf`), on the
//! RTSP connection or by UDP, where retransmissions are set up first and all media goes to one port. ffprobe referees it (`tests/mms_referee.rs` of the stream family).

use std::io;
use std::net::{TcpStream, UdpSocket};
use std::time::Instant;

use anyhow::Result;

use crate::mmst::{Asf, is_picture_only, send_time};
use crate::rtsp::{Request, Requests, base64, interleave};
use crate::{Lab, Served};

/// Payload header: length (not offset) of a whole packet, no optional fields.
const WHOLE: u8 = 0x40;

impl Lab {
    /// A Windows Media server over RTSP, one live stream at any path (needs "ffmpeg" for its clip).
    pub fn wms_rtsp(&self) -> Result<Served> {
        let file = Asf::read(true)?;
        let header = base64(&file.header)?;
        let port = self.port();
        let socket = self.enter(|| UdpSocket::bind(("127.0.0.1", port)))??;
        self.serve(move |client| {
            let mut session = Session { client, file: &file, socket: &socket, rtx: false, ports: [None; 2] };
            // An error here means that the client has gone, which is its right.
            let _ = session.serve(&header);
        })
    }
}

/// One player.
struct Session<'a> {
    client: &'a mut TcpStream,
    file: &'a Asf,
    socket: &'a UdpSocket,
    /// Whether retransmissions by UDP have been set up.
    rtx: bool,
    /// The player's UDP ports for sound and picture; none for what comes on the connection.
    ports: [Option<u16>; 2],
}

impl Session<'_> {
    fn serve(&mut self, header: &str) -> io::Result<()> {
        let mut requests = Requests::of(self.client)?;
        let known = "Server: WMServer/9.1.1.3814\r\nSession: 12345;timeout=60\r\n";
        while let Some(request) = requests.next()? {
            let (status, fields, body) = match request.method.as_str() {
                "OPTIONS" => {
                    let public = "Public: DESCRIBE, SETUP, PLAY, TEARDOWN, GET_PARAMETER\r\n";
                    ("200 OK", public.to_owned(), String::new())
                }
                "DESCRIBE" => {
                    let fields =
                        format!("Content-Type: application/sdp\r\nContent-Base: {}/\r\n", request.url);
                    ("200 OK", fields, description(header, self.file.packet_size))
                }
                "SETUP" => match self.set_up(&request)? {
                    Some(transport) => ("200 OK", format!("Transport: {transport}\r\n"), String::new()),
                    None => ("461 Unsupported Transport", String::new(), String::new()),
                },
                _ => ("200 OK", String::new(), String::new()),
            };
            request.answer(self.client, status, &format!("{known}{fields}"), &body)?;
            if request.method == "PLAY" {
                return self.play();
            }
        }
        Ok(())
    }

    /// By UDP first a pair of ports for retransmissions, then one for media, the same for every track.
    fn set_up(&mut self, request: &Request) -> io::Result<Option<String>> {
        let offer = request.field("Transport");
        if offer.contains("TCP") {
            return Ok(Some(offer.to_owned()));
        }
        let ports = request.transport("client_port").unwrap_or_default();
        let port = ports.split('-').next().and_then(|port| port.parse().ok());
        let media = self.ports.iter().flatten().next().copied();
        let track = match request.url.rsplit('/').next() {
            Some("rtx") if ports.contains('-') => None,
            Some("audio") => Some(0),
            Some("video") => Some(1),
            _ => return Ok(None),
        };
        match track {
            None => self.rtx = true,
            Some(_) if !self.rtx || ports.contains('-') || media.is_some_and(|own| port != Some(own)) => {
                return Ok(None);
            }
            Some(track) => self.ports[track] = port,
        }
        let server = self.socket.local_addr()?.port();
        let ssrc = track.map_or_else(|| "00000009".to_owned(), |track| format!("{:08X}", track + 1));
        Ok(Some(format!(
            "RTP/AVP/UDP;unicast;server_port={server}-{};client_port={ports};ssrc={ssrc};mode=PLAY",
            server + 1
        )))
    }

    /// A packet with payloads of both tracks goes with the sound, one of the picture alone with the picture.
    fn play(&mut self) -> io::Result<()> {
        let (begin, mut sequences) = (Instant::now(), [0_u16; 2]);
        let player = self.client.peer_addr()?.ip();
        for packet in &self.file.packets {
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
            if let Some(port) = self.ports[usize::from(track)] {
                // It is gone when the player is, which the connection does not tell while nothing is written there.
                let _ = self.socket.send_to(&rtp, (player, port));
                continue;
            }
            interleave(self.client, 2 * track, &rtp)?;
        }
        Ok(())
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
