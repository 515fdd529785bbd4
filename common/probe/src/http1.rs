//! One question of HTTP/1 on a connection that stays the caller's. What client libraries hide is looked at by those who ask so: an ICY
//! status line, the moment of the first byte, a body that never ends.

use weir_contract::{Problem, fault};
use weir_wire::http1::{Head, HeadError, HeadReader, Request};

use crate::{Conn, Probe};

/// Bytes taken from the socket at once.
pub const READ: usize = 16 * 1024;

/// Sends `request` and reads the head of its answer, interim ones (1xx) left out. The bytes are the beginning of the body.
///
/// # Errors
/// E-USAGE for a request that cannot be sent; E-CONN-CLOSED, E-LIMIT and E-PROTOCOL for an answer that is none.
pub async fn ask(probe: &Probe, conn: &mut Conn, request: &Request<'_>) -> Result<(Head, Vec<u8>), Problem> {
    let bytes = request.encode().map_err(|error| Problem::new(&fault::USAGE, error.to_string()))?;
    probe.sent(&String::from_utf8_lossy(&bytes));
    conn.write(&bytes).await?;
    let (mut reader, mut buffer) = (HeadReader::new(), vec![0; READ]);
    loop {
        let count = conn.read(&mut buffer).await?;
        if count == 0 {
            return Err(Problem::new(&fault::CONN_CLOSED, reader.truncated().to_string()));
        }
        let mut input = &buffer[..count];
        while let Some((head, used)) = reader.push(input).map_err(|error| broken(&error))? {
            input = &input[used..];
            if !head.is_interim() {
                if probe.options.transcript {
                    let status = format!("{} {} {}", head.protocol, head.status, head.reason);
                    probe.received(&crate::trace::head(&status, &head.headers));
                }
                return Ok((head, input.to_vec()));
            }
        }
    }
}

fn broken(error: &HeadError) -> Problem {
    let fault = if matches!(error, HeadError::HeadTooLarge) { &fault::LIMIT } else { &fault::PROTOCOL };
    Problem::new(fault, error.to_string())
}
