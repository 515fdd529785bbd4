//! A real Nagios 4: verifies configurations, and runs checks and tells what it makes of their output.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

use crate::namespace::give;
use crate::status_dat::{Service, checked_services};
use crate::{Lab, Process};

/// A private configuration; [`verify`](Self::verify) or [`run`](Self::run) it.
pub struct Nagios {
    lab: Lab,
    files: Vec<PathBuf>,
    objects: String,
    services: usize,
}

/// One host, and templates `weir-host` and `weir-service` that are checked once a test.
const BASE: &str = "
define timeperiod {
  timeperiod_name always
  alias always
  sunday 00:00-24:00
  monday 00:00-24:00
  tuesday 00:00-24:00
  wednesday 00:00-24:00
  thursday 00:00-24:00
  friday 00:00-24:00
  saturday 00:00-24:00
}
define command {
  command_name lab-notify
  command_line /bin/true
}
define contact {
  contact_name lab
  service_notification_commands lab-notify
  host_notification_commands lab-notify
  service_notification_period always
  host_notification_period always
}
define host {
  name weir-host
  register 0
  max_check_attempts 1
  notification_interval 0
  check_period always
  notification_period always
  contacts lab
}
define service {
  name weir-service
  register 0
  max_check_attempts 1
  check_interval 3600
  retry_interval 3600
  notification_interval 0
  check_period always
  notification_period always
  contacts lab
}
define host {
  use weir-host
  host_name lab
  address 127.0.0.1
}
";

impl Lab {
    /// An empty configuration of Nagios 4 (needs "nagios4"). Objects may use the host `lab` and the template
    /// `weir-service`; `$USER1$` is the folder of the binaries given to [`Lab::publish`].
    pub fn nagios(&self) -> Nagios {
        Nagios { lab: self.clone(), files: Vec::new(), objects: BASE.to_owned(), services: 0 }
    }
}

impl Nagios {
    /// Includes an object file, such as one of `nagios-conf/commands`.
    #[must_use]
    pub fn config(mut self, file: &Path) -> Self {
        self.files.push(file.to_owned());
        self
    }

    /// Adds object definitions. Each directive begins on a line of its own.
    #[must_use]
    pub fn objects(mut self, text: &str) -> Self {
        self.services += text.matches("define service").count();
        self.objects.push_str(text);
        self
    }

    /// Adds a service which runs this command line, by a shell when it has quotes or `$`.
    #[must_use]
    pub fn service(self, name: &str, command_line: &str) -> Self {
        let definition = format!(
            "define command {{\n  command_name run-{name}\n  command_line {command_line}\n}}\n\
             define service {{\n  use weir-service\n  host_name lab\n  service_description {name}\n  \
             check_command run-{name}\n}}\n"
        );
        self.objects(&definition)
    }

    /// `nagios4 -v`.
    ///
    /// # Errors
    /// With what Nagios says about the configuration: warnings are errors too.
    pub fn verify(&self) -> Result<()> {
        let config = self.write()?;
        let mut nagios = self.lab.command_as("nagios", "nagios4");
        let outcome = self.lab.run({
            nagios.arg("-v").arg(config);
            nagios
        })?;
        if outcome.code != Some(0) || !outcome.stdout.contains("Total Warnings: 0") {
            bail!("nagios4 -v is not content:\n{}", outcome.stdout);
        }
        Ok(())
    }

    /// Runs Nagios until every service has been checked once.
    pub fn run(&self) -> Result<BTreeMap<String, Service>> {
        self.verify()?;
        let config = self.write()?;
        let status = config.with_file_name("status.dat");
        let mut nagios = self.lab.command_as("nagios", "nagios4");
        nagios.arg(config);
        let process = Process::start(&self.lab, &self.lab.name("nagios"), nagios)?;
        let services = || fs::read_to_string(&status).map(|text| checked_services(&text)).unwrap_or_default();
        process.until("every service checked", || services().len() >= self.services)?;
        let seen = services();
        process.stop()?;
        Ok(seen)
    }

    /// Writes `nagios.cfg` and its objects into a folder of their own; the path of the former.
    fn write(&self) -> Result<PathBuf> {
        let dir = self.lab.subdir(&self.lab.name("nagios"), None)?;
        for folder in ["spool", "rw", "archives"] {
            fs::create_dir(dir.join(folder))?;
        }
        fs::write(dir.join("objects.cfg"), &self.objects)?;
        let binaries = self.lab.subdir("bin", None)?;
        fs::write(dir.join("resource.cfg"), format!("$USER1$={}\n", binaries.display()))?;
        let mut includes = String::new();
        for file in &self.files {
            writeln!(includes, "cfg_file={}", self.lab.adopt(file, "nagios-conf")?.display())?;
        }
        let text = include_str!("nagios.cfg").replace("@DIR@", &dir.display().to_string());
        fs::write(dir.join("nagios.cfg"), text + &includes)?;
        give(&dir, "nagios")?;
        Ok(dir.join("nagios.cfg"))
    }
}
