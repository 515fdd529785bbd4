//! `check_srt` against listeners that lie, flood, drip or forge: the deadline and 16 MB hold, and what is said is true.

mod support;

use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use support::{at_deadline, critical, ok, warning};
use weir_lab::{Lab, Outcome, Result, together};
use weir_wire::srt::{Control, HEADER, Kind};

/// Longer than any check here.
const IDLE: Duration = Duration::from_secs(20);
/// Our socket's number in every answer.
const OWN: u32 = 77;
/// Where the fields of a handshake are in its datagram.
const VERSION: usize = HEADER;
const EXTENSION: usize = HEADER + 6;
const KIND: usize = HEADER + 20;
const SOCKET: usize = HEADER + 24;
const COOKIE: usize = HEADER + 28;

/// A listener of the test itself; dropping it ends it.
struct Listener {
    address: SocketAddr,
    end: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Listener {
    /// Answers each datagram with what `answer` makes of it.
    fn answering(lab: &Lab, answer: impl Fn(&[u8]) -> Vec<Vec<u8>> + Send + 'static) -> Result<Self> {
        Self::start(lab, move |socket, _| {
            let mut buffer = [0; 2048];
            let Ok((length, from)) = socket.recv_from(&mut buffer) else { return };
            for datagram in answer(&buffer[..length]) {
                let _ = socket.send_to(&datagram, from);
            }
        })
    }

    /// Accepts its caller, then does `then` again and again with the number of its socket.
    fn accepting(
        lab: &Lab,
        mut then: impl FnMut(&UdpSocket, SocketAddr, u32) + Send + 'static,
    ) -> Result<Self> {
        let mut caller = None;
        Self::start(lab, move |socket, _| {
            if let Some((from, number)) = caller {
                then(socket, from, number);
                return;
            }
            let mut buffer = [0; 2048];
            let Ok((length, from)) = socket.recv_from(&mut buffer) else { return };
            let datagram = &buffer[..length];
            let _ = socket.send_to(&greet(datagram), from);
            if is_conclusion(datagram) {
                caller = Some((from, word(datagram, SOCKET)));
            }
        })
    }

    fn start(lab: &Lab, mut step: impl FnMut(&UdpSocket, &AtomicBool) + Send + 'static) -> Result<Self> {
        let address = SocketAddr::from(([127, 0, 0, 1], lab.port()));
        let socket = lab.enter(|| UdpSocket::bind(address))??;
        socket.set_read_timeout(Some(Duration::from_millis(50)))?;
        let end = Arc::new(AtomicBool::new(false));
        let ends = Arc::clone(&end);
        let thread = std::thread::spawn(move || {
            let began = std::time::Instant::now();
            while !ends.load(Ordering::Relaxed) && began.elapsed() < IDLE {
                step(&socket, &ends);
            }
        });
        Ok(Self { address, end, thread: Some(thread) })
    }

    fn check(&self, lab: &Lab, arguments: &[&str]) -> Result<Outcome> {
        lab.bounded("check_srt", &[&[&format!("srt://{}", self.address), "-v"], arguments].concat())
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.end.store(true, Ordering::Relaxed);
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

fn word(datagram: &[u8], at: usize) -> u32 {
    datagram.get(at..).and_then(<[u8]>::first_chunk).map_or(0, |bytes| u32::from_be_bytes(*bytes))
}

fn put(datagram: &mut [u8], at: usize, bytes: &[u8]) {
    datagram[at..at + bytes.len()].copy_from_slice(bytes);
}

fn is_conclusion(datagram: &[u8]) -> bool {
    datagram.len() >= HEADER + 48 && word(datagram, KIND) == u32::MAX
}

/// The right answer to either handshake.
fn greet(datagram: &[u8]) -> Vec<u8> {
    let mut answer = datagram.to_vec();
    let caller = word(datagram, SOCKET).to_be_bytes();
    put(&mut answer, 12, &caller);
    put(&mut answer, VERSION, &5_u32.to_be_bytes());
    if is_conclusion(datagram) {
        put(&mut answer, SOCKET, &OWN.to_be_bytes());
        put(&mut answer, HEADER + 48, &[0, 2]);
    } else {
        put(&mut answer, EXTENSION, &[0x4a, 0x17]);
        put(&mut answer, COOKIE, &[1, 2, 3, 4]);
    }
    answer
}

fn control(kind: Kind, destination: u32, body: &[u8]) -> Vec<u8> {
    Control { kind, timestamp: 0, destination, body }.to_bytes()
}

fn data(sequence: u32, destination: u32, payload: &[u8]) -> Vec<u8> {
    let words = [sequence & 0x7fff_ffff, 0xc000_0001, 0, destination];
    [&words.map(u32::to_be_bytes).concat(), payload].concat()
}

#[test]
fn handshakes_that_never_end_or_lie_are_told_at_the_deadline() -> Result<()> {
    let Some(lab) = Lab::for_test(&[]) else { return Ok(()) };
    let mut listeners = vec![
        // Induction for ever.
        (
            Listener::answering(&lab, |datagram| {
                if is_conclusion(datagram) { Vec::new() } else { vec![greet(datagram)] }
            })?,
            ["E-SRT-TIMEOUT", "answered the first handshake, and not the second one"],
        ),
        // No SRT at all, and much of it.
        (
            Listener::answering(&lab, |_| vec![b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec(); 50])?,
            ["E-PROTOCOL", "no answer to an SRT handshake"],
        ),
        // For another socket.
        (
            Listener::answering(&lab, |datagram| {
                let mut answer = greet(datagram);
                put(&mut answer, 12, &[0, 0, 0, 9]);
                vec![answer]
            })?,
            ["E-PROTOCOL", "no answer to an SRT handshake"],
        ),
    ];
    // An extension whose length is nothing, or more than there is.
    for length in [[0xff, 0xff], [0x7f, 0xff], [0, 200]] {
        let lies = move |datagram: &[u8]| {
            let mut answer = greet(datagram);
            if is_conclusion(datagram) {
                put(&mut answer, HEADER + 50, &length);
            }
            vec![answer]
        };
        listeners.push((Listener::answering(&lab, lies)?, ["E-PROTOCOL", "no answer to an SRT handshake"]));
    }
    let seen = together(&listeners, |(listener, words)| Ok((listener.check(&lab, &["-t", "2"])?, words)))?;
    for (seen, words) in &seen {
        critical(seen, &words[..]);
        at_deadline(seen, 2);
    }
    Ok(())
}

#[test]
fn an_old_protocol_is_named() -> Result<()> {
    let Some(lab) = Lab::for_test(&[]) else { return Ok(()) };
    let udt = Listener::answering(&lab, |datagram| {
        let mut answer = greet(datagram);
        put(&mut answer, VERSION, &4_u32.to_be_bytes());
        vec![answer]
    })?;
    critical(&udt.check(&lab, &["-t", "3"])?, &["E-PROTOCOL", "it is UDT, or SRT older than 1.3"]);
    Ok(())
}

#[test]
fn a_flood_with_gaps_costs_no_memory_and_ends_in_time() -> Result<()> {
    let Some(lab) = Lab::for_test(&[]) else { return Ok(()) };
    let mut sequence = 0;
    let flood = Listener::accepting(&lab, move |socket, from, caller| {
        sequence += 3;
        let _ = socket.send_to(&data(sequence, caller, &[0x47; 1456]), from);
        // Not faster than the kernel hands on, so that the numbers are those that were sent.
        if sequence % 30 == 0 {
            std::thread::sleep(Duration::from_micros(500));
        }
    })?;
    let seen = flood.check(&lab, &["--watch", "2", "-t", "6", "--latency", "60"])?;
    critical(&seen, &["E-SRT-LOSS"]);
    assert!(seen.metric("loss") > 50.0 && seen.took < Duration::from_secs(6), "{seen:#?}");
    Ok(())
}

#[test]
fn control_packets_without_sense_change_nothing() -> Result<()> {
    let Some(lab) = Lab::for_test(&[]) else { return Ok(()) };
    let (mut sequence, mut step) = (0_u32, 0_usize);
    let clip: &[u8] = include_bytes!("../../../common/wire/testdata/ts/h264-aac-2s.ts");
    let chunks: Vec<&[u8]> = clip.chunks(1316).collect();
    let nonsense = Listener::accepting(&lab, move |socket, from, caller| {
        let kinds = [
            Kind::AckAck(u32::MAX),
            Kind::Ack(7),
            Kind::Nak,
            Kind::KeyMaterial { reply: false },
            Kind::KeyMaterial { reply: true },
            Kind::Handshake,
            Kind::Other(0x7ffe, 0xffff),
            Kind::DropRequest,
        ];
        for kind in kinds {
            // All ones as a list of losses or a range, and no body at all.
            for body in [&[0xff; 1000][..], &[], &[0; 3]] {
                let _ = socket.send_to(&control(kind, caller, body), from);
            }
        }
        let range = [0_u32, 0x7fff_ffff].map(u32::to_be_bytes).concat();
        let _ = socket.send_to(&control(Kind::DropRequest, caller, &range), from);
        let _ = socket.send_to(&[], from);
        let _ = socket.send_to(&[0x80; 15], from);
        // A goodbye to somebody else.
        let _ = socket.send_to(&control(Kind::Shutdown, caller ^ 1, &[0; 4]), from);
        if sequence == 0 {
            sequence = 1_000_000;
        }
        let _ = socket.send_to(&data(sequence, caller, chunks[step % chunks.len()]), from);
        (sequence, step) = (sequence + 1, step + 1);
        std::thread::sleep(Duration::from_millis(20));
    })?;
    // The clip begins again and again, which its counters show.
    let seen = nonsense.check(&lab, &["--watch", "2", "-w", "continuity=1000"])?;
    ok(&seen, &["h264 + aac", "loss 0.0 %"]);
    Ok(())
}

#[test]
fn a_drip_flows_and_a_forger_does_not() -> Result<()> {
    let Some(lab) = Lab::for_test(&[]) else { return Ok(()) };
    let mut sequence = 500_000_000;
    let drip = Listener::accepting(&lab, move |socket, from, caller| {
        sequence += 1;
        let _ = socket.send_to(&data(sequence, caller, &[1]), from);
        std::thread::sleep(Duration::from_millis(300));
    })?;
    // The right number, from another port.
    let other = lab.enter(|| UdpSocket::bind("127.0.0.1:0"))??;
    let forged = Listener::accepting(&lab, move |socket, from, caller| {
        let _ = other.send_to(&data(5, caller, &[0x47; 188]), from);
        let _ = other.send_to(&control(Kind::Shutdown, caller, &[0; 4]), from);
        let _ = socket.send_to(&control(Kind::KeepAlive, caller, &[0; 4]), from);
        std::thread::sleep(Duration::from_millis(100));
    })?;
    let seen =
        together([&drip, &forged], |listener| listener.check(&lab, &["--watch", "3", "-w", "gap=0.2"]))?;
    warning(&seen[0], &["E-STREAM-GAP"]);
    assert!(seen[0].metric("bitrate") < 100.0, "{seen:#?}");
    critical(&seen[1], &["E-SRT-SILENT", "keeps the connection alive"]);
    Ok(())
}
