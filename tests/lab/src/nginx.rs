//! nginx: static files by HTTP and HTTPS, any extra directives.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::{Certificate, Lab, Process};

/// How nginx shall be; [`start`](Self::start) runs it.
pub struct NginxBuilder {
    lab: Lab,
    certificate: Option<Certificate>,
    directives: String,
    main: String,
}

/// A running nginx that serves the files of [`root`](Self::root).
pub struct Nginx {
    process: Process,
    root: PathBuf,
    port: u16,
    tls_port: u16,
}

impl Lab {
    /// nginx (needs "nginx").
    pub fn nginx(&self) -> NginxBuilder {
        NginxBuilder { lab: self.clone(), certificate: None, directives: String::new(), main: String::new() }
    }
}

impl NginxBuilder {
    /// Serves HTTPS too, with this certificate.
    #[must_use]
    pub fn tls(mut self, certificate: &Certificate) -> Self {
        self.certificate = Some(certificate.clone());
        self
    }

    /// Adds directives to the `server` block: `with("location /old { return 302 /new; }")`.
    #[must_use]
    pub fn with(mut self, directives: &str) -> Self {
        self.directives.push_str(directives);
        self.directives.push('\n');
        self
    }

    /// Adds blocks beside `http`, such as `load_module` and `rtmp`.
    pub(crate) fn with_main(mut self, blocks: &str) -> Self {
        self.main.push_str(blocks);
        self
    }

    /// The lab it will run in.
    pub(crate) fn lab(&self) -> &Lab {
        &self.lab
    }

    /// Starts the server, on IPv4 and IPv6.
    pub fn start(self) -> Result<Nginx> {
        let Self { lab, certificate, directives, main } = self;
        let (port, tls_port) = (lab.port(), lab.port());
        let dir = lab.subdir(&format!("nginx-{port}"), None)?;
        let root = lab.subdir(&format!("nginx-{port}/root"), None)?;
        let listen = |port: u16, tls: &str| {
            let six = if lab.is_private() { format!("listen [::]:{port} {tls};") } else { String::new() };
            format!("listen {}:{port} {tls}; {six}", lab.listen())
        };
        let tls = certificate.map_or(String::new(), |files| {
            let (chain, key) = (files.chain.display(), files.key.display());
            format!("{} ssl_certificate {chain}; ssl_certificate_key {key};", listen(tls_port, "ssl"))
        });
        let user = if rustix::process::geteuid().is_root() { "user root;" } else { "" };
        let scratch: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|name| format!("{name}_temp_path scratch;"))
            .concat();
        let plain = listen(port, "");
        let config = format!(
            "{main}
daemon off; {user} pid nginx.pid; error_log error.log; worker_processes 1;
events {{}}
http {{
  {scratch}
  access_log access.log;
  types {{ application/vnd.apple.mpegurl m3u8; video/mp2t ts; video/mp4 mp4 m4s; application/dash+xml mpd;
          audio/mpeg mp3; audio/aac aac; audio/x-scpls pls; audio/x-mpegurl m3u; video/x-ms-asf asx; }}
  server {{
    {plain} {tls}
    root {root};
    {directives}
  }}
}}
",
            root = root.display()
        );
        let file = dir.join("nginx.conf");
        fs::write(&file, config)?;
        let mut nginx = lab.command("nginx");
        nginx.arg("-p").arg(&dir).arg("-c").arg(file).args(["-e", "error.log"]);
        let process = Process::start(&lab, &format!("nginx-{port}"), nginx)?;
        process.until_port(port)?;
        Ok(Nginx { process, root, port, tls_port })
    }
}

impl Nginx {
    /// The URL of a path: `url("/live/index.m3u8")`.
    pub fn url(&self, path: &str) -> String {
        self.url_at("127.0.0.1", path)
    }

    /// The same path by another name or address of the lab; an IPv6 address in brackets.
    pub fn url_at(&self, host: &str, path: &str) -> String {
        format!("http://{host}:{}{path}", self.port)
    }

    /// The HTTPS URL of a path at a name of the certificate.
    pub fn tls_url(&self, host: &str, path: &str) -> String {
        format!("https://{host}:{}{path}", self.tls_port)
    }

    /// Its HTTP port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The folder that it serves.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Creates or replaces a file below [`root`](Self::root); a reader sees the old one or the new one.
    pub fn write(&self, path: &str, content: impl AsRef<[u8]>) -> Result<()> {
        let file = self.root.join(path.trim_start_matches('/'));
        if let Some(folder) = file.parent() {
            fs::create_dir_all(folder)?;
        }
        let unfinished = file.with_extension("unfinished");
        fs::write(&unfinished, content)?;
        fs::rename(&unfinished, &file).with_context(|| format!("writing {path}"))
    }

    /// Deletes a file or folder below [`root`](Self::root).
    pub fn delete(&self, path: &str) -> Result<()> {
        let file = self.root.join(path.trim_start_matches('/'));
        let gone = if file.is_dir() { fs::remove_dir_all(&file) } else { fs::remove_file(&file) };
        gone.with_context(|| format!("deleting {path}"))
    }
}

impl std::ops::Deref for Nginx {
    type Target = Process;

    fn deref(&self) -> &Process {
        &self.process
    }
}
