//! The Munin plugin protocol as pure functions: names, `config`, values, thresholds, magic markers.
//!
//! Facts about the node and the master were measured with Munin 2.0.73; the docs of each function name the trap that
//! it avoids.
#![forbid(unsafe_code)]

mod name;
mod section;

pub use name::{Link, field_name, service_name};
pub use section::{Row, Section, config, threshold, values};

/// What the node asks a plugin to do, from its arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// Print values.
    Fetch,
    /// Describe the graphs; with `MUNIN_CAP_DIRTYCONFIG=1` print the values too.
    Config,
    /// Say whether the plugin would be of use here.
    Autoconf,
    /// List the wildcard names that would be of use here.
    Suggest,
}

impl Request {
    /// Reads the first argument; Munin 2.1 and later add more (`config cap`), which are accepted and ignored.
    ///
    /// # Errors
    /// Any other word, as text.
    pub fn parse(argument: Option<&str>) -> Result<Self, String> {
        match argument {
            None | Some("" | "fetch") => Ok(Self::Fetch),
            Some("config") => Ok(Self::Config),
            Some("autoconf") => Ok(Self::Autoconf),
            Some("suggest") => Ok(Self::Suggest),
            Some(other) => Err(format!("`{other}` is not config, fetch, autoconf or suggest")),
        }
    }
}

/// Puts the magic markers that `munin-node-configure` looks for into a binary. Use it once in the `main.rs` of each graph
/// plugin: `weir_munin::markers!("auto", "autoconf suggest");`
///
/// The node reads the whole file with unanchored patterns, the last `family` wins, and a marker without a newline behind
/// it swallows the next constant; so the text stands alone on its lines, and nowhere else in the program. `#[used]`
/// keeps it through LTO and strip.
#[macro_export]
macro_rules! markers {
    ($family:literal, $capabilities:literal) => {
        #[used]
        static MUNIN_MARKERS: &str =
            concat!("\n#", "%# family=", $family, "\n#", "%# capabilities=", $capabilities, "\n");
    };
}

#[cfg(test)]
mod tests {
    use super::Request;

    #[test]
    fn newer_nodes_add_arguments() {
        assert_eq!(Request::parse(Some("config")), Ok(Request::Config));
        assert_eq!(Request::parse(None), Ok(Request::Fetch));
        assert!(Request::parse(Some("confg")).is_err());
    }
}
