//! A TCP server in a few lines of Rust, for what no real server does: `lab.serve(|client| { ... })`.

use std::collections::HashMap;
use std::io::Write as _;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};

use crate::Lab;

/// A client that asks nothing for so long is let go.
const IDLE: Duration = Duration::from_secs(30);

/// A server of the test itself. Dropping it closes its port and all its connections.
pub struct Served {
    address: SocketAddr,
    listener: Option<Arc<TcpListener>>,
    clients: Arc<Mutex<Clients>>,
}

/// How many came, and a second handle of each that is being served.
#[derive(Default)]
struct Clients {
    count: usize,
    open: HashMap<usize, TcpStream>,
}

impl Lab {
    /// Serves every connection by `serve`, each in a thread of its own. It is closed when `serve` returns.
    pub fn serve(&self, serve: impl Fn(&mut TcpStream) + Send + Sync + 'static) -> Result<Served> {
        let address = SocketAddr::from(([127, 0, 0, 1], self.port()));
        let listener =
            self.enter(|| TcpListener::bind(address))?.with_context(|| format!("listening on {address}"))?;
        let (listener, serve) = (Arc::new(listener), Arc::new(serve));
        let served = Served { address, listener: Some(Arc::clone(&listener)), clients: Arc::default() };
        let clients = Arc::clone(&served.clients);
        std::thread::spawn(move || {
            while let Ok((mut stream, _)) = listener.accept() {
                let _ = stream.set_read_timeout(Some(IDLE));
                let Ok(second) = stream.try_clone() else { continue };
                let mut list = lock(&clients);
                let number = list.count;
                list.count += 1;
                list.open.insert(number, second);
                let (serve, clients) = (Arc::clone(&serve), Arc::clone(&clients));
                std::thread::spawn(move || {
                    serve(&mut stream);
                    lock(&clients).open.remove(&number);
                });
            }
        });
        Ok(served)
    }
}

impl Served {
    /// Where it listens; for a refusing one, where nobody does.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// `url("http", "/live")`.
    pub fn url(&self, scheme: &str, path: &str) -> String {
        format!("{scheme}://{}{path}", self.address)
    }

    /// Connections that it has accepted so far.
    pub fn clients(&self) -> usize {
        lock(&self.clients).count
    }

    /// An address at which nobody listens.
    pub(crate) fn nobody(address: SocketAddr) -> Self {
        Self { address, listener: None, clients: Arc::default() }
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let _ = writeln!(std::io::stderr(), "--- {} clients came to {}", self.clients(), self.address);
        }
        if let Some(listener) = &self.listener {
            // Wakes the accepting thread with an error, which ends it and closes the port.
            let _ = rustix::net::shutdown(listener, rustix::net::Shutdown::Both);
        }
        for stream in lock(&self.clients).open.values() {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

fn lock(clients: &Mutex<Clients>) -> MutexGuard<'_, Clients> {
    clients.lock().unwrap_or_else(PoisonError::into_inner)
}
