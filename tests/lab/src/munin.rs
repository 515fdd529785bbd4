//! A real Munin: a node that runs plugins, the protocol that its master speaks, and a master that fills RRD files.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};

use crate::namespace::{give, run, tool};
use crate::{Lab, Process};

/// How long the node may take to answer one command: its own limit for a plugin is 20 s here.
const ANSWER: Duration = Duration::from_secs(30);

/// The name of the node, and the group in which the master files it.
const NODE: &str = "node.example";
const GROUP: &str = "lab";

/// Plugins for a node; [`start`](Self::start) runs it.
pub struct MuninBuilder {
    lab: Lab,
    plugins: Vec<(String, PathBuf)>,
    config: String,
}

/// A running node, and a master that asks it when told to.
pub struct Munin {
    lab: Lab,
    dir: PathBuf,
    port: u16,
    node: Process,
}

impl Lab {
    /// A Munin node without plugins (needs "munin" and "namespace").
    pub fn munin(&self) -> MuninBuilder {
        MuninBuilder { lab: self.clone(), plugins: Vec::new(), config: String::new() }
    }

    /// `munin-node-configure --shell` for the plugins of the folder `libdir`: the links that it would make. Links to
    /// their binaries may lie there, named as packages name them.
    pub fn munin_suggestions(&self, libdir: &Path) -> Result<String> {
        let services = self.subdir(&self.name("munin-services"), None)?;
        let mut configure = self.command("munin-node-configure");
        configure.arg("--shell").arg("--libdir").arg(libdir).arg("--servicedir").arg(services);
        // It ends with 1 when any plugin has a problem and says which on standard error: that is an answer too.
        let outcome = self.run(configure)?;
        Ok(outcome.stdout + &outcome.stderr)
    }
}

impl MuninBuilder {
    /// Adds a plugin under a link name, such as `stream_live1` for the wildcard plugin `stream_`.
    #[must_use]
    pub fn plugin(mut self, link: &str, binary: &Path) -> Self {
        self.plugins.push((link.to_owned(), binary.to_owned()));
        self
    }

    /// Adds to the node's plugin-conf.d: `config("[stream_*]\nenv.url rtsp://...\n")`.
    #[must_use]
    pub fn config(mut self, text: &str) -> Self {
        self.config.push_str(text);
        self.config.push('\n');
        self
    }

    /// Starts the node. Plugins run as `nobody` unless the configuration says otherwise.
    pub fn start(self) -> Result<Munin> {
        let lab = self.lab;
        let port = lab.port();
        let dir = lab.subdir(&format!("munin-{port}"), None)?;
        for folder in ["etc/plugins", "etc/plugin-conf.d", "plugstate", "db", "log", "run", "www"] {
            fs::create_dir_all(dir.join(folder))?;
        }
        for folder in ["db", "log", "run", "www"] {
            give(&dir.join(folder), "munin")?;
        }
        for (link, binary) in &self.plugins {
            std::os::unix::fs::symlink(lab.adopt(binary, "bin")?, dir.join("etc/plugins").join(link))?;
        }
        fs::write(dir.join("etc/plugin-conf.d/weir"), self.config)?;
        let path = dir.display();
        fs::write(
            dir.join("etc/munin-node.conf"),
            format!(
                "log_level 4\nlog_file {path}/log/node.log\npid_file {path}/run/node.pid\nbackground 0\nsetsid 0\n\
                 user root\ngroup root\nallow ^127\\.0\\.0\\.1$\nhost 127.0.0.1\nport {port}\nhost_name {NODE}\ntimeout 20\n"
            ),
        )?;
        fs::write(
            dir.join("etc/munin.conf"),
            format!(
                "dbdir {path}/db\nhtmldir {path}/www\nlogdir {path}/log\nrundir {path}/run\nfork no\n\
                 [{GROUP};{NODE}]\n  address 127.0.0.1\n  port {port}\n  use_node_name no\n"
            ),
        )?;
        // The node's folder of plugins is compiled in; a wrapper changes the variables that hold it.
        fs::write(
            dir.join("node.pl"),
            format!(
                "use Munin::Common::Defaults;\n$Munin::Common::Defaults::MUNIN_CONFDIR = '{path}/etc';\n\
                 $Munin::Common::Defaults::MUNIN_PLUGSTATE = '{path}/plugstate';\n\
                 $0 = '/usr/sbin/munin-node'; do '/usr/sbin/munin-node'; main::main();\n"
            ),
        )?;
        let mut perl = lab.command("perl");
        perl.arg(dir.join("node.pl"))
            .arg("--foreground")
            .arg("--config")
            .arg(dir.join("etc/munin-node.conf"));
        let node = Process::start(&lab, &format!("munin-node-{port}"), perl)?;
        node.until_port(port)?;
        Ok(Munin { lab, dir, port, node })
    }
}

