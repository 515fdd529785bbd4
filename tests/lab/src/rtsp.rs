//! The small part of RTSP that the lab's own servers share: requests in, answers out.

use std::io::{self, BufRead as _, BufReader, Lines, Write as _};
use std::net::TcpStream;
use std::process::{Command, Stdio};

use anyhow::Result;

/// One request, without a body.
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) url: String,
    fields: Vec<(String, String)>,
}

impl Request {
    /// The value of a header field; empty without one.
    pub(crate) fn field(&self, name: &str) -> &str {
        let field = self.fields.iter().find(|(own, _)| own.eq_ignore_ascii_case(name));
        field.map_or("", |(_, value)| value.as_str())
    }

    /// Answers it: a status, header fields of whole lines, a body.
    pub(crate) fn answer(
        &self,
        client: &mut TcpStream,
        status: &str,
        fields: &str,
        body: &str,
    ) -> io::Result<()> {
        let (cseq, length) = (self.field("CSeq"), body.len());
        let head = format!("RTSP/1.0 {status}\r\nCSeq: {cseq}\r\n{fields}Content-Length: {length}\r\n\r\n");
        client.write_all(&[head.as_bytes(), body.as_bytes()].concat())
    }

    /// A parameter of the `Transport` field, such as `client_port`.
    pub(crate) fn transport(&self, name: &str) -> Option<&str> {
        let parameters = self.field("Transport").split([';', ',']);
        parameters
            .filter_map(|parameter| parameter.split_once('='))
            .find(|(own, _)| *own == name)
            .map(|p| p.1)
    }
}

/// The requests of one client.
pub(crate) struct Requests(Lines<BufReader<TcpStream>>);

impl Requests {
    pub(crate) fn of(client: &TcpStream) -> io::Result<Self> {
        Ok(Self(BufReader::new(client.try_clone()?).lines()))
    }

    /// The next one; `None` when the client has gone.
    pub(crate) fn next(&mut self) -> io::Result<Option<Request>> {
        let (mut first, mut fields) = (String::new(), Vec::new());
        while let Some(line) = self.0.next().transpose()? {
            match line.split_once(':') {
                _ if line.is_empty() && first.is_empty() => {}
                _ if line.is_empty() => {
                    let mut words = first.split(' ').map(str::to_owned);
                    let (method, url) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
                    return Ok(Some(Request { method, url, fields }));
                }
                _ if first.is_empty() => first = line,
                Some((name, value)) => fields.push((name.to_owned(), value.trim().to_owned())),
                None => {}
            }
        }
        Ok(None)
    }
}

/// A frame on a channel of the RTSP connection (RFC 2326 section 10.12).
pub(crate) fn interleave(client: &mut TcpStream, channel: u8, payload: &[u8]) -> io::Result<()> {
    let size = u16::try_from(payload.len()).map_err(|_| io::ErrorKind::InvalidData)?.to_be_bytes();
    client.write_all(&[&[b'$', channel, size[0], size[1]][..], payload].concat())
}

/// By coreutils: the lab has no crate for it, and is no place for a codec.
pub(crate) fn base64(bytes: &[u8]) -> Result<String> {
    let mut encoder = Command::new("base64");
    let mut child = encoder.arg("-w0").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    if let Some(mut input) = child.stdin.take() {
        input.write_all(bytes)?;
    }
    Ok(String::from_utf8(child.wait_with_output()?.stdout)?)
}
