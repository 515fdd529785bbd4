//! SNMP version 2c over UDP: a few values, or the rows of a table.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::UdpSocket;
use weir_contract::{Problem, fault};
use weir_wire::snmp::{self, Answer, Question, Value};

use crate::Probe;

/// The question is sent again after so long without an answer: UDP loses packets.
const AGAIN: Duration = Duration::from_secs(1);
/// An answer is read up to here.
const ANSWER_MAX: usize = 64 * 1024;
/// A table is read up to so many rows.
const ROWS_MAX: usize = 4096;
/// Objects asked for at once: the answer must fit in a packet.
const AT_ONCE: usize = 16;

/// One agent.
#[derive(Debug)]
pub struct Agent<'a> {
    probe: &'a Probe,
    socket: UdpSocket,
    community: &'a str,
    address: SocketAddr,
    id: i32,
}

impl<'a> Agent<'a> {
    /// An agent at `address`; nothing is sent yet.
    ///
    /// # Errors
    /// E-NET-UNREACHABLE.
    pub async fn new(probe: &'a Probe, address: SocketAddr, community: &'a str) -> Result<Self, Problem> {
        let unreachable = |error: std::io::Error| {
            Problem::new(&fault::NET_UNREACHABLE, format!("UDP to {address}: {error}"))
        };
        let any = if address.is_ipv6() { "[::]:0" } else { "0.0.0.0:0" };
        let socket = UdpSocket::bind(any).await.map_err(unreachable)?;
        socket.connect(address).await.map_err(unreachable)?;
        Ok(Self { probe, socket, community, address, id: 0 })
    }

    /// The values of `objects`, in their order.
    ///
    /// # Errors
    /// E-SERVER-TIMEOUT (a wrong community gets no answer either), E-TCP-REFUSED, E-PROTOCOL.
    pub async fn get(&mut self, objects: &[Vec<u32>]) -> Result<Vec<Value>, Problem> {
        let mut values = Vec::new();
        for some in objects.chunks(AT_ONCE) {
            let answer = self.ask(Question::Get, some).await?;
            if answer.error != 0 || answer.bindings.len() != some.len() {
                let text =
                    format!("{} answers SNMP error {} to {} objects", self.address, answer.error, some.len());
                return Err(Problem::new(&fault::PROTOCOL, text));
            }
            values.extend(answer.bindings.into_iter().map(|(_, value)| value));
        }
        Ok(values)
    }

    /// The rows of a table: for each, its index and the values of `columns` (each the table's entry and a number).
    ///
    /// # Errors
    /// The same as of [`get`](Self::get).
    pub async fn table(&mut self, columns: &[Vec<u32>]) -> Result<Vec<(Vec<u32>, Vec<Value>)>, Problem> {
        let mut rows: Vec<(Vec<u32>, Vec<Value>)> = Vec::new();
        let mut objects = columns.to_vec();
        while rows.len() < ROWS_MAX {
            let answer = self.ask(Question::Next, &objects).await?;
            let within =
                answer.bindings.iter().zip(columns).all(|((object, _), column)| object.starts_with(column));
            // A table must go forwards: an agent that answers in a circle would never end.
            let forwards = answer.bindings.iter().zip(&objects).all(|((object, _), before)| object > before);
            if answer.error != 0 || answer.bindings.len() != columns.len() || !within || !forwards {
                break;
            }
            let index = columns.first().zip(answer.bindings.first()).map(|(c, (o, _))| o[c.len()..].to_vec());
            objects = answer.bindings.iter().map(|(object, _)| object.clone()).collect();
            rows.push((
                index.unwrap_or_default(),
                answer.bindings.into_iter().map(|(_, value)| value).collect(),
            ));
        }
        Ok(rows)
    }

    async fn ask(&mut self, question: Question, objects: &[Vec<u32>]) -> Result<Answer, Problem> {
        self.id += 1;
        let message = snmp::encode(question, self.community, self.id, objects);
        self.probe.sent(&format!("SNMP {question:?} of {} objects", objects.len()));
        let answer = self.probe.stage("snmp", &fault::SERVER_TIMEOUT, self.exchange(&message)).await?;
        self.probe.received(&format!("SNMP answer, error {}, {:?}", answer.error, answer.bindings));
        Ok(answer)
    }

    async fn exchange(&self, message: &[u8]) -> Result<Answer, Problem> {
        let refused = |error: std::io::Error| {
            Problem::new(&fault::TCP_REFUSED, format!("UDP port {} refuses: {error}", self.address))
        };
        let mut buffer = vec![0; ANSWER_MAX];
        loop {
            self.socket.send(message).await.map_err(refused)?;
            let Ok(got) = tokio::time::timeout(AGAIN, self.socket.recv(&mut buffer)).await else { continue };
            let bytes = &buffer[..got.map_err(refused)?];
            let answer = snmp::decode(bytes).map_err(|error| {
                Problem::new(&fault::PROTOCOL, format!("SNMP answer of {}: {error}", self.address))
            })?;
            // A late answer to an earlier question is no answer to this one.
            if answer.id == i64::from(self.id) {
                return Ok(answer);
            }
        }
    }
}
