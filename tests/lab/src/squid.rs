//! Squid: forward proxy and accelerator, alone or with workers, of this release or a newer one.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::namespace::run;
use crate::{Lab, Process, ReleaseRoot};

/// How Squid shall be; [`start`](Self::start) runs it.
pub struct SquidBuilder {
    lab: Lab,
    directives: String,
    before: String,
    origin: Option<u16>,
    workers: u16,
    disk_mb: u32,
    descriptors: Option<u32>,
    root: Option<ReleaseRoot>,
}

/// A running Squid. Clients of loopback may use it, and its manager.
pub struct Squid {
    process: Process,
    lab: Lab,
    dir: PathBuf,
    port: u16,
    accel_port: u16,
    snmp_port: u16,
    icp_port: u16,
}

impl Lab {
    /// Squid (needs "squid" and "namespace").
    pub fn squid(&self) -> SquidBuilder {
        SquidBuilder {
            lab: self.clone(),
            directives: String::new(),
            before: String::new(),
            origin: None,
            workers: 1,
            disk_mb: 0,
            descriptors: None,
            root: None,
        }
    }
}

impl SquidBuilder {
    /// Adds a directive: `with("cachemgr_passwd secret info")`.
    #[must_use]
    pub fn with(mut self, directive: &str) -> Self {
        self.directives.push_str(directive);
        self.directives.push('\n');
        self
    }

    /// Adds a directive before the access list: `before("http_access deny manager")`.
    #[must_use]
    pub fn before(mut self, directive: &str) -> Self {
        self.before.push_str(directive);
        self.before.push('\n');
        self
    }

    /// Fetches what its accelerator port is asked for from this port of loopback, as the parent `origin`.
    #[must_use]
    pub fn origin(mut self, port: u16) -> Self {
        self.origin = Some(port);
        self
    }

    /// Runs so many worker processes.
    #[must_use]
    pub fn workers(mut self, count: u16) -> Self {
        self.workers = count;
        self
    }

    /// Keeps objects on disk too.
    #[must_use]
    pub fn disk(mut self, megabytes: u32) -> Self {
        self.disk_mb = megabytes;
        self
    }

    /// Allows so many file descriptors.
    #[must_use]
    pub fn descriptors(mut self, count: u32) -> Self {
        self.descriptors = Some(count);
        self
    }

    /// Runs the Squid of another release.
    #[must_use]
    pub fn release(mut self, root: &ReleaseRoot) -> Self {
        self.root = Some(root.clone());
        self
    }

    /// Starts the server and waits for its ports.
    pub fn start(self) -> Result<Squid> {
        let lab = self.lab.clone();
        let [port, accel_port, snmp_port, icp_port] = [(); 4].map(|()| lab.port());
        let dir = lab.subdir(&format!("squid-{port}"), Some("proxy"))?;
        let config = dir.join("squid.conf");
        fs::write(&config, self.config(&dir, [port, accel_port, snmp_port, icp_port]))?;
        let squid = || {
            let mut command = match &self.root {
                // Newer packages come with two builds; the link that chooses one is made when they are installed.
                Some(root) => root.command(&lab, "/usr/sbin/squid-gnutls"),
                None if rustix::process::geteuid().is_root() => {
                    let mut command = lab.command("unshare");
                    command.args(["--mount", "sh", "-ec", ENTER, "enter", "squid"]);
                    command
                }
                None => lab.command("squid"),
            };
            // The name keeps the shared memory of several servers apart.
            command.arg("-n").arg(format!("weir{port}x{}", std::process::id())).arg("-f").arg(&config);
            command
        };
        if self.disk_mb > 0 {
            run(squid().args(["-N", "-z"]))?;
        }
        let mut command = squid();
        command.arg(if self.workers > 1 { "--foreground" } else { "-N" });
        let process = Process::start(&lab, &format!("squid-{port}"), command)?;
        process.until_port(port)?;
        process.until_port(accel_port)?;
        Ok(Squid { process, lab, dir, port, accel_port, snmp_port, icp_port })
    }

