//! TCP connections, plain or TLS, with errors that name the layer.

use std::fmt::Display;
use std::io::{Error, ErrorKind};
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;
use weir_contract::{Problem, fault};

use crate::Probe;
use crate::rest::Rest;

/// A connection to a server.
#[derive(Debug)]
pub enum Conn {
    /// TCP.
    Plain(TcpStream),
    /// TLS over TCP.
    Tls(Box<TlsStream<TcpStream>>),
}

impl Probe {
    /// Connects to one address: the stage `connect`. It ends early when another address waits for its turn.
    ///
    /// # Errors
    /// E-TCP-REFUSED, E-TCP-TIMEOUT, E-NET-UNREACHABLE, E-CONN-CLOSED.
    pub async fn connect(&self, address: SocketAddr) -> Result<Conn, Problem> {
        self.stage("connect", &fault::TCP_TIMEOUT, async {
            let limit = self.connect_limit.unwrap_or(self.deadline.timeout());
            let Ok(connected) = tokio::time::timeout(limit, TcpStream::connect(address)).await else {
                let text = format!("{address} did not answer within {:.1} s", limit.as_secs_f64());
                return Err(Problem::new(&fault::TCP_TIMEOUT, text));
            };
            let stream = connected.map_err(|error| connect_problem(&address, &error))?;
            // Requests are small and wait for answers: never let them wait for more to send.
            let _ = stream.set_nodelay(true);
            self.note(&format!("connected to {address}"));
            Ok(Conn::Plain(stream))
        })
        .await
    }
}

/// The problem that a failed connection to `address` tells of.
pub(crate) fn connect_problem(address: &dyn Display, error: &Error) -> Problem {
    match error.kind() {
        ErrorKind::ConnectionRefused => {
            Problem::new(&fault::TCP_REFUSED, format!("{address} refuses connections"))
        }
        ErrorKind::TimedOut => Problem::new(&fault::TCP_TIMEOUT, format!("{address} does not answer")),
        ErrorKind::NetworkUnreachable | ErrorKind::HostUnreachable | ErrorKind::AddrNotAvailable => {
            Problem::new(&fault::NET_UNREACHABLE, format!("{address} is unreachable: {error}"))
        }
        ErrorKind::PermissionDenied => {
            Problem::new(&fault::PERMISSION, format!("not allowed to connect to {address}: {error}"))
        }
        _ => Problem::new(&fault::CONN_CLOSED, format!("cannot connect to {address}: {error}")),
    }
}

impl Conn {
    /// Reads what is there, up to the length of `buffer`; 0 at the end of the stream.
    ///
    /// # Errors
    /// E-CONN-CLOSED.
    pub async fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Problem> {
        let result = match self {
            Self::Plain(stream) => stream.read(buffer).await,
            Self::Tls(stream) => stream.read(buffer).await,
        };
        match result {
            // A server that closes without TLS close_notify has still closed.
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(0),
            result => result.map_err(|error| closed(&error)),
        }
    }

    /// Reads once; `None` when nothing has come until `at`, since the start of the check.
    ///
    /// # Errors
    /// E-CONN-CLOSED.
    pub(crate) async fn read_until(
        &mut self,
        buffer: &mut [u8],
        rest: &mut Rest,
        at: Duration,
    ) -> Result<Option<usize>, Problem> {
        if let Self::Plain(stream) = self
            && rest.alone_on(stream.as_fd(), at)
        {
            return self.read_now(buffer);
        }
        tokio::select! {
            biased;
            read = self.read(buffer) => read.map(Some),
            () = rest.until(at) => Ok(None),
        }
    }

    /// Writes all of `bytes`.
    ///
    /// # Errors
    /// E-CONN-CLOSED.
    pub async fn write(&mut self, bytes: &[u8]) -> Result<(), Problem> {
        let result = match self {
            Self::Plain(stream) => stream.write_all(bytes).await,
            Self::Tls(stream) => match stream.write_all(bytes).await {
                Ok(()) => stream.flush().await,
                error => error,
            },
        };
        result.map_err(|error| closed(&error))
    }

    /// Wakes the reader for no fewer bytes than `least`, or the end of the stream. Over TLS for any: a record is never small.
    pub(crate) fn wake_for(&self, least: usize) {
        if let Self::Plain(stream) = self {
            // Without it, it only costs more.
            let _ = nix::sys::socket::setsockopt(stream, crate::sockopt::ReceiveLowat, &least);
        }
    }

    /// Reads what is there without asking the runtime; `None` when nothing is, and always over TLS.
    pub(crate) fn read_now(&self, buffer: &mut [u8]) -> Result<Option<usize>, Problem> {
        use nix::sys::socket::{MsgFlags, recv};
        let Self::Plain(stream) = self else { return Ok(None) };
        match recv(stream.as_raw_fd(), buffer, MsgFlags::MSG_DONTWAIT).map_err(Error::from) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(None),
            read => read.map(Some).map_err(|error| closed(&error)),
        }
    }

    /// The DNS names in the server's certificate; none without TLS.
    pub fn certificate_names(&self) -> Vec<String> {
        let Self::Tls(stream) = self else { return Vec::new() };
        let certificate = stream.get_ref().1.peer_certificates().and_then(<[_]>::first);
        let parsed = certificate.and_then(|der| webpki::EndEntityCert::try_from(der).ok());
        parsed.iter().flat_map(|cert| cert.valid_dns_names()).map(str::to_owned).collect()
    }

    /// This end's address.
    pub fn local_addr(&self) -> Option<SocketAddr> {
        self.tcp().local_addr().ok()
    }

    /// The server's address.
    pub fn peer_addr(&self) -> Option<SocketAddr> {
        self.tcp().peer_addr().ok()
    }

    fn tcp(&self) -> &TcpStream {
        match self {
            Self::Plain(stream) => stream,
            Self::Tls(stream) => stream.get_ref().0,
        }
    }
}

fn closed(error: &Error) -> Problem {
    let how = if error.kind() == ErrorKind::ConnectionReset { "reset" } else { "closed" };
    Problem::new(&fault::CONN_CLOSED, format!("the server {how} the connection: {error}"))
}