impl Munin {
    /// Speaks the node protocol: sends each command and returns what was answered to it. Answers that end with a line
    /// `.` come without it.
    pub fn talk(&self, commands: &[&str]) -> Result<Vec<String>> {
        let mut stream = self.lab.connect(SocketAddr::from(([127, 0, 0, 1], self.port)))?;
        stream.set_read_timeout(Some(ANSWER))?;
        let mut reader = BufReader::new(stream.try_clone()?);
        let mut line = String::new();
        reader.read_line(&mut line).context("the node's greeting")?;
        commands.iter().map(|command| ask(&mut stream, &mut reader, command)).collect()
    }

    /// `config` of one plugin, as a master that knows multigraph hears it.
    pub fn config(&self, plugin: &str) -> Result<String> {
        self.last(&["cap multigraph", &format!("config {plugin}")])
    }

    /// `fetch` of one plugin, as a master that knows multigraph hears it.
    pub fn fetch(&self, plugin: &str) -> Result<String> {
        self.last(&["cap multigraph", &format!("fetch {plugin}")])
    }

    /// `config` as a master that knows dirtyconfig hears it: with the values.
    pub fn dirty_config(&self, plugin: &str) -> Result<String> {
        self.last(&["cap multigraph dirtyconfig", &format!("config {plugin}")])
    }

    /// The names of the plugins that the node has accepted.
    pub fn list(&self) -> Result<Vec<String>> {
        let names = self.last(&["cap multigraph", "list"])?;
        Ok(names.split_whitespace().map(str::to_owned).collect())
    }

    /// One pass of `munin-update`, as the user `munin`.
    pub fn update(&self) -> Result<()> {
        run(self.master("/usr/share/munin/munin-update").arg("--nofork")).map(drop)
    }

    /// One pass of `munin-limits`; call after [`update`](Self::update).
    pub fn limits(&self) -> Result<String> {
        let _ = run(&mut self.master("/usr/share/munin/munin-limits"));
        Ok(fs::read_to_string(self.dir.join("db/limits")).unwrap_or_default())
    }

    /// The last value that the master has stored for a field, as rrdtool prints it. `plugin` is the service name, for
    /// a child of a multigraph `parent-child`.
    ///
    /// # Errors
    /// When there is no such RRD file; the error names those that are.
    pub fn last_value(&self, plugin: &str, field: &str) -> Result<String> {
        let base = self.dir.join("db").join(GROUP);
        // The letter is that of the type: gauge, derive, counter, absolute.
        let candidates =
            ["g", "d", "c", "a"].map(|kind| base.join(format!("{NODE}-{plugin}-{field}-{kind}.rrd")));
        let file = candidates.iter().find(|path| path.exists()).with_context(|| {
            format!("no RRD of {plugin}.{field} among {:?}; the node says:\n{}", names(&base), self.log())
        })?;
        let text = run(tool("rrdtool").arg("lastupdate").arg(file))?;
        let last = text.lines().last().and_then(|line| line.split_once(": "));
        last.map(|(_, value)| value.trim().to_owned()).with_context(|| format!("no value in {text}"))
    }

    /// The node's log.
    pub fn log(&self) -> String {
        fs::read_to_string(self.dir.join("log/node.log")).unwrap_or_default() + &self.node.log()
    }

    fn last(&self, commands: &[&str]) -> Result<String> {
        self.talk(commands)?.pop().context("an answer")
    }

    fn master(&self, program: &str) -> std::process::Command {
        let mut command = self.lab.command_as("munin", program);
        command.arg("--config").arg(self.dir.join("etc/munin.conf"));
        command
    }
}

fn ask(stream: &mut TcpStream, reader: &mut BufReader<TcpStream>, command: &str) -> Result<String> {
    writeln!(stream, "{command}")?;
    // These answer with one line, all others with lines up to a lone dot.
    let one_line = ["cap", "list", "version"].contains(&command.split(' ').next().unwrap_or_default());
    let mut answer = String::new();
    loop {
        let mut line = String::new();
        let length = reader.read_line(&mut line).with_context(|| format!("{command}: after {answer:?}"))?;
        if length == 0 || line == ".\n" {
            return Ok(answer);
        }
        answer.push_str(&line);
        if one_line {
            return Ok(answer);
        }
    }
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}
