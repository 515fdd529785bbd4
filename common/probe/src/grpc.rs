//! Questions by gRPC: one method, one message out, all messages of the answer in.
//!
//! gRPC is HTTP/2 with `POST /SERVICE/METHOD`, framed messages as bodies and its own status in the trailers
//! (<https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md>). The HTTP/2 is that of the crate `h2`.

use std::net::SocketAddr;
use std::path::Path;

use bytes::Bytes;
use h2::client::SendRequest;
use http::{HeaderMap, Request};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::UnixStream;
use weir_contract::{Problem, fault};

use crate::connect::connect_problem;
use crate::{Conn, Probe};

/// Headers and trailers of an answer may be so long.
const HEADERS_MAX: u32 = 16 * 1024;
/// So much may be on its way before it is read.
const WINDOW: u32 = 1 << 20;
/// A refusal's words are cut here.
const MESSAGE_MAX: usize = 200;

/// A connection to a server.
#[derive(Debug)]
pub struct Grpc {
    sender: SendRequest<Bytes>,
}

/// What was answered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reply {
    /// The frames of all messages, one after the other.
    pub body: Vec<u8>,
    /// gRPC's status; 0 is well, [`UNIMPLEMENTED`] an unknown method.
    pub status: u16,
    /// The server's words when the status is not 0.
    pub message: String,
}

/// The server does not know the method.
pub const UNIMPLEMENTED: u16 = 12;

impl Grpc {
    /// Connects over TCP.
    ///
    /// # Errors
    /// Those of [`Probe::connect`], and E-PROTOCOL when the server speaks no HTTP/2.
    pub async fn connect(probe: &Probe, server: SocketAddr) -> Result<Self, Problem> {
        match probe.connect(server).await? {
            Conn::Plain(stream) => Self::over(probe, stream).await,
            Conn::Tls(_) => Err(Problem::new(&fault::INTERNAL, "a plain connection came with TLS")),
        }
    }

    /// Connects to a unix socket.
    ///
    /// # Errors
    /// E-PERMISSION, E-TCP-REFUSED when nobody listens, E-NO-DATA when there is no such socket.
    pub async fn connect_unix(probe: &Probe, socket: &Path) -> Result<Self, Problem> {
        let place = socket.display();
        let stream = probe
            .stage("connect", &fault::TCP_TIMEOUT, async {
                UnixStream::connect(socket).await.map_err(|error| match error.kind() {
                    std::io::ErrorKind::NotFound => {
                        Problem::new(&fault::NO_DATA, format!("there is no {place}"))
                    }
                    _ => connect_problem(&place, &error),
                })
            })
            .await?;
        Self::over(probe, stream).await
    }

    async fn over(
        probe: &Probe,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    ) -> Result<Self, Problem> {
        probe
            .stage("http2", &fault::SERVER_TIMEOUT, async {
                let (sender, connection) = h2::client::Builder::new()
                    .enable_push(false)
                    .max_header_list_size(HEADERS_MAX)
                    .initial_window_size(WINDOW)
                    .handshake(stream)
                    .await
                    .map_err(|error| broken(&error))?;
                // It ends with the runtime or when the last request is done; what goes wrong is told to the request.
                drop(tokio::spawn(connection));
                Ok(Self { sender })
            })
            .await
    }

    /// Sends one message, already framed, to `path` and reads the whole answer, up to `limit` bytes: the stage `grpc`.
    ///
    /// # Errors
    /// E-PROTOCOL when the answer is no gRPC or longer, E-SERVER-TIMEOUT. A status that is not 0 is no error.
    pub async fn ask(
        &mut self,
        probe: &Probe,
        path: &str,
        message: Vec<u8>,
        limit: usize,
    ) -> Result<Reply, Problem> {
        probe.sent(&format!("POST {path} with {} bytes", message.len()));
        let reply = probe
            .stage("grpc", &fault::SERVER_TIMEOUT, async {
                let request = Request::post(format!("http://localhost{path}"))
                    .header("content-type", "application/grpc")
                    .header("te", "trailers")
                    .body(())
                    .map_err(|error| Problem::new(&fault::INTERNAL, error.to_string()))?;
                let mut sender = self.sender.clone().ready().await.map_err(|e| broken(&e))?;
                let (response, mut stream) = sender.send_request(request, false).map_err(|e| broken(&e))?;
                stream.send_data(message.into(), true).map_err(|e| broken(&e))?;
                let (head, mut incoming) = response.await.map_err(|e| broken(&e))?.into_parts();
                if head.status != 200 {
                    let text = format!("the server answers HTTP status {}, it is no gRPC", head.status);
                    return Err(Problem::new(&fault::PROTOCOL, text));
                }
                let mut body = Vec::new();
                while let Some(chunk) = incoming.data().await {
                    let chunk = chunk.map_err(|e| broken(&e))?;
                    if body.len() + chunk.len() > limit {
                        let text = format!("the answer to {path} is longer than {limit} bytes");
                        return Err(Problem::new(&fault::PROTOCOL, text));
                    }
                    incoming.flow_control().release_capacity(chunk.len()).map_err(|e| broken(&e))?;
                    body.extend_from_slice(&chunk);
                }
                // A refusal without a body has its status among the headers.
                let trailers = incoming.trailers().await.map_err(|e| broken(&e))?.unwrap_or(head.headers);
                let status = text(&trailers, "grpc-status").parse().map_err(|_| {
                    Problem::new(&fault::PROTOCOL, format!("the answer to {path} has no grpc-status"))
                })?;
                let message = weir_contract::text::shorten(text(&trailers, "grpc-message"), MESSAGE_MAX);
                Ok(Reply { body, status, message: message.into_owned() })
            })
            .await?;
        probe.received(&format!("status {} {}, {} bytes", reply.status, reply.message, reply.body.len()));
        Ok(reply)
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

fn broken(error: &h2::Error) -> Problem {
    if error.is_io() {
        Problem::new(&fault::CONN_CLOSED, format!("the server closed the connection: {error}"))
    } else {
        Problem::new(&fault::PROTOCOL, format!("no HTTP/2: {error}"))
    }
}
