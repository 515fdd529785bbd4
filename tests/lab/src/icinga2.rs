//! A real Icinga 2: validates configurations, and runs checks and tells what it makes of their output.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

use crate::namespace::give;
use crate::status_dat::{Service, checked_services};
use crate::{Lab, Process};

/// A private configuration; [`verify`](Self::verify) or [`run`](Self::run) it.
pub struct Icinga2 {
    lab: Lab,
    files: Vec<PathBuf>,
    objects: String,
    services: usize,
}

impl Lab {
    /// An empty configuration of Icinga 2 (needs "icinga2"). Objects may use the host `lab` and the template
    /// `weir-service`; the constant `PluginDir` is the folder of the binaries given to [`Lab::publish`].
    pub fn icinga2(&self) -> Icinga2 {
        Icinga2 { lab: self.clone(), files: Vec::new(), objects: String::new(), services: 0 }
    }
}

impl Icinga2 {
    /// Includes a file, such as one of `nagios-conf/icinga2`.
    #[must_use]
    pub fn config(mut self, file: &Path) -> Self {
        self.files.push(file.to_owned());
        self
    }

    /// Adds objects in Icinga's own language.
    #[must_use]
    pub fn objects(mut self, text: &str) -> Self {
        self.services += text.matches("object Service").count();
        self.objects.push_str(text);
        self
    }

    /// Adds a service which runs this program with these arguments, without a shell.
    #[must_use]
    pub fn service(self, name: &str, program: &Path, arguments: &[&str]) -> Self {
        let words: Vec<String> = std::iter::once(program.to_string_lossy().into_owned())
            .chain(arguments.iter().map(|argument| (*argument).to_owned()))
            .map(|word| format!("\"{}\"", word.replace('\\', "\\\\").replace('"', "\\\"").replace('$', "$$")))
            .collect();
        let definition = format!(
            "object CheckCommand \"run-{name}\" {{ command = [ {} ] }}\n\
             object Service \"{name}\" {{\n  import \"weir-service\"\n  host_name = \"lab\"\n  \
             check_command = \"run-{name}\"\n}}\n",
            words.join(", ")
        );
        self.objects(&definition)
    }

    /// `icinga2 daemon -C`.
    ///
    /// # Errors
    /// With what Icinga says about the configuration: warnings are errors too.
    pub fn verify(&self) -> Result<()> {
        let mut icinga = self.command(&self.write()?);
        icinga.arg("-C");
        let outcome = self.lab.run(icinga)?;
        let said = outcome.stdout + &outcome.stderr;
        if outcome.code != Some(0) || said.contains("warning/") {
            bail!("icinga2 daemon -C is not content:\n{said}");
        }
        Ok(())
    }

    /// Runs Icinga until every service has been checked once.
    pub fn run(&self) -> Result<BTreeMap<String, Service>> {
        let dir = self.write()?;
        let process = Process::start(&self.lab, &self.lab.name("icinga2"), self.command(&dir))?;
        let status = dir.join("cache/status.dat");
        let services = || fs::read_to_string(&status).map(|text| checked_services(&text)).unwrap_or_default();
        process.until("every service checked", || services().len() >= self.services)?;
        let seen = services();
        process.stop()?;
        Ok(seen)
    }

    fn command(&self, dir: &Path) -> std::process::Command {
        let mut icinga = self.lab.command_as("nagios", "icinga2");
        icinga.arg("daemon").arg("-c").arg(dir.join("icinga2.conf"));
        let paths = [
            ("DataDir", "data"),
            ("LogDir", "log"),
            ("CacheDir", "cache"),
            ("SpoolDir", "spool"),
            ("InitRunDir", "run"),
            ("PidPath", "run/icinga2.pid"),
            ("StatePath", "data/icinga2.state"),
            ("VarsPath", "cache/icinga2.vars"),
            ("ObjectsPath", "cache/icinga2.debug"),
            ("ModAttrPath", "data/modified-attributes.conf"),
        ];
        for (name, path) in paths {
            icinga.arg("-D").arg(format!("Configuration.{name}={}", dir.join(path).display()));
        }
        icinga.args(["-D", "Configuration.RunAsUser=nagios", "-D", "Configuration.RunAsGroup=nagios"]);
        icinga
    }

    /// Writes `icinga2.conf` into a folder of its own, whose path it returns.
    fn write(&self) -> Result<PathBuf> {
        let dir = self.lab.subdir(&self.lab.name("icinga2"), None)?;
        for folder in ["data", "log", "cache", "spool", "run"] {
            fs::create_dir(dir.join(folder))?;
        }
        let mut includes = String::new();
        for file in &self.files {
            writeln!(includes, "include \"{}\"", self.lab.adopt(file, "icinga2-conf")?.display())?;
        }
        let binaries = self.lab.subdir("bin", None)?;
        fs::write(
            dir.join("icinga2.conf"),
            format!(
                "const NodeName = \"lab\"
const PluginDir = \"{plugins}\"
include <itl>
include <plugins>
object IcingaApplication \"app\" {{ }}
object CheckerComponent \"checker\" {{ }}
object StatusDataWriter \"status\" {{
  status_path = \"{dir}/cache/status.dat\"
  objects_path = \"{dir}/cache/objects.cache\"
  update_interval = 1s
}}
template Service \"weir-service\" {{
  max_check_attempts = 1
  check_interval = 2s // the first check falls anywhere in the first interval
  retry_interval = 2s
  enable_perfdata = true
}}
object Host \"lab\" {{ check_command = \"dummy\", address = \"127.0.0.1\" }}
{includes}
{objects}",
                plugins = binaries.display(),
                dir = dir.display(),
                objects = self.objects
            ),
        )?;
        give(&dir, "nagios")?;
        Ok(dir)
    }
}
