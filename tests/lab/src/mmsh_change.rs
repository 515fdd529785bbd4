//! MMS over HTTP as a Windows Media server speaks it when its playlist moves on: `$C`, a second header, and media again. No server at
//! hand sends that; ffmpeg referees this one (`tests/mms_referee.rs` of the stream family). It knows neither `$M` nor an `$E` that
//! is not the end, so that neither is sent.

use std::io::{self, BufRead as _, BufReader, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use anyhow::Result;

use crate::mmst::{Asf, send_time};
use crate::{Lab, Served};

/// What is sent at once.
const BURST: Duration = Duration::from_secs(2);
/// When the next entry begins, in media time.
const ENTRY: Duration = Duration::from_millis(3500);

impl Lab {
    /// A live MMSH stream at any path whose server announces another entry after three and a half seconds of media (needs
    /// "ffmpeg" for its clip).
    pub fn mmsh_change(&self) -> Result<Served> {
        let file = Asf::read(true)?;
        self.serve(move |client| {
            // An error here means that the client has gone, which is its right.
            let _ = serve(client, &file);
        })
    }
}

fn serve(client: &mut TcpStream, file: &Asf) -> io::Result<()> {
    let mut play = false;
    for line in BufReader::new(client.try_clone()?).lines() {
        let line = line?;
        play |= line.contains("xPlayStrm=1");
        if line.is_empty() {
            break;
        }
    }
    let kind = if play { "application/x-mms-framed" } else { "application/vnd.ms.wms-hdr.asfv1" };
    write!(
        client,
        "HTTP/1.0 200 OK\r\nContent-Type: {kind}\r\nServer: Cougar/9.01.01.3841\r\nPragma: no-cache\r\n\
         Pragma: client-id=42\r\nPragma: features=\"broadcast,playlist\"\r\n\r\n"
    )?;
    client.write_all(&frame(b'H', &data(0, 0x0c, &file.header)))?;
    if !play {
        return Ok(());
    }
    let (begin, mut done) = (Instant::now(), Duration::ZERO);
    for entry in 0..2_u8 {
        if entry > 0 {
            // The second header says nothing new, as when an encoder has started again.
            client.write_all(&frame(b'C', &0_u32.to_le_bytes()))?;
            client.write_all(&frame(b'H', &data(0, 0x0c, &file.header)))?;
        }
        for (location, packet) in (0..).zip(&file.packets) {
            let time = send_time(packet);
            if entry == 0 && time > ENTRY {
                break;
            }
            std::thread::sleep((done + time).saturating_sub(BURST).saturating_sub(begin.elapsed()));
            client.write_all(&frame(b'D', &data(location, entry, packet)))?;
        }
        done = ENTRY;
    }
    client.write_all(&frame(b'E', &0_u32.to_le_bytes()))
}

/// A frame: `$`, its kind, its length (MS-WMSP section 2.2.3.1.1).
fn frame(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = u16::try_from(body.len()).unwrap_or(u16::MAX).to_le_bytes();
    [&[b'$', kind], &length[..], body].concat()
}

/// Location, incarnation, flags, size: what stands before header and packets.
fn data(location: u32, flags: u8, payload: &[u8]) -> Vec<u8> {
    let size = u16::try_from(payload.len() + 8).unwrap_or(u16::MAX).to_le_bytes();
    [&location.to_le_bytes()[..], &[0, flags], &size, payload].concat()
}