    fn config(&self, dir: &Path, [port, accel, snmp, icp]: [u16; 4]) -> String {
        let dir = dir.display();
        let Self { before, directives, workers, .. } = self;
        let origin = self.origin.map_or(String::new(), |origin| {
            format!("cache_peer 127.0.0.1 parent {origin} 0 no-query originserver name=origin\n")
        });
        let disk = match self.disk_mb {
            0 => String::new(),
            size => format!("cache_dir ufs {dir}/cache {size} 16 16\n"),
        };
        let descriptors =
            self.descriptors.map_or(String::new(), |max| format!("max_filedescriptors {max}\n"));
        format!(
            "visible_hostname cache.example
http_port {port}
http_port {accel} accel defaultsite=www.example vhost
acl here src 127.0.0.0/8 192.0.2.0/24 ::1
acl everyone snmp_community public
{before}http_access allow here
http_access deny all
icp_access allow all
snmp_port {snmp}
snmp_access allow everyone
icp_port {icp}
{origin}{disk}{descriptors}cache_mem 32 MB
maximum_object_size_in_memory 512 KB
workers {workers}
logformat weir %ts.%03tu %6tr %>a %Ss/%03>Hs %<st %rm %ru %un %Sh/%<a %mt \"%{{Host}}>h\"
access_log stdio:{dir}/access.log squid
access_log stdio:{dir}/combined.log combined
access_log stdio:{dir}/weir.log weir
buffered_logs off
cache_log {dir}/cache.log
cache_store_log none
pid_filename {dir}/squid.pid
coredump_dir {dir}
cache_effective_user proxy
cache_effective_group proxy
pinger_enable off
shutdown_lifetime 1 seconds
dns_nameservers 127.0.0.1
logfile_rotate 3
refresh_pattern . 60 20% 4320
{directives}"
        )
    }
}

/// Workers meet in `/run/squid`, which exists only where Squid was started as a service, and share memory that outlives them when
/// they are killed: both lie in mounts of their own, which end with the server. Then `$@`.
const ENTER: &str = r#"
mount -t tmpfs -o mode=755 tmpfs /run
install -d -o proxy -g proxy /run/squid
mount -t tmpfs -o mode=1777 tmpfs /dev/shm
exec "$@"
"#;

impl Squid {
    /// The port for proxy requests.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The port on which it stands for the origin.
    pub fn accel_port(&self) -> u16 {
        self.accel_port
    }

    /// The UDP port for SNMP, community `public`.
    pub fn snmp_port(&self) -> u16 {
        self.snmp_port
    }

    /// The UDP port for ICP.
    pub fn icp_port(&self) -> u16 {
        self.icp_port
    }

    /// A file of its folder: `access.log`, `combined.log`, `weir.log`, `cache.log`.
    pub fn file(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// Asks the accelerator for each of `paths` of the site `host`, in order over one connection; bodies are thrown away.
    pub fn visit(&self, host: &str, paths: &[&str]) -> Result<()> {
        let mut curl = self.lab.command("curl");
        curl.args(["-sS", "--max-time", "20", "-H", &format!("Host: {host}")]);
        for path in paths {
            curl.args(["-o", "/dev/null"]).arg(format!("http://127.0.0.1:{}{path}", self.accel_port));
        }
        run(&mut curl).map(drop)
    }

    /// Asks the proxy port for each of these absolute URLs, in order over one connection; bodies are thrown away.
    pub fn forward(&self, urls: &[&str]) -> Result<()> {
        let mut curl = self.lab.command("curl");
        let proxy = format!("http://127.0.0.1:{}", self.port);
        // No environment shall lead past the proxy.
        curl.args(["-sS", "--max-time", "20", "--noproxy", "", "--proxy", &proxy]);
        for url in urls {
            curl.args(["-o", "/dev/null", url]);
        }
        run(&mut curl).map(drop)
    }

    /// A page of the cache manager, as it comes.
    pub fn manager(&self, page: &str) -> Result<String> {
        let url = format!("http://127.0.0.1:{}/squid-internal-mgr/{page}", self.port);
        run(self.lab.command("curl").args(["-sS", "--max-time", "10", &url]))
    }

    /// `squid -k rotate`: the logs are renamed to `.0`, `.1`, ... and begun anew.
    pub fn rotate(&self) -> Result<()> {
        let pid = fs::read_to_string(self.file("squid.pid")).context("the pid file")?;
        run(self.lab.command("kill").args(["-USR1", pid.trim()]))?;
        let renamed = self.file("access.log.0");
        self.process.until("access.log.0", || renamed.exists())
    }
}

impl std::ops::Deref for Squid {
    type Target = Process;

    fn deref(&self) -> &Process {
        &self.process
    }
}
